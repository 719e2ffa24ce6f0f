#include "events.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "runtime/json/json.h"

#include <stddef.h>

/* ---- out ---- */

static void write_tail(struct json_writer *writer, const char *request_id, int64_t now_ms) {
    json_write_str(writer, "requestId", request_id);
    json_write_time(writer, "timestamp", now_ms);
    json_write_end_object(writer);
}

void order_created_encode(const struct order_created *event, int64_t now_ms, struct buf *out) {
    struct json_writer writer;
    json_write_init(&writer, out);
    json_write_begin_object(&writer, NULL);
    json_write_int(&writer, "orderId", event->order_id);
    json_write_int(&writer, "productId", event->product_id);
    json_write_int(&writer, "quantity", event->quantity);
    json_write_str(&writer, "status", order_status_name(ORDER_WAITING));
    json_write_time(&writer, "createdAt", event->created_ms);
    write_tail(&writer, event->request_id, now_ms);
}

void order_updated_encode(const struct order_updated *event, int64_t now_ms, struct buf *out) {
    struct json_writer writer;
    json_write_init(&writer, out);
    json_write_begin_object(&writer, NULL);
    json_write_int(&writer, "orderId", event->order_id);
    json_write_int(&writer, "productId", event->product_id);
    json_write_str(&writer, "status", order_status_name(event->status));
    json_write_str(&writer, "reason", order_reason_name(event->reason));
    json_write_time(&writer, "updatedAt", event->updated_ms);
    write_tail(&writer, event->request_id, now_ms);
}

static void write_product(struct json_writer *writer, const struct product_event *event) {
    json_write_begin_object(writer, NULL);
    json_write_int(writer, "id", event->id);
    json_write_string(writer, "name", event->name.data, event->name.len);
    json_write_decimal(writer, "price", event->price_cents, PRICE_DECIMALS, PRICE_DECIMALS);
    json_write_int(writer, "qty", event->qty);
    json_write_int(writer, "version", event->version);
    json_write_time(writer, "createdAt", event->created_ms);
    json_write_time(writer, "updatedAt", event->updated_ms);
}

void product_event_encode(const struct product_event *event, int64_t now_ms, struct buf *out) {
    struct json_writer writer;
    json_write_init(&writer, out);
    write_product(&writer, event);
    write_tail(&writer, event->request_id, now_ms);
}

void product_copy_encode(const struct product_event *event, struct buf *out) {
    struct json_writer writer;
    json_write_init(&writer, out);
    write_product(&writer, event);
    json_write_end_object(&writer);
}

/* ---- in ---- */

/* What is read and what is wrong with it: the first problem wins. */
struct reader {
    struct json_object *object;
    const char *why;
};

static enum err open_object(struct reader *reader, struct arena *arena, const char *body,
                            size_t length) {
    *reader = (struct reader){ 0 };
    enum err err = json_parse(arena, body, length, &reader->object, NULL);
    if (err == ERR_OK && !json_is_object(reader->object)) {
        err = ERR_INVALID;
    }
    if (err != ERR_OK) {
        reader->why = "the body is not a JSON object";
    }
    return err;
}

static int64_t read_number(struct reader *reader, const char *name, unsigned scale, int64_t min,
                           int64_t max, const char *why) {
    int64_t value = min;
    enum err err = json_get_decimal(reader->object, name, scale, &value);
    if ((err != ERR_OK || value < min || value > max) && reader->why == NULL) {
        reader->why = why;
    }
    return value;
}

/* An absent or null string is .bytes NULL; another type is a problem. */
static struct str read_string(struct reader *reader, const char *name, const char *why) {
    struct str value = { NULL, 0 };
    enum err err = json_get_string(reader->object, name, &value.data, &value.len);
    if (err != ERR_OK && err != ERR_NOT_FOUND && reader->why == NULL) {
        reader->why = why;
    }
    return value;
}

static int64_t read_time(struct reader *reader, const char *name, const char *why) {
    struct str text = read_string(reader, name, why);
    int64_t unix_ms = 0;
    bool ok = text.data != NULL && clock_parse_rfc3339(text.data, text.len, &unix_ms) == ERR_OK;
    if (!ok && reader->why == NULL) {
        reader->why = why;
    }
    return unix_ms;
}

/* "" when absent. */
static const char *read_request_id(struct reader *reader) {
    struct str id = read_string(reader, "requestId", "requestId is not a string");
    const char *text = id.data == NULL ? "" : id.data;
    if (reader->why == NULL && id.len > TRACE_REQUEST_ID_BYTES_MAX) {
        reader->why = "requestId is longer than 128 bytes";
    }
    if (reader->why == NULL && strlen(text) != id.len) {
        reader->why = "requestId holds U+0000";
    }
    return text;
}

