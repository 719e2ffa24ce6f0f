/* "responses": which statuses an operation declares. */
#include "shape.h"

#include <string.h>
#include <strings.h>

/* "200" is 200; "2XX" is 2; "default" is 0; anything else is -1. */
static int parse_status(struct str text) {
    const char *s = text.data;

    if (str_is(text, "default")) {
        return 0;
    }
    if (text.len != 3 || s[0] < '1' || s[0] > '5') {
        return -1;
    }
    if (s[1] == 'X' && s[2] == 'X') {
        return s[0] - '0';
    }
    if (s[1] < '0' || s[1] > '9' || s[2] < '0' || s[2] > '9') {
        return -1;
    }
    return (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
}

/* Content-Type is described by "content" (4.8.17.1). */
void oa_check_response(struct oa_loader *loader, const struct oa_json *node,
                       const struct oa_place *place, struct oa_seen *seen) {
    const struct oa_json *headers = oa_json_get(node, "headers");
    struct oa_place list = place_text(place, "headers");

    (void)seen;
    if (headers == NULL || headers->type != OA_OBJECT) {
        return;
    }
    for (const struct oa_json *one = headers->child; one != NULL; one = one->next) {
        struct oa_place at = place_member(&list, one);

        if (one->key.len == 12 && strncasecmp(one->key.data, "Content-Type", 12) == 0) {
            loader_fail(loader, &at, "has no effect: Content-Type is described by \"content\"");
        }
    }
}

void oa_check_responses(struct oa_loader *loader, const struct oa_json *node,
                        const struct oa_place *place, struct oa_seen *seen) {
    size_t count = 0;

    (void)seen;
    for (const struct oa_json *one = node->child; one != NULL; one = one->next) {
        struct oa_place at = place_member(place, one);

        if (oa_shape_is_extension(one->key)) {
            continue;
        }
        count++;
        if (parse_status(one->key) < 0) {
            loader_fail(loader, &at, "must be a status (200), a range (2XX) or default");
        }
    }
    if (count == 0) {
        loader_fail(loader, place, "must be an object with at least one response");
    }
}

static void note_status(struct oa_operation *operation, unsigned status) {
    if (status >= 100) {
        operation->statuses[(status - 100) / 64] |= (uint64_t)1 << ((status - 100) % 64);
        if (status / 100 == 2 && operation->success_status == 0) {
            operation->success_status = status;
        }
        return;
    }
    for (unsigned s = status * 100; status > 0 && s < status * 100 + 100; s++) {
        operation->statuses[(s - 100) / 64] |= (uint64_t)1 << ((s - 100) % 64);
    }
}

void load_responses(const struct oa_json *operation_node, struct oa_operation *operation) {
    const struct oa_json *responses = oa_json_get(operation_node, "responses");

    if (responses == NULL || responses->type != OA_OBJECT) {
        return;
    }
    for (const struct oa_json *one = responses->child; one != NULL; one = one->next) {
        int status = parse_status(one->key);

        if (status > 0) {
            note_status(operation, (unsigned)status);
        }
    }
}

bool oa_operation_declares(const struct oa_operation *operation, unsigned status) {
    if (status < 100 || status > 599) {
        return false;
    }
    return (operation->statuses[(status - 100) / 64] >> ((status - 100) % 64) & 1) != 0;
}
