/*
 * product.created and product.updated: the order service's copy of each product, newest version
 * wins.
 */
#include "app.h"

#include "contract/events.h"
#include "contract/names.h"
#include "runtime/process/config.h"

#include <string.h>

static enum err decode(void *ctx, struct arena *arena, const struct broker_delivery *delivery,
                       void *item, const char **ret_why) {
    struct product_event *event = item;
    (void)ctx;
    enum err err = product_event_decode(arena, delivery->message.body,
                                        delivery->message.body_length, event, ret_why);
    if (err == ERR_OK && event->version < 1) {
        *ret_why = "version is missing";
        return ERR_INVALID;
    }
    return err;
}

static void cached(void *ctx, enum err err) {
    (void)err; /* Redis down: the cache is emptied when it is back, and the product is fetched when
                  needed */
    consumer_segment_done(ctx, ERR_OK);
}

static enum err build_put(struct arena *arena, const struct product_event *event,
                          struct buf *scratch, struct cache_put *ret_put) {
    char key[CACHE_NAME_BYTES];
    cache_key_product(event->id, key);
    buf_clear(scratch);
    product_copy_encode(event, scratch);
    if (scratch->failed) {
        return ERR_NO_MEMORY;
    }
    char *value = arena_copy(arena, buf_bytes(scratch), buf_length(scratch));
    *ret_put = (struct cache_put){ .key = arena_copy(arena, key, strlen(key)),
                                   .value = { value, buf_length(scratch) },
                                   .version = event->version,
                                   .ttl_s = CACHE_PRODUCT_COPY_TTL_S };
    return value == NULL || ret_put->key == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static void refresh_copies(void *ctx, void *items, size_t count) {
    struct consumer *consumer = ctx;
    struct arena *arena = consumer_arena(consumer);
    struct product_event *events = items;
    struct cache_put *puts = arena_array(arena, count, sizeof(*puts));
    enum err err = puts == NULL ? ERR_NO_MEMORY : ERR_OK;
    struct buf scratch;
    buf_init(&scratch, 0);
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        err = build_put(arena, &events[i], &scratch, &puts[i]);
    }
    buf_free(&scratch);
    if (err != ERR_OK) {
        consumer_segment_done(consumer, err);
        return;
    }
    cache_put_newer(app.cache, CACHE_EPOCH_ANY, puts, count, cached, consumer);
}

enum err product_updated_init(void) {
    static const struct {
        enum order_queue queue;
        const char *name;
    } QUEUES[] = {
        { ORDER_QUEUE_PRODUCT_CREATED, "product_created" },
        { ORDER_QUEUE_PRODUCT_UPDATED, "product_updated" },
    };
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < sizeof(QUEUES) / sizeof(QUEUES[0]); i++) {
        struct consumer_options options = {
            .name = QUEUES[i].name,
            .queue = QUEUES[i].queue,
            .item_bytes = sizeof(struct product_event),
            .batch_max = (size_t)config_shared.consumer_batch_max,
            .backoff_base_ms = 50,
            .backoff_cap_ms = 2000,
            .decode = decode,
            .run = refresh_copies,
            .ctx = &app.consumers[QUEUES[i].queue],
        };
        err = consumer_open(&app.consumers[QUEUES[i].queue], app.loop, &options);
    }
    return err;
}
