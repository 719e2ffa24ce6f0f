/* Addresses of a server: a lookup in a thread of its own, and which address is to be tried. */
#include "resolver.h"

#include "runtime/telemetry/log.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * One lookup: filled by its thread, then taken by the loop. Who is last frees it: the loop, or the
 * thread when the resolver has been closed meanwhile.
 */
struct resolver_lookup {
    struct resolver *resolver; /* loop thread only */
    struct loop_wakeup wakeup; /* signalled under the mutex, while it is not abandoned */
    pthread_mutex_t mutex;     /* guards the two below */
    bool is_done, is_abandoned;
    char addresses[RESOLVE_ADDRESSES_MAX][RESOLVE_ADDRESS_BYTES];
    size_t count;
    int rc; /* getaddrinfo()'s */
    char host[];
};

static void free_lookup(struct resolver_lookup *lookup) {
    pthread_mutex_destroy(&lookup->mutex);
    free(lookup);
}

/* ---- the thread ---- */

static void look_up(struct resolver_lookup *lookup) {
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    lookup->rc = getaddrinfo(lookup->host, NULL, &hints, &found);
    if (lookup->rc != 0) {
        return;
    }
    for (struct addrinfo *one = found; one != NULL && lookup->count < RESOLVE_ADDRESSES_MAX;
         one = one->ai_next) {
        char *text = lookup->addresses[lookup->count];
        int rc = getnameinfo(one->ai_addr, one->ai_addrlen, text, RESOLVE_ADDRESS_BYTES, NULL, 0,
                             NI_NUMERICHOST);
        if (rc == 0 && strchr(text, '%') == NULL) { /* link-local ones need more than an address */
            lookup->count++;
        }
    }
    freeaddrinfo(found);
    lookup->rc = lookup->count == 0 ? EAI_NONAME : 0;
}

static void *run_lookup(void *ctx) {
    struct resolver_lookup *lookup = ctx;
    look_up(lookup);
    pthread_mutex_lock(&lookup->mutex);
    bool is_abandoned = lookup->is_abandoned;
    lookup->is_done = true;
    if (!is_abandoned) {
        loop_wakeup_signal(&lookup->wakeup);
    }
    pthread_mutex_unlock(&lookup->mutex);
    if (is_abandoned) {
        free_lookup(lookup);
    }
    return NULL;
}

static int start_thread(struct resolver_lookup *lookup) {
    pthread_attr_t detached;
    pthread_t thread;
    int rc = pthread_attr_init(&detached);
    if (rc != 0) {
        return rc;
    }
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &detached, run_lookup, lookup);
    pthread_attr_destroy(&detached);
    return rc;
}

/* ---- the loop ---- */

static void log_outage(struct resolver *resolver, const char *reason) {
    if (!resolver->is_outage_logged) {
        resolver->is_outage_logged = true;
        log_error("host name does not resolve", LOG_STR("host", resolver->host),
                  LOG_STR("error", reason));
    }
}

static void take_addresses(struct resolver *resolver, const struct resolver_lookup *lookup) {
    memcpy(resolver->addresses, lookup->addresses, sizeof(resolver->addresses));
    resolver->count = lookup->count;
    resolver->current = 0;
    resolver->is_wanted = false;
    if (resolver->is_outage_logged) {
        resolver->is_outage_logged = false;
        log_info("host name resolves again", LOG_STR("host", resolver->host));
    }
}

static void pause_lookups(struct resolver *resolver) {
    resolver->paused_until_ms = loop_now_ms(resolver->loop) + RESOLVE_PAUSE_MS;
}

static void lookup_done(void *ctx) {
    struct resolver_lookup *lookup = ctx;
    struct resolver *resolver = lookup->resolver;
    pthread_mutex_lock(&lookup->mutex); /* until the thread has let go of it */
    pthread_mutex_unlock(&lookup->mutex);
    loop_wakeup_close(resolver->loop, &lookup->wakeup);
    resolver->lookup = NULL;
    pause_lookups(resolver);
    if (lookup->rc == 0) {
        take_addresses(resolver, lookup);
    } else {
        log_outage(resolver, gai_strerror(lookup->rc));
    }
    free_lookup(lookup);
}

