/*
 * The HTTP client: requests wait for a connection, go out on it, and end with an answer, an error
 * or their deadline; connections connect → send → receive → are idle, or end.
 */
#include "client.h"

#include "base/buf.h"
#include "base/list.h"
#include "parser.h"
#include "runtime/loop/resolver.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    AUTHORITY_BYTES = 264, /* host name (255), ":", port, NUL */
    STATUS_LINE_BYTES_MAX = 1024,
    HEADER_BYTES_MAX = 16 * 1024,
    INTERIM_MAX = 8, /* 1xx answers before the real one */
    READ_BYTES = 4096,
    LOG_MS = 1000,             /* failures are logged at most this often */
    KEEP_BYTES_MAX = 64 * 1024 /* larger buffers are given back between requests */
};

struct url {
    char authority[AUTHORITY_BYTES]; /* for Host */
    char host[AUTHORITY_BYTES];      /* without brackets */
    uint16_t port;
};

struct request {
    struct list age;   /* in client->pending: all, the oldest first, so in order of deadline */
    struct list queue; /* in client->waiting or client->failed; in neither while on a connection */
    struct http_client *client;
    struct connection *connection; /* NULL: in a queue */
    uint64_t deadline_ms;
    struct buf bytes; /* what is sent */
    bool repeated;    /* after a stale connection: the next must be new */
    size_t connects_failed;
    enum err err; /* of a failed one */
    http_client_fn *fn;
    void *ctx;
};

struct connection {
    struct list node; /* in client->idle (longest idle first) or client->busy */
    struct http_client *client;
    struct request *request; /* NULL: idle */
    int fd;
    char address[RESOLVE_ADDRESS_BYTES];
    struct loop_watch watch;
    bool connecting;
    bool reused;       /* has answered a request before */
    size_t sent_bytes; /* of the request */
    unsigned interim_count;
    uint64_t idle_until_ms;
    struct buf in;
    struct http_parser parser;
};

struct http_client {
    struct loop *loop;
    struct http_client_options options;
    struct url url;
    struct resolver resolver;
    struct http_limits limits;
    struct list pending;
    struct list waiting;  /* for a connection, the oldest first */
    struct list failed;   /* to be told at the next chance */
    size_t pending_count; /* at most connections_max + queue_max */
    struct list idle;
    struct list busy;
    size_t connection_count;
    struct loop_task dispatch;
    struct loop_task tell;
    struct loop_timer deadline; /* armed for the first in `pending`, or earlier */
    struct loop_timer idle_sweep;
    bool failure_logged; /* the last at failure_logged_ms: an outage is not a line per request */
    uint64_t failure_logged_ms;
};

#define REQUEST_OF(list_node, member) CONTAINER_OF(list_node, struct request, member)
#define CONNECTION_OF(list_node) CONTAINER_OF(list_node, struct connection, node)

static void handle_events(void *ctx, uint32_t events); /* of a connection */

/* ---- outcomes of a request ---- */

static void dispatch_soon(struct http_client *client) {
    loop_task_queue(client->loop, &client->dispatch, LOOP_TASK_FLUSH);
}

/* It is over: it is freed after its callback. `response` for ERR_OK. */
static void finish(struct request *request, enum err err, const struct http_response *response) {
    list_remove(&request->queue);
    list_remove(&request->age);
    request->client->pending_count--;
    request->fn(request->ctx, err, response);
    buf_free(&request->bytes);
    free(request);
}

/* Fail, but tell it later: the caller may be inside http_client_get(). */
static void fail_later(struct http_client *client, struct request *request, enum err err) {
    list_remove(&request->queue);
    request->err = err;
    list_append(&client->failed, &request->queue);
    loop_task_queue(client->loop, &client->tell, LOOP_TASK_READY);
}

static void run_tell(void *ctx) {
    struct http_client *client = ctx;
    struct list *node;
    while ((node = list_take_first(&client->failed)) != NULL) {
        struct request *request = REQUEST_OF(node, queue);
        finish(request, request->err, NULL);
    }
}

