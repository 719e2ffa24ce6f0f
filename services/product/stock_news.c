/* A table of products with news, emptied in rounds. */
#include "stock_news.h"

#include "parts.h"

enum {
    ARENA_BYTES_MAX = 4 * 1024 * 1024,
    STOCK_NEWS_HOLDS_MAX = 2 * CONSUMER_BATCHES_MAX, /* the queue's and its retry queue's */
};

static struct {
    struct loop_timer timer; /* the pause after a round */
    struct teller teller;
    struct arena arena; /* of a round's events */
    bool is_stopped;
    bool is_refused; /* an event of this round, by a full queue for instance */
    /* of what has gathered */
    struct consumer_hold holds[STOCK_NEWS_HOLDS_MAX];
    size_t hold_count;
    size_t count;
    struct news {
        struct product product;
        struct trace_copy trace;
    } items[STOCK_NEWS_PRODUCTS_MAX];
} news;

/* False when not all of it could be handed over: it is told again, which is harmless. */
static bool tell(void) {
    struct teller_event events[STOCK_NEWS_PRODUCTS_MAX];
    news.is_refused = false;
    for (size_t i = 0; i < news.count; i++) {
        events[i] = product_event(&news.arena, KEY_PRODUCT_UPDATED, &news.items[i].product,
                                  trace_of(&news.items[i].trace), 0);
        if (events[i].body.data == NULL) {
            news.is_refused = true;
        } else {
            teller_add(&news.teller, &events[i]);
        }
    }
    teller_flush(&news.teller);
    arena_reset(&news.arena);
    return !news.is_refused;
}

/* Their deliveries may be acknowledged, as far as it is about news. */
static void release(void) {
    for (size_t i = 0; i < news.hold_count; i++) {
        consumer_release(&news.holds[i]);
    }
    news.hold_count = 0;
}

static void begin_round(void) {
    if (news.count > 0 && broker_publish_state(backends.broker) == BROKER_UP) {
        if (tell()) {
            news.count = 0;
            release();
        }
        if (!news.is_stopped) {
            loop_timer_start(backends.loop, &news.timer, STOCK_NEWS_PAUSE_MS);
        }
    }
}

static void on_pause(void *ctx) {
    (void)ctx;
    begin_round();
}

/* NULL: there is no room. */
static struct news *find_or_add(int64_t product_id) {
    for (size_t i = 0; i < news.count; i++) {
        if (news.items[i].product.id == product_id) {
            return &news.items[i];
        }
    }
    if (news.count == STOCK_NEWS_PRODUCTS_MAX) {
        begin_round();
    }
    if (news.count == STOCK_NEWS_PRODUCTS_MAX) {
        return NULL;
    }
    news.items[news.count].product.version = 0;
    return &news.items[news.count++];
}

/* Commits of two connections may be heard of in either order. */
static void note(const struct changed_product *changed) {
    struct news *item = find_or_add(changed->product.id);
    if (item != NULL && changed->product.version >= item->product.version) {
        item->product = changed->product;
        trace_copy(&item->trace, changed->trace);
    }
}

void stock_news_add(const struct product_set *set, struct consumer_segment *segment) {
    size_t noted = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (product_set_is_news(&set->items[i])) {
            note(&set->items[i]);
            noted++;
        }
    }
    bool comes_again = broker_publish_state(backends.broker) != BROKER_UP; /* unanswered */
    if (noted > 0 && !comes_again && news.hold_count < STOCK_NEWS_HOLDS_MAX) {
        news.holds[news.hold_count++] = consumer_hold(segment);
    }
    if (news.is_stopped || !loop_timer_armed(&news.timer)) {
        begin_round();
    }
}

/* ---- a part of the service ---- */

static void on_sent(void *ctx, const struct teller_event *event, enum err err) {
    (void)ctx;
    (void)event;
    news.is_refused = news.is_refused || err != ERR_OK;
}

static void on_told(void *ctx, int64_t id, bool confirmed) {
    (void)ctx;
    (void)id;
    (void)confirmed;
}

void stock_news_broker_up(void) {
    begin_round();
}

enum err stock_news_open(void) {
    struct teller_options options = backends_telling();
    options.on_sent = on_sent;
    options.on_told = on_told;
    teller_init(&news.teller, backends.broker, &options);
    arena_init(&news.arena, ARENA_BYTES_MAX);
    loop_timer_init(&news.timer, on_pause, NULL);
    news.count = news.hold_count = 0;
    news.is_stopped = false;
    return ERR_OK;
}

/* A drain: what the last transactions tell leaves at once, if the broker takes it. */
void stock_news_stop(void) {
    news.is_stopped = true;
    begin_round();
    release();
}

void stock_news_close(void) {
    if (backends.loop != NULL) {
        loop_timer_stop(backends.loop, &news.timer);
    }
    teller_done(&news.teller);
    arena_done(&news.arena);
}
