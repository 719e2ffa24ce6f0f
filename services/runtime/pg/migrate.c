#include "private.h"

#include "base/buf.h"

#include <stdlib.h>

/* "prodorder" in ASCII, folded: services that share a server but not a database do not meet. */
#define ADVISORY_LOCK "7233111"

/*
 * A migration that waits for a table holds up everybody who comes to that table after it, behind a
 * long transaction for as long as that lasts. So it gives up soon, and is repeated after a pause
 * (pg_conn.c). The advisory lock holds up other migrations only.
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
 * One script, which is one transaction since it has no command of its own for that (PostgreSQL,
 * 55.2.2.1): take the lock, then run each migration that the table does not name.
 * Several replicas may start at once; the second finds nothing to do.
 */
char *pg_migration_script(const struct pg_options *options) {
    struct buf script;
    buf_init(&script, 0);
    buf_append_str(&script,
                   "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;"
                   "SELECT pg_advisory_xact_lock(" ADVISORY_LOCK ");"
                   "SET LOCAL lock_timeout = '" LOCK_TIMEOUT "';"
                   "CREATE TABLE IF NOT EXISTS schema_migrations ("
                   "version int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());");
    for (size_t i = 0; i < options->migration_count; i++) {
        const struct pg_migration *migration = &options->migrations[i];
        buf_appendf(&script,
                    "DO $guard$ DECLARE this int := %d; oldest text; BEGIN"
                    " IF NOT EXISTS (SELECT FROM schema_migrations WHERE version = this)"
                    " THEN EXECUTE $migration$",
                    migration->version);
        buf_append_str(&script, migration->sql);
        buf_append_str(&script, "$migration$; INSERT INTO schema_migrations (version)"
                                " VALUES (this); END IF;");
        buf_append_str(&script, BLOCKED);
    }
    buf_append_char(&script, '\0');
    if (script.failed) {
        buf_free(&script);
        return NULL;
    }
    return script.data; /* nothing was consumed: data is the start */
}
