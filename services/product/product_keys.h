/*
 * Idempotency-Key of requests that add or change products: the same key and the same request are
 * given the same answer again, and nothing is done a second time.
 *
 * A key is claimed while its request is under way in this process (a second one meanwhile: 409).
 * It is stored with its answer in the request's own transaction; of two processes that store the
 * same one at once the table takes the first one's, the other's request ends with 409. Loop thread
 * only.
 */
#ifndef PRODUCT_PRODUCT_KEYS_H
#define PRODUCT_PRODUCT_KEYS_H

#include "base/arena.h"
#include "base/err.h"
#include "contract/contract.h"
#include "product.h"
#include "runtime/flow/flow.h"
#include "runtime/pg/pg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PRODUCT_REQUEST_BYTES = 64 + PRODUCT_NAME_BYTES_MAX
}; /* as long as a name or a reason, and numbers */

/* A request with a key, as long as it is under way. */
struct keyed_request {
    char key[IDEMPOTENCY_KEY_BYTES_MAX + 1]; /* "": none */
    bool has_claim;                          /* of the key; who holds this ends it */
    size_t length;
    char text[PRODUCT_REQUEST_BYTES]; /* what is asked for; the same text is the same request */
};

/* "restock\n7\n50\n": an operation, numbers, and a text at its end. Does nothing without a key. */
void product_keys_describe(struct keyed_request *request, const char *operation, int64_t first,
                           int64_t second, struct str text);

/* What the key stands for. */
struct earlier_answer {
    bool is_found;
    bool is_same; /* the same was asked for */
    int64_t product_id;
    int64_t version;
    struct str body; /* in the exchange's arena */
};

/*
 * A step: claims the key, if there is one, and waits until *ret_earlier is set (written while the
 * flow still waits). The request must stay while it waits.
 */
enum flow_rc product_keys_find(struct flow *flow, struct keyed_request *request,
                               struct earlier_answer *ret_earlier);
/* It is under way no more: gives up its claim, if it has one. */
void product_keys_release(struct keyed_request *request);

/* A key to be stored: its request, and the product as it is answered. */
struct new_key {
    const struct keyed_request *request;
    const struct product *product;
};

/*
 * The statement that stores them, for the transaction of the requests, before it commits: it may
 * wait for another process. Memory from `arena`. Its rows say whose are
 * stored; the others another process has.
 */
struct pg_call product_keys_call(struct arena *arena, const struct new_key *keys, size_t count,
                                 int64_t now_ms);
/*
 * That statement failed with ERR_LOCKED: whose keys is it that another process has, and does not
 * give up? Rows as above.
 */
struct pg_call product_keys_locked_call(struct arena *arena, const struct new_key *keys,
                                        size_t count);
/* This request's key is among the rows. */
bool product_keys_is_among(const struct pg_rows *rows, const struct keyed_request *request);

#endif
