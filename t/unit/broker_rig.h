/*
 * A broker, a loop and a scripted server (fake_amqp.h) for unit tests. The script of a test runs in
 * a thread; the loop runs in the test itself, inside until() and tick_for(). What the broker's
 * callbacks said is in the variables below.
 */
#ifndef BROKER_RIG_H
#define BROKER_RIG_H

#include "base/clock.h"
#include "fake_amqp.h"
#include "runtime/broker/broker.h"
#include "runtime/loop/loop.h"
#include "runtime/telemetry/log.h"

#include <check.h>

enum { MESSAGES_MAX = 32, PATIENCE_MS = 8000, QUEUE_CHANNEL = 2 };

extern struct fake_server server;
extern struct loop *loop;
extern struct broker *broker;
extern struct broker_options options; /* sane after set_up(); a test may change them */

extern char states[32];              /* of on_state, in order: U(p), B(locked), D(own) */
extern char fates[MESSAGES_MAX + 1]; /* by cookie: . none, y confirmed, n not, ! more than once */
extern char told[64];     /* both in the order they came: U, B, D, and y, n per message */
extern char batches[512]; /* message ids: "[m1 m2][m3]" */
extern size_t last_body_length;
extern char last_trace[640];
extern bool ack_at_once;               /* true unless a test says otherwise */
extern const char *park_id, *aside_id; /* park, or set aside, the one with this message id */
extern struct delivery_batch *last_batch;
extern unsigned last_attempts;
extern bool is_closed;
extern void (*during_state)(enum broker_state state); /* called inside on_state; may be NULL */
extern _Atomic unsigned up_count; /* for scripts: how often the loop saw BROKER_UP */

void set_up(void);     /* a checked fixture */
void with_queue(void); /* consume "order.created.unit" */
enum err try_open_broker(void);
void open_broker(void);
void until(const char *at, const char *text); /* tick until `at` says `text` */
void tick_for(uint64_t ms);
enum err publish(uint64_t cookie); /* message "m<cookie>" */
void publish_all(uint64_t from, uint64_t to);
void on_broker_closed(void *ctx);            /* sets is_closed */
uint64_t close_broker(uint32_t deadline_ms); /* and free everything: how long it took */

typedef void script_fn(void);
void start_script(script_fn *script);
void end_script(void); /* wait for its end */

#endif
