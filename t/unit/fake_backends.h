/*
 * The connections of a service, process/backends.h, all of them faked: defines `backends`. The loop
 * and the outbox are real.
 */
#ifndef FAKE_BACKENDS_H
#define FAKE_BACKENDS_H

#include "runtime/process/backends.h"

#include "fake_broker.h"
#include "fake_cache.h"
#include "fake_pg.h"

/* Fakes reset, nothing logged. */
void fake_backends_open(void);
void fake_backends_close(void);

/* A consumer as backends.c opens it, at queue number `queue`; it takes `batch_max` events. */
void fake_backends_consume(struct consumer *consumer, const struct consumer_options *options,
                           size_t queue, size_t batch_max);

#endif