/* Its connection was stale or did not come about: put it first in the queue, for a new one. */
static void repeat(struct request *request) {
    request->connection = NULL;
    request->repeated = true;
    list_append(request->client->waiting.next, &request->queue); /* before the first */
    dispatch_soon(request->client);
}

/* At most once in LOG_MS. */
static void log_failure(struct http_client *client, enum err err, const char *reason) {
    uint64_t now_ms = loop_now_ms(client->loop);
    if (client->failure_logged && now_ms - client->failure_logged_ms < LOG_MS) {
        return;
    }
    client->failure_logged = true;
    client->failure_logged_ms = now_ms;
    log_warn("request to a service failed", LOG_STR("to", client->url.authority),
             LOG_STR("err", err_name(err)), LOG_STR("reason", reason));
}

/* ---- connect ---- */

/* Begin to connect without blocking; -1 when that fails at once, errno says why. */
static int begin_connect(const char *address, uint16_t port) {
    union resolver_socket to;
    socklen_t length = resolver_parse(address, port, &to);
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (length == 0 || fd < 0) {
        return fd;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* slower without, not wrong */
    if (connect(fd, &to.any, length) != 0 && errno != EINPROGRESS) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

/* To the address whose turn it is, or the next that does not fail at once. NULL, or why not. */
static const char *connect_somewhere(struct connection *connection) {
    struct http_client *client = connection->client;
    const char *reason = "the name of the host is not resolved";
    for (size_t tries = 0; resolver_next_address(&client->resolver, connection->address) &&
                           tries < resolver_address_count(&client->resolver);
         tries++) {
        connection->fd = begin_connect(connection->address, client->url.port);
        if (connection->fd >= 0) {
            return NULL;
        }
        reason = strerror(errno);
        resolver_report_failure(&client->resolver, connection->address);
    }
    return reason;
}

static void begin_exchange(struct connection *connection, struct request *request) {
    struct http_client *client = connection->client;
    list_remove(&connection->node);
    list_append(&client->busy, &connection->node);
    connection->request = request;
    request->connection = connection;
    connection->sent_bytes = 0;
    connection->interim_count = 0;
    buf_clear(&connection->in);
    http_parser_init_response(&connection->parser, &client->limits, false);
}

static enum err open_connection(struct http_client *client, struct request *request) {
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        return ERR_NO_MEMORY;
    }
    connection->client = client;
    connection->fd = -1;
    const char *reason = connect_somewhere(connection);
    if (reason == NULL && loop_watch(client->loop, &connection->watch, connection->fd, EPOLLOUT,
                                     handle_events, connection) != ERR_OK) {
        reason = "cannot watch the socket";
    }
    if (reason != NULL) {
        log_failure(client, ERR_UNAVAILABLE, reason);
        if (connection->fd >= 0) {
            close(connection->fd);
        }
        free(connection);
        return ERR_UNAVAILABLE;
    }
    list_init(&connection->node);
    connection->connecting = true;
    buf_init(&connection->in, STATUS_LINE_BYTES_MAX + 2 * HEADER_BYTES_MAX +
                                  client->limits.body_bytes_max + (size_t)4 * READ_BYTES);
    client->connection_count++;
    begin_exchange(connection, request);
    return ERR_OK;
}

/* ---- the end ---- */

/* Close and free; its request, if any, has been taken care of. */
static void close_connection(struct connection *connection) {
    struct http_client *client = connection->client;
    assert(connection->request == NULL);
    loop_unwatch(client->loop, &connection->watch);
    close(connection->fd);
    list_remove(&connection->node);
    client->connection_count--;
    buf_free(&connection->in);
    free(connection);
}

/* Likewise, for one that failed: if it was connecting, the next one takes another address. */
static void give_up(struct connection *connection) {
    if (connection->connecting) {
        resolver_report_failure(&connection->client->resolver, connection->address);
    }
    close_connection(connection);
}

/* Not a byte of an answer came, and it was not the request's fault. */
static bool may_repeat(const struct connection *connection, struct request *request) {
    if (connection->connecting) {
        request->connects_failed++;
        return request->connects_failed < resolver_address_count(&connection->client->resolver);
    }
    bool untouched = connection->parser.position == 0 && buf_length(&connection->in) == 0 &&
                     connection->interim_count == 0;
    return connection->reused && untouched && !request->repeated;
}

/* The exchange has failed: tell the request, or give it a second chance, and close. */
static void fail(struct connection *connection, enum err err, const char *reason) {
    struct http_client *client = connection->client;
    struct request *request = connection->request;
    connection->request = NULL;
    if (request != NULL && err == ERR_UNAVAILABLE && may_repeat(connection, request)) {
        repeat(request);
        request = NULL;
    }
    give_up(connection);
    dispatch_soon(client);
    if (request != NULL) {
        log_failure(client, err, reason);
        finish(request, err, NULL);
    }
}

/* ---- send ---- */

static void send_request(struct connection *connection) {
    const struct buf *bytes = &connection->request->bytes;
    while (connection->sent_bytes < buf_length(bytes)) {
        ssize_t count = send(connection->fd, buf_bytes(bytes) + connection->sent_bytes,
                             buf_length(bytes) - connection->sent_bytes, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && errno == EAGAIN) {
            loop_watch_events(connection->client->loop, &connection->watch, EPOLLIN | EPOLLOUT);
            return;
        }
        if (count < 0) {
            fail(connection, ERR_UNAVAILABLE, strerror(errno));
            return;
        }
        connection->sent_bytes += (size_t)count;
    }
    loop_watch_events(connection->client->loop, &connection->watch, EPOLLIN);
}

static void use_connection(struct connection *connection, struct request *request) {
    assert(connection->request == NULL && !connection->connecting);
    begin_exchange(connection, request);
    send_request(connection);
}

static void connected(struct connection *connection) {
    int reason = 0;
    socklen_t length = sizeof(reason);
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &reason, &length) != 0 || reason != 0) {
        fail(connection, ERR_UNAVAILABLE, strerror(reason));
        return;
    }
    connection->connecting = false;
    send_request(connection);
}

