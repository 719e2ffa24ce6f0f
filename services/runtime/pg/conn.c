/* One connection's life: up, migrating, preparing, a request at a time, down. */
#include "private.h"

#include "runtime/telemetry/kill_point.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

/* The last connections of the pool are used at peaks only: a dead one is to be noticed before. */
#define KEEPALIVE_IDLE_S "60"

enum {
    MIGRATION_TIMEOUT_MS = 600000, /* each script */
    REPEATED_SAID = 500,
    MIGRATION_PAUSE_MS = 2000, /* and the backoff: others run at least as long as it held them up */
};

static void connect_poll(struct pg_conn *conn);
static void start_migrating(struct pg_conn *conn);
static void start_preparing(struct pg_conn *conn);
static void renew(struct pg_conn *conn, struct pg_session *request);
static bool try_flush(struct pg_conn *conn);
static void flush(struct pg_conn *conn);
static void on_event(void *ctx, uint32_t events);
static void on_timer(void *ctx);

/* Statements that every connection has besides the service's own. */
static const char BEGIN_NAME[] = "pg_begin", COMMIT_NAME[] = "pg_commit";
static const char ROLLBACK_NAME[] = "pg_rollback";

void pg_conn_init(struct pg_conn *conn, struct pg *pg) {
    *conn = (struct pg_conn){ .pg = pg, .state = PG_CONN_DOWN };
    conn->backoff.base_ms = pg->options.backoff_base_ms;
    conn->backoff.cap_ms = pg->options.backoff_cap_ms;
    list_init(&conn->idle_node);
    loop_timer_init(&conn->timer, on_timer, conn);
}

static void clear_results(struct pg_conn *conn) {
    for (size_t i = 0; i < conn->result_count; i++) {
        PQclear(conn->results[i]);
    }
    conn->result_count = 0;
}

static void ignore_notice(void *ctx, const PGresult *notice) {
    (void)ctx;
    (void)notice;
}

/* ---- up ---- */

static bool watch_socket(struct pg_conn *conn, uint32_t events) {
    loop_unwatch(conn->pg->loop, &conn->watch);
    return loop_watch(conn->pg->loop, &conn->watch, PQsocket(conn->libpq), events, on_event,
                      conn) == ERR_OK;
}

void pg_conn_start(struct pg_conn *conn) {
    struct pg *pg = conn->pg;
    assert(conn->state == PG_CONN_DOWN && conn->libpq == NULL);
    if (!resolver_next_address(&pg->resolver, conn->address)) {
        if (conn->renewed) {
            pg_conn_drop(conn, ERR_UNAVAILABLE, "the host has no address");
            return;
        }
        loop_timer_start(pg->loop, &conn->timer, loop_backoff_next_ms(&conn->backoff));
        return;
    }
    const char *const keywords[] = { "host",
                                     "hostaddr",
                                     "port",
                                     "user",
                                     "password",
                                     "dbname",
                                     "application_name",
                                     "options",
                                     "client_encoding",
                                     "keepalives_idle",
                                     NULL };
    const char *const values[] = { pg->options.host,
                                   conn->address,
                                   pg->port_text,
                                   pg->options.user,
                                   pg->options.password,
                                   pg->options.database,
                                   pg->options.application_name,
                                   pg->server_options,
                                   "UTF8",
                                   KEEPALIVE_IDLE_S,
                                   NULL };
    conn->state = PG_CONN_CONNECTING;
    conn->was_used = false;
    conn->libpq = PQconnectStartParams(keywords, values, 0);
    if (conn->libpq == NULL || PQstatus(conn->libpq) == CONNECTION_BAD) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
        return;
    }
    PQsetNoticeReceiver(conn->libpq, ignore_notice, NULL);
    loop_timer_start(pg->loop, &conn->timer, pg->options.connect_timeout_ms);
    if (!watch_socket(conn, EPOLLOUT)) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, "cannot watch the socket");
    }
}

static void connect_poll(struct pg_conn *conn) {
    PostgresPollingStatusType status = PQconnectPoll(conn->libpq);
    if (status == PGRES_POLLING_FAILED) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
        return;
    }
    /* libpq may have opened another socket: watch anew each time */
    bool writes = status == PGRES_POLLING_WRITING;
    if (!watch_socket(conn, writes ? EPOLLOUT : EPOLLIN)) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, "cannot watch the socket");
        return;
    }
    if (status != PGRES_POLLING_OK) {
        return;
    }
    if (PQsetnonblocking(conn->libpq, 1) != 0) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
    } else if (!conn->pg->migrated) {
        conn->script = 0;
        conn->repeated = 0;
        start_migrating(conn);
    } else {
        start_preparing(conn);
    }
}

