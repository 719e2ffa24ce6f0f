/* From row, request body, and to public JSON, event, cache. */
#include "product.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/utf8.h"
#include "contract/contract.h"
#include "runtime/flow/http_flow.h"
#include "runtime/json/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct id_block outbox_ids;
int64_t product_first_version = 1;

void product_from_row(const struct pg_rows *rows, size_t row, struct product *ret_product) {
    struct str name = pg_rows_get_text(rows, row, 1);
    assert(name.len <= sizeof(ret_product->name));
    ret_product->id = pg_rows_get_int8(rows, row, 0);
    ret_product->name_length = name.len;
    memcpy(ret_product->name, name.data, name.len);
    ret_product->price_cents = pg_rows_get_int8(rows, row, 2);
    ret_product->qty = pg_rows_get_int8(rows, row, 3);
    ret_product->version = pg_rows_get_int8(rows, row, 4);
    ret_product->created_ms = pg_rows_get_time(rows, row, 5);
    ret_product->updated_ms = pg_rows_get_time(rows, row, 6);
}

void product_encode(const struct product *product, struct buf *out) {
    struct json_writer writer;
    json_write_init(&writer, out);
    json_write_begin_object(&writer, NULL);
    json_write_int(&writer, "id", product->id);
    json_write_string(&writer, "name", product->name, product->name_length);
    json_write_decimal(&writer, "price", product->price_cents, PRICE_DECIMALS, PRICE_DECIMALS);
    json_write_int(&writer, "qty", product->qty);
    json_write_time(&writer, "createdAt", product->created_ms);
    json_write_time(&writer, "updatedAt", product->updated_ms);
    json_write_end_object(&writer);
}

struct teller_event product_event(struct arena *arena, const char *routing_key,
                                  const struct product *product, struct trace trace,
                                  int64_t outbox_id) {
    struct told_product told = {
        .id = product->id,
        .name = { product->name, product->name_length },
        .price_cents = product->price_cents,
        .qty = product->qty,
        .version = product->version,
        .created_ms = product->created_ms,
        .updated_ms = product->updated_ms,
    };
    char id[EVENT_ID_BYTES_MAX + 1];
    struct buf body;
    buf_init(&body, 0);
    contract_write_product_event(routing_key, &told, trace, id, &body);
    struct teller_event event = { .id = outbox_id, .routing_key = routing_key, .trace = trace };
    teller_event_finish(&event, arena, id, &body);
    return event;
}

void product_etag(int64_t version, char out[PRODUCT_ETAG_BYTES]) {
    snprintf(out, PRODUCT_ETAG_BYTES, "\"%" PRId64 "\"", version);
}

/* The next tag of a comma-separated list, without W/; .data NULL at the end. */
static struct str next_tag(struct str *rest) {
    struct str tag = { NULL, 0 };
    while (rest->len > 0 && strchr(" \t,", rest->data[0]) != NULL) {
        rest->data++;
        rest->len--;
    }
    if (rest->len >= 2 && rest->data[0] == 'W' && rest->data[1] == '/') {
        rest->data += 2;
        rest->len -= 2;
    }
    if (rest->len == 0) {
        return tag;
    }
    tag.data = rest->data;
    while (tag.len < rest->len && strchr(" \t,", rest->data[tag.len]) == NULL) {
        tag.len++;
    }
    rest->data += tag.len;
    rest->len -= tag.len;
    return tag;
}

bool product_etag_matches(struct str header, int64_t version) {
    char wanted[PRODUCT_ETAG_BYTES];
    product_etag(version, wanted);
    for (;;) {
        struct str tag = next_tag(&header);
        if (tag.data == NULL) {
            return false;
        }
        if (str_equal(tag, STR("*")) || str_equal(tag, str_of(wanted))) {
            return true;
        }
    }
}

/* ---- members of a request body ---- */

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

/* Of a name, and of a reason. */
static const char *text_problem(struct str text, const char **ret_keyword) {
    size_t characters = utf8_count(text.data, text.len);
    if (characters < 1 || characters > PRODUCT_NAME_CHARACTERS_MAX) {
        *ret_keyword = characters < 1 ? "minLength" : "maxLength";
        return "must have 1 to 200 characters";
    }
    *ret_keyword = "pattern";
    if (is_blank(text)) {
        return "must not be only white space";
    }
    if (memchr(text.data, '\0', text.len) != NULL) { /* PostgreSQL's text cannot hold it */
        return "must not contain U+0000";
    }
    return NULL;
}

