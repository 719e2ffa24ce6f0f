/* Requests, their queue, and sessions; the scripts of migrations. */
#include "private.h"

#include "base/buf.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void dispatch(void *ctx);

/* ---- migrations ---- */

/* "prodorder" in ASCII, folded: services that share a server but not a database do not meet. */
#define ADVISORY_LOCK "7233111"

/*
 * A migration that waits for a table holds up everybody who comes to that table after it, behind a
 * long transaction for as long as that lasts. So it gives up soon, and is repeated after a pause
 * (conn.c). The advisory lock holds up other migrations only.
 */
#define LOCK_TIMEOUT "2 s"

/* The server does not say who was in the way; mostly it is who has been at it the longest. */
static const char BLOCKED[] =
    " EXCEPTION WHEN lock_not_available THEN"
    " SELECT format('; the oldest transaction here is that of process %s (%s), since %s', pid,"
    " coalesce(nullif(application_name, ''), backend_type), xact_start) INTO oldest"
    " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1;"
    " RAISE EXCEPTION 'migration % waits for a table that another transaction uses%', this,"
    " coalesce(oldest, '') USING ERRCODE = 'lock_not_available'; END $guard$;";

/*
 * Only if what it would give next is not above the table. The table's greatest id is its primary
 * key's last; one that is absurd is left alone. The advisory lock is held: replicas agree, and the
 * second finds nothing to do. Others may take ids meanwhile, but not as many as the margin has
 * room for: the sequence never goes backwards.
 */
static void append_sequence(struct buf *script, const struct pg_sequence *sequence) {
    buf_appendf(script,
                "SELECT '%s', '%s', s.next, t.top,"
                " setval('%s', t.top::bigint + 1 + s.by * %d, false)"
                " FROM (SELECT seqincrement AS by, CASE WHEN is_called THEN"
                " last_value + seqincrement ELSE last_value END AS next FROM %s, pg_sequence"
                " WHERE seqrelid = '%s'::regclass) AS s,"
                " (SELECT max(id) AS top FROM %s) AS t"
                " WHERE s.next <= t.top AND t.top < 9000000000000000000;",
                sequence->sequence, sequence->table, sequence->sequence, PG_SEQUENCE_MARGIN,
                sequence->sequence, sequence->sequence, sequence->table);
}

/*
 * A script is one transaction since it has no command of its own for that (PostgreSQL, 55.2.2.1):
 * take the lock, and run the migration, unless the table names it.
 */
static void append_migration(struct buf *script, const struct pg_migration *migration) {
    buf_appendf(script,
                "DO $guard$ DECLARE this int := %d; oldest text; BEGIN"
                " IF NOT EXISTS (SELECT FROM schema_migrations WHERE version = this)"
                " THEN EXECUTE $migration$",
                migration->version);
    buf_append_str(script, migration->sql);
    buf_append_str(script, "$migration$; INSERT INTO schema_migrations (version)"
                           " VALUES (this); END IF;");
    buf_append_str(script, BLOCKED);
}

/* What comes after the last migration: look at the sequences, and what the service has to say. */
static void append_look(struct buf *script, const struct pg_options *options) {
    for (const struct pg_sequence *sequence = options->sequences;
         sequence != NULL && sequence->table != NULL; sequence++) {
        append_sequence(script, sequence);
    }
    buf_append_str(script, options->first_sql == NULL ? "" : options->first_sql);
}

/*
 * A script for each migration, so that a lock is held as long as its own takes, and the look.
 * Several replicas may start at once; the second finds nothing to do.
 */
static enum err make_scripts(struct pg *pg) {
    const struct pg_migration *migrations = pg->options.migrations;
    size_t count = 0;
    while (migrations[count].version != 0) {
        count++;
    }
    pg->scripts = calloc(count + 1, sizeof(*pg->scripts));
    for (size_t i = 0; pg->scripts != NULL && i <= count; i++) {
        struct buf script;
        buf_init(&script, 0);
        buf_append_str(&script,
                       "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;"
                       "SELECT pg_advisory_xact_lock(" ADVISORY_LOCK ");"
                       "SET LOCAL lock_timeout = '" LOCK_TIMEOUT "';"
                       "CREATE TABLE IF NOT EXISTS schema_migrations ("
                       "version int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());");
        if (i < count) {
            append_migration(&script, &migrations[i]);
        } else {
            append_look(&script, &pg->options);
        }
        buf_append_char(&script, '\0');
        if (script.failed) {
            buf_free(&script);
            return ERR_NO_MEMORY;
        }
        pg->scripts[pg->script_count++] = script.data; /* nothing was consumed: it is the start */
    }
    return pg->scripts == NULL ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- open and close ---- */

static void format_server_options(struct pg *pg) {
    unsigned deadline_ms = pg->options.deadline_ms;
    snprintf(pg->port_text, sizeof(pg->port_text), "%u", pg->options.port);
    snprintf(pg->server_options, sizeof(pg->server_options),
             "-c statement_timeout=%u -c lock_timeout=%u -c idle_in_transaction_session_timeout=%u"
             " -c timezone=UTC -c client_min_messages=warning -c jit=off",
             deadline_ms, pg->options.lock_timeout_ms, deadline_ms * 4);
}

static enum err allocate(struct pg *pg) {
    pg->conns = calloc(pg->options.connections, sizeof(*pg->conns));
    pg->sessions = calloc(pg->options.requests_max, sizeof(*pg->sessions));
    if (pg->conns == NULL || pg->sessions == NULL || make_scripts(pg) != ERR_OK) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < pg->options.requests_max; i++) {
        pg->sessions[i].pg = pg;
        list_init(&pg->sessions[i].node);
        list_append(&pg->free, &pg->sessions[i].node);
    }
    for (size_t i = 0; i < pg->options.connections; i++) {
        pg_conn_init(&pg->conns[i], pg);
    }
    return ERR_OK;
}