/* ---- receive ---- */

static void become_idle(struct connection *connection) {
    struct http_client *client = connection->client;
    connection->reused = true;
    connection->idle_until_ms = loop_now_ms(client->loop) + client->options.idle_timeout_ms;
    buf_clear(&connection->in);
    if (connection->in.capacity > KEEP_BYTES_MAX) {
        buf_free(&connection->in);
    }
    list_remove(&connection->node);
    list_append(&client->idle, &connection->node);
    loop_watch_events(client->loop, &connection->watch, EPOLLIN); /* the other side may close it */
}

static void hand_over(struct connection *connection) {
    struct http_client *client = connection->client;
    struct request *request = connection->request;
    const struct http_parser *parser = &connection->parser;
    const char *bytes = buf_bytes(&connection->in);
    const struct http_header *etag = http_parser_find(parser, bytes, "ETag", NULL);
    struct http_response response = {
        .status = parser->status,
        .body = { bytes + parser->body.offset, parser->body.length },
        .etag = { etag == NULL ? NULL : bytes + etag->value.offset,
                  etag == NULL ? 0 : etag->value.length },
    };
    bool all_sent = connection->sent_bytes == buf_length(&request->bytes);
    bool reusable =
        parser->keep_alive && all_sent && parser->message_bytes == buf_length(&connection->in);
    connection->request = NULL;
    request->connection = NULL;
    finish(request, ERR_OK, &response);
    if (reusable) {
        become_idle(connection);
    } else {
        close_connection(connection);
    }
    dispatch_soon(client);
}