/* `path` is '/' and the member. */
static bool read_text(struct flow *flow, struct json_object *body, const char *path, bool required,
                      struct str *ret_text) {
    struct str text;
    const char *keyword = "type";
    if (!json_has_member(body, path + 1)) {
        if (required) {
            http_flow_problem(flow, path, "required", "is required");
        }
        return false;
    }
    if (json_get_string(body, path + 1, &text.data, &text.len) != ERR_OK) {
        http_flow_problem(flow, path, keyword, "must be a string");
        return false;
    }
    const char *problem = text_problem(text, &keyword);
    if (problem != NULL) {
        http_flow_problem(flow, path, keyword, problem);
        return false;
    }
    *ret_text = text;
    return true;
}

bool product_read_name(struct flow *flow, struct json_object *body, bool required,
                       struct str *ret_name) {
    return read_text(flow, body, "/name", required, ret_name);
}

bool product_read_reason(struct flow *flow, struct json_object *body, struct str *ret_reason) {
    return read_text(flow, body, "/reason", true, ret_reason);
}

bool product_read_price(struct flow *flow, struct json_object *body, bool required,
                        int64_t *ret_cents) {
    const struct http_number_rule rule = { .member = "price",
                                           .scale = PRICE_DECIMALS,
                                           .min = 0,
                                           .max = PRICE_CENTS_MAX,
                                           .required = required };
    return http_flow_number(flow, body, &rule, ret_cents);
}

bool product_read_qty(struct flow *flow, struct json_object *body, int64_t *ret_qty) {
    static const struct http_number_rule RULE = {
        .member = "qty", .min = 0, .max = STOCK_QTY_MAX, .required = true
    };
    return http_flow_number(flow, body, &RULE, ret_qty);
}

bool product_read_quantity(struct flow *flow, struct json_object *body, int64_t *ret_quantity) {
    static const struct http_number_rule RULE = {
        .member = "quantity", .min = 1, .max = ORDER_QUANTITY_MAX, .required = true
    };
    return http_flow_number(flow, body, &RULE, ret_quantity);
}

bool product_read_delta(struct flow *flow, struct json_object *body, int64_t *ret_delta) {
    static const struct http_number_rule RULE = {
        .member = "delta", .min = -STOCK_QTY_MAX, .max = STOCK_QTY_MAX, .required = true
    };
    int64_t delta = 0;
    if (!http_flow_number(flow, body, &RULE, &delta)) {
        return false;
    }
    if (delta == 0) {
        http_flow_problem(flow, "/delta", "not", "must not be 0");
        return false;
    }
    *ret_delta = delta;
    return true;
}

/* ---- the cache ---- */

/* One put, its key and JSON copied into the arena. False when that is exhausted. */
static bool build_put(struct arena *arena, const struct product *product, struct buf *scratch,
                      struct cache_put *ret_put) {
    char key[CACHE_NAME_BYTES];
    contract_product_key(product->id, key);
    buf_clear(scratch);
    product_encode(product, scratch);
    if (scratch->failed) {
        return false;
    }
    char *value = arena_copy(arena, buf_bytes(scratch), buf_length(scratch));
    ret_put->key = arena_copy(arena, key, strlen(key));
    ret_put->value = (struct str){ value, buf_length(scratch) };
    ret_put->version = product->version;
    ret_put->ttl_s = CACHE_PRODUCT_TTL_S;
    return value != NULL && ret_put->key != NULL;
}

/*
 * Too many for one command, or no memory: leave it to the rules of cache.h, which drop what may be
 * stale.
 */
static void give_up(struct cache *cache, cache_done_fn *fn, void *ctx) {
    cache_reset(cache, "a write could not be made");
    if (fn != NULL) {
        fn(ctx, ERR_NO_MEMORY);
    }
}

void product_cache_put(struct cache *cache, uint64_t epoch, struct arena *arena,
                       const struct product *const *products, size_t count, cache_done_fn *fn,
                       void *ctx) {
    struct cache_put *puts = arena_array(arena, count, sizeof(*puts));
    struct buf scratch;
    bool whole = puts != NULL;
    assert(count > 0 && count <= CACHE_KEYS_MAX);
    buf_init(&scratch, 0);
    for (size_t i = 0; whole && i < count; i++) {
        whole = build_put(arena, products[i], &scratch, &puts[i]);
    }
    buf_free(&scratch);
    if (!whole) {
        give_up(cache, fn, ctx);
        return;
    }
    cache_put_newer(cache, epoch, puts, count, fn, ctx);
}
