/* Names, statuses, pages, and events in the form that is told. */
#include "contract.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "runtime/flow/http_flow.h"
#include "runtime/json/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- pages ---- */

bool contract_read_page(struct flow *flow, const char *scope, int64_t *ret_limit,
                        struct http_cursor *ret_after) {
    struct http_exchange *exchange = http_flow_exchange(flow);
    struct str cursor = { NULL, 0 };
    if (http_query_int(exchange, "limit", 1, PAGE_LIMIT_MAX, PAGE_LIMIT_DEFAULT, ret_limit) !=
        ERR_OK) {
        http_flow_problem(flow, "query/limit", "maximum", "must be an integer from 1 to 1000");
    }
    enum err err = http_query_param(exchange, "cursor", &cursor);
    bool given = err != ERR_NOT_FOUND;
    if (err == ERR_OK) {
        err = http_cursor_parse(cursor, scope, ret_after);
    }
    if (given && (err != ERR_OK || !clock_is_printable(ret_after->major))) {
        http_flow_problem(flow, "query/cursor", "format", "is not a cursor that we issued");
    }
    return given;
}

/* ---- idempotency keys: 1 to 255 visible ASCII characters ---- */

static bool is_key(struct str key) {
    if (key.len < 1 || key.len > IDEMPOTENCY_KEY_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] < '!' || key.data[i] > '~') {
            return false;
        }
    }
    return true;
}

void contract_read_key(struct flow *flow, char ret_key[IDEMPOTENCY_KEY_BYTES_MAX + 1]) {
    struct str key = http_header(http_flow_exchange(flow), "Idempotency-Key");
    ret_key[0] = '\0';
    if (key.data != NULL && !is_key(key)) {
        http_flow_problem(flow, "header/Idempotency-Key", "pattern",
                          "must be 1 to 255 visible ASCII characters");
    } else if (key.data != NULL) {
        memcpy(ret_key, key.data, key.len);
        ret_key[key.len] = '\0';
    }
}

/* ---- cache keys ---- */

void contract_product_key(int64_t product_id, char out[CACHE_NAME_BYTES]) {
    snprintf(out, CACHE_NAME_BYTES, CACHE_PREFIX_PRODUCT "%" PRId64, product_id);
}

void contract_orders_key(int64_t product_id, char out[CACHE_NAME_BYTES]) {
    snprintf(out, CACHE_NAME_BYTES, CACHE_PREFIX_ORDERS "%" PRId64, product_id);
}

/* ---- how an order ends ---- */

static const char *const STATUS_NAMES[ORDER_STATUSES] = {
    [ORDER_WAITING] = "waiting",
    [ORDER_DONE] = "done",
    [ORDER_REJECTED] = "rejected",
    [ORDER_CANCELLED] = "cancelled",
};

static const char *const REASON_NAMES[ORDER_REASONS] = {
    [REASON_NONE] = NULL,
    [REASON_OUT_OF_STOCK] = "out_of_stock",
    [REASON_PRODUCT_NOT_FOUND] = "product_not_found",
};

const char *contract_status_name(enum order_status status) {
    assert(status < ORDER_STATUSES);
    return STATUS_NAMES[status];
}

const char *contract_reason_name(enum order_reason reason) {
    assert(reason < ORDER_REASONS);
    return REASON_NAMES[reason];
}

bool contract_status_parse(struct str name, enum order_status *ret_status) {
    for (int i = 0; i < ORDER_STATUSES; i++) {
        if (name.data != NULL && str_equal(name, str_of(STATUS_NAMES[i]))) {
            *ret_status = (enum order_status)i;
            return true;
        }
    }
    return false;
}

bool contract_reason_parse(struct str name, enum order_reason *ret_reason) {
    for (int i = 0; i < ORDER_REASONS; i++) {
        struct str reason = str_of(REASON_NAMES[i]);
        if ((name.data == NULL) == (reason.data == NULL) && str_equal(name, reason)) {
            *ret_reason = (enum order_reason)i;
            return true;
        }
    }
    return false;
}

/* ---- events out ---- */

static void begin_event(struct json_writer *writer, struct buf *out, struct event_head head,
                        const char *subjects, int64_t id) {
    char subject[32];
    int length = snprintf(subject, sizeof(subject), "%s/%" PRId64, subjects, id);
    assert(length > 0 && (size_t)length < sizeof(subject));
    head.subject = subject;
    event_begin(writer, out, &head);
    json_write_begin_object(writer, "data");
}

