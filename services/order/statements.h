/* Everything that the order service says to its database: migrations and prepared statements. */
#ifndef ORDER_STATEMENTS_H
#define ORDER_STATEMENTS_H

#include "runtime/pg/pg.h"

extern const struct pg_migration ORDER_MIGRATIONS[]; /* version 0 ends the list */
extern const struct pg_sequence ORDER_SEQUENCES[];   /* a table NULL ends the list */
/* All of these; NULL ends the list. */
extern const struct pg_statement *const ORDER_STATEMENTS[];

/* rows, see order_store.c → place and id of the stored orders */
extern const struct pg_statement SQL_ORDER_INSERT;
/* ids → order rows */
extern const struct pg_statement SQL_ORDER_GET;
/* ids → those that do not wait */
extern const struct pg_statement SQL_ORDER_DECIDED;
/* product ids, limit → order rows, newest first within a product */
extern const struct pg_statement SQL_ORDER_FIRST_PAGES;
/* product id, before time, before id, limit → order rows */
extern const struct pg_statement SQL_ORDER_PAGE;
/* rows of id, status, reason, time, created_at (epoch: any) → id, product id, created_at of those
   that moved */
extern const struct pg_statement SQL_ORDER_FINISH;
/*
 * before id, status or '', from, before time, limit, rows to look at → order rows by id, downwards,
 * and the last id that was looked at when that ended the search (NULL: it did not); without an
 * order one row with nothing but that
 */
extern const struct pg_statement SQL_ORDER_SEARCH;
/* before id, from, before time, limit → cancelled order rows, likewise */
extern const struct pg_statement SQL_ORDER_CANCELLED;
/*
 * rows of id, time, trace; ms until told again → id of those that were cancelled, and whether they
 * waited
 */
extern const struct pg_statement SQL_ORDER_CANCEL;
/* at most, ms → order id, created_at, product id, quantity, cancelled_at, trace: told again next
   after so long, twice that, … */
extern const struct pg_statement SQL_CANCELLATION_DUE;
/* order ids, 1: or of any, a thousand at most: those that are not settled are due */
extern const struct pg_statement SQL_CANCELLATION_HURRY;
/* rows of order id, created_at: the product-service has answered */
extern const struct pg_statement SQL_CANCELLATION_SETTLE;
/* ids → those that another transaction has locked, as far as was looked within a second */
extern const struct pg_statement SQL_ORDER_LOCKED;
/* ids → id, created_at of those that there are */
extern const struct pg_statement SQL_ORDER_KNOWN;
/* the highest id that has been drawn */
extern const struct pg_statement SQL_ORDER_DRAWN;
/* the number of the transaction that asks */
extern const struct pg_statement SQL_TRANSACTION;
/*
 * the mark, and the number of the oldest transaction under way, or the next one's. After a restore
 * the mark may be missing, or above the ids that are drawn: then as low as these
 */
extern const struct pg_statement SQL_ORDER_MARK;
/* the mark, which only rises but from above the ids that are drawn */
extern const struct pg_statement SQL_ORDER_MARK_MOVE;
/*
 * after id, up to id, rows to look at, waiting orders at most → order rows, trace, the last id that
 * was looked at; without a waiting order one row with nothing but that. NULL: there are no more
 */
extern const struct pg_statement SQL_ORDER_WAITING;
/*
 * after id, up to id, rows to look at → how many there were, the last one's id, how many of them
 * wait, the first of these
 */
extern const struct pg_statement SQL_ORDER_COUNT;
/* keys → key, product id, quantity of the request, order row */
extern const struct pg_statement SQL_KEY_FIND;
/* → as books_open() wants it */
extern const struct pg_statement SQL_ORDER_BOOKS;

#endif