static void start_migrating(struct pg_conn *conn) {
    conn->state = PG_CONN_MIGRATING;
    conn->err = ERR_OK;
    conn->is_to_repeat = false;
    loop_timer_start(conn->pg->loop, &conn->timer, MIGRATION_TIMEOUT_MS);
    if (PQsendQuery(conn->libpq, conn->pg->scripts[conn->script]) != 1) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
        return;
    }
    flush(conn);
}

static void start_preparing(struct pg_conn *conn) {
    const struct pg_options *options = &conn->pg->options;
    conn->state = PG_CONN_PREPARING;
    conn->err = ERR_OK;
    loop_timer_start(conn->pg->loop, &conn->timer, options->deadline_ms * 2);
    bool ok = PQenterPipelineMode(conn->libpq) == 1 &&
              (!conn->was_used || PQsendQueryParams(conn->libpq, "DEALLOCATE ALL", 0, NULL, NULL,
                                                    NULL, NULL, 0) == 1) &&
              PQsendPrepare(conn->libpq, BEGIN_NAME, "BEGIN", 0, NULL) == 1 &&
              PQsendPrepare(conn->libpq, COMMIT_NAME, "COMMIT", 0, NULL) == 1 &&
              PQsendPrepare(conn->libpq, ROLLBACK_NAME, "ROLLBACK", 0, NULL) == 1;
    for (size_t i = 0; i < PG_STATEMENT_LISTS_MAX; i++) {
        const struct pg_statement *const *next = options->statements[i];
        for (; ok && next != NULL && *next != NULL; next++) {
            ok = PQsendPrepare(conn->libpq, (*next)->name, (*next)->sql, 0, NULL) == 1;
        }
    }
    if (!ok || PQpipelineSync(conn->libpq) != 1) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
        return;
    }
    flush(conn);
}

static void become_idle(struct pg_conn *conn, bool first_time) {
    conn->state = PG_CONN_IDLE;
    conn->request = NULL;
    loop_timer_stop(conn->pg->loop, &conn->timer);
    pg_conn_became_idle(conn, first_time);
}

/* Whoever waited for it goes on. */
static void came_up(struct pg_conn *conn) {
    struct pg_session *request = conn->request;
    bool first_time = !conn->renewed;
    conn->renewed = false;
    if (request == NULL || request->err != ERR_OK) {
        become_idle(conn, first_time);
    } else {
        conn->state = PG_CONN_IDLE;
        pg_conn_send(conn, request);
    }
    if (request != NULL && request->err != ERR_OK) {
        request->conn = NULL;
        pg_finish_request(request, request->err, NULL);
    }
}

/* ---- requests ---- */

static bool send_call(struct pg_conn *conn, const char *name, const struct pg_call *call) {
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    size_t count = call == NULL ? 0 : call->param_count;
    for (size_t i = 0; i < count; i++) {
        const struct pg_param *param = &call->params[i];
        bool is_scalar = param->bytes == NULL && param->length > 0;
        values[i] = is_scalar ? (const char *)&param->scalar : param->bytes;
        lengths[i] = param->length;
        formats[i] = 1;
    }
    return PQsendQueryPrepared(conn->libpq, name, (int)count, values, lengths, formats, 1) == 1;
}

void pg_conn_send(struct pg_conn *conn, struct pg_session *request) {
    assert(conn->state == PG_CONN_IDLE || conn->state == PG_CONN_HELD);
    conn->state = PG_CONN_BUSY;
    conn->request = request;
    request->conn = conn;
    conn->err = ERR_OK;
    conn->result_expected = request->count + request->begins + request->commits;
    loop_timer_start(conn->pg->loop, &conn->timer, (uint64_t)conn->pg->options.deadline_ms * 2);
    bool ok = !request->begins || send_call(conn, BEGIN_NAME, NULL);
    for (size_t i = 0; ok && i < request->count; i++) {
        ok = send_call(conn, request->calls[i].statement->name, &request->calls[i]);
    }
    ok = ok && (!request->commits || send_call(conn, COMMIT_NAME, NULL));
    if (!ok || PQpipelineSync(conn->libpq) != 1 || !try_flush(conn)) {
        conn->broken = true; /* the caller's fn must not run from here */
        loop_timer_start(conn->pg->loop, &conn->timer, 0);
    }
    KILL_POINT("sent", request->count > 0 ? request->calls[0].statement->name : COMMIT_NAME);
}