static void begin_lookup(struct resolver *resolver) {
    size_t host_bytes = strlen(resolver->host) + 1;
    if (resolver->lookup != NULL || loop_now_ms(resolver->loop) < resolver->paused_until_ms) {
        return;
    }
    struct resolver_lookup *lookup = calloc(1, sizeof(*lookup) + host_bytes);
    if (lookup == NULL) {
        log_outage(resolver, "out of memory");
        return;
    }
    memcpy(lookup->host, resolver->host, host_bytes);
    lookup->resolver = resolver;
    pthread_mutex_init(&lookup->mutex, NULL);
    if (loop_wakeup_open(resolver->loop, &lookup->wakeup, lookup_done, lookup) == ERR_OK) {
        if (start_thread(lookup) == 0) {
            resolver->lookup = lookup;
            return;
        }
        loop_wakeup_close(resolver->loop, &lookup->wakeup);
    }
    free_lookup(lookup);
    pause_lookups(resolver);
    log_outage(resolver, "no thread for the lookup");
}

/* ---- open and close ---- */

socklen_t resolver_parse(const char *address, uint16_t port, union resolver_socket *ret_socket) {
    *ret_socket = (union resolver_socket){ .any.sa_family = AF_UNSPEC };
    if (inet_pton(AF_INET, address, &ret_socket->v4.sin_addr) == 1) {
        ret_socket->v4.sin_family = AF_INET;
        ret_socket->v4.sin_port = htons(port);
        return sizeof(ret_socket->v4);
    }
    if (inet_pton(AF_INET6, address, &ret_socket->v6.sin6_addr) == 1) {
        ret_socket->v6.sin6_family = AF_INET6;
        ret_socket->v6.sin6_port = htons(port);
        return sizeof(ret_socket->v6);
    }
    return 0;
}

void resolver_open(struct resolver *resolver, struct loop *loop, const char *host) {
    union resolver_socket numeric;
    *resolver = (struct resolver){ .loop = loop, .host = host };
    if (strlen(host) < RESOLVE_ADDRESS_BYTES && resolver_parse(host, 0, &numeric) > 0) {
        resolver->is_numeric = true;
        memcpy(resolver->addresses[0], host, strlen(host) + 1);
        resolver->count = 1;
    } else {
        resolver->is_wanted = true;
        begin_lookup(resolver);
    }
}

void resolver_close(struct resolver *resolver) {
    struct resolver_lookup *lookup = resolver->lookup;
    if (lookup == NULL) {
        return;
    }
    pthread_mutex_lock(&lookup->mutex);
    bool is_done = lookup->is_done;
    lookup->is_abandoned = true;
    loop_wakeup_close(resolver->loop, &lookup->wakeup);
    pthread_mutex_unlock(&lookup->mutex);
    if (is_done) {
        free_lookup(lookup);
    }
    resolver->lookup = NULL;
}

/* ---- addresses ---- */

bool resolver_next_address(struct resolver *resolver, char ret_address[RESOLVE_ADDRESS_BYTES]) {
    if (resolver->is_wanted) {
        begin_lookup(resolver);
    }
    if (resolver->count == 0) {
        return false;
    }
    memcpy(ret_address, resolver->addresses[resolver->current], RESOLVE_ADDRESS_BYTES);
    return true;
}

size_t resolver_address_count(const struct resolver *resolver) {
    return resolver->count;
}

void resolver_report_failure(struct resolver *resolver, const char *address) {
    if (resolver->is_numeric || resolver->count == 0 ||
        strcmp(address, resolver->addresses[resolver->current]) != 0) {
        return;
    }
    resolver->current++;
    if (resolver->current == resolver->count) {
        resolver->current = 0;
        resolver->is_wanted = true;
        begin_lookup(resolver);
    }
}