static void free_all(struct pg *pg) {
    free(pg->conns);
    free(pg->sessions);
    for (size_t i = 0; i < pg->script_count; i++) {
        free(pg->scripts[i]);
    }
    free(pg->scripts);
    free(pg);
}

enum err pg_open(struct loop *loop, const struct pg_options *options, struct pg **ret_pg) {
    assert(options->connections > 0 && options->requests_max > 0 && options->deadline_ms > 0);
    struct pg *pg = calloc(1, sizeof(*pg));
    if (pg == NULL) {
        return ERR_NO_MEMORY;
    }
    pg->loop = loop;
    pg->options = *options;
    list_init(&pg->idle);
    list_init(&pg->free);
    list_init(&pg->waiting);
    list_init(&pg->failed);
    loop_task_init(&pg->dispatch, dispatch, pg);
    pg_sqlstate_register();
    format_server_options(pg);
    enum err err = allocate(pg);
    if (err != ERR_OK) {
        free_all(pg);
        return err;
    }
    resolver_open(&pg->resolver, loop, options->host);
    if (!options->waits) {
        pg_go(pg);
    }
    *ret_pg = pg;
    return ERR_OK;
}

void pg_go(struct pg *pg) {
    pg_conn_start(&pg->conns[0]); /* the others follow when the schema is there */
}

void pg_migrated(struct pg *pg) {
    for (size_t i = 0; i < pg->options.connections; i++) {
        struct pg_conn *conn = &pg->conns[i];
        if (conn->state == PG_CONN_DOWN && !loop_timer_armed(&conn->timer)) {
            pg_conn_start(conn);
        }
    }
}

void pg_close(struct pg *pg) {
    if (pg == NULL) {
        return;
    }
    for (size_t i = 0; i < pg->options.connections; i++) {
        pg_conn_close(&pg->conns[i]);
    }
    pg->ready_count = 0;
    while (!list_is_empty(&pg->failed) || !list_is_empty(&pg->waiting)) {
        dispatch(pg); /* fails what waits, and what the callbacks of that ask for */
    }
    loop_task_cancel(&pg->dispatch);
    resolver_close(&pg->resolver);
    free_all(pg);
}

bool pg_is_ready(const struct pg *pg) {
    return pg->ready_count > 0;
}

/* ---- requests and sessions ---- */

static bool params_are_whole(const struct pg_call *calls, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t p = 0; p < calls[i].param_count; p++) {
            if (calls[i].params[p].length < 0) {
                return false;
            }
        }
    }
    return true;
}

static void fill(struct pg_session *request, const struct pg_call *calls, size_t count, pg_fn *fn,
                 void *ctx) {
    assert(count <= PG_CALLS_MAX && fn != NULL);
    if (count > 0) {
        memcpy(request->calls, calls, count * sizeof(*calls));
    }
    request->count = count;
    request->fn = fn;
    request->ctx = ctx;
    request->retried = false;
    request->err = params_are_whole(calls, count) ? ERR_OK : ERR_NO_MEMORY;
}

static struct pg_session *take_session(struct pg *pg, bool interactive) {
    struct list *node = list_take_first(&pg->free);
    assert(node != NULL); /* requests_max is the callers' own bound */
    struct pg_session *request = CONTAINER_OF(node, struct pg_session, node);
    request->conn = NULL;
    request->interactive = interactive;
    request->begins = interactive;
    request->commits = false;
    return request;
}

static void submit(struct pg_session *request) {
    struct pg *pg = request->pg;
    list_append(request->err == ERR_OK ? &pg->waiting : &pg->failed, &request->node);
    loop_task_queue(pg->loop, &pg->dispatch, LOOP_TASK_FLUSH);
}

