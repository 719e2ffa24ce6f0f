/* A table of products with news, emptied in rounds. */
#include "stock_news.h"

#include "parts.h"

enum {
    ARENA_BYTES_MAX = 4 * 1024 * 1024,
    STOCK_NEWS_HOLDS_MAX = 4 * CONSUMER_BATCHES_MAX, /* two queues' and their retry queues' */
};

static struct {
    struct loop_timer timer; /* the pause after a round */
    struct teller teller;
    struct arena arena; /* of a round's events */
    bool is_stopped;
    bool is_refused; /* the last round: something is left of it, by a full queue for instance */
    /* of what has gathered */
    struct held {
        struct consumer_hold hold;
        bool is_lost; /* there was no room for all of its news: it has to come again */
    } holds[STOCK_NEWS_HOLDS_MAX];
    size_t hold_count;
    size_t held_deliveries;
    size_t count;
    struct news {
        struct product product;
        struct trace_copy trace;
        bool is_told;
    } items[STOCK_NEWS_PRODUCTS_MAX];
} news;

/* What cannot be handed over stays, for the next round. */
static void tell(void) {
    struct teller_event events[STOCK_NEWS_PRODUCTS_MAX];
    size_t left = 0;
    for (size_t i = 0; i < news.count; i++) {
        news.items[i].is_told = false;
        events[i] = product_event(&news.arena, KEY_PRODUCT_UPDATED, &news.items[i].product,
                                  trace_of(&news.items[i].trace), 0);
        events[i].claim = (int64_t)i;
        if (events[i].body.data != NULL) {
            teller_add(&news.teller, &events[i]);
        }
    }
    teller_flush(&news.teller);
    arena_reset(&news.arena);
    for (size_t i = 0; i < news.count; i++) {
        if (!news.items[i].is_told) {
            news.items[left++] = news.items[i];
        }
    }
    news.count = left;
    news.is_refused = left > 0;
}

/* Their deliveries may be acknowledged, as far as it is about news; or they have to come again. */
static void release(bool is_told) {
    size_t count = news.hold_count;
    news.hold_count = news.held_deliveries = 0;
    for (size_t i = 0; i < count; i++) {
        consumer_release(&news.holds[i].hold, is_told && !news.holds[i].is_lost);
    }
}

static void begin_round(void) {
    if (news.count > 0 && broker_publish_state(backends.broker) == BROKER_UP) {
        tell();
        if (!news.is_refused) {
            release(true);
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
    if (news.count == STOCK_NEWS_PRODUCTS_MAX && !news.is_refused) {
        begin_round();
    }
    if (news.count == STOCK_NEWS_PRODUCTS_MAX) {
        return NULL;
    }
    news.items[news.count].product.version = 0;
    return &news.items[news.count++];
}

/* Commits of two connections may be heard of in either order. False: there was no room. */
static bool note(const struct changed_product *changed) {
    struct news *item = find_or_add(changed->product.id);
    if (item != NULL && changed->product.version >= item->product.version) {
        item->product = changed->product;
        trace_copy(&item->trace, changed->trace);
    }
    return item != NULL;
}

/* Once for the segments of a batch that follow each other. */
static void hold(struct consumer_segment *segment, bool is_lost) {
    struct held *last = news.hold_count == 0 ? NULL : &news.holds[news.hold_count - 1];
    if (last != NULL && consumer_holds(&last->hold, segment)) {
        last->is_lost = last->is_lost || is_lost;
        return;
    }
    if (news.hold_count < STOCK_NEWS_HOLDS_MAX) {
        struct held *held = &news.holds[news.hold_count++];
        *held = (struct held){ consumer_hold(segment), is_lost };
        news.held_deliveries += held->hold.deliveries;
    }
}

/* RabbitMQ sends no more than the prefetch: what is held back must not be all of that. */
static bool holds_many(void) {
    return news.held_deliveries >= (size_t)config_shared.rabbitmq_prefetch / 2;
}

void stock_news_add(const struct product_set *set, struct consumer_segment *segment) {
    bool has_news = false, is_lost = false;
    for (size_t i = 0; i < set->count; i++) {
        if (product_set_is_news(&set->items[i])) {
            is_lost = !note(&set->items[i]) || is_lost;
            has_news = true;
        }
    }
    bool comes_again = broker_publish_state(backends.broker) != BROKER_UP; /* unanswered */
    if (has_news && !comes_again) {
        hold(segment, is_lost);
    }
    bool is_early = holds_many() && !news.is_refused;
    if (news.is_stopped || is_early || !loop_timer_armed(&news.timer)) {
        begin_round();
    }
    if (news.is_stopped) {
        release(false);
    }
}

void stock_news_again(const struct product *product, struct trace trace) {
    struct changed_product item = { .product = *product, .told = true, .trace = trace };
    if (!news.is_stopped && note(&item) && !loop_timer_armed(&news.timer)) {
        begin_round();
    }
}

/* ---- a part of the service ---- */

static void on_sent(void *ctx, const struct teller_event *event, enum err err) {
    (void)ctx;
    news.items[event->claim].is_told = err == ERR_OK;
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
    news.count = news.hold_count = news.held_deliveries = 0;
    news.is_stopped = news.is_refused = false;
    return ERR_OK;
}

/*
 * A drain: what the last transactions tell leaves at once, if the broker takes it; else it comes
 * again.
 */
void stock_news_stop(void) {
    news.is_stopped = true;
    begin_round();
    release(false);
}

void stock_news_close(void) {
    if (backends.loop != NULL) {
        loop_timer_stop(backends.loop, &news.timer);
    }
    teller_done(&news.teller);
    arena_done(&news.arena);
}