void pg_conn_rollback(struct pg_conn *conn) {
    conn->state = PG_CONN_ROLLING_BACK;
    conn->request = NULL;
    conn->err = ERR_OK;
    loop_timer_start(conn->pg->loop, &conn->timer, (uint64_t)conn->pg->options.deadline_ms * 2);
    if (!send_call(conn, ROLLBACK_NAME, NULL) || PQpipelineSync(conn->libpq) != 1) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
        return;
    }
    flush(conn);
}

static bool try_flush(struct pg_conn *conn) {
    int rc = PQflush(conn->libpq);
    if (rc >= 0) {
        loop_watch_events(conn->pg->loop, &conn->watch,
                          rc == 1 ? (uint32_t)(EPOLLIN | EPOLLOUT) : (uint32_t)EPOLLIN);
    }
    return rc >= 0;
}

static void flush(struct pg_conn *conn) {
    if (!try_flush(conn)) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
    }
}

/* ---- results ---- */

static void keep_error(struct pg_conn *conn, const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const struct pg_sqlstate *meaning = pg_sqlstate(result, conn->pg->options.sequences);
    conn->read_only = conn->read_only || (state != NULL && strcmp(state, PG_READ_ONLY) == 0);
    if (conn->err == ERR_OK) {
        conn->err = meaning->err;
        conn->fault = meaning->fault;
    }
    if (meaning->fault != PG_FAULT_DUPLICATE && meaning->fault != PG_FAULT_CONFLICT) {
        log_warn("database error", LOG_STR("sqlstate", state),
                 LOG_STR("error", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)),
                 LOG_STR("detail", PQresultErrorField(result, PG_DIAG_CONTEXT)));
    }
}

/*
 * The request cannot succeed on this connection as it is. True: it waits until the connection is
 * made anew. A transaction that was under way cannot go on there: its owner repeats it.
 */
static bool waits_for_renewal(struct pg_conn *conn, struct pg_session *request) {
    if (conn->fault == PG_FAULT_TAKEN_ID) { /* the sequence is looked at when it comes up */
        conn->pg->migrated = false;
        request->err = ERR_TAKEN_ID;
        return true;
    }
    if (request->retried || (request->interactive && !request->begins)) {
        return false;
    }
    request->retried = true;
    return true;
}

static void renew_for(struct pg_conn *conn, struct pg_session *request) {
    bool waits = waits_for_renewal(conn, request);
    enum err err = request->retried ? conn->err : ERR_CONFLICT;
    renew(conn, waits ? request : NULL);
    if (!waits) {
        pg_finish_request(request, err, NULL);
    }
}

static void request_complete(struct pg_conn *conn) {
    struct pg_session *request = conn->request;
    enum err err = conn->err;
    bool keeps = request->interactive && !request->commits && err == ERR_OK;
    assert(err != ERR_OK || conn->result_count == conn->result_expected);
    loop_timer_stop(conn->pg->loop, &conn->timer);
    if (err != ERR_OK && (conn->fault == PG_FAULT_STALE || conn->fault == PG_FAULT_TAKEN_ID)) {
        renew_for(conn, request);
        return;
    }
    PGresult *results[PG_RESULTS_MAX];
    size_t result_count = conn->result_count;
    memcpy(results, conn->results, sizeof(results));
    conn->result_count = 0;
    if (keeps) {
        conn->state = PG_CONN_HELD;
    } else if (request->interactive && err != ERR_OK) {
        pg_conn_rollback(conn);
    } else {
        become_idle(conn, false);
    }
    pg_finish_request(request, err, results + request->begins);
    for (size_t i = 0; i < result_count; i++) {
        PQclear(results[i]);
    }
    if (conn->read_only && conn->request == NULL) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, "the server is read-only");
    }
}

