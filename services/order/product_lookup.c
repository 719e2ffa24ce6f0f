/*
 * The price of a product: the copy in order-redis, else the product service, whose answer becomes
 * the copy.
 *
 * A copy is kept new by events (product_updated.c), so it does only while they come. While this
 * process is not connected to the broker in both directions, or the broker takes no messages, the
 * product service is asked for each order (once for all who wait for the same product), and the
 * copy does only if that gives no answer. Once it has been silent for PRODUCT_DEADLINE_MS, copies
 * do at once for SILENCE_MS, then while one order asks again, and so on until there is an answer:
 * so not every order waits. When the connection is back, the broker may have lost events that
 * nobody sends again: all copies go (backends.c, on_broker_state). What remains is a copy that is
 * behind by the time that an event takes, that a silent broker is not noticed
 * (RABBITMQ_HEARTBEAT_S, twice), or that the product service alone has no broker; and no copy
 * outlives its last news by more than CACHE_PRODUCT_COPY_TTL_S.
 */
#include "product_lookup.h"

#include "config.h"
#include "metrics.h"
#include "parts.h"

#include "base/clock.h"
#include "contract/contract.h"
#include "runtime/flow/lookup.h"
#include "runtime/http/client.h"
#include "runtime/telemetry/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOKUP_BATCH_MAX = 256,
    LOOKUP_INFLIGHT_MAX = 2,
    FETCHES_MAX = 1024, /* products fetched at once; more is ERR_BUSY */
    FETCH_ARENA_BYTES_MAX = 262144,
    SILENCE_MS = 1000,
    SERVICES_MAX = 16,
    SERVICE_URL_BYTES = 512,
};

struct question {
    struct lookup_question base;
    int64_t *ret_price_cents; /* the flow's, written while it waits */
    struct trace trace;       /* the exchange's, read while it waits */
};

/* Those of PRODUCT_SERVICE_URL; the one that answers is asked until it does not. */
static struct {
    struct http_client *clients[SERVICES_MAX];
    size_t count, asked;
} services;
static bool is_closing;      /* the cache and the broker are gone */
static struct lookup prices; /* product id → price */
/* The product service does not answer: a copy does at once until then. 0: it answers. */
static uint64_t silent_until_ms;

static enum err give_price(const struct lookup_question *question, const void *price_cents) {
    *((const struct question *)question)->ret_price_cents = *(const int64_t *)price_cents;
    return ERR_OK;
}

/* ---- from the cache ---- */

/* One without its own version beside it is a miss, too: nobody could say whether it is old. */
static bool price_of(struct arena *arena, int64_t id, const struct cache_value *copy,
                     int64_t *ret_price_cents) {
    struct told_product product;
    const char *why = NULL;
    if (copy->value.data == NULL ||
        contract_read_product(arena, copy->value, &product, &why) != ERR_OK || product.id != id ||
        product.version != copy->version) {
        return false;
    }
    *ret_price_cents = product.price_cents;
    return true;
}

static bool events_come(void) {
    return broker_publish_state(backends.broker) == BROKER_UP &&
           broker_is_consuming(backends.broker);
}

static bool read_copy(struct lookup_round *round, int64_t id, const struct cache_value *copy) {
    int64_t price_cents = 0;
    if (!events_come() || !price_of(round->arena, id, copy, &price_cents)) {
        return false;
    }
    lookup_answer(round, id, ERR_OK, &price_cents);
    return true;
}

/* ---- from the product service ---- */

/* The version is the answer's entity tag: "7", perhaps weak. */
static int64_t version_of(struct str etag) {
    char text[24];
    size_t skip = etag.len > 2 && etag.data[0] == 'W' ? 2 : 0;
    if (etag.data == NULL || etag.len - skip < 3 || etag.len - skip >= sizeof(text)) {
        return 0;
    }
    memcpy(text, etag.data + skip + 1, etag.len - skip - 2);
    text[etag.len - skip - 2] = '\0';
    return strtoll(text, NULL, 10);
}

