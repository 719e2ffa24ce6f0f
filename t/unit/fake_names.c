#include "fake_names.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

typedef int lookup_fn(const char *host, const char *port, const struct addrinfo *hints,
                      struct addrinfo **ret_found);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static const char *names[16]; /* numeric */
static size_t lookups;
static bool is_held;
static pthread_t thread_of_last;

void fake_names_set(const char *const *addresses) {
    pthread_mutex_lock(&mutex);
    memset(names, 0, sizeof(names));
    for (size_t i = 0; addresses != NULL && addresses[i] != NULL; i++) {
        names[i] = addresses[i];
    }
    pthread_mutex_unlock(&mutex);
}

void fake_names_hold(bool held) {
    pthread_mutex_lock(&mutex);
    is_held = held;
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&mutex);
}

size_t fake_names_lookups(void) {
    pthread_mutex_lock(&mutex);
    size_t count = lookups;
    pthread_mutex_unlock(&mutex);
    return count;
}

bool fake_names_were_here(void) {
    pthread_mutex_lock(&mutex);
    bool here = lookups > 0 && pthread_equal(thread_of_last, pthread_self());
    pthread_mutex_unlock(&mutex);
    return here;
}

static lookup_fn *real_lookup(void) {
    lookup_fn *real;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &symbol, sizeof(real)); /* ISO C knows no cast between the two */
    return real;
}

/* freeaddrinfo() goes from one to the next: lists of one can be chained. */
static int chain(const char *port, const struct addrinfo *hints, struct addrinfo **ret_found) {
    struct addrinfo **end = ret_found;
    *ret_found = NULL;
    for (size_t i = 0; names[i] != NULL; i++) {
        int rc = real_lookup()(names[i], port, hints, end);
        if (rc != 0) {
            return rc;
        }
        end = &(*end)->ai_next;
    }
    return *ret_found == NULL ? EAI_NONAME : 0;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **ret_found) {
    if (host == NULL || strcmp(host, FAKE_NAME) != 0) {
        return real_lookup()(host, port, hints, ret_found);
    }
    pthread_mutex_lock(&mutex);
    lookups++;
    thread_of_last = pthread_self();
    while (is_held) {
        pthread_cond_wait(&released, &mutex);
    }
    int rc = chain(port, hints, ret_found);
    pthread_mutex_unlock(&mutex);
    return rc;
}
