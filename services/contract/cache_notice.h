/*
 * A replica that could not write to its Redis says so in its database, and every replica that
 * hears of it forgets what it has cached: else one that has Redis would go on answering from what
 * the other could not replace or drop. A part of each service, with its table `cache_notices` (one
 * row). Loop thread only.
 */
#ifndef CONTRACT_CACHE_NOTICE_H
#define CONTRACT_CACHE_NOTICE_H

#include "base/err.h"
#include "runtime/pg/pg.h"

#include <stdbool.h>

/*
 * How often the row is read, and written at most. For twice that, and for what the two statements
 * take, an old value may be answered.
 */
enum { CACHE_NOTICE_MS = 500 };

extern const struct pg_statement SQL_CACHE_NOTICE_COUNT; /* → the number of notices */
extern const struct pg_statement SQL_CACHE_NOTICE_ADD;   /* one more */

/* PARTS */
MUST_CHECK enum err cache_notice_open(void);
void cache_notice_close(void);
void cache_notice_stop(void);
bool cache_notice_is_idle(void);

#endif
