/* Listening, accepting, deadlines, drain, metrics. The connections are in connection.c. */
#include "server_private.h"

#include "runtime/loop/resolver.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096, SWEEP_MS_MIN = 5 };

/* ---- metrics: requests by route and class of status, and what is counted for all together ---- */

enum { CLASSES = 4, LABEL_BYTES = 96, ROWS_MAX = HTTP_ROUTES_MAX + 1 }; /* 2xx to 5xx end one */

struct metric http_server_metrics[HTTP_METRICS] = {
    [HTTP_METRIC_CONNECTIONS] = { "prodorder_http_connections", METRIC_GAUGE,
                                  "Open connections of clients" },
    [HTTP_METRIC_REFUSED] = { "prodorder_http_connections_refused_total", METRIC_COUNTER,
                              "Connections over the limit, answered 503" },
    [HTTP_METRIC_MALFORMED] = { "prodorder_http_parse_errors_total", METRIC_COUNTER,
                                "Requests refused because of their form or size" },
    [HTTP_METRIC_TIMEOUTS] = { "prodorder_http_timeouts_total", METRIC_COUNTER,
                               "Requests not received, or answers not taken, in time" },
};
static struct metric request_rows[ROWS_MAX * CLASSES]; /* of no route: the last */
static struct metric second_rows[ROWS_MAX];
static char labels[ROWS_MAX * (CLASSES + 1)][LABEL_BYTES];

/* The rows stay for the life of the process: so does the table of routes that they are for. */
static void register_metrics(const struct http_route *routes, size_t count) {
    static const struct http_route *known;
    assert(count <= HTTP_ROUTES_MAX && (known == NULL || known == routes));
    if (known != NULL) {
        return;
    }
    known = routes;
    for (size_t route = 0; route <= count; route++) {
        const char *name = route < count ? routes[route].name : "none";
        for (size_t class = 0; class < CLASSES; class ++) {
            size_t row = route * CLASSES + class;
            snprintf(labels[row], LABEL_BYTES, "route=\"%s\",class=\"%zuxx\"", name, class + 2);
            request_rows[row] = (struct metric){ "prodorder_http_requests_total", METRIC_COUNTER,
                                                 "Requests answered, by route and class of status",
                                                 .labels = labels[row] };
        }
        char *label = labels[ROWS_MAX * CLASSES + route];
        snprintf(label, LABEL_BYTES, "route=\"%s\"", name);
        second_rows[route] =
            (struct metric){ "prodorder_http_request_seconds", METRIC_HISTOGRAM_SECONDS,
                             "From a complete request to its answer", .labels = label };
    }
    metrics_register(request_rows, (count + 1) * CLASSES);
    metrics_register(second_rows, count + 1);
    metrics_register(http_server_metrics, HTTP_METRICS);
}

void http_server_count(const struct http_server *server, const struct http_route *route, int status,
                       uint64_t took_us) {
    const struct http_server_options *options = &server->options;
    size_t row = route == NULL ? options->route_count : (size_t)(route - options->routes);
    assert(status >= 200 && status < 600);
    metrics_add(&request_rows[row * CLASSES + (size_t)(status / 100 - 2)], 1);
    metrics_observe(&second_rows[row], (int64_t)took_us);
}

/* ---- listen ---- */

