/*
 * What the product service says to its database. The schema is embedded from migrations/: applied
 * in order, once each, never edited after a release.
 */
#include "statements.h"

#include "contract/cache_notice.h"
#include "contract/key_expiry.h"

PG_EMBED_TEXT(migration_0001, "services/product/migrations/0001_catalogue.sql");
PG_EMBED_TEXT(migration_0002, "services/product/migrations/0002_tracestate.sql");
PG_EMBED_TEXT(migration_0003, "services/product/migrations/0003_order_identity.sql");
PG_EMBED_TEXT(migration_0004, "services/product/migrations/0004_locked.sql");
PG_EMBED_TEXT(migration_0005, "services/product/migrations/0005_adjust.sql");
PG_EMBED_TEXT(migration_0006, "services/product/migrations/0006_cancelled.sql");
PG_EMBED_TEXT(migration_0007, "services/product/migrations/0007_keys.sql");
PG_EMBED_TEXT(migration_0008, "services/product/migrations/0008_conflicts.sql");
PG_EMBED_TEXT(migration_0009, "services/product/migrations/0009_audit.sql");
PG_EMBED_TEXT(migration_0010, "services/product/migrations/0010_cache_notices.sql");
PG_EMBED_TEXT(migration_0011, "services/product/migrations/0011_epochs.sql");
PG_EMBED_TEXT(migration_0012, "services/runtime/process/witness.sql");

const struct pg_migration PRODUCT_MIGRATIONS[] = {
    { 1, migration_0001 },
    { 2, migration_0002 },
    { 3, migration_0003 },
    { 4, migration_0004 },
    { 5, migration_0005 },
    { 6, migration_0006 },
    { 7, migration_0007 },
    { 8, migration_0008 },
    { 9, migration_0009 },
    { 10, migration_0010 },
    { 11, migration_0011 },
    { 12, migration_0012 },
    { 0 },
};

const struct pg_sequence PRODUCT_SEQUENCES[] = {
    { "product_ids", "products" },
    { "outbox_ids", "outbox" },
    { "restocks_id_seq", "restocks" },
    { NULL, NULL },
};

/*
 * What is returned says its type, here and below: a column of another type (ALTER TABLE … TYPE)
 * changes nothing for us.
 */
#define PRODUCT_COLUMNS                                                                            \
    "id::bigint, name::text, price_cents::bigint, qty::bigint,"                                    \
    " greatest(version, (SELECT floor FROM version_floor))::bigint,"                               \
    " created_at::timestamptz, updated_at::timestamptz"

/* How long SQL_PRODUCT_LOCKED and SQL_PRODUCT_KEY_LOCKED wait for each row, and in all. */
#define LOCKED_WAIT_MS "20"
#define LOCKED_TOTAL_MS "1000"

/* clang-format off */
const struct pg_statement SQL_NEXT_PRODUCT_IDS = { "next_product_ids",
    "SELECT nextval('product_ids')" };
const struct pg_statement SQL_NEXT_OUTBOX_IDS = { "next_outbox_ids",
    "SELECT nextval('outbox_ids')" };

const struct pg_statement SQL_PRODUCT_INSERT = { "product_insert",
    "INSERT INTO products (id, name, price_cents, qty, initial_qty, version, created_at,"
    " updated_at, request_id)"
    " SELECT id, name, price_cents, qty, qty, coalesce((SELECT floor FROM version_floor), 1),"
    " at, at, request_id"
    " FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[],"
    " $6::text[]) AS t (id, name, price_cents, qty, at, request_id)" };

const struct pg_statement SQL_PRODUCT_GET = { "product_get",
    "SELECT " PRODUCT_COLUMNS " FROM products WHERE id = ANY ($1::bigint[])" };

const struct pg_statement SQL_PRODUCT_PAGE = { "product_page",
    "SELECT " PRODUCT_COLUMNS " FROM products WHERE id > $1::bigint ORDER BY id"
    " LIMIT $2::bigint" };

const struct pg_statement SQL_VERSION_FLOOR = { "version_floor",
    "SELECT floor::bigint FROM version_floor" };

const struct pg_statement SQL_PRODUCT_LOCK = { "product_lock",
    "SELECT " PRODUCT_COLUMNS " FROM products WHERE id = ANY ($1::bigint[])"
    " ORDER BY id FOR UPDATE" };

const struct pg_statement SQL_PRODUCT_LOCKED = { "product_locked",
    "SELECT l.id::bigint FROM locked_products($1::bigint[], " LOCKED_WAIT_MS ", " LOCKED_TOTAL_MS
    ") AS l (id)" };

const struct pg_statement SQL_PRODUCT_UPDATE = { "product_update",
    "UPDATE products AS p SET name = t.name, price_cents = t.price_cents, qty = t.qty,"
    " version = t.version, updated_at = t.at"
    " FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],"
    " $6::timestamptz[]) AS t (id, name, price_cents, qty, version, at)"
    " WHERE p.id = t.id" };