static void sync_arrived(struct pg_conn *conn) {
    switch (conn->state) {
    case PG_CONN_PREPARING:
        clear_results(conn);
        if (conn->err != ERR_OK && conn->fault == PG_FAULT_STALE && !conn->was_used) {
            conn->was_used = true;
            start_preparing(conn);
            return;
        }
        if (conn->err != ERR_OK) {
            pg_conn_drop(conn, ERR_UNAVAILABLE, "a statement could not be prepared");
            return;
        }
        loop_backoff_reset(&conn->backoff);
        conn->error_count = 0;
        came_up(conn);
        return;
    case PG_CONN_ROLLING_BACK:
        clear_results(conn);
        if (conn->err != ERR_OK) { /* it is still in the transaction */
            renew(conn, NULL);
        } else {
            become_idle(conn, false);
        }
        return;
    default: assert(conn->state == PG_CONN_BUSY); request_complete(conn);
    }
}

/* Of the last script (pg.c): sequences that had to be moved, or whether it is to be repeated. */
static void take_look(struct pg_conn *conn, const PGresult *result) {
    bool is_answer = PQnfields(result) == 1 && PQntuples(result) == 1;
    conn->is_to_repeat =
        conn->is_to_repeat || (is_answer && strcmp(PQgetvalue(result, 0, 0), "t") == 0);
    if (PQnfields(result) != PG_MOVED_COLUMNS) {
        return;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        log_warn("a sequence was behind its table", LOG_STR("sequence", PQgetvalue(result, row, 0)),
                 LOG_STR("table", PQgetvalue(result, row, 1)),
                 LOG_STR("nextId", PQgetvalue(result, row, 2)),
                 LOG_STR("lastIdInTable", PQgetvalue(result, row, 3)),
                 LOG_STR("movedTo", PQgetvalue(result, row, 4)));
    }
}

static void take_result(struct pg_conn *conn, PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    if (conn->state == PG_CONN_MIGRATING) {
        take_look(conn, result);
    }
    if (status == PGRES_FATAL_ERROR) {
        keep_error(conn, result);
    }
    bool useful = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (conn->state == PG_CONN_BUSY && useful && conn->result_count < PG_RESULTS_MAX) {
        conn->results[conn->result_count++] = result;
    } else {
        PQclear(result);
    }
}

static void pause_migrating(struct pg_conn *conn) {
    uint32_t pause_ms = MIGRATION_PAUSE_MS + loop_backoff_next_ms(&conn->backoff);
    conn->state = PG_CONN_PAUSING;
    log_warn("schema not migrated yet, trying again", LOG_STR("host", conn->pg->options.host),
             LOG_INT("port", conn->pg->options.port),
             LOG_STR("database", conn->pg->options.database), LOG_INT("retryMs", pause_ms));
    loop_timer_start(conn->pg->loop, &conn->timer, pause_ms);
}

static void migration_done(struct pg_conn *conn) {
    if (conn->err == ERR_LOCKED && PQstatus(conn->libpq) == CONNECTION_OK) {
        pause_migrating(conn);
        return;
    }
    if (conn->err != ERR_OK) {
        pg_conn_drop(conn, ERR_INTERNAL, "the schema could not be migrated");
        return;
    }
    if (conn->is_to_repeat) {
        if (conn->repeated++ % REPEATED_SAID == 0) {
            log_info("the data is being migrated in batches", LOG_INT("batch", conn->repeated));
        }
        start_migrating(conn);
        return;
    }
    if (++conn->script < conn->pg->script_count) {
        start_migrating(conn);
        return;
    }
    conn->pg->migrated = true;
    start_preparing(conn);
    pg_migrated(conn->pg);
}

static void read_results(struct pg_conn *conn) {
    PGconn *libpq = conn->libpq;
    while (conn->libpq == libpq && PQisBusy(libpq) == 0) {
        if (conn->state == PG_CONN_IDLE || conn->state == PG_CONN_HELD ||
            conn->state == PG_CONN_PAUSING) {
            return;
        }
        PGresult *result = PQgetResult(libpq);
        if (result == NULL) {
            if (conn->state == PG_CONN_MIGRATING) {
                migration_done(conn);
            } else if (PQstatus(libpq) == CONNECTION_BAD) {
                pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
            }
            continue; /* in a pipeline: the end of one statement */
        }
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            sync_arrived(conn);
            continue;
        }
        take_result(conn, result);
    }
}