static uint16_t bound_port(int fd) {
    union resolver_socket address = { 0 };
    socklen_t length = sizeof(address);
    if (getsockname(fd, &address.any, &length) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static bool set_flag(int fd, int level, int option) {
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

static enum err open_listener(struct http_server *server) {
    const struct http_server_options *options = &server->options;
    union resolver_socket address;
    socklen_t length = resolver_parse(options->address, options->port, &address);
    if (length == 0) {
        log_error("cannot listen: not a numeric address", LOG_STR("address", options->address));
        return ERR_INVALID;
    }
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !set_flag(fd, SOL_SOCKET, SO_REUSEADDR) ||
        (options->reuse_port && !set_flag(fd, SOL_SOCKET, SO_REUSEPORT)) ||
        bind(fd, &address.any, length) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        log_error("cannot listen", LOG_STR("address", options->address),
                  LOG_INT("port", options->port), LOG_STR("reason", strerror(errno)));
        if (fd >= 0) {
            close(fd);
        }
        return ERR_UNAVAILABLE;
    }
    server->listen_fd = fd;
    server->port = bound_port(fd);
    return ERR_OK;
}

static void close_listener(struct http_server *server) {
    loop_unwatch(server->loop, &server->listen_watch);
    loop_timer_stop(server->loop, &server->accept_pause);
    if (server->listen_fd >= 0) {
        close(server->listen_fd);
        server->listen_fd = -1;
    }
}

/* ---- accept ---- */

static void take_connection(struct http_server *server, int fd) {
    bool refused =
        server->connection_count - server->refused_count >= server->options.connections_max;
    if (refused) {
        metrics_add(&http_server_metrics[HTTP_METRIC_REFUSED], 1);
        if (server->refused_count >= HTTP_REFUSED_MAX) {
            close(fd);
            return;
        }
    }
    if (!set_flag(fd, IPPROTO_TCP, TCP_NODELAY)) { /* slower, not wrong */
        log_debug("TCP_NODELAY refused", LOG_STR("reason", strerror(errno)));
    }
    enum err err = http_connection_open(server, fd, refused);
    if (err != ERR_OK) {
        log_error("connection dropped", LOG_STR("reason", err_name(err)));
        return;
    }
    if (!loop_timer_armed(&server->sweep)) {
        loop_timer_start(server->loop, &server->sweep, server->sweep_ms);
    }
}

/* False: there is none to accept now. */
static bool accept_one(struct http_server *server) {
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take_connection(server, fd);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log_error("cannot accept connections for a moment", LOG_STR("reason", strerror(errno)),
                  LOG_INT("connections", server->connection_count));
        loop_watch_events(server->loop, &server->listen_watch, 0);
        loop_timer_start(server->loop, &server->accept_pause, HTTP_ACCEPT_PAUSE_MS);
        return false;
    }
    return errno != EAGAIN; /* others concern one connection that has gone already */
}

static void accept_some(void *ctx, uint32_t events) {
    struct http_server *server = ctx;
    (void)events;
    for (int i = 0; i < HTTP_ACCEPT_PER_TICK_MAX && accept_one(server); i++) {
    }
}

static void accept_again(void *ctx) {
    struct http_server *server = ctx;
    loop_watch_events(server->loop, &server->listen_watch, EPOLLIN);
}

/* ---- deadlines ---- */

static struct http_connection *first_of(struct http_server *server,
                                        enum http_connection_state state) {
    struct list *head = &server->connections[state];
    return list_is_empty(head) ? NULL : CONTAINER_OF(head->next, struct http_connection, node);
}

/* While draining, who waits for its client must not wait for long. */
static bool is_up_to_the_client(enum http_connection_state state) {
    return state == HTTP_READING || state == HTTP_WRITING || state == HTTP_LINGERING;
}

uint64_t http_server_deadline_ms(const struct http_server *server,
                                 enum http_connection_state state) {
    uint64_t now_ms = loop_now_ms(server->loop);
    uint64_t deadline_ms = now_ms + server->timeout_ms[state];
    if (!server->draining || !is_up_to_the_client(state)) {
        return deadline_ms;
    }
    uint64_t cut_ms = server->drain_started_ms + HTTP_DRAIN_CLIENT_MS;
    if (cut_ms < now_ms + HTTP_DRAIN_GRACE_MS) {
        cut_ms = now_ms + HTTP_DRAIN_GRACE_MS;
    }
    return deadline_ms < cut_ms ? deadline_ms : cut_ms;
}

/* The drain begins: its deadlines hold for those that have been waiting before, too. */
static void cut_deadlines(struct http_server *server) {
    for (int state = 0; state < HTTP_STATES; state++) {
        struct list *head = &server->connections[state];
        if (!is_up_to_the_client((enum http_connection_state)state)) {
            continue;
        }
        uint64_t cut_ms = http_server_deadline_ms(server, (enum http_connection_state)state);
        for (struct list *node = head->next; node != head; node = node->next) {
            struct http_connection *connection = CONTAINER_OF(node, struct http_connection, node);
            if (connection->deadline_ms > cut_ms) {
                connection->deadline_ms = cut_ms;
            }
        }
    }
    if (server->sweep_ms > HTTP_DRAIN_SWEEP_MS) {
        server->sweep_ms = HTTP_DRAIN_SWEEP_MS;
    }
    if (server->connection_count > 0) {
        loop_timer_start(server->loop, &server->sweep, server->sweep_ms);
    }
}

/*
 * Every expiry moves the connection to another list, or to the end of its own with a new deadline.
 */
static void expire_due(struct http_server *server, enum http_connection_state state) {
    uint64_t now_ms = loop_now_ms(server->loop);
    struct http_connection *connection;
    while ((connection = first_of(server, state)) != NULL && connection->deadline_ms <= now_ms) {
        http_connection_expire(connection);
    }
}

/*
 * Read what may be waiting in the idle ones, then perhaps close those that still are. They stay
 * open for HTTP_DRAIN_GRACE_MS: a client whose request crosses our end of the connection could not
 * know whether it was lost, so whoever uses one meanwhile is answered, with Connection: close.
 */
static void drain_idle(struct http_server *server, bool close) {
    struct list idle = server->connections[HTTP_IDLE];
    if (list_is_empty(&server->connections[HTTP_IDLE])) {
        return;
    }
    idle.next->prev = &idle; /* the list moves to a head of our own */
    idle.prev->next = &idle;
    list_init(&server->connections[HTTP_IDLE]);
    struct list *node;
    while ((node = list_take_first(&idle)) != NULL) {
        struct http_connection *connection = CONTAINER_OF(node, struct http_connection, node);
        http_connection_enter(connection, HTTP_IDLE);
        http_connection_read(connection);
        if (close && connection->state == HTTP_IDLE && buf_length(&connection->out) == 0) {
            http_connection_close(connection);
        }
    }
}

static void run_sweep(void *ctx) {
    struct http_server *server = ctx;
    for (int state = 0; state < HTTP_STATES; state++) {
        if (server->timeout_ms[state] > 0) {
            expire_due(server, (enum http_connection_state)state);
        }
    }
    if (server->draining &&
        loop_now_ms(server->loop) - server->drain_started_ms >= HTTP_DRAIN_GRACE_MS) {
        drain_idle(server, true);
    }
    if (server->connection_count > 0) {
        loop_timer_start(server->loop, &server->sweep, server->sweep_ms);
    }
}

static void set_timeouts(struct http_server *server) {
    const struct http_server_options *options = &server->options;
    uint32_t shortest = HTTP_LINGER_MS;
    server->timeout_ms[HTTP_IDLE] = options->idle_timeout_ms;
    server->timeout_ms[HTTP_READING] = options->request_timeout_ms;
    server->timeout_ms[HTTP_WRITING] = options->write_timeout_ms;
    server->timeout_ms[HTTP_LINGERING] = HTTP_LINGER_MS;
    for (int state = 0; state < HTTP_STATES; state++) {
        uint32_t timeout_ms = server->timeout_ms[state];
        shortest = timeout_ms > 0 && timeout_ms < shortest ? timeout_ms : shortest;
    }
    server->sweep_ms = shortest / 4 < SWEEP_MS_MIN ? SWEEP_MS_MIN : shortest / 4;
}

/* ---- the end of connections ---- */

static void run_drained(void *ctx) {
    struct http_server *server = ctx;
    loop_fn *on_drained = server->on_drained;
    server->on_drained = NULL;
    if (on_drained != NULL) {
        on_drained(server->on_drained_ctx);
    }
}

static void check_drained(struct http_server *server) {
    if (server->draining && server->connection_count == 0 && server->on_drained != NULL) {
        loop_task_queue(server->loop, &server->drained, LOOP_TASK_READY);
    }
}

static void run_reap(void *ctx) {
    struct http_server *server = ctx;
    struct http_connection *connection;
    while ((connection = first_of(server, HTTP_CLOSED)) != NULL) {
        server->connection_count--;
        server->refused_count -= connection->refused;
        metrics_add(&http_server_metrics[HTTP_METRIC_CONNECTIONS], -1);
        http_connection_free(connection);
    }
    check_drained(server);
}

void http_server_drain(struct http_server *server, loop_fn *on_drained, void *ctx) {
    assert(!server->draining);
    for (int i = 0; i < LISTEN_BACKLOG && accept_one(server); i++) { /* already connected */
    }
    close_listener(server);
    server->draining = true;
    server->drain_started_ms = loop_now_ms(server->loop);
    server->on_drained = on_drained;
    server->on_drained_ctx = ctx;
    cut_deadlines(server);
    drain_idle(server, false);
    check_drained(server);
}

/* ---- open and close ---- */

enum err http_server_open(struct loop *loop, const struct http_server_options *options,
                          struct http_server **ret_server) {
    struct http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return ERR_NO_MEMORY;
    }
    server->loop = loop;
    server->options = *options;
    server->limits = (struct http_limits){
        .start_line_bytes_max = HTTP_START_LINE_BYTES_MAX,
        .header_bytes_max = options->header_bytes_max,
        .body_bytes_max = options->body_bytes_max,
    };
    server->listen_fd = -1;
    server->date_unix_s = -1;
    for (int state = 0; state < HTTP_STATES; state++) {
        list_init(&server->connections[state]);
    }
    set_timeouts(server);
    loop_timer_init(&server->sweep, run_sweep, server);
    loop_timer_init(&server->accept_pause, accept_again, server);
    loop_task_init(&server->reap, run_reap, server);
    loop_task_init(&server->drained, run_drained, server);
    register_metrics(options->routes, options->route_count);
    enum err err = http_router_open(options->routes, options->route_count, &server->router);
    if (err == ERR_OK) {
        err = open_listener(server);
    }
    if (err == ERR_OK) {
        err = loop_watch(loop, &server->listen_watch, server->listen_fd, EPOLLIN, accept_some,
                         server);
    }
    if (err != ERR_OK) {
        http_server_close(server);
        return err;
    }
    *ret_server = server;
    return ERR_OK;
}

void http_server_close(struct http_server *server) {
    if (server == NULL) {
        return;
    }
    close_listener(server);
    loop_timer_stop(server->loop, &server->sweep);
    for (int state = 0; state < HTTP_CLOSED; state++) {
        struct http_connection *connection;
        while ((connection = first_of(server, (enum http_connection_state)state)) != NULL) {
            connection->exchange.active = false;
            http_connection_close(connection);
        }
    }
    server->on_drained = NULL;
    run_reap(server);
    loop_task_cancel(&server->reap);
    loop_task_cancel(&server->drained);
    http_router_close(server->router);
    free(server);
}

uint16_t http_server_port(const struct http_server *server) {
    return server->port;
}

size_t http_server_connection_count(const struct http_server *server) {
    return server->connection_count;
}

const char *http_server_date(struct http_server *server) {
    int64_t unix_s = clock_unix_ms() / 1000;
    if (unix_s != server->date_unix_s) {
        time_t seconds = (time_t)unix_s;
        struct tm utc;
        gmtime_r(&seconds, &utc);
        strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
        server->date_unix_s = unix_s;
    }
    return server->date;
}
