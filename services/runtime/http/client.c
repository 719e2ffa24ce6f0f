/* Requests of the HTTP client: queue, deadlines, outcomes. */
#include "client_private.h"

#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_OF(list_node, member) CONTAINER_OF(list_node, struct http_request, member)
#define CONNECTION_OF(list_node) CONTAINER_OF(list_node, struct http_client_connection, node)

/* ---- outcomes ---- */

void http_request_finish(struct http_request *request, enum err err,
                         const struct http_response *response) {
    list_remove(&request->queue);
    list_remove(&request->age);
    request->client->pending_count--;
    request->fn(request->ctx, err, response);
    buf_free(&request->bytes);
    free(request);
}

/* Fail, but tell it later: the caller may be inside http_client_get(). */
static void fail_later(struct http_client *client, struct http_request *request, enum err err) {
    list_remove(&request->queue);
    request->err = err;
    list_append(&client->failed, &request->queue);
    loop_task_queue(client->loop, &client->tell, LOOP_TASK_READY);
}

static void run_tell(void *ctx) {
    struct http_client *client = ctx;
    struct list *node;
    while ((node = list_take_first(&client->failed)) != NULL) {
        struct http_request *request = REQUEST_OF(node, queue);
        http_request_finish(request, request->err, NULL);
    }
}

void http_request_repeat(struct http_request *request) {
    request->connection = NULL;
    request->repeated = true;
    list_append(request->client->waiting.next, &request->queue); /* before the first */
    http_client_dispatch_soon(request->client);
}

void http_client_log_failure(struct http_client *client, enum err err, const char *reason) {
    uint64_t now_ms = loop_now_ms(client->loop);
    if (client->failure_logged && now_ms - client->failure_logged_ms < HTTP_CLIENT_LOG_MS) {
        return;
    }
    client->failure_logged = true;
    client->failure_logged_ms = now_ms;
    log_warn("request to a service failed", LOG_STR("to", client->url.authority),
             LOG_STR("err", err_name(err)), LOG_STR("reason", reason));
}

/* ---- from the queue to connections ---- */

void http_client_dispatch_soon(struct http_client *client) {
    loop_task_queue(client->loop, &client->dispatch, LOOP_TASK_FLUSH);
}

/* The connection used last: the others may become superfluous and time out. */
static struct http_client_connection *last_idle(struct http_client *client) {
    return list_is_empty(&client->idle) ? NULL : CONNECTION_OF(client->idle.prev);
}

/* False: it has to wait. */
static bool place(struct http_client *client, struct http_request *request) {
    struct http_client_connection *idle = last_idle(client);
    if (idle != NULL && !request->repeated) {
        list_remove(&request->queue);
        http_client_connection_use(idle, request);
        return true;
    }
    if (client->connection_count >= client->options.connections_max) {
        if (idle == NULL) {
            return false;
        }
        http_client_connection_close(idle);
    }
    list_remove(&request->queue);
    enum err err = http_client_connection_open(client, request);
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

/* ---- deadlines ---- */

static void time_out(struct http_client *client, struct http_request *request) {
    struct http_client_connection *connection = request->connection;
    if (connection != NULL) {
        connection->request = NULL;
        http_client_connection_give_up(connection);
        http_client_dispatch_soon(client);
    }
    http_client_log_failure(client, ERR_TIMEOUT, "deadline passed");
    http_request_finish(request, ERR_TIMEOUT, NULL);
}

static void run_deadline(void *ctx) {
    struct http_client *client = ctx;
    uint64_t now_ms = loop_now_ms(client->loop);
    while (!list_is_empty(&client->pending)) {
        struct http_request *request = REQUEST_OF(client->pending.next, age);
        if (request->deadline_ms > now_ms) {
            loop_timer_start(client->loop, &client->deadline, request->deadline_ms - now_ms);
            return;
        }
        time_out(client, request);
    }
}

static void run_idle_sweep(void *ctx) {
    struct http_client *client = ctx;
    uint64_t now_ms = loop_now_ms(client->loop);
    while (!list_is_empty(&client->idle)) {
        struct http_client_connection *connection = CONNECTION_OF(client->idle.next);
        if (connection->idle_until_ms > now_ms) {
            break;
        }
        http_client_connection_close(connection);
    }
    if (client->connection_count > 0) {
        loop_timer_start(client->loop, &client->idle_sweep,
                         client->options.idle_timeout_ms / 4 + 1);
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

static void append_header(struct buf *out, const char *name_and_colon, const char *value) {
    if (value[0] == '\0') {
        return;
    }
    assert(strpbrk(value, "\r\n") == NULL);
    buf_append_str(out, name_and_colon);
    buf_append_str(out, value);
    buf_append_str(out, "\r\n");
}

static void write_request(struct buf *out, const struct http_client *client, const char *target,
                          struct trace trace) {
    buf_append_str(out, "GET ");
    buf_append_str(out, target);
    buf_append_str(out, " HTTP/1.1\r\n");
    append_header(out, "Host: ", client->url.authority);
    append_header(out, "Accept: ", "application/json");
    append_header(out, "X-Request-Id: ", trace.request_id);
    append_header(out, "traceparent: ", trace.parent);
    append_header(out, "tracestate: ", trace.state);
    buf_append_str(out, "\r\n");
}

static struct http_request *new_request(struct http_client *client, http_client_fn *fn, void *ctx) {
    struct http_request *request = calloc(1, sizeof(*request));
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
    struct http_request *request = new_request(client, fn, ctx);
    if (++client->pending_count > client->options.connections_max + client->options.queue_max) {
        fail_later(client, request, ERR_BUSY);
        return;
    }
    if (!is_target(target)) {
        fail_later(client, request, ERR_INVALID);
        return;
    }
    write_request(&request->bytes, client, target, trace);
    if (request->bytes.failed) {
        fail_later(client, request, ERR_NO_MEMORY);
        return;
    }
    list_append(&client->pending, &request->age);
    list_append(&client->waiting, &request->queue);
    http_client_dispatch_soon(client);
    if (!loop_timer_armed(&client->deadline)) {
        loop_timer_start(client->loop, &client->deadline, client->options.deadline_ms);
    }
    if (!loop_timer_armed(&client->idle_sweep)) {
        loop_timer_start(client->loop, &client->idle_sweep,
                         client->options.idle_timeout_ms / 4 + 1);
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
    enum err err = http_client_url_parse(options->base_url, &client->url);
    if (err != ERR_OK) {
        free(client);
        return err;
    }
    client->loop = loop;
    client->options = *options;
    client->limits = (struct http_limits){
        .start_line_bytes_max = HTTP_CLIENT_STATUS_LINE_BYTES_MAX,
        .header_bytes_max = HTTP_CLIENT_HEADER_BYTES_MAX,
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
        struct http_client_connection *connection = CONNECTION_OF(connections->next);
        if (connection->request != NULL) {
            connection->request->connection = NULL;
            connection->request = NULL;
        }
        http_client_connection_close(connection);
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
        struct http_request *request = REQUEST_OF(client->pending.next, age);
        http_request_finish(request, ERR_UNAVAILABLE, NULL);
    }
    loop_task_cancel(&client->dispatch);
    loop_task_cancel(&client->tell);
    resolver_close(&client->resolver);
    free(client);
}