/* A 1xx answer (RFC 9110 §15.2) announces the real one: drop it. False: that was one too many. */
static bool skip_interim(struct connection *connection) {
    if (connection->parser.status == 101 || ++connection->interim_count > INTERIM_MAX) {
        return false;
    }
    buf_consume(&connection->in, connection->parser.message_bytes);
    http_parser_init_response(&connection->parser, &connection->client->limits, false);
    return true;
}

static void parse(struct connection *connection) {
    struct buf *in = &connection->in;
    while (buf_length(in) > 0) {
        switch (http_parser_run(&connection->parser, buf_bytes(in), buf_length(in))) {
        case HTTP_PARSE_MORE:
            in->end = in->start + http_parser_compact(&connection->parser, buf_length(in));
            return;
        case HTTP_PARSE_HEADERS: break;
        case HTTP_PARSE_DONE:
            if (connection->parser.status >= 200) {
                hand_over(connection);
                return;
            }
            if (!skip_interim(connection)) {
                fail(connection, ERR_BAD_REPLY, "unexpected interim answers");
                return;
            }
            break;
        case HTTP_PARSE_ERROR: fail(connection, ERR_BAD_REPLY, connection->parser.error); return;
        }
    }
}

static void receive(struct connection *connection) {
    struct buf *in = &connection->in;
    char *room = buf_reserve(in, READ_BYTES);
    if (room == NULL) {
        fail(connection, ERR_NO_MEMORY, "no memory to receive an answer");
        return;
    }
    ssize_t count = recv(connection->fd, room, in->capacity - in->end, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count > 0 && connection->request != NULL) {
        buf_commit(in, (size_t)count);
        parse(connection);
        return;
    }
    if (count == 0 && connection->request != NULL &&
        http_parser_finish(&connection->parser) == HTTP_PARSE_DONE) {
        hand_over(connection);
        return;
    }
    fail(connection, ERR_UNAVAILABLE,
         count < 0 ? strerror(errno) : "closed before the whole answer");
}

static void handle_events(void *ctx, uint32_t events) {
    struct connection *connection = ctx;
    if (connection->connecting) {
        connected(connection);
    } else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        receive(connection);
    } else if (connection->request != NULL) {
        send_request(connection);
    }
}

/* ---- from the queue to connections ---- */

/* The connection used last: the others may become superfluous and time out. */
static struct connection *last_idle(struct http_client *client) {
    return list_is_empty(&client->idle) ? NULL : CONNECTION_OF(client->idle.prev);
}

/* False: it has to wait. */
static bool place(struct http_client *client, struct request *request) {
    struct connection *idle = last_idle(client);
    if (idle != NULL && !request->repeated) {
        list_remove(&request->queue);
        use_connection(idle, request);
        return true;
    }
    if (client->connection_count >= client->options.connections_max) {
        if (idle == NULL) {
            return false;
        }
        close_connection(idle);
    }
    list_remove(&request->queue);
    enum err err = open_connection(client, request);
    if (err != ERR_OK) {
        fail_later(client, request, err);
    }
    return true;
}

static void run_dispatch(void *ctx) {
    struct http_client *client = ctx;
    while (!list_is_empty(&client->waiting) &&
           place(client, REQUEST_OF(client->waiting.next, queue))) {
    }
}

/* ---- the URL of the service ---- */

static enum err refuse_url(const char *text, const char *reason) {
    log_error("malformed URL of a service", LOG_STR("url", text), LOG_STR("reason", reason));
    return ERR_INVALID;
}

/* 1 to 65535, digits only; 0 when it is anything else. */
static uint16_t parse_port(const char *digits, size_t length) {
    if (length == 0 || length > 5 || strspn(digits, "0123456789") != length) {
        return 0;
    }
    unsigned long port = strtoul(digits, NULL, 10);
    return port > UINT16_MAX ? 0 : (uint16_t)port;
}