static void end_event(struct json_writer *writer) {
    json_write_end_object(writer);
    json_write_end_object(writer);
}

static void format_order_id(const char *type, int64_t order_id, int64_t created_ms,
                            char ret_id[EVENT_ID_BYTES_MAX + 1]) {
    snprintf(ret_id, EVENT_ID_BYTES_MAX + 1, "%s-%" PRId64 "-%" PRId64, type, order_id, created_ms);
}

void contract_write_order_created(const struct order_created *event,
                                  char ret_id[EVENT_ID_BYTES_MAX + 1], struct buf *out) {
    struct event_head head = { .type = KEY_ORDER_CREATED,
                               .source = SOURCE_ORDER_SERVICE,
                               .id = ret_id,
                               .time_ms = event->created_ms,
                               .trace = event->trace };
    struct json_writer writer;
    format_order_id(head.type, event->order_id, event->created_ms, ret_id);
    begin_event(&writer, out, head, "orders", event->order_id);
    json_write_int(&writer, "orderId", event->order_id);
    json_write_int(&writer, "productId", event->product_id);
    json_write_int(&writer, "quantity", event->quantity);
    json_write_str(&writer, "status", contract_status_name(ORDER_WAITING));
    json_write_time(&writer, "createdAt", event->created_ms);
    end_event(&writer);
}

void contract_write_order_cancelled(const struct order_cancelled *event,
                                    char ret_id[EVENT_ID_BYTES_MAX + 1], struct buf *out) {
    struct event_head head = { .type = KEY_ORDER_CANCELLED,
                               .source = SOURCE_ORDER_SERVICE,
                               .id = ret_id,
                               .time_ms = event->cancelled_ms,
                               .trace = event->trace };
    struct json_writer writer;
    format_order_id(head.type, event->order_id, event->created_ms, ret_id);
    begin_event(&writer, out, head, "orders", event->order_id);
    json_write_int(&writer, "orderId", event->order_id);
    json_write_time(&writer, "createdAt", event->created_ms);
    json_write_int(&writer, "productId", event->product_id);
    json_write_int(&writer, "quantity", event->quantity);
    json_write_time(&writer, "cancelledAt", event->cancelled_ms);
    end_event(&writer);
}

void contract_write_order_updated(const struct order_updated *event,
                                  char ret_id[EVENT_ID_BYTES_MAX + 1], struct buf *out) {
    struct event_head head = { .type = KEY_ORDER_UPDATED,
                               .source = SOURCE_PRODUCT_SERVICE,
                               .id = ret_id,
                               .time_ms = event->updated_ms,
                               .trace = event->trace };
    struct json_writer writer;
    bool is_second = event->status == ORDER_CANCELLED; /* an order may have been done before */
    format_order_id(is_second ? KEY_ORDER_UPDATED "-cancelled" : head.type, event->order_id,
                    event->created_ms, ret_id);
    begin_event(&writer, out, head, "orders", event->order_id);
    json_write_int(&writer, "orderId", event->order_id);
    json_write_time(&writer, "createdAt", event->created_ms);
    json_write_int(&writer, "productId", event->product_id);
    json_write_int(&writer, "quantity", event->quantity);
    json_write_str(&writer, "status", contract_status_name(event->status));
    json_write_str(&writer, "reason", contract_reason_name(event->reason));
    json_write_time(&writer, "updatedAt", event->updated_ms);
    end_event(&writer);
}

static void write_product(struct json_writer *writer, const struct told_product *product) {
    json_write_int(writer, "id", product->id);
    json_write_string(writer, "name", product->name.data, product->name.len);
    json_write_decimal(writer, "price", product->price_cents, PRICE_DECIMALS, PRICE_DECIMALS);
    json_write_int(writer, "qty", product->qty);
    json_write_int(writer, "version", product->version);
    json_write_time(writer, "createdAt", product->created_ms);
    json_write_time(writer, "updatedAt", product->updated_ms);
}

void contract_write_product_event(const char *type, const struct told_product *product,
                                  struct trace trace, char ret_id[EVENT_ID_BYTES_MAX + 1],
                                  struct buf *out) {
    struct event_head head = { .type = type,
                               .source = SOURCE_PRODUCT_SERVICE,
                               .id = ret_id,
                               .time_ms = product->updated_ms,
                               .trace = trace };
    struct json_writer writer;
    snprintf(ret_id, EVENT_ID_BYTES_MAX + 1, "%s-%" PRId64 "-v%" PRId64 "-%" PRId64, type,
             product->id, product->version, product->updated_ms);
    begin_event(&writer, out, head, "products", product->id);
    write_product(&writer, product);
    end_event(&writer);
}