static void fill_cache(const struct told_product *product, uint64_t epoch) {
    char key[CACHE_NAME_BYTES];
    struct buf copy;
    contract_product_key(product->id, key);
    buf_init(&copy, 0);
    contract_write_product(product, &copy);
    if (!copy.failed && product->version > 0) {
        struct cache_put put = { .key = key,
                                 .value = { buf_bytes(&copy), buf_length(&copy) },
                                 .version = product->version,
                                 .ttl_s = CACHE_PRODUCT_COPY_TTL_S };
        cache_put_newer(backends.cache, epoch, &put, 1, NULL, NULL);
    }
    buf_free(&copy);
}

static enum err read_response(const struct http_response *response, int64_t product_id,
                              uint64_t epoch, int64_t *ret_price_cents) {
    struct arena arena;
    struct told_product product;
    const char *why = NULL;
    if (response->status == 404) {
        return ERR_NOT_FOUND;
    }
    if (response->status == 503) {
        return ERR_UNAVAILABLE;
    }
    arena_init(&arena, FETCH_ARENA_BYTES_MAX);
    enum err err = ERR_BAD_REPLY;
    if (response->status == 200 &&
        contract_read_product(&arena, response->body, &product, &why) == ERR_OK &&
        product.id == product_id) {
        product.version = version_of(response->etag);
        fill_cache(&product, epoch);
        *ret_price_cents = product.price_cents;
        err = ERR_OK;
    } else {
        log_warn("unusable answer from the product service", LOG_INT("status", response->status),
                 LOG_INT("productId", product_id), LOG_STR("reason", why));
    }
    arena_done(&arena);
    return err;
}

/* For everybody who waits: one line for each, as each is a request of its own. */
static void log_fetch(const struct lookup_fetch *fetch, enum err err) {
    uint64_t took_us = clock_monotonic_us() - fetch->started_us;
    for (size_t i = 0; i < fetch->waiter_count; i++) {
        const struct question *waiter = LOOKUP_WAITER(fetch, struct question, i);
        if (flow_wait_is_live(waiter->base.wait)) {
            log_info("product fetched", LOG_TRACE(waiter->trace), LOG_INT("productId", fetch->id),
                     LOG_STR("outcome", err_name(err)), LOG_INT("us", took_us));
        }
    }
}

/* The price that a copy gives, and the end of the fetch. False: there is none. */
static bool take_copy(struct lookup_fetch *fetch, enum err err, const struct cache_value *copy) {
    struct arena arena;
    int64_t price_cents = 0;
    arena_init(&arena, FETCH_ARENA_BYTES_MAX);
    bool known = err == ERR_OK && price_of(&arena, fetch->id, copy, &price_cents);
    arena_done(&arena);
    if (known) {
        lookup_fetched(fetch, ERR_OK, &price_cents);
    }
    return known;
}

static void get_copy(struct lookup_fetch *fetch, cache_get_fn *fn) {
    char key[CACHE_NAME_BYTES];
    const char *keys[] = { key };
    contract_product_key(fetch->id, key);
    cache_get(backends.cache, keys, 1, fn, fetch);
}

/* Nobody can say how old the copy is, but there is nothing better. */
static void copy_or_nothing(void *ctx, enum err err, const struct cache_value *copy) {
    if (!take_copy(ctx, err, copy)) {
        lookup_fetched(ctx, ERR_UNAVAILABLE, NULL);
    }
}

static void ask(struct lookup_fetch *fetch, size_t service);

/* Whoever refuses is left for the next one; so is whoever is silent, but nobody waits again. */
static bool ask_another(struct lookup_fetch *fetch, bool is_silent) {
    size_t next = (fetch->source + 1) % services.count;
    if (services.asked == fetch->source) {
        services.asked = next;
    }
    if (is_silent || is_closing || fetch->tries >= services.count) {
        return false;
    }
    ask(fetch, next);
    return true;
}

static void fetched(void *ctx, enum err err, const struct http_response *response) {
    struct lookup_fetch *fetch = ctx;
    int64_t price_cents = 0;
    bool is_silent = err == ERR_BUSY || err == ERR_TIMEOUT;
    silent_until_ms = is_silent ? clock_monotonic_ms() + SILENCE_MS : 0;
    if (err == ERR_OK) {
        err = read_response(response, fetch->id, fetch->epoch, &price_cents);
    } else if (is_silent) {
        err = ERR_UNAVAILABLE; /* for the client: try again later */
    }
    if (err == ERR_UNAVAILABLE && ask_another(fetch, is_silent)) {
        return;
    }
    log_fetch(fetch, err);
    if (err == ERR_UNAVAILABLE && !is_closing) {
        get_copy(fetch, copy_or_nothing);
    } else {
        lookup_fetched(fetch, err, &price_cents);
    }
}