static bool is_host(const char *bytes, size_t length, bool in_brackets) {
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    static const char address[] = "0123456789abcdefABCDEF:.";
    return length > 0 && strspn(bytes, in_brackets ? address : name) == length;
}

/* "http://host[:port][/]". ERR_INVALID: anything else (logged). */
static enum err parse_url(const char *text, struct url *ret_url) {
    static const char scheme[] = "http://";
    struct url url = { .port = 80 };
    if (strncasecmp(text, scheme, sizeof(scheme) - 1) != 0) {
        return refuse_url(text, "it must begin with http://");
    }
    const char *authority = text + sizeof(scheme) - 1;
    size_t length = strcspn(authority, "/?#");
    if (authority[length] != '\0' && strcmp(authority + length, "/") != 0) {
        return refuse_url(text, "only host and port are wanted, no path");
    }
    bool in_brackets = authority[0] == '[';
    const char *host = authority + in_brackets;
    size_t host_length = strcspn(host, in_brackets ? "]/?#" : ":/?#");
    const char *after = host + host_length + (in_brackets && host[host_length] == ']');
    if (length >= sizeof(url.authority) || !is_host(host, host_length, in_brackets) ||
        (in_brackets && host[host_length] != ']')) {
        return refuse_url(text, "the host is malformed");
    }
    if (after < authority + length) {
        url.port =
            *after == ':' ? parse_port(after + 1, (size_t)(authority + length - after - 1)) : 0;
    }
    if (url.port == 0) {
        return refuse_url(text, "the port must be a number from 1 to 65535");
    }
    memcpy(url.authority, authority, length);
    memcpy(url.host, host, host_length);
    *ret_url = url;
    return ERR_OK;
}

/* ---- deadlines ---- */

static void time_out(struct http_client *client, struct request *request) {
    struct connection *connection = request->connection;
    if (connection != NULL) {
        connection->request = NULL;
        give_up(connection);
        dispatch_soon(client);
    }
    log_failure(client, ERR_TIMEOUT, "deadline passed");
    finish(request, ERR_TIMEOUT, NULL);
}

static void run_deadline(void *ctx) {
    struct http_client *client = ctx;
    uint64_t now_ms = loop_now_ms(client->loop);
    while (!list_is_empty(&client->pending)) {
        struct request *request = REQUEST_OF(client->pending.next, age);
        if (request->deadline_ms > now_ms) {
            loop_timer_start(client->loop, &client->deadline, request->deadline_ms - now_ms);
            return;
        }
        time_out(client, request);
    }
}

static void sweep_idle_later(struct http_client *client) {
    uint32_t after_ms = client->options.idle_timeout_ms / 4 + 1;
    loop_timer_start(client->loop, &client->idle_sweep, after_ms);
}

static void run_idle_sweep(void *ctx) {
    struct http_client *client = ctx;
    uint64_t now_ms = loop_now_ms(client->loop);
    while (!list_is_empty(&client->idle)) {
        struct connection *connection = CONNECTION_OF(client->idle.next);
        if (connection->idle_until_ms > now_ms) {
            break;
        }
        close_connection(connection);
    }
    if (client->connection_count > 0) {
        sweep_idle_later(client);
    }
}

/* ---- a request ---- */

static bool is_target(const char *target) {
    size_t length = 0;
    for (; target[length] != '\0'; length++) {
        if (target[length] <= ' ' || target[length] > '~' || target[length] == '#') {
            return false;
        }
    }
    return target[0] == '/' && length <= HTTP_CLIENT_TARGET_BYTES_MAX;
}

static void append_header(struct buf *out, const char *name, const char *value) {
    if (value[0] != '\0') {
        assert(strpbrk(value, "\r\n") == NULL);
        buf_appendf(out, "%s: %s\r\n", name, value);
    }
}

static void write_request(struct buf *out, const struct http_client *client, const char *target,
                          struct trace trace) {
    buf_appendf(out, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n", target,
                client->url.authority);
    append_header(out, "X-Request-Id", trace.request_id);
    append_header(out, "traceparent", trace.parent);
    append_header(out, "tracestate", trace.state);
    buf_append_str(out, "\r\n");
}