void contract_write_product(const struct told_product *product, struct buf *out) {
    struct json_writer writer;
    json_write_init(&writer, out);
    json_write_begin_object(&writer, NULL);
    write_product(&writer, product);
    json_write_end_object(&writer);
}

/* ---- events in ---- */

/* What is read and what is wrong with it: the first problem wins. */
struct reader {
    struct json_object *object;
    const char *why;
    bool no_memory;
};

static void note(struct reader *reader, bool wrong, const char *why) {
    if (wrong && reader->why == NULL) {
        reader->why = why;
    }
}

static enum err open_object(struct reader *reader, struct arena *arena, struct str json) {
    *reader = (struct reader){ 0 };
    enum err err = json_parse(arena, json.data, json.len, &reader->object, NULL);
    if (err == ERR_OK && !json_is_object(reader->object)) {
        err = ERR_INVALID;
    }
    reader->no_memory = err == ERR_NO_MEMORY;
    note(reader, err != ERR_OK, "the data is not a JSON object");
    return err;
}

static int64_t read_number(struct reader *reader, const char *name, unsigned scale, int64_t min,
                           int64_t max, const char *why) {
    int64_t value = min;
    enum err err = json_get_decimal(reader->object, name, scale, &value);
    note(reader, err != ERR_OK || value < min || value > max, why);
    return value;
}

static int64_t read_id(struct reader *reader, const char *name, const char *why) {
    return read_number(reader, name, 0, 1, INT64_MAX, why);
}

/* An absent or null string is .data NULL; another type is a problem. */
static struct str read_string(struct reader *reader, const char *name, const char *why) {
    struct str value = { NULL, 0 };
    enum err err = json_get_string(reader->object, name, &value.data, &value.len);
    note(reader, err != ERR_OK && err != ERR_NOT_FOUND, why);
    return value;
}

static int64_t read_time(struct reader *reader, const char *name, const char *why) {
    struct str text = read_string(reader, name, why);
    int64_t unix_ms = 0;
    bool ok = text.data != NULL && clock_parse_rfc3339(text.data, text.len, &unix_ms) == ERR_OK;
    note(reader, !ok, why);
    return unix_ms;
}

/* The event's, with the request id of bare data; "" when absent. */
static struct trace read_trace(struct reader *reader, const struct event *event) {
    struct str id = read_string(reader, "requestId", "requestId is not a string");
    const char *text = id.data == NULL ? "" : id.data;
    struct trace trace = event->trace;
    note(reader, id.len > TRACE_REQUEST_ID_BYTES_MAX, "requestId is longer than 128 bytes");
    note(reader, strlen(text) != id.len, "requestId holds U+0000");
    if (text[0] != '\0' && (event->type == NULL || trace.request_id[0] == '\0')) {
        trace.request_id = text;
    }
    return trace;
}

static enum err finish(const struct reader *reader, const char **ret_why) {
    if (reader->why != NULL) {
        *ret_why = reader->why;
        return reader->no_memory ? ERR_NO_MEMORY : ERR_INVALID;
    }
    return ERR_OK;
}

/* Absent in what the origin sent. */
static void check_waiting(struct reader *reader) {
    struct str name = read_string(reader, "status", "status is not a string");
    enum order_status status = ORDER_WAITING;
    bool known = name.data == NULL || contract_status_parse(name, &status);
    note(reader, !known || status != ORDER_WAITING, "status is not waiting");
}

enum err contract_read_order_created(struct arena *arena, const struct event *event,
                                     struct order_created *ret_created, const char **ret_why) {
    struct reader reader;
    if (open_object(&reader, arena, event->data) == ERR_OK) {
        struct order_created created = {
            .order_id = read_id(&reader, "orderId", "orderId is not a positive integer"),
            .product_id = read_id(&reader, "productId", "productId is not a positive integer"),
            .quantity = read_number(&reader, "quantity", 0, 1, ORDER_QUANTITY_MAX,
                                    "quantity is not an integer from 1 to 1000000"),
            .created_ms = read_time(&reader, "createdAt", "createdAt is not an RFC 3339 time"),
            .trace = read_trace(&reader, event),
        };
        check_waiting(&reader);
        if (reader.why == NULL) {
            *ret_created = created;
        }
    }
    return finish(&reader, ret_why);
}

