/*
 * Do the books balance, as far as a service sees its own: a part of each that asks its database
 * every BOOKS_INTERVAL_MS, for metrics. What no service can see alone is said by ./prodorder audit,
 * whose last verdict counts here, too. Loop thread only.
 */
#ifndef CONTRACT_BOOKS_H
#define CONTRACT_BOOKS_H

#include "base/err.h"
#include "runtime/pg/pg.h"

#include <stdint.h>

enum { BOOKS_INTERVAL_MS = 10000 };

/*
 * For a gauge: 1, or 0 when the last answer was no; the books that nobody has asked for yet
 * balance.
 */
int64_t books_balanced(void);
/* For a gauge: for how many seconds the oldest order waits; 0: none does. */
int64_t books_oldest_waiting_s(void);

/*
 * PARTS. The statement has no parameters and one row: does everything hold (1 or 0), and since when
 * the oldest order waits (NULL: none does).
 */
MUST_CHECK enum err books_open(const struct pg_statement *statement);
void books_stop(void);
void books_close(void);
bool books_is_idle(void);

#endif
