#include "format.h"
#include "decimal.h"
#include "format_checks.h"

struct oa_format {
    const char *name;
    bool (*is_text)(struct oa_str text);               /* about strings */
    bool (*is_number)(const struct oa_decimal *value); /* about numbers */
};

/* Sorted by source; a name that is missing here (as "password", "binary") is an annotation. */
static const struct oa_format formats[] = {
    { "date-time", oa_is_date_time, NULL },
    { "date", oa_is_date, NULL },
    { "time", oa_is_time, NULL },
    { "duration", oa_is_duration, NULL },
};

const struct oa_format *oa_format_find(struct oa_str name) {
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (oa_str_is(name, formats[i].name)) {
            return &formats[i];
        }
    }
    return NULL;
}

bool oa_format_check(const struct oa_format *format, const struct oa_json *value) {
    if (value->type == OA_STRING && format->is_text != NULL) {
        return format->is_text(value->text);
    }
    if (value->type == OA_NUMBER && format->is_number != NULL) {
        struct oa_decimal number = oa_decimal_parse(value->raw);

        return format->is_number(&number);
    }
    return true;
}
