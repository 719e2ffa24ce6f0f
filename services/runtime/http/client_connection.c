/* Connections of the HTTP client: connect → send → receive → idle, or the end. */
#include "client_private.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void handle_events(void *ctx, uint32_t events);

/* ---- connect ---- */

/* Begin to connect without blocking; -1 when that fails at once, errno says why. */
static int begin_connect(const char *address, uint16_t port) {
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* slower without, not wrong */
    int rc = is_v4 ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
                   : connect(fd, (struct sockaddr *)&v6, sizeof(v6));
    if (rc != 0 && errno != EINPROGRESS) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

/*
 * To the address whose turn it is, or the next that does not fail at once. NULL, or why there is
 * none.
 */
static const char *connect_somewhere(struct http_client_connection *connection) {
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

static void begin_exchange(struct http_client_connection *connection,
                           struct http_request *request) {
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

enum err http_client_connection_open(struct http_client *client, struct http_request *request) {
    struct http_client_connection *connection = calloc(1, sizeof(*connection));
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
        http_client_log_failure(client, ERR_UNAVAILABLE, reason);
        if (connection->fd >= 0) {
            close(connection->fd);
        }
        free(connection);
        return ERR_UNAVAILABLE;
    }
    list_init(&connection->node);
    connection->connecting = true;
    buf_init(&connection->in, HTTP_CLIENT_STATUS_LINE_BYTES_MAX + 2 * HTTP_CLIENT_HEADER_BYTES_MAX +
                                  client->limits.body_bytes_max +
                                  (size_t)4 * HTTP_CLIENT_READ_BYTES);
    client->connection_count++;
    begin_exchange(connection, request);
    return ERR_OK;
}

/* ---- the end ---- */

void http_client_connection_close(struct http_client_connection *connection) {
    struct http_client *client = connection->client;
    assert(connection->request == NULL);
    loop_unwatch(client->loop, &connection->watch);
    close(connection->fd);
    list_remove(&connection->node);
    client->connection_count--;
    buf_free(&connection->in);
    free(connection);
}

void http_client_connection_give_up(struct http_client_connection *connection) {
    if (connection->connecting) {
        resolver_report_failure(&connection->client->resolver, connection->address);
    }
    http_client_connection_close(connection);
}

/* Not a byte of an answer came, and it was not the request's fault. */
static bool may_repeat(const struct http_client_connection *connection,
                       struct http_request *request) {
    if (connection->connecting) {
        request->connects_failed++;
        return request->connects_failed < resolver_address_count(&connection->client->resolver);
    }
    bool untouched = connection->parser.position == 0 && buf_length(&connection->in) == 0 &&
                     connection->interim_count == 0;
    return connection->reused && untouched && !request->repeated;
}

/* The exchange has failed: tell the request, or give it a second chance, and close. */
static void fail(struct http_client_connection *connection, enum err err, const char *reason) {
    struct http_client *client = connection->client;
    struct http_request *request = connection->request;
    connection->request = NULL;
    if (request != NULL && err == ERR_UNAVAILABLE && may_repeat(connection, request)) {
        http_request_repeat(request);
        request = NULL;
    }
    http_client_connection_give_up(connection);
    http_client_dispatch_soon(client);
    if (request != NULL) {
        http_client_log_failure(client, err, reason);
        http_request_finish(request, err, NULL);
    }
}

/* ---- send ---- */

static void send_request(struct http_client_connection *connection) {
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

void http_client_connection_use(struct http_client_connection *connection,
                                struct http_request *request) {
    assert(connection->request == NULL && !connection->connecting);
    begin_exchange(connection, request);
    send_request(connection);
}

static void connected(struct http_client_connection *connection) {
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

static void become_idle(struct http_client_connection *connection) {
    struct http_client *client = connection->client;
    connection->reused = true;
    connection->idle_until_ms = loop_now_ms(client->loop) + client->options.idle_timeout_ms;
    buf_clear(&connection->in);
    if (connection->in.capacity > HTTP_CLIENT_KEEP_BYTES_MAX) {
        buf_free(&connection->in);
    }
    list_remove(&connection->node);
    list_append(&client->idle, &connection->node);
    loop_watch_events(client->loop, &connection->watch,
                      EPOLLIN); /* it may be closed by the other side */
}

static void hand_over(struct http_client_connection *connection) {
    struct http_client *client = connection->client;
    struct http_request *request = connection->request;
    const struct http_parser *parser = &connection->parser;
    const char *bytes = buf_bytes(&connection->in);
    const struct http_header *etag = http_parser_find(parser, bytes, "ETag");
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
    http_request_finish(request, ERR_OK, &response);
    if (reusable) {
        become_idle(connection);
    } else {
        http_client_connection_close(connection);
    }
    http_client_dispatch_soon(client);
}

/* A 1xx answer (RFC 9110 §15.2) announces the real one: drop it. False: that was one too many. */
static bool skip_interim(struct http_client_connection *connection) {
    if (connection->parser.status == 101 || ++connection->interim_count > HTTP_CLIENT_INTERIM_MAX) {
        return false;
    }
    buf_consume(&connection->in, connection->parser.message_bytes);
    http_parser_init_response(&connection->parser, &connection->client->limits, false);
    return true;
}

static void parse(struct http_client_connection *connection) {
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

static void receive(struct http_client_connection *connection) {
    struct buf *in = &connection->in;
    char *room = buf_reserve(in, HTTP_CLIENT_READ_BYTES);
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
    struct http_client_connection *connection = ctx;
    if (connection->connecting) {
        connected(connection);
    } else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        receive(connection);
    } else if (connection->request != NULL) {
        send_request(connection);
    }
}
