/* The lookup of orders. */
#include "order_read.h"

#include "parts.h"
#include "statements.h"

#include "runtime/flow/lookup.h"

enum { READ_BATCH_MAX = 256, READ_INFLIGHT_MAX = 2 };

struct read_question {
    struct lookup_question question;
    struct order *ret_order;
};

static struct lookup reads;

enum err order_read(struct flow_wait wait, int64_t id, struct order *ret_order) {
    struct read_question question = { { wait, id }, ret_order };
    return lookup_ask(&reads, &question);
}

static enum err give_order(const struct lookup_question *question, const void *order) {
    *((const struct read_question *)question)->ret_order = *(const struct order *)order;
    return ERR_OK;
}

static void rows_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct lookup_round *round = ctx;
    for (size_t r = 0; err == ERR_OK && r < rows[0].count; r++) {
        struct order order;
        enum err outcome = order_from_row(&rows[0], r, 0, &order);
        lookup_answer(round, pg_rows_get_int8(&rows[0], r, 0), outcome, &order);
    }
    lookup_end(round, err);
}

static void read_orders(struct lookup_round *round) {
    struct pg_call call = pg_rows_ids_call(round->arena, &SQL_ORDER_GET, round->ids, round->count);
    pg_run(backends.pg, &call, 1, rows_arrived, round);
}

enum err order_read_open(void) {
    struct lookup_options options = {
        .question_bytes = sizeof(struct read_question),
        .queue_max = 2 * (size_t)config_shared.requests_max, /* of two kinds of requests */
        .batch_max = READ_BATCH_MAX,
        .inflight_max = READ_INFLIGHT_MAX,
        .read = read_orders,
        .give = give_order,
    };
    return lookup_init(&reads, backends.loop, &options);
}

void order_read_close(void) {
    lookup_done(&reads);
}
