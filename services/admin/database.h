/*
 * PostgreSQL for an operator's questions: one connection, one question after the other, each a
 * transaction of its own. What goes wrong is said on standard error, without passwords. One thread,
 * blocking.
 */
#ifndef ADMIN_DATABASE_H
#define ADMIN_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    DATABASE_PARAMS_MAX = 10,
    DATABASE_CONNECT_S = 10,
    DATABASE_STATEMENT_S = 120,
    DATABASE_LOCK_S = 5 /* nobody waits behind us for a table for longer than this */
};

/* By a URL or a connection string from this variable. NULL: said why. */
PGconn *database_connect(const char *variable, bool is_read_only);
/* The same connection anew, if it is lost. False: said why. */
bool database_again(PGconn *connection);

/*
 * Rows as text; parameters as text, NULL ends them. NULL: said why. To be freed with PQclear().
 */
PGresult *database_ask(PGconn *connection, const char *sql, ...) __attribute__((sentinel));
/* A statement without rows. False: said why. */
bool database_do(PGconn *connection, const char *sql, ...) __attribute__((sentinel));

/*
 * The last question, of whatever database, took longer than DATABASE_STATEMENT_S: it would again.
 */
bool database_was_too_slow(void);

int64_t database_int(const PGresult *rows, int row, int column); /* SQL NULL: 0 */

#endif