static void on_event(void *ctx, uint32_t events) {
    struct pg_conn *conn = ctx;
    if (conn->state == PG_CONN_CONNECTING) {
        connect_poll(conn);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        flush(conn);
    }
    if (conn->libpq == NULL || (events & ~(uint32_t)EPOLLOUT) == 0) {
        return;
    }
    if (PQconsumeInput(conn->libpq) != 1) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
        return;
    }
    read_results(conn);
    if (conn->libpq != NULL && PQstatus(conn->libpq) == CONNECTION_BAD) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
    }
}

/* ---- down ---- */

/* Each of the errors that alternate, by address, is told once, not at every attempt. */
static bool is_news(struct pg_conn *conn, const char error[PG_ERROR_BYTES]) {
    for (size_t i = 0; i < conn->error_count && i < RESOLVE_ADDRESSES_MAX; i++) {
        if (strcmp(error, conn->errors[i]) == 0) {
            return false;
        }
    }
    memcpy(conn->errors[conn->error_count++ % RESOLVE_ADDRESSES_MAX], error, PG_ERROR_BYTES);
    return true;
}

static void log_drop(struct pg_conn *conn, const char *reason, uint32_t retry_ms) {
    char text[PG_ERROR_BYTES] = "";
    const char *why = reason;
    if (why == NULL) {
        why = conn->libpq == NULL ? "out of memory" : PQerrorMessage(conn->libpq);
    }
    snprintf(text, sizeof(text), "%s", why);
    text[strcspn(text, "\n")] = '\0';
    if (is_news(conn, text)) {
        log_warn("database connection lost", LOG_STR("host", conn->pg->options.host),
                 LOG_INT("port", conn->pg->options.port), LOG_STR("reason", text),
                 LOG_INT("retryMs", retry_ms));
    }
}

static void disconnect(struct pg_conn *conn) {
    loop_timer_stop(conn->pg->loop, &conn->timer);
    loop_unwatch(conn->pg->loop, &conn->watch);
    if (conn->libpq != NULL) {
        PQfinish(conn->libpq);
        conn->libpq = NULL;
    }
    clear_results(conn);
    list_remove(&conn->idle_node);
}

void pg_conn_drop(struct pg_conn *conn, enum err err, const char *reason) {
    struct pg_session *request = conn->request;
    enum pg_conn_state state = conn->state;
    uint32_t retry_ms = loop_backoff_next_ms(&conn->backoff);
    if (state < PG_CONN_IDLE) { /* it did not come up */
        resolver_report_failure(&conn->pg->resolver, conn->address);
    }
    log_drop(conn, reason, retry_ms);
    disconnect(conn);
    conn->state = PG_CONN_DOWN;
    conn->broken = conn->read_only = false;
    conn->request = NULL;
    if (state >= PG_CONN_IDLE || conn->renewed) {
        conn->renewed = false;
        pg_conn_left(conn);
    }
    loop_timer_start(conn->pg->loop, &conn->timer, retry_ms);
    if (request != NULL) {
        request->conn = NULL;
        if (state != PG_CONN_HELD) { /* a held session learns of it with its next request */
            pg_finish_request(request, err, NULL);
        }
    }
}

/* Its state is not what it should be: another one in its place, at once. `request` waits for it. */
static void renew(struct pg_conn *conn, struct pg_session *request) {
    disconnect(conn);
    conn->state = PG_CONN_DOWN;
    conn->broken = conn->read_only = false;
    conn->renewed = true;
    conn->request = request;
    loop_timer_start(conn->pg->loop, &conn->timer, 0); /* not from inside reading its results */
}

static void on_timer(void *ctx) {
    struct pg_conn *conn = ctx;
    if (conn->state == PG_CONN_DOWN) {
        pg_conn_start(conn);
    } else if (conn->state == PG_CONN_PAUSING) {
        start_migrating(conn);
    } else if (conn->broken) {
        pg_conn_drop(conn, ERR_UNAVAILABLE, NULL);
    } else {
        pg_conn_drop(conn, ERR_TIMEOUT, "deadline passed");
    }
}

void pg_conn_close(struct pg_conn *conn) {
    struct pg_session *request = conn->request;
    bool held = conn->state == PG_CONN_HELD;
    disconnect(conn);
    conn->state = PG_CONN_DOWN;
    conn->request = NULL;
    if (request == NULL) {
        return;
    }
    request->conn = NULL; /* a held session may still be rolled back by its owner */
    if (!held) {
        pg_finish_request(request, ERR_UNAVAILABLE, NULL);
    }
}