static void ask(struct lookup_fetch *fetch, size_t service) {
    struct question *first = LOOKUP_WAITER(fetch, struct question, 0);
    char target[48];
    snprintf(target, sizeof(target), "/products/%" PRId64, fetch->id);
    metrics_add(&order_metrics[M_PRODUCT_FETCHES], 1);
    fetch->source = service;
    fetch->tries++;
    http_client_get(services.clients[service], target, first->trace, fetched, fetch);
}

static void copy_or_ask(void *ctx, enum err err, const struct cache_value *copy) {
    if (!take_copy(ctx, err, copy)) {
        ask(ctx, services.asked);
    }
}

static void fetch_product(struct lookup_fetch *fetch) {
    uint64_t now_ms = clock_monotonic_ms();
    if (now_ms < silent_until_ms) {
        get_copy(fetch, copy_or_ask);
        return;
    }
    if (silent_until_ms != 0) { /* this one finds out for the others */
        silent_until_ms = now_ms + (uint64_t)order_config.product_deadline_ms;
    }
    ask(fetch, services.asked);
}

enum err product_lookup(struct flow_wait wait, int64_t product_id, struct trace trace,
                        int64_t *ret_price_cents) {
    struct question question = { { wait, product_id }, ret_price_cents, trace };
    return lookup_ask(&prices, &question);
}

/* One client for each of the URLs, which commas separate. */
static enum err open_services(const char *urls) {
    char url[SERVICE_URL_BYTES];
    struct http_client_options options = {
        .base_url = url,
        .connections_max = 8,
        .queue_max = 1024,
        .deadline_ms = (uint32_t)order_config.product_deadline_ms,
        .idle_timeout_ms = 30000,
        .response_bytes_max = 65536,
    };
    memset(&services, 0, sizeof(services));
    for (const char *at = urls; at != NULL;) {
        const char *comma = strchr(at, ',');
        size_t length = comma == NULL ? strlen(at) : (size_t)(comma - at);
        if (services.count == SERVICES_MAX || length >= sizeof(url)) {
            log_error("PRODUCT_SERVICE_URL has too many URLs, or one that is too long",
                      LOG_INT("urlsMax", SERVICES_MAX), LOG_INT("bytesMax", sizeof(url) - 1));
            return ERR_INVALID;
        }
        memcpy(url, at, length);
        url[length] = '\0';
        enum err err = http_client_open(backends.loop, &options, &services.clients[services.count]);
        if (err != ERR_OK) {
            return err;
        }
        services.count++;
        at = comma == NULL ? NULL : comma + 1;
    }
    return ERR_OK;
}

enum err product_lookup_open(void) {
    struct lookup_options options = {
        .question_bytes = sizeof(struct question),
        .queue_max = (size_t)config_shared.requests_max,
        .batch_max = LOOKUP_BATCH_MAX,
        .inflight_max = LOOKUP_INFLIGHT_MAX,
        .fetches_max = FETCHES_MAX,
        .cache = backends.cache,
        .cache_key = contract_product_key,
        .read_cached = read_copy,
        .fetch = fetch_product,
        .give = give_price,
        .hits = &order_metrics[M_PRODUCT_HITS],
        .misses = &order_metrics[M_PRODUCT_MISSES],
    };
    is_closing = false;
    silent_until_ms = 0;
    enum err err = open_services(order_config.product_service_url);
    return err == ERR_OK ? lookup_init(&prices, backends.loop, &options) : err;
}

/* What is under way at the product service ends first: its end answers who waits. */
void product_lookup_close(void) {
    is_closing = true;
    for (size_t i = 0; i < services.count; i++) {
        http_client_close(services.clients[i]);
    }
    services.count = 0;
    lookup_done(&prices);
}
