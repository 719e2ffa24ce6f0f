#include "product.h"

#include "base/json_write.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

struct product_event product_to_event(const struct product *product, const char *request_id) {
    return (struct product_event){
        .id = product->id,
        .name = { product->name, product->name_length },
        .price_cents = product->price_cents,
        .qty = product->qty,
        .version = product->version,
        .created_ms = product->created_ms,
        .updated_ms = product->updated_ms,
        .request_id = request_id,
    };
}

void product_etag(int64_t version, char out[PRODUCT_ETAG_BYTES]) {
    snprintf(out, PRODUCT_ETAG_BYTES, "\"%" PRId64 "\"", version);
}

/* The next tag of a comma-separated list, without W/; .bytes NULL at the end. */
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
