/*
 * How many orders wait for their outcome, and what follows from that for those that come: they are
 * held back while the backlog is worth more than a moment of what is being fulfilled, and refused
 * at ORDERS_WAITING_MAX (docs/adr/0020-accept-no-faster-than-is-fulfilled.md). Loop thread only.
 */
#ifndef ORDER_BACKLOG_H
#define ORDER_BACKLOG_H

#include "runtime/pg/pg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BACKLOG_ORDERS_MIN = 256, /* fewer hold nobody back: messages are shared, replicas take turns */
    BACKLOG_WORTH_US = 250000,    /* nor what is fulfilled in so long */
    BACKLOG_HOLD_US_MAX = 500000, /* of one order */
    BACKLOG_STILL_MS = 1000, /* without an outcome: whoever decides is away, nobody is held back */
};

/*
 * How many orders wait: what the last look through them has counted, and since then those that this
 * process has stored, less those whose outcome it has heard. Never below 0.
 */
int64_t backlog_waiting(void);

/* ORDERS_WAITING_MAX of them: no more are taken. */
bool backlog_is_full(void);

/*
 * A look through all that wait up to an id: it begins, has come to an id, where so many more wait,
 * and ends. One that is given up needs no end.
 */
void backlog_count_begin(int64_t up_to_id);
void backlog_count_add(int64_t to_id, int64_t waiting);
void backlog_count_end(void);

/* An order of this process is stored. */
void backlog_stored(int64_t id);

/* The orders with the ids in column 0 have their outcome. */
void backlog_finished(const struct pg_rows *rows);

/* An order that waited does so no more, without an outcome. */
void backlog_left(int64_t id);

/* The newest id that this process has stored or heard of; 0: none. */
int64_t backlog_newest_id(void);

/* Ids begin again at an earlier one (a restore): how far acceptance is ahead is measured anew. */
void backlog_restart(void);

/* For how long, counted from its request, an order is to be held back now; 0: it may go. */
uint64_t backlog_hold_us(void);

#endif
