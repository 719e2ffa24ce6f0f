/* What an operation is made of beside its parameters: its id, request body and responses. */
#include "base/ascii.h"
#include "shape.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- operationId: unique among all operations, webhooks' too; links name them ---- */

/* An operationId, or a link to one. */
struct named {
    struct named *next;
    const struct value *node; /* the string */
    struct str pointer;
};

enum { POINTER_BYTES_MAX = 300 };

static void note(struct loader *loader, const struct value *node, const struct place *place,
                 struct named **list) {
    struct named *named = loader_alloc(loader, 1, sizeof(*named));
    char buf[POINTER_BYTES_MAX];
    size_t len = report_place(place, buf, sizeof(buf));
    char *pointer = named != NULL ? loader_alloc(loader, len + 1, 1) : NULL;

    if (pointer != NULL) {
        memcpy(pointer, buf, len);
        *named = (struct named){ .next = *list, .node = node, .pointer = { pointer, len } };
        *list = named;
    }
}

void operation_check(struct loader *loader, const struct value *node, const struct place *place) {
    struct place at = place_text(place, "operationId");
    struct str id;

    if (shape_text(node, "operationId", &id)) {
        note(loader, value_get(node, "operationId"), &at, &shape_loader(loader)->ids);
    }
}

void operation_check_link(struct loader *loader, const struct value *node,
                          const struct place *place) {
    const struct value *reference = value_get(node, "operationRef");
    const struct value *id = value_get(node, "operationId");
    struct place ref_at = place_text(place, "operationRef");
    struct place id_at = place_text(place, "operationId");
    struct str pointer;

    if ((reference != NULL) == (id != NULL)) {
        loader_fail(loader, place, "a link must have either \"operationRef\" or \"operationId\"%s",
                    id != NULL ? ", not both" : "");
    } else if (id != NULL && id->type == VALUE_STRING) {
        note(loader, id, &id_at, &shape_loader(loader)->links);
    } else if (reference != NULL && reference->type == VALUE_STRING && reference->text.len > 0 &&
               reference->text.data[0] == '#') {
        (void)loader_resolve(loader, reference, &ref_at, &pointer);
    }
}

/* The same ids stay in the document's order. */
static int compare_named(const void *a, const void *b) {
    const struct named *x = *(const struct named *const *)a;
    const struct named *y = *(const struct named *const *)b;
    int order = str_compare(x->node->text, y->node->text);

    if (order != 0) {
        return order;
    }
    return x->node->raw.data < y->node->raw.data ? -1 : 1;
}

static int compare_id(const void *key, const void *item) {
    return str_compare(*(const struct str *)key, (*(const struct named *const *)item)->node->text);
}

void operation_check_ids(struct loader *loader) {
    const struct document_loader *all = shape_loader(loader);
    const struct named **sorted;
    size_t count = 0;

    for (const struct named *id = all->ids; id != NULL; id = id->next) {
        count++;
    }
    sorted = loader_alloc(loader, count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        return;
    }
    count = 0;
    for (const struct named *id = all->ids; id != NULL; id = id->next) {
        sorted[count++] = id;
    }
    qsort(sorted, count, sizeof(*sorted), compare_named);
    for (size_t i = 1; i < count; i++) {
        const struct place at = { .key = sorted[i]->pointer };

        if (str_equal(sorted[i - 1]->node->text, sorted[i]->node->text)) {
            loader_fail(loader, &at, "the id \"%.*s\" is already that of #%.*s",
                        SHOWN(sorted[i]->node->text), SHOWN(sorted[i - 1]->pointer));
        }
    }
    for (const struct named *link = all->links; link != NULL; link = link->next) {
        const struct place at = { .key = link->pointer };

        if (bsearch(&link->node->text, sorted, count, sizeof(*sorted), compare_id) == NULL) {
            loader_fail(loader, &at, "there is no operation with the id \"%.*s\"",
                        SHOWN(link->node->text));
        }
    }
}

/* ---- "requestBody": which media types an operation takes, what each must look like ---- */

/* 4.8.14: one or many examples, for JSON only: nobody knows what others would look like. */
void operation_check_media(struct loader *loader, const struct value *node,
                           const struct place *place) {
    const struct value *schema_node = value_get(node, "schema");
    struct place schema_at = place_text(place, "schema");
    const struct schema *schema = NULL;
    struct media media;

    if (schema_node != NULL && media_parse(node->key, &media) && media_is_json(&media)) {
        schema = shape_schema(loader, schema_node, &schema_at);
    }
    schemas_note_examples(loader, node, place, schema);
}

