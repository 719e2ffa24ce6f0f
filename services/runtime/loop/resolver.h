/*
 * The addresses of a server, for clients that connect and reconnect.
 *
 * A name may have several addresses and may get others while we run (a container that was made
 * anew): each attempt gets the address that worked last, or after a resolver_report_failure() the
 * one behind it; when all have failed, the name is looked up again. getaddrinfo() blocks, so it
 * runs in a short-lived thread of its own, at most once in RESOLVE_PAUSE_MS; the addresses of
 * before are given meanwhile. A numeric address is never looked up. A name that does not resolve
 * is logged once an outage. Loop thread only.
 */
#ifndef RUNTIME_LOOP_RESOLVER_H
#define RUNTIME_LOOP_RESOLVER_H

#include "loop.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    RESOLVE_ADDRESS_BYTES = 46, /* INET6_ADDRSTRLEN */
    RESOLVE_ADDRESSES_MAX = 8,  /* of one name; the others are not tried */
    RESOLVE_PAUSE_MS = 1000     /* between two lookups */
};

struct resolver_lookup;

struct resolver {
    struct loop *loop;
    const char *host;
    bool is_numeric;
    char addresses[RESOLVE_ADDRESSES_MAX][RESOLVE_ADDRESS_BYTES];
    size_t count;
    size_t current; /* the one to try */
    bool is_wanted; /* a lookup, as soon as the pause is over */
    bool is_outage_logged;
    struct resolver_lookup *lookup; /* under way, or NULL */
    uint64_t paused_until_ms;
};

union resolver_socket {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* A numeric address as one of a socket; its length, 0 when it is none. */
socklen_t resolver_parse(const char *address, uint16_t port, union resolver_socket *ret_socket);

/* Begins the first lookup. `host`, name or numeric address, must stay. */
void resolver_open(struct resolver *resolver, struct loop *loop, const char *host);
/* A lookup under way is abandoned, not waited for. Harmless for one that is zeroed or closed. */
void resolver_close(struct resolver *resolver);
/* The address to try now, in numeric form. False: none is known (yet), try again a little later. */
bool resolver_next_address(struct resolver *resolver, char ret_address[RESOLVE_ADDRESS_BYTES]);
/* How many are known. */
size_t resolver_address_count(const struct resolver *resolver);
/* `address` did not work. Reports about another than the current one are old news and ignored. */
void resolver_report_failure(struct resolver *resolver, const char *address);

#endif
