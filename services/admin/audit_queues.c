/* Queues, and dead letters: what RabbitMQ says of them when they are declared passively. */
#include "audit.h"

#include "letters.h"

#include "contract/contract.h"
#include "runtime/broker/broker.h"

#include <stdio.h>

enum { NAME_BYTES = 128 };

/* has_rows: what is locked there waits in a queue of its own. */
static const struct {
    const char *name;
    bool has_rows;
} QUEUES[] = { { QUEUE_ORDER_CREATED, true },
               { QUEUE_ORDER_CANCELLED, true },
               { QUEUE_ORDER_UPDATED, true },
               { QUEUE_PRODUCT_CREATED, false },
               { QUEUE_PRODUCT_UPDATED, false } };

enum { QUEUE_COUNT = sizeof(QUEUES) / sizeof(QUEUES[0]) };

struct totals {
    int64_t ready;
    int64_t unconsumed; /* queues that nobody consumes, or that are not there */
};

/* `finding` may be NULL. */
static bool ask(amqp_connection_state_t amqp, const char *name, struct totals *totals,
                struct finding *finding) {
    struct letters_queue queue;
    if (!letters_ask(amqp, name, &queue)) {
        return false;
    }
    totals->ready += queue.ready;
    if (queue.consumers == 0) {
        totals->unconsumed++;
        if (finding != NULL) {
            findings_add(finding, name);
        }
    }
    return true;
}

static bool ask_all(struct books *books, struct totals *totals, struct finding *finding) {
    amqp_connection_state_t amqp = books_broker(books);
    bool good = amqp != NULL;
    *totals = (struct totals){ 0, 0 };
    for (size_t i = 0; good && i < QUEUE_COUNT; i++) {
        char retry[NAME_BYTES];
        snprintf(retry, sizeof(retry), "%s%s", QUEUES[i].name, BROKER_RETRY_SUFFIX);
        good = ask(amqp, QUEUES[i].name, totals, finding) &&
               (!QUEUES[i].has_rows || ask(amqp, retry, totals, finding));
    }
    return good;
}

bool audit_queues(struct books *books, struct finding *finding) {
    struct totals totals;
    bool good = ask_all(books, &totals, finding);
    finding->looked = totals.ready;
    return good;
}

bool audit_queues_are_quiet(struct books *books) {
    struct totals totals;
    return ask_all(books, &totals, NULL) && totals.ready == 0 && totals.unconsumed == 0;
}

bool audit_queues_dead_letters(struct books *books, struct finding *finding) {
    amqp_connection_state_t amqp = books_broker(books);
    for (size_t i = 0; amqp != NULL && i < QUEUE_COUNT; i++) {
        char name[NAME_BYTES];
        struct letters_queue queue;
        snprintf(name, sizeof(name), "%s%s", QUEUES[i].name, BROKER_DLQ_SUFFIX);
        if (!letters_ask(amqp, name, &queue)) {
            return false;
        }
        finding->looked += queue.ready;
        if (queue.ready > 0) {
            findings_add(finding, name);
            finding->broken += queue.ready - 1; /* letters, by the names of their queues */
        }
    }
    return amqp != NULL;
}
