/* The table of claims. */
#include "claims.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct claim {
    struct claim *next;
    char key[];
};

/* The link that points to the claim of `key`, or to NULL at the end of its bucket. */
static struct claim **find(struct claims *claims, const char *key) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = key; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    }
    struct claim **link = &claims->buckets[hash % CLAIMS_BUCKETS];
    while (*link != NULL && strcmp((*link)->key, key) != 0) {
        link = &(*link)->next;
    }
    return link;
}

enum err claims_take(struct claims *claims, const char *key) {
    struct claim **link = find(claims, key);
    if (*link != NULL) {
        return ERR_CONFLICT;
    }
    size_t bytes = strlen(key) + 1;
    struct claim *claim = malloc(sizeof(*claim) + bytes);
    if (claim == NULL) {
        return ERR_NO_MEMORY;
    }
    claim->next = NULL;
    memcpy(claim->key, key, bytes);
    *link = claim;
    return ERR_OK;
}

void claims_release(struct claims *claims, const char *key) {
    struct claim **link = find(claims, key);
    struct claim *claim = *link;
    assert(claim != NULL);
    *link = claim->next;
    free(claim);
}

void claims_done(struct claims *claims) {
    for (size_t i = 0; i < CLAIMS_BUCKETS; i++) {
        while (claims->buckets[i] != NULL) {
            struct claim *claim = claims->buckets[i];
            claims->buckets[i] = claim->next;
            free(claim);
        }
    }
}
