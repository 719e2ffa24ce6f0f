/*
 * The books of a running system: connections to all that has a part in them, the moment at which an
 * audit begins, and the mark up to which the last clean one has come.
 *
 * The mark is a row in each of the two databases (audit_mark), written by a connection of its own
 * after all else: audits from anywhere go on from it, and it is restored with what it speaks of.
 * Both rows have the same token, or the mark counts for nothing: then one of the databases is of
 * another moment than when it was written. One thread, blocking.
 */
#ifndef ADMIN_BOOKS_H
#define ADMIN_BOOKS_H

#include <amqp.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum { BOOKS_TIME_BYTES = 48 };

struct books {
    PGconn *orders, *products;                 /* both databases, read-only */
    amqp_connection_state_t amqp;              /* NULL until it is asked for */
    redisContext *order_redis, *product_redis; /* likewise */
    /* as of when this audit began */
    int64_t low_id;                  /* the mark of telling: no order waits up to here */
    char began_at[BOOKS_TIME_BYTES]; /* by the order database's clock */
    /* the last clean audit */
    int64_t from_id;                 /* all up to here was right; 0: nothing is known */
    char clean_at[BOOKS_TIME_BYTES]; /* when that began; "-infinity" */
};

/* False: said why; a database is missing. To be closed. */
bool books_open(struct books *books);
void books_close(struct books *books);
/* What has failed is connected again, when it is next asked for. False: said why. */
bool books_again(struct books *books);

/* Take the moments. `is_full`: without the mark. False: said why. */
bool books_begin(struct books *books, bool is_full);
/*
 * Write the verdict, and when it is good the mark up to books->low_id. `is_full`: a bad one takes
 * the mark back. What cannot be written is said, and harms nothing: the next audit looks at more.
 */
void books_end(struct books *books, bool balanced, bool is_full);

/* NULL: said why. */
amqp_connection_state_t books_broker(struct books *books);
redisContext *books_order_redis(struct books *books);
redisContext *books_product_redis(struct books *books);
/* Away with what is cached under this key. False: said why. */
bool books_drop(redisContext *redis, const char *key);

#endif