const struct pg_statement SQL_RESTOCK_INSERT = { "restock_insert",
    "INSERT INTO restocks (product_id, quantity, restocked_at, request_id, reason) SELECT *"
    " FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[])" };

const struct pg_statement SQL_LEDGER_FIND = { "ledger_find",
    "SELECT order_id::bigint, status::text, reason::text, decided_at::timestamptz,"
    " product_id::bigint, quantity::bigint, request_id::text,"
    " nullif(order_created_at, '-infinity')::timestamptz FROM stock_ledger"
    " WHERE order_id = ANY ($1::bigint[])" };

const struct pg_statement SQL_LEDGER_INSERT = { "ledger_insert",
    "INSERT INTO stock_ledger (order_id, product_id, quantity, status, reason, decided_at,"
    " request_id, order_created_at) SELECT * FROM unnest($1::bigint[], $2::bigint[],"
    " $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::timestamptz[])" };

const struct pg_statement SQL_PRODUCT_KEY_FIND = { "product_key_find",
    "SELECT key::text, request::text, product_id::bigint, version::bigint, answer::text"
    " FROM idempotency_keys WHERE key = ANY ($1::text[])"
    " AND created_at >= now() - interval '24 hours'" };

const struct pg_statement SQL_PRODUCT_KEY_INSERT = { "product_key_insert",
    "INSERT INTO idempotency_keys AS k (key, request, product_id, version, answer, created_at)"
    " SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[],"
    " $6::timestamptz[]) AS t (key, request, product_id, version, answer, at) ORDER BY key"
    " ON CONFLICT (key) DO UPDATE SET request = excluded.request,"
    " product_id = excluded.product_id, version = excluded.version, answer = excluded.answer,"
    " created_at = excluded.created_at WHERE k.created_at < now() - interval '24 hours'"
    " RETURNING key::text" };

const struct pg_statement SQL_PRODUCT_KEY_LOCKED = { "product_key_locked",
    "SELECT l.key::text FROM locked_keys($1::text[], " LOCKED_WAIT_MS ", " LOCKED_TOTAL_MS
    ") AS l (key)" };

const struct pg_statement SQL_LEDGER_CONFLICT = { "ledger_conflict",
    "INSERT INTO ledger_conflicts (order_id, order_created_at, product_id, quantity, seen_at,"
    " request_id) SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[],"
    " $4::bigint[], $5::timestamptz[], $6::text[]) ON CONFLICT DO NOTHING"
    " RETURNING order_id::bigint" };

const struct pg_statement SQL_LEDGER_RETURN = { "ledger_return",
    "WITH t AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[],"
    " $4::timestamptz[]) AS t (order_id, has_created, created_at, at)),"
    " resolved AS (DELETE FROM ledger_conflicts AS c USING t WHERE c.order_id = t.order_id"
    " AND c.order_created_at = t.created_at)"
    " UPDATE stock_ledger AS l SET status = 'returned', returned_at = t.at"
    " FROM t WHERE l.order_id = t.order_id"
    " AND l.order_created_at = CASE WHEN has_created = 1 THEN t.created_at ELSE '-infinity' END"
    " AND l.status = 'done'" };

/* What is old is as in services/admin/audit.h. */
const struct pg_statement SQL_PRODUCT_BOOKS = { "product_books",
    "SELECT (coalesce((SELECT balanced FROM audit_mark), true) AND NOT EXISTS (SELECT FROM outbox"
    " WHERE available_at < now() - interval '5 minutes') AND coalesce((SELECT max(id)"
    " FROM products), 0) < (SELECT last_value + 20 FROM product_ids))::int::bigint,"
    " NULL::timestamptz" };
/* clang-format on */

const struct pg_statement *const PRODUCT_STATEMENTS[] = {
    &SQL_NEXT_PRODUCT_IDS,   &SQL_NEXT_OUTBOX_IDS,
    &SQL_PRODUCT_INSERT,     &SQL_PRODUCT_GET,
    &SQL_PRODUCT_PAGE,       &SQL_VERSION_FLOOR,
    &SQL_PRODUCT_LOCK,       &SQL_PRODUCT_LOCKED,
    &SQL_PRODUCT_UPDATE,     &SQL_RESTOCK_INSERT,
    &SQL_LEDGER_FIND,        &SQL_LEDGER_INSERT,
    &SQL_LEDGER_RETURN,      &SQL_LEDGER_CONFLICT,
    &SQL_PRODUCT_KEY_FIND,   &SQL_PRODUCT_KEY_INSERT,
    &SQL_PRODUCT_KEY_LOCKED, &SQL_KEY_EXPIRE,
    &SQL_CACHE_NOTICE_COUNT, &SQL_CACHE_NOTICE_ADD,
    &SQL_PRODUCT_BOOKS,      NULL,
};
