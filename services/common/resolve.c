#include "resolve.h"

#include "log.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

enum err resolve_host(const char *host, char ret_address[RESOLVE_ADDRESS_BYTES]) {
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, NULL, &hints, &found);
    if (rc == 0) {
        rc = getnameinfo(found->ai_addr, found->ai_addrlen, ret_address, RESOLVE_ADDRESS_BYTES,
                         NULL, 0, NI_NUMERICHOST);
        freeaddrinfo(found);
    }
    if (rc != 0) {
        log_error("host name does not resolve", LOG_STR("host", host),
                  LOG_STR("error", gai_strerror(rc)));
        return ERR_UNAVAILABLE;
    }
    return ERR_OK;
}
