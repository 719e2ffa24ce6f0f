#include "product_body.h"

#include "base/utf8.h"
#include "contract/limits.h"
#include "runtime/flow/http_flow.h"
#include "runtime/json/json.h"

#include <string.h>

/* ECMA-262 WhiteSpace and LineTerminator: what \s means in a JSON Schema pattern. */
static bool is_space(uint32_t c) {
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000 || c == 0xFEFF;
}

static bool is_blank(struct str text) {
    const char *s = text.data;
    while (s < text.data + text.len) {
        if (!is_space(utf8_take(&s))) {
            return false;
        }
    }
    return true;
}

static const char *name_problem(struct str name, const char **ret_keyword) {
    size_t characters = utf8_count(name.data, name.len);
    if (characters < 1 || characters > PRODUCT_NAME_CHARACTERS_MAX) {
        *ret_keyword = characters < 1 ? "minLength" : "maxLength";
        return "must have 1 to 200 characters";
    }
    *ret_keyword = "pattern";
    if (is_blank(name)) {
        return "must not be only white space";
    }
    if (memchr(name.data, '\0', name.len) != NULL) { /* PostgreSQL's text cannot hold it */
        return "must not contain U+0000";
    }
    return NULL;
}

bool body_read_name(struct flow *flow, struct json_object *body, bool required,
                    struct str *ret_name) {
    struct str name;
    const char *keyword = "type";
    if (!json_has_member(body, "name")) {
        if (required) {
            http_flow_problem(flow, "/name", "required", "is required");
        }
        return false;
    }
    if (json_get_string(body, "name", &name.data, &name.len) != ERR_OK) {
        http_flow_problem(flow, "/name", keyword, "must be a string");
        return false;
    }
    const char *problem = name_problem(name, &keyword);
    if (problem != NULL) {
        http_flow_problem(flow, "/name", keyword, problem);
        return false;
    }
    *ret_name = name;
    return true;
}

bool body_read_price(struct flow *flow, struct json_object *body, bool required,
                     int64_t *ret_cents) {
    const struct http_number_rule rule = { .member = "price",
                                           .scale = PRICE_DECIMALS,
                                           .min = 0,
                                           .max = PRICE_CENTS_MAX,
                                           .required = required };
    return http_flow_number(flow, body, &rule, ret_cents);
}

bool body_read_qty(struct flow *flow, struct json_object *body, int64_t *ret_qty) {
    static const struct http_number_rule RULE = {
        .member = "qty", .min = 0, .max = STOCK_QTY_MAX, .required = true
    };
    return http_flow_number(flow, body, &RULE, ret_qty);
}

bool body_read_quantity(struct flow *flow, struct json_object *body, int64_t *ret_quantity) {
    static const struct http_number_rule RULE = {
        .member = "quantity", .min = 1, .max = ORDER_QUANTITY_MAX, .required = true
    };
    return http_flow_number(flow, body, &RULE, ret_quantity);
}
