/*
 * product.updated of what orders take: the newest state is all that anybody wants to know. The
 * first one leaves at once, what follows gathers for STOCK_NEWS_PAUSE_MS, and of each product its
 * newest state is told; sooner when so many deliveries wait for it that RabbitMQ would soon send no
 * more. The deliveries that led to news are acknowledged after the news have been handed to the
 * publisher, so that they come again if this process ends before; the news never wait for a
 * confirm, nor deliveries for a broker that takes no messages (consumer.h). What the publisher
 * refuses is told after the next pause. While the broker is away news gather on. (What people
 * change is told through the outbox.) Loop thread only.
 */
#ifndef PRODUCT_STOCK_NEWS_H
#define PRODUCT_STOCK_NEWS_H

#include "product_set.h"
#include "runtime/messages/consumer.h"

enum {
    STOCK_NEWS_PAUSE_MS = 50,     /* between two rounds */
    STOCK_NEWS_PRODUCTS_MAX = 256 /* that gather; more make the round end early, or come again */
};

/*
 * After the commit of `segment`, before its end: those that have changed or are told again. Copies.
 */
void stock_news_add(const struct product_set *set, struct consumer_segment *segment);

/* A product is told again, though nothing has changed. Copies. */
void stock_news_again(const struct product *product, struct trace trace);

#endif