static bool same_range(const struct media *a, const struct media *b) {
    return media_rank(a) == media_rank(b) && media_matches(a, b);
}

/* The most specific range first. */
static void insert(struct loader *loader, const struct place *place, struct body **bodies,
                   struct body *body) {
    for (const struct body *other = *bodies; other != NULL; other = other->next) {
        if (same_range(&other->media, &body->media)) {
            loader_fail(loader, place, "says the same as another media type of this body");
            return;
        }
    }
    while (*bodies != NULL && media_rank(&(*bodies)->media) >= media_rank(&body->media)) {
        bodies = &(*bodies)->next;
    }
    body->next = *bodies;
    *bodies = body;
}

static void load_media(struct loader *loader, const struct value *node, const struct place *place,
                       struct body **bodies) {
    const struct value *schema = value_get(node, "schema");
    struct place schema_at = place_text(place, "schema");
    struct body *body = loader_alloc(loader, 1, sizeof(*body));

    if (body == NULL) {
        return;
    }
    if (!media_parse(node->key, &body->media)) {
        loader_fail(loader, place,
                    "must be a media type such as application/json, with at most %d parameters",
                    MEDIA_PARAMS_MAX);
        return;
    }
    if (schema != NULL) {
        body->schema = shape_schema(loader, schema, &schema_at);
    }
    insert(loader, place, bodies, body);
}

void *operation_make_body(struct loader *loader, const struct value *node,
                          const struct place *place) {
    const struct value *content = shape_object(node, "content");
    struct place at = place_text(place, "content");
    struct body *bodies = NULL;

    if (content == NULL) {
        return NULL;
    }
    if (content->count == 0 || content->count > DOCUMENT_MEDIA_TYPES_MAX) {
        loader_fail(loader, &at, "must have from 1 to %d media types", DOCUMENT_MEDIA_TYPES_MAX);
        return NULL;
    }
    for (const struct value *one = content->child; one != NULL; one = one->next) {
        struct place one_at = place_member(&at, one);

        load_media(loader, one, &one_at, &bodies);
    }
    return bodies;
}

/* ---- "responses": which statuses an operation declares ---- */

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
    return ascii_is_digit(s[1]) && ascii_is_digit(s[2])
               ? (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0')
               : -1;
}

/* Content-Type is described by "content" (4.8.17.1). */
void operation_check_response(struct loader *loader, const struct value *node,
                              const struct place *place) {
    const struct value *headers = shape_object(node, "headers");
    struct place list = place_text(place, "headers");

    for (const struct value *one = headers != NULL ? headers->child : NULL; one != NULL;
         one = one->next) {
        struct place at = place_member(&list, one);

        if (one->key.len == 12 && strncasecmp(one->key.data, "Content-Type", 12) == 0) {
            loader_fail(loader, &at, "has no effect: Content-Type is described by \"content\"");
        }
    }
}

void operation_check_responses(struct loader *loader, const struct value *node,
                               const struct place *place) {
    size_t count = 0;

    for (const struct value *one = node->child; one != NULL; one = one->next) {
        struct place at = place_member(place, one);

        if (shape_is_extension(one->key)) {
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

void operation_load_responses(const struct value *node, struct operation *operation) {
    const struct value *responses = shape_object(node, "responses");

    for (const struct value *one = responses != NULL ? responses->child : NULL; one != NULL;
         one = one->next) {
        int status = parse_status(one->key);
        unsigned first =
            status >= 100 ? (unsigned)status : (unsigned)(status > 0 ? status * 100 : 0);
        unsigned end = status >= 100 ? first + 1 : first + 100;

        if (status >= 200 && status < 300 && operation->success_status == 0) {
            operation->success_status = first;
        }
        for (unsigned s = first; first > 0 && s < end; s++) {
            operation->statuses[(s - 100) / 64] |= (uint64_t)1 << ((s - 100) % 64);
        }
    }
}

bool operation_declares(const struct operation *operation, unsigned status) {
    if (status < 100 || status > 599) {
        return false;
    }
    return (operation->statuses[(status - 100) / 64] >> ((status - 100) % 64) & 1) != 0;
}
