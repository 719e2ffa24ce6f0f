/* Connecting, and the mark. */
#include "books.h"

#include "admin.h"
#include "database.h"
#include "letters.h"

#include "base/decimal.h"
#include "base/percent.h"
#include "base/random.h"
#include "contract/contract.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDERS_URL "ORDER_DATABASE_URL"
#define PRODUCTS_URL "PRODUCT_DATABASE_URL"

enum { REDIS_TIMEOUT_S = 5, REDIS_PORT = 6379, TOKEN_BYTES = 40 };

/* ---- connections ---- */

bool books_open(struct books *books) {
    *books = (struct books){ .clean_at = "-infinity" };
    books->orders = database_connect(ORDERS_URL, true);
    books->products = books->orders == NULL ? NULL : database_connect(PRODUCTS_URL, true);
    return books->products != NULL;
}

static void drop_broker(struct books *books) {
    if (books->amqp != NULL) {
        letters_disconnect(books->amqp);
        books->amqp = NULL;
    }
}

static void drop_redis(redisContext **redis) {
    if (*redis != NULL) {
        redisFree(*redis);
        *redis = NULL;
    }
}

bool books_again(struct books *books) {
    drop_broker(books);
    drop_redis(&books->order_redis);
    drop_redis(&books->product_redis);
    bool has_orders = database_again(books->orders);
    return database_again(books->products) && has_orders;
}

void books_close(struct books *books) {
    drop_broker(books);
    drop_redis(&books->order_redis);
    drop_redis(&books->product_redis);
    PQfinish(books->orders);
    PQfinish(books->products);
}

amqp_connection_state_t books_broker(struct books *books) {
    if (books->amqp == NULL) {
        books->amqp = letters_connect();
    }
    return books->amqp;
}

/*
 * redis://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER], cut into pieces that stay in `text`; user and
 * password are percent-decoded.
 */
struct redis_url {
    char text[512];
    const char *user, *password, *host, *database; /* NULL: none */
    int port;
};

/* In place. NULL is good. */
static bool decode(char *text) {
    size_t length = 0;
    if (text != NULL && !percent_decode(str_of(text), text, &length)) {
        return false;
    }
    if (text != NULL) {
        text[length] = '\0';
    }
    return true;
}

static bool cut_url(const char *given, struct redis_url *url) {
    static const char SCHEME[] = "redis://";
    if (strncmp(given, SCHEME, sizeof(SCHEME) - 1) != 0 || strlen(given) >= sizeof(url->text)) {
        return false;
    }
    snprintf(url->text, sizeof(url->text), "%s", given + sizeof(SCHEME) - 1);
    char *at = strrchr(url->text, '@');
    char *host = at == NULL ? url->text : at + 1;
    if (at != NULL) {
        *at = '\0';
        char *colon = strchr(url->text, ':');
        char *password = colon == NULL ? url->text : colon + 1;
        char *user = colon == NULL || colon == url->text ? NULL : url->text;
        if (colon != NULL) {
            *colon = '\0';
        }
        if (!decode(password) || !decode(user)) {
            return false;
        }
        url->password = password;
        url->user = user;
    }
    char *slash = strchr(host, '/');
    if (slash != NULL) {
        *slash = '\0';
        url->database = slash[1] == '\0' ? NULL : slash + 1;
    }
    char *colon = strrchr(host, ':');
    int64_t port = REDIS_PORT;
    bool is_port = colon == NULL || decimal_to_int(str_of(colon + 1), 0, &port) == ERR_OK;
    if (colon != NULL) {
        *colon = '\0';
    }
    url->host = host;
    url->port = (int)port;
    return *host != '\0' && is_port && port > 0 && port < 65536;
}

static bool is_taken(redisContext *redis, redisReply *reply, const char *what) {
    bool good = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (!good) {
        admin_complain("%s: %s", what, reply != NULL ? reply->str : redis->errstr);
    }
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    return good;
}

static redisContext *connect_redis(const char *variable) {
    const char *given = admin_variable(variable);
    struct redis_url url = { .port = REDIS_PORT };
    struct timeval timeout = { REDIS_TIMEOUT_S, 0 };
    if (given == NULL) {
        return NULL;
    }
    if (!cut_url(given, &url)) {
        admin_complain("%s is not redis://[USER:PASSWORD@]HOST[:PORT]", variable);
        return NULL;
    }
    redisContext *redis = redisConnectWithTimeout(url.host, url.port, timeout);
    bool good = redis != NULL && redis->err == 0;
    if (!good) {
        admin_complain("Redis at %s:%d: %s", url.host, url.port,
                       redis == NULL ? "no memory" : redis->errstr);
    }
    good = good && redisSetTimeout(redis, timeout) == REDIS_OK;
    if (good && url.password != NULL) {
        good =
            is_taken(redis,
                     url.user == NULL ? redisCommand(redis, "AUTH %s", url.password)
                                      : redisCommand(redis, "AUTH %s %s", url.user, url.password),
                     variable);
    }
    if (good && url.database != NULL) {
        good = is_taken(redis, redisCommand(redis, "SELECT %s", url.database), variable);
    }
    if (!good && redis != NULL) {
        redisFree(redis);
        redis = NULL;
    }
    return redis;
}