void pg_run(struct pg *pg, const struct pg_call *calls, size_t count, pg_fn *fn, void *ctx) {
    struct pg_session *request = take_session(pg, false);
    fill(request, calls, count, fn, ctx);
    submit(request);
}

struct pg_session *pg_begin(struct pg *pg, const struct pg_call *calls, size_t count, pg_fn *fn,
                            void *ctx) {
    struct pg_session *request = take_session(pg, true);
    fill(request, calls, count, fn, ctx);
    submit(request);
    return request;
}

static void go_on(struct pg_session *session, const struct pg_call *calls, size_t count, pg_fn *fn,
                  void *ctx) {
    session->begins = false;
    fill(session, calls, count, fn, ctx);
    if (session->conn == NULL) { /* lost between two requests */
        session->err = ERR_UNAVAILABLE;
    } else if (session->err != ERR_OK) {
        pg_conn_rollback(session->conn);
        session->conn = NULL;
    }
    if (session->err != ERR_OK) {
        submit(session);
        return;
    }
    pg_conn_send(session->conn, session);
}

void pg_continue(struct pg_session *session, const struct pg_call *calls, size_t count, pg_fn *fn,
                 void *ctx) {
    go_on(session, calls, count, fn, ctx);
}

void pg_commit(struct pg_session *session, const struct pg_call *calls, size_t count, pg_fn *fn,
               void *ctx) {
    session->commits = true;
    go_on(session, calls, count, fn, ctx);
}

void pg_rollback(struct pg_session *session) {
    if (session->conn != NULL) {
        pg_conn_rollback(session->conn);
    }
    list_append(&session->pg->free, &session->node);
}

/* Called by the connection, or by dispatch() for what was never sent (results NULL). */
void pg_finish_request(struct pg_session *request, enum err err, PGresult *const *results) {
    struct pg_rows rows[PG_CALLS_MAX];
    pg_fn *fn = request->fn;
    void *ctx = request->ctx;
    for (size_t i = 0; err == ERR_OK && i < request->count; i++) {
        const char *affected = PQcmdTuples(results[i]);
        rows[i].handle = results[i];
        rows[i].count = (size_t)PQntuples(results[i]);
        rows[i].affected = affected[0] == '\0' ? 0 : strtoll(affected, NULL, 10);
    }
    if (err != ERR_OK || !request->interactive || request->commits) {
        request->conn = NULL;
        list_append(&request->pg->free, &request->node);
    }
    fn(ctx, err, err == ERR_OK ? rows : NULL);
}

/* ---- matching requests with connections ---- */

static void fail_list(struct list *list, enum err err) {
    struct list *node;
    while ((node = list_take_first(list)) != NULL) {
        struct pg_session *request = CONTAINER_OF(node, struct pg_session, node);
        pg_finish_request(request, request->err != ERR_OK ? request->err : err, NULL);
    }
}

static void dispatch(void *ctx) {
    struct pg *pg = ctx;
    fail_list(&pg->failed, ERR_INTERNAL);
    if (pg->ready_count == 0) {
        fail_list(&pg->waiting, ERR_UNAVAILABLE);
        return;
    }
    while (!list_is_empty(&pg->waiting) && !list_is_empty(&pg->idle)) {
        struct list *conn_node = list_take_first(&pg->idle);
        struct list *request_node = list_take_first(&pg->waiting);
        pg_conn_send(CONTAINER_OF(conn_node, struct pg_conn, idle_node),
                     CONTAINER_OF(request_node, struct pg_session, node));
    }
}

void pg_conn_became_idle(struct pg_conn *conn, bool first_time) {
    struct pg *pg = conn->pg;
    list_prepend(&pg->idle, &conn->idle_node); /* its server's caches are warm */
    if (!list_is_empty(&pg->waiting)) {
        loop_task_queue(pg->loop, &pg->dispatch, LOOP_TASK_FLUSH);
    }
    if (!first_time) {
        return;
    }
    pg->ready_count++;
    if (pg->ready_count == 1) {
        log_info("database ready", LOG_STR("host", pg->options.host),
                 LOG_INT("port", pg->options.port), LOG_STR("database", pg->options.database));
        if (pg->options.on_ready != NULL) {
            pg->options.on_ready();
        }
    }
}

void pg_conn_left(struct pg_conn *conn) {
    struct pg *pg = conn->pg;
    pg->ready_count--;
    pg->migrated = false; /* what comes back may be another database */
    if (pg->ready_count == 0 && !list_is_empty(&pg->waiting)) {
        loop_task_queue(pg->loop, &pg->dispatch, LOOP_TASK_FLUSH);
    }
}
