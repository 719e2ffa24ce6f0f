/*
 * One vocabulary for everything that can go wrong in the world (bugs are assert()s).
 *
 * Each value has the HTTP status and the message that a client of the services sees when the
 * failure reaches it. Fallible functions return `enum err` and are MUST_CHECK; they write their
 * outputs only when they return ERR_OK.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum err {
    ERR_OK = 0,
    ERR_INVALID,       /* 400: the request is malformed or breaks a rule                */
    ERR_NOT_FOUND,     /* 404: no such thing                                            */
    ERR_METHOD,        /* 405: the path exists, the method does not                     */
    ERR_CONFLICT,      /* 409: the same work is already under way                       */
    ERR_PRECONDITION,  /* 412: If-Match names another version                           */
    ERR_TOO_LARGE,     /* 413: over a size limit                                        */
    ERR_MEDIA_TYPE,    /* 415: not application/json                                     */
    ERR_UNPROCESSABLE, /* 422: well formed, but contradicts what is already known       */
    ERR_INTERNAL,      /* 500: our fault                                                */
    ERR_BAD_REPLY,     /* 502: a dependency answered something that makes no sense      */
    ERR_UNAVAILABLE,   /* 503: a dependency is down or its connection was lost          */
    ERR_BUSY,          /* 503: a queue or pool of ours is full                          */
    ERR_DRAINING,      /* 503: shutting down                                            */
    ERR_NO_MEMORY,     /* 503: an arena or a pool is exhausted                          */
    ERR_TIMEOUT,       /* 503: a deadline passed: a dependency is slow or hangs          */
    ERR_LOCKED,        /* 503: another transaction has locked a row (SQLSTATE 55P03)     */
    ERR_TAKEN_ID,      /* 503: an id from a sequence is taken: take others and repeat         */
    ERR_DUPLICATE,     /* 500 if it escapes: a unique key exists already (SQLSTATE 23505) */
    ERR_REJECTED_DATA, /* 500 if it escapes: the database refuses the row (SQLSTATE 22, 23) */
    ERR_COUNT
};

/* The HTTP status for `err`, 100 to 599; 200 for ERR_OK. */
int err_http_status(enum err err);

/* One sentence for the client, static storage, never NULL. */
const char *err_message(enum err err);

/* The constant's name in lower case ("unavailable"), for logs and metric labels. */
const char *err_name(enum err err);

/* What an HTTP status is called ("Not Found"), static storage; of any other, what its class is. */
const char *err_status_title(int status);

#endif
