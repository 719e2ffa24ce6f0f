/*
 * Host names to addresses, once, at start-up: getaddrinfo() blocks and must stay out of the loop.
 */
#ifndef COMMON_RESOLVE_H
#define COMMON_RESOLVE_H

#include "err.h"

enum { RESOLVE_ADDRESS_BYTES = 46 }; /* INET6_ADDRSTRLEN */

/* The first address of `host` in numeric form. ERR_UNAVAILABLE (logged): it does not resolve. */
MUST_CHECK enum err resolve_host(const char *host, char ret_address[RESOLVE_ADDRESS_BYTES]);

#endif
