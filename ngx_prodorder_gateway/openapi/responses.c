/* "responses": which statuses an operation declares. */
#include "loader.h"

/* "200" is 200; "2XX" is 2; "default" is 0; anything else is -1. */
static int parse_status(struct oa_str text) {
    const char *s = text.data;

    if (oa_str_is(text, "default")) {
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

/* The schemas of answers are compiled for their mistakes only: answers are not checked. */
static bool load_response(struct oa_loader *loader, const struct oa_json *response,
                          const struct oa_place *response_place) {
    const struct oa_json *node = response;
    const struct oa_place *at = response_place;
    struct oa_place storage;
    struct oa_place content_at;
    const struct oa_json *content;
    struct oa_body *unused = NULL;

    if (!loader_follow(loader, &node, &at, &storage)) {
        return false;
    }
    if (node->type != OA_OBJECT || oa_json_get(node, "description") == NULL) {
        return loader_fail(loader, at, "a response must be an object with a description");
    }
    content = oa_json_get(node, "content");
    content_at = place_text(at, "content");
    return content == NULL || load_content(loader, content, &content_at, &unused);
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

bool load_responses(struct oa_loader *loader, const struct oa_json *node,
                    const struct oa_place *place, struct oa_operation *operation) {
    const struct oa_json *responses = oa_json_get(node, "responses");
    struct oa_place list = place_text(place, "responses");

    if (responses == NULL || responses->type != OA_OBJECT || responses->count == 0) {
        return loader_fail(loader, &list, "must be an object with at least one response");
    }
    for (const struct oa_json *item = responses->child; item != NULL; item = item->next) {
        struct oa_place at = place_member(&list, item);
        int status = parse_status(item->key);

        if (status < 0) {
            return loader_fail(loader, &at, "must be a status (200), a range (2XX) or default");
        }
        if (!load_response(loader, item, &at)) {
            return false;
        }
        note_status(operation, (unsigned)status);
    }
    return true;
}

bool oa_operation_declares(const struct oa_operation *operation, unsigned status) {
    if (status < 100 || status > 599) {
        return false;
    }
    return (operation->statuses[(status - 100) / 64] >> ((status - 100) % 64) & 1) != 0;
}
