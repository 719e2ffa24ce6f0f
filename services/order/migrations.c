/*
 * The schema, embedded from migrations/: applied in order, once each, never edited after a release.
 */
#include "schema.h"

#include "base/embed.h"

EMBED_TEXT(migration_0001, "services/order/migrations/0001_orders.sql");
EMBED_TEXT(migration_0002, "services/order/migrations/0002_tracestate.sql");

const struct pg_migration *order_migrations(size_t *ret_count) {
    static struct pg_migration migrations[2];
    migrations[0] = (struct pg_migration){ 1, migration_0001 };
    migrations[1] = (struct pg_migration){ 2, migration_0002 };
    *ret_count = sizeof(migrations) / sizeof(migrations[0]);
    return migrations;
}
