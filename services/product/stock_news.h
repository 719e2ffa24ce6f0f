/*
 * product.updated of what orders have taken. Nobody waits for it, and the newest state is all that
 * anybody wants to know: the first one leaves at once, what follows gathers for
 * STOCK_NEWS_PAUSE_MS, and of each product its newest state is told. While the broker is away they
 * gather on. What is lost with this process was never promised: copies expire, and a repeated order
 * tells the state again. (What people change is told through the outbox.) Loop thread only.
 */
#ifndef PRODUCT_STOCK_NEWS_H
#define PRODUCT_STOCK_NEWS_H

#include "product_set.h"

enum {
    STOCK_NEWS_PAUSE_MS = 100,    /* between two rounds */
    STOCK_NEWS_PRODUCTS_MAX = 256 /* that gather; more make the round end early */
};

/* After the commit: those that have changed or are told again. Copies. */
void stock_news_add(const struct product_set *set);

#endif
