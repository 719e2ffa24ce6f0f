/* A product, and its shapes: database row, request body, public JSON, event, cached value. */
#ifndef PRODUCT_PRODUCT_H
#define PRODUCT_PRODUCT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "contract/contract.h"
#include "runtime/cache/cache.h"
#include "runtime/flow/flow.h"
#include "runtime/messages/id_block.h"
#include "runtime/messages/outbox.h"
#include "runtime/pg/pg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

extern struct id_block outbox_ids;    /* of the rows that tell of products and orders */
extern int64_t product_first_version; /* of a new one: the epoch's (epoch.c) */

struct product {
    int64_t id;
    int64_t price_cents;
    int64_t qty;
    int64_t version; /* the epoch's at least, up by one with every change */
    int64_t created_ms;
    int64_t updated_ms;
    size_t name_length;
    char name[PRODUCT_NAME_BYTES_MAX]; /* UTF-8, not NUL-terminated */
};

/* A row of SQL_PRODUCT_GET, _PAGE or _LOCK. */
void product_from_row(const struct pg_rows *rows, size_t row, struct product *ret_product);
/* {id, name, price, qty, createdAt, updatedAt} */
void product_encode(const struct product *product, struct buf *out);
/*
 * product.created or product.updated on the way into the outbox, as row `outbox_id`. Message id and
 * body are in `arena`, `trace` must stay.
 */
struct teller_event product_event(struct arena *arena, const char *routing_key,
                                  const struct product *product, struct trace trace,
                                  int64_t outbox_id);

enum { PRODUCT_ETAG_BYTES = 24 };
/* "7" with its quotes: the version, as a strong entity tag (RFC 9110 §8.8.3). */
void product_etag(int64_t version, char out[PRODUCT_ETAG_BYTES]);
/*
 * Does a list of entity tags (If-Match, If-None-Match) name `version`? `*` does. A weak tag (W/"7")
 * counts too: the gateway wraps the body and so must weaken the tag, and the version is what is
 * compared.
 */
bool product_etag_matches(struct str header, int64_t version);

/*
 * The members of a request body, checked one by one; problems go to the flow. Each returns true and
 * sets its output when the member is there and right. A missing one is a problem if `required`.
 */
bool product_read_name(struct flow *flow, struct json_object *body, bool required,
                       struct str *ret_name);
bool product_read_price(struct flow *flow, struct json_object *body, bool required,
                        int64_t *ret_cents);
bool product_read_qty(struct flow *flow, struct json_object *body, int64_t *ret_qty);
/* quantity of a restock: 1 to ORDER_QUANTITY_MAX, as of an order */
bool product_read_quantity(struct flow *flow, struct json_object *body, int64_t *ret_quantity);
/* delta of an adjustment: -STOCK_QTY_MAX to STOCK_QTY_MAX, not 0; and its reason, like a name */
bool product_read_delta(struct flow *flow, struct json_object *body, int64_t *ret_delta);
bool product_read_reason(struct flow *flow, struct json_object *body, struct str *ret_reason);

/*
 * Write products through to product-redis, product:{id}: public JSON under its version, the newest
 * wins. For a writer: after its commit. For a filler: with the epoch from before it asked the
 * database. `fn` may be NULL; it may run inside the call. Memory from `arena` until then.
 */
void product_cache_put(struct cache *cache, uint64_t epoch, struct arena *arena,
                       const struct product *const *products, size_t count, cache_done_fn *fn,
                       void *ctx);

#endif
