/*
 * Dead letters, read with basic.get: each is held until the connection ends; what is not dropped by
 * then is in its place again. A quorum queue counts that as a delivery, and RabbitMQ 4 drops what
 * was delivered over 20 times: a letter that was looked at LETTERS_LOOKS_MAX times is replaced by
 * its copy, which begins anew, at the end of its queue. What goes wrong is said on standard error.
 * One thread, blocking; an answer of RabbitMQ is waited for LETTERS_TIMEOUT_S.
 */
#ifndef ADMIN_LETTERS_H
#define ADMIN_LETTERS_H

#include "base/clock.h"
#include "runtime/messages/event.h"

#include <amqp.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    LETTERS_TIMEOUT_S = 10,
    LETTERS_TEXT_BYTES = 256, /* AMQP's short strings, and our reasons */
    LETTERS_LOOKS_MAX = 10,   /* of a letter; then a copy takes its place */
};

struct letter {
    const char *queue; /* that it came from */
    uint64_t tag;
    int64_t looks; /* so often it was delivered before, and not taken */
    amqp_message_t message;
    char id[EVENT_ID_BYTES_MAX + 1]; /* the event's, else the message's, else one of its body */
    char reason[LETTERS_TEXT_BYTES]; /* a word, ours, else the broker's; "unknown" */
    char detail[LETTERS_TEXT_BYTES]; /* a sentence of ours, or "" */
    char time[CLOCK_RFC3339_BYTES];  /* since when it is there; "": not known */
};

/* RABBITMQ_URL, of several the first that lets us in; a channel is open. NULL: said why. */
amqp_connection_state_t letters_connect(void);
void letters_disconnect(amqp_connection_state_t amqp);
/* All letters that are held go back. False: said why. */
bool letters_give_back(amqp_connection_state_t amqp);

/* A queue that is not there has nothing, and nobody who consumes it. False: said why. */
struct letters_queue {
    int64_t ready, consumers;
};
bool letters_ask(amqp_connection_state_t amqp, const char *name, struct letters_queue *ret_queue);

/* From now on what is published is confirmed. False: said why. */
bool letters_confirm(amqp_connection_state_t amqp);
/* Publish a copy to `queue`, and wait for its confirm. False: said why. */
bool letters_publish(amqp_connection_state_t amqp, const char *queue,
                     const amqp_basic_properties_t *properties, amqp_bytes_t body);

enum letter_fate { LETTER_KEEP, LETTER_DROP, LETTER_FAIL };
typedef enum letter_fate letter_fn(amqp_connection_state_t amqp, const struct letter *letter,
                                   void *ctx);

/*
 * Each letter that is in `<queue>.dlq` when this is called, to `fn`. False: said why, or `fn`
 * failed. A queue that is not there is empty.
 */
bool letters_for_each(amqp_connection_state_t amqp, const char *queue, letter_fn *fn, void *ctx);

#endif
