/*
 * One AMQP connection of a broker thread: login and topology through rabbitmq-c's blocking calls,
 * each with a deadline; from then on frames are encoded into one buffer, written when the socket
 * takes them, and decoded from whatever it holds, so that nothing here ever waits but link_wait().
 *
 * rabbitmq-c's own publish and receive calls are not used after the login: in 0.11 they can wait
 * for ever on a broker that throttles. The thread that owns the link calls everything, but
 * link_interrupt().
 */
#ifndef RUNTIME_BROKER_CONNECTION_H
#define RUNTIME_BROKER_CONNECTION_H

#include "queue.h"

#include <amqp.h>
#include <amqp_framing.h>
#include <stdatomic.h>

enum {
    LINK_CHANNEL_MAX = 16,
    LINK_FRAME_BYTES_MAX = 131072, /* RabbitMQ's own default */
    LINK_FRAME_BYTES_MIN = 4096,   /* AMQP 0-9-1's frame-min-size */
    LINK_READ_BYTES = 131072,
    LINK_REASON_BYTES = 256,
    LINK_CHANNEL = 1, /* declares and publishes; consumers have LINK_CHANNEL + 1 + queue */
};

/* What a link needs of its thread; `wake_fd` is an eventfd that ends link_wait(). */
struct link_owner {
    const char *name; /* "publisher" or "consumer", for logs */
    const struct broker_options *options;
    const struct amqp_connection_info *target;
    int wake_fd;
    _Atomic bool closing;               /* set before wake_fd is signalled */
    _Atomic uint64_t close_deadline_ms; /* monotonic; valid once closing */
    pthread_mutex_t lock;
    int socket_fd;      /* under lock: for link_interrupt(); -1 */
    bool failure_known; /* the current outage is in the log: nothing more about it until it ends */
};

struct link {
    struct link_owner *owner;
    amqp_connection_state_t amqp;
    int fd;
    struct buf out;
    char *in;
    size_t frame_bytes_max; /* as negotiated */
    uint64_t heartbeat_ms;  /* as negotiated; 0: none */
    uint64_t sent_ms;
    uint64_t received_ms;
    bool closed_by_us;              /* connection.close-ok came */
    char reason[LINK_REASON_BYTES]; /* of the last failure */
};

/* A frame for the owner: any but heartbeats and closes. Valid during the call. */
typedef enum err link_frame_fn(void *ctx, const amqp_frame_t *frame);

MUST_CHECK enum err link_init(struct link *link, struct link_owner *owner);
void link_done(struct link *link);

/*
 * Connect, log in, open LINK_CHANNEL, declare the topology. ERR_UNAVAILABLE with link->reason, and
 * the link closed. ERR_DRAINING: the owner is closing.
 */
MUST_CHECK enum err link_open(struct link *link);
/* Forget the connection, gracefully or not. Harmless when there is none. */
void link_close(struct link *link);
/* Any thread: make a link_open() under way fail at once. */
void link_interrupt(struct link_owner *owner);

/* A synchronous request during set-up (after link_open()); ERR_UNAVAILABLE with link->reason. */
MUST_CHECK enum err link_check(struct link *link, const char *what, amqp_rpc_reply_t reply);

/* Frames that rabbitmq-c read during the set-up; once, before link_wait(). */
MUST_CHECK enum err link_drain_setup(struct link *link, link_frame_fn *fn, void *ctx);

/* Append to link->out. ERR_NO_MEMORY. */
MUST_CHECK enum err link_put_method(struct link *link, amqp_channel_t channel,
                                    amqp_method_number_t id, void *method);
/* What the properties of a message may take: they must fit into one frame, as negotiated. */
size_t link_properties_bytes_max(const struct link *link);
/* basic.publish with its content: `properties` are encoded already, and no larger than that. */
MUST_CHECK enum err link_put_publish(struct link *link, amqp_basic_publish_t *publish,
                                     amqp_bytes_t properties, amqp_bytes_t body);

/* Write what the socket takes of link->out. */
MUST_CHECK enum err link_flush(struct link *link);
/*
 * Sleep until the socket is readable (or writable, when link->out is not empty), the wake_fd was
 * signalled, a heartbeat is due or `until_ms` (monotonic). Sends heartbeats; an error when the
 * broker's are missed.
 */
MUST_CHECK enum err link_wait(struct link *link, uint64_t until_ms, bool *ret_readable);
/* Read what is there and pass its frames on. Ends early, without error, on a large backlog. */
MUST_CHECK enum err link_read(struct link *link, link_frame_fn *fn, void *ctx);

/* connection.close, and wait for its answer until `deadline_ms`. Other frames are dropped. */
void link_say_goodbye(struct link *link, uint64_t deadline_ms);

/* Format link->reason and return ERR_UNAVAILABLE. */
MUST_CHECK enum err link_fail(struct link *link, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reset the eventfd. */
void link_clear_wake(const struct link_owner *owner);

/* Declare exchange, queues and bindings on LINK_CHANNEL (broker_topology.c). */
MUST_CHECK enum err link_declare_topology(struct link *link);

#endif