redisContext *books_order_redis(struct books *books) {
    if (books->order_redis == NULL) {
        books->order_redis = connect_redis("ORDER_REDIS_URL");
    }
    return books->order_redis;
}

redisContext *books_product_redis(struct books *books) {
    if (books->product_redis == NULL) {
        books->product_redis = connect_redis("PRODUCT_REDIS_URL");
    }
    return books->product_redis;
}

/*
 * A list's counter moves on, so that whoever is about to fill it with what he read before does not.
 */
bool books_drop(redisContext *redis, const char *key) {
    bool is_list = strncmp(key, CACHE_PREFIX_ORDERS, strlen(CACHE_PREFIX_ORDERS)) == 0;
    const char *const commands[] = { "UNLINK %s", "INCR version:%s",
                                     "EXPIRE version:%s 86400" }; /* as runtime/cache has it */
    for (size_t i = 0; i < (is_list ? 3u : 1u); i++) {
        redisReply *reply = redisCommand(redis, commands[i], key);
        bool good = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
        if (!good) {
            admin_complain("%s: %s", key, reply == NULL ? redis->errstr : reply->str);
        }
        freeReplyObject(reply);
        if (!good) {
            return false;
        }
    }
    return true;
}

/* ---- the mark ---- */

static const char READ_MARK[] = "SELECT token, low_id, clean_at FROM audit_mark";
static const char READ_NOW[] = "SELECT coalesce((SELECT low_id FROM order_mark), 0), now()";

static void take_mark(struct books *books, const PGresult *orders, const PGresult *products) {
    if (PQntuples(orders) == 1 && PQntuples(products) == 1 &&
        strcmp(PQgetvalue(orders, 0, 0), PQgetvalue(products, 0, 0)) == 0) {
        books->from_id = database_int(orders, 0, 1);
        snprintf(books->clean_at, sizeof(books->clean_at), "%s", PQgetvalue(orders, 0, 2));
    }
}

bool books_begin(struct books *books, bool is_full) {
    PGresult *now = database_ask(books->orders, READ_NOW, NULL);
    PGresult *orders = now == NULL ? NULL : database_ask(books->orders, READ_MARK, NULL);
    PGresult *products = orders == NULL ? NULL : database_ask(books->products, READ_MARK, NULL);
    books->from_id = 0;
    snprintf(books->clean_at, sizeof(books->clean_at), "-infinity");
    if (products != NULL) {
        books->low_id = database_int(now, 0, 0);
        snprintf(books->began_at, sizeof(books->began_at), "%s", PQgetvalue(now, 0, 1));
        if (!is_full) {
            take_mark(books, orders, products);
        }
    }
    PQclear(now);
    PQclear(orders);
    PQclear(products);
    return products != NULL;
}

static const char WRITE_MARK[] =
    "INSERT INTO audit_mark AS m (token, low_id, clean_at, balanced) VALUES ($1, $2, $3, true)"
    " ON CONFLICT (only_row) DO UPDATE SET token = excluded.token, low_id = excluded.low_id,"
    " clean_at = excluded.clean_at, balanced = true";
/* Before the first clean one there is no mark: an empty token is no other's. */
static const char WRITE_BAD[] =
    "INSERT INTO audit_mark AS m (token, low_id, clean_at, balanced) VALUES ('', 0, '-infinity',"
    " false) ON CONFLICT (only_row) DO UPDATE SET balanced = false, low_id = CASE WHEN $1::int = 1"
    " THEN 0 ELSE m.low_id END, clean_at = CASE WHEN $1::int = 1 THEN '-infinity' ELSE m.clean_at"
    " END";

static bool write_one(const char *variable, const struct books *books, bool balanced, bool is_full,
                      const char *token) {
    char low_id[24];
    snprintf(low_id, sizeof(low_id), "%" PRId64,
             books->low_id > books->from_id ? books->low_id : books->from_id);
    PGconn *connection = database_connect(variable, false);
    bool good =
        connection != NULL &&
        (balanced ? database_do(connection, WRITE_MARK, token, low_id, books->began_at, NULL)
                  : database_do(connection, WRITE_BAD, is_full ? "1" : "0", NULL));
    PQfinish(connection);
    return good;
}

void books_end(struct books *books, bool balanced, bool is_full) {
    char token[TOKEN_BYTES];
    random_uuid(token);
    if (!write_one(PRODUCTS_URL, books, balanced, is_full, token) ||
        !write_one(ORDERS_URL, books, balanced, is_full, token)) {
        admin_complain("the mark could not be kept: the next audit looks at everything "
                       "again");
    }
}