static struct request *new_request(struct http_client *client, http_client_fn *fn, void *ctx) {
    struct request *request = calloc(1, sizeof(*request));
    if (request == NULL) {
        abort(); /* without it nobody could be told that memory is out */
    }
    list_init(&request->queue);
    list_init(&request->age);
    buf_init(&request->bytes, 0);
    request->client = client;
    request->fn = fn;
    request->ctx = ctx;
    request->deadline_ms = loop_now_ms(client->loop) + client->options.deadline_ms;
    return request;
}

void http_client_get(struct http_client *client, const char *target, struct trace trace,
                     http_client_fn *fn, void *ctx) {
    struct request *request = new_request(client, fn, ctx);
    size_t pending_max = client->options.connections_max + client->options.queue_max;
    enum err err = ++client->pending_count > pending_max ? ERR_BUSY
                   : !is_target(target)                  ? ERR_INVALID
                                                         : ERR_OK;
    if (err == ERR_OK) {
        write_request(&request->bytes, client, target, trace);
        err = request->bytes.failed ? ERR_NO_MEMORY : ERR_OK;
    }
    if (err != ERR_OK) {
        fail_later(client, request, err);
        return;
    }
    list_append(&client->pending, &request->age);
    list_append(&client->waiting, &request->queue);
    dispatch_soon(client);
    if (!loop_timer_armed(&client->deadline)) {
        loop_timer_start(client->loop, &client->deadline, client->options.deadline_ms);
    }
    if (!loop_timer_armed(&client->idle_sweep)) {
        sweep_idle_later(client);
    }
}

/* ---- open and close ---- */

enum err http_client_open(struct loop *loop, const struct http_client_options *options,
                          struct http_client **ret_client) {
    struct http_client *client = calloc(1, sizeof(*client));
    assert(options->connections_max > 0 && options->deadline_ms > 0);
    if (client == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = parse_url(options->base_url, &client->url);
    if (err != ERR_OK) {
        free(client);
        return err;
    }
    client->loop = loop;
    client->options = *options;
    client->limits = (struct http_limits){
        .start_line_bytes_max = STATUS_LINE_BYTES_MAX,
        .header_bytes_max = HEADER_BYTES_MAX,
        .body_bytes_max = options->response_bytes_max,
    };
    list_init(&client->pending);
    list_init(&client->waiting);
    list_init(&client->failed);
    list_init(&client->idle);
    list_init(&client->busy);
    loop_task_init(&client->dispatch, run_dispatch, client);
    loop_task_init(&client->tell, run_tell, client);
    loop_timer_init(&client->deadline, run_deadline, client);
    loop_timer_init(&client->idle_sweep, run_idle_sweep, client);
    resolver_open(&client->resolver, loop, client->url.host);
    *ret_client = client;
    return ERR_OK;
}

static void close_connections(struct list *connections) {
    while (!list_is_empty(connections)) {
        struct connection *connection = CONNECTION_OF(connections->next);
        if (connection->request != NULL) {
            connection->request->connection = NULL;
            connection->request = NULL;
        }
        close_connection(connection);
    }
}

void http_client_close(struct http_client *client) {
    if (client == NULL) {
        return;
    }
    loop_timer_stop(client->loop, &client->deadline);
    loop_timer_stop(client->loop, &client->idle_sweep);
    close_connections(&client->idle);
    close_connections(&client->busy);
    run_tell(client);
    while (!list_is_empty(&client->pending)) {
        struct request *request = REQUEST_OF(client->pending.next, age);
        finish(request, ERR_UNAVAILABLE, NULL);
    }
    loop_task_cancel(&client->dispatch);
    loop_task_cancel(&client->tell);
    resolver_close(&client->resolver);
    free(client);
}
