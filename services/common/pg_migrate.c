#include "pg_private.h"

#include "buf.h"

#include <stdlib.h>

/* "prodorder" in ASCII, folded: services that share a server but not a database do not meet. */
#define ADVISORY_LOCK "7233111"

/*
 * One script, one transaction: take the lock, then run each migration that the table does not name.
 * Several replicas may start at once; the second finds nothing to do.
 */
char *pg_migration_script(const struct pg_options *options) {
    struct buf script;
    buf_init(&script, 0);
    buf_append_str(&script,
                   "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;"
                   "SELECT pg_advisory_xact_lock(" ADVISORY_LOCK ");"
                   "CREATE TABLE IF NOT EXISTS schema_migrations ("
                   "version int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());");
    for (size_t i = 0; i < options->migration_count; i++) {
        const struct pg_migration *migration = &options->migrations[i];
        buf_appendf(
            &script,
            "DO $guard$ BEGIN IF NOT EXISTS (SELECT FROM schema_migrations WHERE version = %d)"
            " THEN EXECUTE $migration$",
            migration->version);
        buf_append_str(&script, migration->sql);
        buf_appendf(&script,
                    "$migration$; INSERT INTO schema_migrations (version) VALUES (%d);"
                    " END IF; END $guard$;",
                    migration->version);
    }
    buf_append_str(&script, "COMMIT;");
    buf_append_char(&script, '\0');
    if (script.failed) {
        buf_free(&script);
        return NULL;
    }
    return script.data; /* nothing was consumed: data is the start */
}
