/*
 * Idempotency keys end 24 hours after they were made: a part of each service that deletes what has
 * ended, from its table `idempotency_keys` (key, created_at, indexed). Loop thread only.
 */
#ifndef CONTRACT_KEY_EXPIRY_H
#define CONTRACT_KEY_EXPIRY_H

#include "base/err.h"
#include "runtime/pg/pg.h"

#include <stdbool.h>

/* not before this time, at most → how many expired keys were deleted, the latest one's time */
extern const struct pg_statement SQL_KEY_EXPIRE;

/* PARTS */
MUST_CHECK enum err key_expiry_open(void);
void key_expiry_close(void);
void key_expiry_stop(void);
bool key_expiry_is_idle(void);

#endif
