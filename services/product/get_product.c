/* GET /products/{id}: from product-redis, else from the database, which fills the cache. */
#include "metrics.h"
#include "parts.h"
#include "product.h"
#include "statements.h"

#include "contract/contract.h"
#include "runtime/flow/http_flow.h"
#include "runtime/flow/lookup.h"

static enum flow_rc parse(struct flow *flow);
static enum flow_rc read_product(struct flow *flow);
static enum flow_rc reply_product(struct flow *flow);

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "read_product", read_product },
    { "reply_product", reply_product },
};

struct get_product {
    struct http_flow http;
    int64_t id;
    struct str json; /* in the exchange's arena */
    int64_t version;
};

static struct flow_kind KIND =
    FLOW_KIND("get_product", STEPS, struct get_product, http_flow_fail, "There is no such product");

static struct flow_pool flows;
static struct lookup reads;

enum { READ_BATCH_MAX = 256, READ_INFLIGHT_MAX = 2 };

void get_product(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

/* ---- the steps ---- */

static enum flow_rc parse(struct flow *flow) {
    struct get_product *self = (struct get_product *)flow;
    if (http_path_id(http_flow_exchange(flow), 0, &self->id) != ERR_OK) {
        http_flow_problem(flow, "path/id", "type", "must be a positive integer");
    }
    return http_flow_check(flow);
}

static enum flow_rc read_product(struct flow *flow) {
    struct get_product *self = (struct get_product *)flow;
    struct lookup_question question = { flow_wait(flow), self->id };
    enum err err = lookup_ask(&reads, &question);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static enum flow_rc reply_product(struct flow *flow) {
    struct get_product *self = (struct get_product *)flow;
    struct http_exchange *exchange = http_flow_exchange(flow);
    char etag[PRODUCT_ETAG_BYTES];
    struct http_reply reply = { .status = 200, .etag = etag };
    struct str if_none_match = http_header(exchange, "If-None-Match");
    product_etag(self->version, etag);
    if (if_none_match.data != NULL && product_etag_matches(if_none_match, self->version)) {
        reply.status = 304;
    } else {
        reply.body = self->json.data;
        reply.body_length = self->json.len;
    }
    http_reply(exchange, &reply);
    return FLOW_END;
}

/* ---- from product-redis, else from the database, which fills it ---- */

/* What a reader gets: public JSON and version. */
struct found_product {
    struct str json;
    int64_t version;
};

static enum err give_product(const struct lookup_question *question, const void *answer) {
    const struct found_product *found = answer;
    struct get_product *self = (struct get_product *)question->wait.flow;
    struct arena *arena = http_arena(http_flow_exchange(question->wait.flow));
    self->json =
        (struct str){ arena_copy(arena, found->json.data, found->json.len), found->json.len };
    self->version = found->version;
    return self->json.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

/* The cache is ours, but its answers go out as they are: what is no object is a miss. */
static bool read_cached(struct lookup_round *round, int64_t id, const struct cache_value *value) {
    struct str json = value->value;
    if (value->version <= 0 || json.data == NULL || json.len < 2 || json.data[0] != '{' ||
        json.data[json.len - 1] != '}') {
        return false;
    }
    lookup_answer(round, id, ERR_OK, &(struct found_product){ json, value->version });
    return true;
}

MUST_CHECK static enum err answer_from_rows(struct lookup_round *round,
                                            const struct pg_rows *rows) {
    const struct product *found[READ_BATCH_MAX];
    struct product *products = arena_array(round->arena, rows->count, sizeof(*products));
    struct buf json;
    if (products == NULL) {
        return ERR_NO_MEMORY;
    }
    buf_init(&json, 0);
    for (size_t i = 0; i < rows->count; i++) {
        product_from_row(rows, i, &products[i]);
        found[i] = &products[i];
        buf_clear(&json);
        product_encode(found[i], &json);
        lookup_answer(
            round, found[i]->id, json.failed ? ERR_NO_MEMORY : ERR_OK,
            &(struct found_product){ { buf_bytes(&json), buf_length(&json) }, found[i]->version });
    }
    buf_free(&json);
    if (rows->count > 0 && cache_is_ready(backends.cache)) {
        product_cache_put(backends.cache, round->epoch, round->arena, found, rows->count, NULL,
                          NULL);
    }
    return ERR_OK;
}

static void rows_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct lookup_round *round = ctx;
    if (err == ERR_OK && rows[0].count > 0) {
        err = answer_from_rows(round, &rows[0]);
    }
    lookup_end(round, err);
}

static void read_database(struct lookup_round *round) {
    struct pg_call call =
        pg_rows_ids_call(round->arena, &SQL_PRODUCT_GET, round->ids, round->count);
    pg_run(backends.pg, &call, 1, rows_arrived, round);
}

enum err get_product_open(void) {
    struct lookup_options options = {
        .question_bytes = sizeof(struct lookup_question),
        .queue_max = (size_t)config_shared.requests_max,
        .batch_max = READ_BATCH_MAX,
        .inflight_max = READ_INFLIGHT_MAX,
        .cache = backends.cache,
        .cache_key = contract_product_key,
        .read_cached = read_cached,
        .read = read_database,
        .give = give_product,
        .size_histogram = &product_metrics[M_READ_BATCH],
        .hits = &product_metrics[M_CACHE_HITS],
        .misses = &product_metrics[M_CACHE_MISSES],
    };
    enum err err = lookup_init(&reads, backends.loop, &options);
    return err == ERR_OK ? backends_open_flows(&flows, &KIND, (size_t)config_shared.requests_max)
                         : err;
}

void get_product_close(void) {
    lookup_done(&reads);
    flow_pool_done(&flows);
}