static enum err finish(const struct reader *reader, const char **ret_why) {
    if (reader->why != NULL) {
        *ret_why = reader->why;
        return ERR_INVALID;
    }
    return ERR_OK;
}

enum err order_created_decode(struct arena *arena, const char *body, size_t length,
                              struct order_created *ret_event, const char **ret_why) {
    struct reader reader;
    if (open_object(&reader, arena, body, length) == ERR_OK) {
        struct order_created event = {
            .order_id = read_number(&reader, "orderId", 0, 1, INT64_MAX,
                                    "orderId is not a positive integer"),
            .product_id = read_number(&reader, "productId", 0, 1, INT64_MAX,
                                      "productId is not a positive integer"),
            .quantity = read_number(&reader, "quantity", 0, 1, ORDER_QUANTITY_MAX,
                                    "quantity is not an integer from 1 to 1000000"),
            .created_ms = read_time(&reader, "createdAt", "createdAt is not an RFC 3339 time"),
            .request_id = read_request_id(&reader),
        };
        if (reader.why == NULL) {
            *ret_event = event;
        }
    }
    return finish(&reader, ret_why);
}

static enum order_status read_outcome(struct reader *reader) {
    enum order_status status = ORDER_WAITING;
    struct str name = read_string(reader, "status", "status is not a string");
    bool known = order_status_parse(name, &status) && status != ORDER_WAITING;
    if (!known && reader->why == NULL) {
        reader->why = "status is neither done nor rejected";
    }
    return status;
}

static enum order_reason read_reason(struct reader *reader) {
    enum order_reason reason = REASON_NONE;
    struct str name = read_string(reader, "reason", "reason is not a string");
    if (!order_reason_parse(name, &reason) && reader->why == NULL) {
        reader->why = "reason is not one of out_of_stock, product_not_found";
    }
    return reason;
}

enum err order_updated_decode(struct arena *arena, const char *body, size_t length,
                              struct order_updated *ret_event, const char **ret_why) {
    struct reader reader;
    if (open_object(&reader, arena, body, length) == ERR_OK) {
        struct order_updated event = {
            .order_id = read_number(&reader, "orderId", 0, 1, INT64_MAX,
                                    "orderId is not a positive integer"),
            .product_id = read_number(&reader, "productId", 0, 1, INT64_MAX,
                                      "productId is not a positive integer"),
            .status = read_outcome(&reader),
            .reason = read_reason(&reader),
            .updated_ms = read_time(&reader, "updatedAt", "updatedAt is not an RFC 3339 time"),
            .request_id = read_request_id(&reader),
        };
        if (reader.why == NULL) {
            *ret_event = event;
        }
    }
    return finish(&reader, ret_why);
}

static int64_t read_version(struct reader *reader) {
    int64_t version = 0;
    enum err err = json_get_decimal(reader->object, "version", 0, &version);
    if (err == ERR_NOT_FOUND) {
        return 0;
    }
    if ((err != ERR_OK || version < 1) && reader->why == NULL) {
        reader->why = "version is not a positive integer";
    }
    return version;
}

enum err product_event_decode(struct arena *arena, const char *body, size_t length,
                              struct product_event *ret_event, const char **ret_why) {
    struct reader reader;
    if (open_object(&reader, arena, body, length) == ERR_OK) {
        struct product_event event = {
            .id = read_number(&reader, "id", 0, 1, INT64_MAX, "id is not a positive integer"),
            .name = read_string(&reader, "name", "name is not a string"),
            .price_cents = read_number(&reader, "price", PRICE_DECIMALS, 0, PRICE_CENTS_MAX,
                                       "price is not an amount with at most two decimals"),
            .qty = read_number(&reader, "qty", 0, 0, STOCK_QTY_MAX,
                               "qty is not an integer from 0 to 2147483647"),
            .version = read_version(&reader),
            .created_ms = read_time(&reader, "createdAt", "createdAt is not an RFC 3339 time"),
            .updated_ms = read_time(&reader, "updatedAt", "updatedAt is not an RFC 3339 time"),
            .request_id = read_request_id(&reader),
        };
        if (reader.why == NULL && event.name.data == NULL) {
            reader.why = "name is not a string";
        }
        if (reader.why == NULL) {
            *ret_event = event;
        }
    }
    return finish(&reader, ret_why);
}