enum err contract_read_order_cancelled(struct arena *arena, const struct event *event,
                                       struct order_cancelled *ret_cancelled,
                                       const char **ret_why) {
    struct reader reader;
    if (open_object(&reader, arena, event->data) == ERR_OK) {
        struct order_cancelled cancelled = {
            .order_id = read_id(&reader, "orderId", "orderId is not a positive integer"),
            .product_id = read_id(&reader, "productId", "productId is not a positive integer"),
            .quantity = read_number(&reader, "quantity", 0, 1, ORDER_QUANTITY_MAX,
                                    "quantity is not an integer from 1 to 1000000"),
            .created_ms = read_time(&reader, "createdAt", "createdAt is not an RFC 3339 time"),
            .cancelled_ms =
                read_time(&reader, "cancelledAt", "cancelledAt is not an RFC 3339 time"),
            .trace = read_trace(&reader, event),
        };
        if (reader.why == NULL) {
            *ret_cancelled = cancelled;
        }
    }
    return finish(&reader, ret_why);
}

static enum order_status read_outcome(struct reader *reader) {
    enum order_status status = ORDER_WAITING;
    struct str name = read_string(reader, "status", "status is not a string");
    bool known = contract_status_parse(name, &status) && status != ORDER_WAITING;
    note(reader, !known, "status is not done, rejected or cancelled");
    return status;
}

static enum order_reason read_reason(struct reader *reader) {
    enum order_reason reason = REASON_NONE;
    struct str name = read_string(reader, "reason", "reason is not a string");
    note(reader, !contract_reason_parse(name, &reason),
         "reason is not one of out_of_stock, product_not_found");
    return reason;
}

/* What versions before did not say; 0 then. */
static int64_t read_created(struct reader *reader) {
    return json_has_member(reader->object, "createdAt")
               ? read_time(reader, "createdAt", "createdAt is not an RFC 3339 time")
               : 0;
}

static int64_t read_quantity(struct reader *reader) {
    return json_has_member(reader->object, "quantity")
               ? read_number(reader, "quantity", 0, 1, ORDER_QUANTITY_MAX,
                             "quantity is not an integer from 1 to 1000000")
               : 0;
}

enum err contract_read_order_updated(struct arena *arena, const struct event *event,
                                     struct order_updated *ret_updated, const char **ret_why) {
    struct reader reader;
    if (open_object(&reader, arena, event->data) == ERR_OK) {
        struct order_updated updated = {
            .order_id = read_id(&reader, "orderId", "orderId is not a positive integer"),
            .created_ms = read_created(&reader),
            .product_id = read_id(&reader, "productId", "productId is not a positive integer"),
            .quantity = read_quantity(&reader),
            .status = read_outcome(&reader),
            .reason = read_reason(&reader),
            .updated_ms = read_time(&reader, "updatedAt", "updatedAt is not an RFC 3339 time"),
            .trace = read_trace(&reader, event),
        };
        if (reader.why == NULL) {
            *ret_updated = updated;
        }
    }
    return finish(&reader, ret_why);
}

static int64_t read_version(struct reader *reader) {
    int64_t version = 0;
    enum err err = json_get_decimal(reader->object, "version", 0, &version);
    bool wrong = err != ERR_NOT_FOUND && (err != ERR_OK || version < 1);
    note(reader, wrong, "version is not a positive integer");
    return version;
}

enum err contract_read_product(struct arena *arena, struct str json,
                               struct told_product *ret_product, const char **ret_why) {
    struct reader reader;
    if (open_object(&reader, arena, json) == ERR_OK) {
        struct told_product product = {
            .id = read_id(&reader, "id", "id is not a positive integer"),
            .name = read_string(&reader, "name", "name is not a string"),
            .price_cents = read_number(&reader, "price", PRICE_DECIMALS, 0, PRICE_CENTS_MAX,
                                       "price is not an amount with at most two decimals"),
            .qty = read_number(&reader, "qty", 0, 0, STOCK_QTY_MAX,
                               "qty is not an integer from 0 to 2147483647"),
            .version = read_version(&reader),
            .created_ms = read_time(&reader, "createdAt", "createdAt is not an RFC 3339 time"),
            .updated_ms = read_time(&reader, "updatedAt", "updatedAt is not an RFC 3339 time"),
        };
        note(&reader, product.name.data == NULL, "name is not a string");
        if (reader.why == NULL) {
            *ret_product = product;
        }
    }
    return finish(&reader, ret_why);
}
