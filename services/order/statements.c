/*
 * What the order service says to its database. The schema is embedded from migrations/: applied in
 * order, once each, never edited after a release.
 */
#include "statements.h"

#include "contract/cache_notice.h"
#include "contract/key_expiry.h"

PG_EMBED_TEXT(migration_0001, "services/order/migrations/0001_orders.sql");
PG_EMBED_TEXT(migration_0002, "services/order/migrations/0002_tracestate.sql");
PG_EMBED_TEXT(migration_0003, "services/order/migrations/0003_telling.sql");
PG_EMBED_TEXT(migration_0004, "services/order/migrations/0004_locked.sql");
PG_EMBED_TEXT(migration_0005, "services/order/migrations/0005_key_expiry.sql");
PG_EMBED_TEXT(migration_0006, "services/order/migrations/0006_fillfactor.sql");
PG_EMBED_TEXT(migration_0007, "services/order/migrations/0007_cancellations.sql");
PG_EMBED_TEXT(migration_0008, "services/order/migrations/0008_order_times.sql");
PG_EMBED_TEXT(migration_0009, "services/order/migrations/0009_audit.sql");
PG_EMBED_TEXT(migration_0010, "services/order/migrations/0010_resolutions.sql");
PG_EMBED_TEXT(migration_0011, "services/order/migrations/0011_cache_notices.sql");
PG_EMBED_TEXT(migration_0012, "services/order/migrations/0012_tell_again.sql");
PG_EMBED_TEXT(migration_0013, "services/runtime/process/witness.sql");

const struct pg_migration ORDER_MIGRATIONS[] = {
    { 1, migration_0001 },  { 2, migration_0002 },
    { 3, migration_0003 },  { 4, migration_0004 },
    { 5, migration_0005 },  { 6, migration_0006 },
    { 7, migration_0007 },  { 8, migration_0008 },
    { 9, migration_0009 },  { 10, migration_0010 },
    { 11, migration_0011 }, { 12, migration_0012 },
    { 13, migration_0013 }, { 0 },
};

const struct pg_sequence ORDER_SEQUENCES[] = {
    { "order_numbers", "orders" },
    { NULL, NULL },
};

/*
 * The columns of order_from_row(), in its order. What is returned says its type, here and below: a
 * column of another type (ALTER TABLE … TYPE) changes nothing for us.
 */
#define ORDER_COLUMNS                                                                              \
    "o.id::bigint, o.product_id::bigint, o.quantity::bigint, o.unit_price_cents::bigint,"          \
    " o.total_price_cents::bigint, o.status::text, o.reason::text, o.created_at::timestamptz,"     \
    " o.updated_at::timestamptz, o.request_id::text"

/* How long SQL_ORDER_LOCKED waits for each row, and in all. */
#define LOCKED_WAIT_MS "20"
#define LOCKED_TOTAL_MS "1000"

/* clang-format off */
/* Order and idempotency key are one statement: all or none. A key that another transaction has
   stored within 24 hours keeps its order out; its place is then not returned. The transaction has
   its number before the first id is drawn: telling.c relies on it. */
const struct pg_statement SQL_ORDER_INSERT = { "order_insert",
    "WITH here AS MATERIALIZED (SELECT pg_current_xact_id()),"
    " input AS MATERIALIZED (SELECT nextval('order_numbers') AS id, t.* FROM here,"
    " unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[],"
    " $7::text[], $8::text[], $9::text[]) AS t (place, product_id, quantity, unit_cents, at,"
    " request_id, traceparent, tracestate, key)),"
    " keyed AS (INSERT INTO idempotency_keys AS k (key, order_id, product_id, quantity,"
    " created_at) SELECT key, id, product_id, quantity, at FROM input WHERE key IS NOT NULL"
    " ORDER BY key ON CONFLICT (key) DO UPDATE SET order_id = excluded.order_id,"
    " product_id = excluded.product_id, quantity = excluded.quantity,"
    " created_at = excluded.created_at"
    " WHERE k.created_at < excluded.created_at - interval '24 hours' RETURNING order_id),"
    " stored AS (INSERT INTO orders (id, product_id, quantity, unit_price_cents,"
    " total_price_cents, created_at, updated_at, request_id, traceparent, tracestate)"
    " SELECT id, product_id, quantity, unit_cents, unit_cents * quantity, at, at, request_id,"
    " traceparent, tracestate FROM input WHERE key IS NULL OR id IN (SELECT order_id FROM keyed)"
    " RETURNING id)"
    " SELECT input.place, input.id FROM input JOIN stored USING (id)" };

const struct pg_statement SQL_ORDER_GET = { "order_get",
    "SELECT " ORDER_COLUMNS " FROM orders AS o WHERE o.id = ANY ($1::bigint[])" };

const struct pg_statement SQL_ORDER_FIRST_PAGES = { "order_first_pages",
    "SELECT " ORDER_COLUMNS " FROM unnest($1::bigint[]) WITH ORDINALITY AS p (id, place)"
    " CROSS JOIN LATERAL (SELECT * FROM orders WHERE product_id = p.id"
    " ORDER BY created_at DESC, id DESC LIMIT $2::bigint) AS o"
    " ORDER BY p.place, o.created_at DESC, o.id DESC" };

const struct pg_statement SQL_ORDER_PAGE = { "order_page",
    "SELECT " ORDER_COLUMNS " FROM orders AS o WHERE o.product_id = $1::bigint"
    " AND (o.created_at, o.id) < ($2::timestamptz, $3::bigint)"
    " ORDER BY o.created_at DESC, o.id DESC LIMIT $4::bigint" };

/* By id, as whoever cancels locks them, so that nobody waits in a circle. */
const struct pg_statement SQL_ORDER_FINISH = { "order_finish",
    "UPDATE orders AS o SET status = t.status, reason = t.reason,"
    " updated_at = greatest(t.at, o.created_at)"
    " FROM (SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[],"
    " $5::timestamptz[]) AS u (id, status, reason, at, created_at) ORDER BY id) AS t"
    " WHERE o.id = t.id AND o.status = 'waiting'"
    " AND t.created_at IN (o.created_at, 'epoch') RETURNING o.id::bigint, o.product_id::bigint,"
    " o.created_at::timestamptz" };

const struct pg_statement SQL_ORDER_DECIDED = { "order_decided",
    "SELECT id::bigint FROM orders WHERE id = ANY ($1::bigint[]) AND status <> 'waiting'" };

/*
 * $1 before this id, $2 status or '', $3 from, $4 before, $5 limit, $6 rows to look at. Ids rise
 * with time as near as clocks agree: within CLOCKS; the rows to look at begin with the first that
 * is before $4. What waits is above the mark.
 */
#define CLOCKS "interval '1 minute'"
const struct pg_statement SQL_ORDER_SEARCH = { "order_search",
    "WITH times AS MATERIALIZED (SELECT greatest(order_id_at($3::timestamptz - " CLOCKS "),"
    " CASE WHEN $2::text = 'waiting' THEN (SELECT low_id + 1 FROM order_mark) END) AS low,"
    " least($1::bigint, order_id_at($4::timestamptz + " CLOCKS ")) AS high),"
    " ends AS MATERIALIZED (SELECT low, (SELECT id + 1 FROM orders WHERE id < times.high"
    " AND id >= times.low AND created_at < $4::timestamptz ORDER BY id DESC LIMIT 1) AS high"
    " FROM times),"
    " hits AS MATERIALIZED (SELECT " ORDER_COLUMNS " FROM (SELECT * FROM orders WHERE"
    " id < (SELECT high FROM ends) AND id >= (SELECT low FROM ends) ORDER BY id DESC"
    " LIMIT $6::bigint) AS o WHERE $2::text IN ('', o.status) AND o.created_at >= $3::timestamptz"
    " AND o.created_at < $4::timestamptz ORDER BY o.id DESC LIMIT $5::bigint),"
    " last AS (SELECT CASE WHEN (SELECT count(*) FROM hits) < $5::bigint THEN (SELECT id FROM"
    " orders WHERE id < (SELECT high FROM ends) AND id >= (SELECT low FROM ends) ORDER BY id DESC"
    " OFFSET $6::bigint - 1 LIMIT 1) END AS id)"
    " SELECT hits.*, last.id::bigint FROM last LEFT JOIN hits ON true ORDER BY hits.id DESC" };

/* The same of those that were cancelled, which are few. */
const struct pg_statement SQL_ORDER_CANCELLED = { "order_cancelled",
    "SELECT " ORDER_COLUMNS ", NULL::bigint FROM cancellations AS c JOIN orders AS o"
    " ON o.id = c.order_id WHERE c.order_id < least($1::bigint,"
    " order_id_at($3::timestamptz + " CLOCKS ")) AND c.order_id >="
    " order_id_at($2::timestamptz - " CLOCKS ") AND c.created_at >= $2::timestamptz"
    " AND c.created_at < $3::timestamptz ORDER BY c.order_id DESC LIMIT $4::bigint" };

/* Those that could be cancelled, and whether they waited. What they became is in the same row for
   whoever looks, and in a row that is told. */
const struct pg_statement SQL_ORDER_CANCEL = { "order_cancel",
    "WITH input AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[],"
    " $4::text[], $5::text[]) AS t (id, at, request_id, traceparent, tracestate)),"
    " here AS MATERIALIZED (SELECT id, status FROM orders WHERE id IN (SELECT id FROM input)"
    " ORDER BY id FOR NO KEY UPDATE),"
    " moved AS (UPDATE orders AS o SET status = 'cancelled',"
    " updated_at = greatest(input.at, o.created_at) FROM here JOIN input USING (id)"
    " WHERE o.id = here.id AND here.status IN ('waiting', 'done') RETURNING o.id, o.product_id,"
    " o.quantity, o.created_at, o.updated_at, here.status = 'waiting' AS waited),"
    " noted AS (INSERT INTO cancellations (order_id, created_at, product_id, quantity,"
    " cancelled_at, next_at, request_id, traceparent, tracestate) SELECT moved.id,"
    " moved.created_at, product_id, quantity, moved.updated_at, now() + $6::bigint * interval '1"
    " ms', request_id, traceparent, tracestate FROM moved JOIN input USING (id)"
    " ON CONFLICT (order_id) DO UPDATE SET created_at = excluded.created_at, product_id ="
    " excluded.product_id, quantity = excluded.quantity, cancelled_at = excluded.cancelled_at,"
    " settled_at = NULL, tries = 0, next_at = excluded.next_at, request_id = excluded.request_id,"
    " traceparent = excluded.traceparent, tracestate = excluded.tracestate)"
    " SELECT id::bigint, waited FROM moved" };

const struct pg_statement SQL_CANCELLATION_DUE = { "cancellation_due",
    "WITH due AS MATERIALIZED (SELECT order_id FROM cancellations WHERE settled_at IS NULL"
    " AND next_at <= now() ORDER BY next_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED)"
    " UPDATE cancellations AS c SET tries = tries + 1, next_at = now()"
    " + least(power(2, least(tries, 20)) * $2::bigint * interval '1 ms', interval '1 hour')"
    " FROM due WHERE c.order_id = due.order_id RETURNING c.order_id::bigint,"
    " c.created_at::timestamptz, c.product_id::bigint, c.quantity::bigint,"
    " c.cancelled_at::timestamptz, c.request_id::text, c.traceparent::text, c.tracestate::text" };

const struct pg_statement SQL_CANCELLATION_HURRY = { "cancellation_hurry",
    "UPDATE cancellations SET next_at = now(), tries = 0 WHERE order_id IN (SELECT order_id"
    " FROM cancellations WHERE settled_at IS NULL AND next_at > now()"
    " AND ($2::bigint = 1 OR order_id = ANY ($1::bigint[])) ORDER BY next_at LIMIT"
    " CASE WHEN $2::bigint = 1 THEN 100000 ELSE 1000 END FOR UPDATE SKIP LOCKED)" };

/* An order that became cancelled by its outcome has no row yet: a restored database has lost it, or
   never had it. It is among those that were cancelled, too; nobody has to be told. */
const struct pg_statement SQL_CANCELLATION_SETTLE = { "cancellation_settle",
    "WITH t AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::timestamptz[])"
    " AS u (id, created_at)), noted AS (INSERT INTO cancellations (order_id, created_at,"
    " product_id, quantity, cancelled_at, settled_at, next_at, request_id, traceparent, tracestate)"
    " SELECT o.id, o.created_at, o.product_id, o.quantity, o.updated_at, now(), now(),"
    " o.request_id, o.traceparent, o.tracestate FROM orders AS o JOIN t USING (id, created_at)"
    " WHERE o.status = 'cancelled' AND NOT EXISTS (SELECT FROM cancellations WHERE order_id = o.id)"
    " ORDER BY o.id ON CONFLICT (order_id) DO NOTHING)"
    " UPDATE cancellations AS c SET settled_at = now() FROM (SELECT o.order_id FROM cancellations"
    " AS o JOIN t ON o.order_id = t.id AND o.created_at = t.created_at WHERE o.settled_at IS NULL"
    " ORDER BY o.order_id FOR UPDATE OF o SKIP LOCKED) AS s WHERE c.order_id = s.order_id" };

const struct pg_statement SQL_ORDER_LOCKED = { "order_locked",
    "SELECT l.id::bigint FROM locked_orders($1::bigint[], " LOCKED_WAIT_MS ", " LOCKED_TOTAL_MS
    ") AS l (id)" };

const struct pg_statement SQL_ORDER_KNOWN = { "order_known",
    "SELECT id::bigint, product_id::bigint, created_at::timestamptz FROM orders"
    " WHERE id = ANY ($1::bigint[])" };

const struct pg_statement SQL_ORDER_DRAWN = { "order_drawn",
    "SELECT last_value FROM order_numbers" };

const struct pg_statement SQL_TRANSACTION = { "transaction",
    "SELECT pg_current_xact_id()::text::bigint" };

const struct pg_statement SQL_ORDER_MARK = { "order_mark",
    "SELECT least(coalesce((SELECT low_id FROM order_mark), 0), last_value)::bigint,"
    " pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM order_numbers" };

const struct pg_statement SQL_ORDER_MARK_MOVE = { "order_mark_move",
    "INSERT INTO order_mark AS m (low_id) VALUES ($1::bigint) ON CONFLICT (only_row)"
    " DO UPDATE SET low_id = excluded.low_id WHERE m.low_id < excluded.low_id"
    " OR m.low_id > (SELECT last_value FROM order_numbers)" };

const struct pg_statement SQL_ORDER_WAITING = { "order_waiting",
    "WITH slice AS MATERIALIZED (SELECT id, status FROM orders"
    " WHERE id > $1::bigint AND id <= $2::bigint ORDER BY id LIMIT $3::bigint),"
    " waiting AS (SELECT " ORDER_COLUMNS ", o.request_id::text AS request, o.traceparent::text,"
    " o.tracestate::text"
    " FROM slice JOIN orders AS o ON o.id = slice.id WHERE slice.status = 'waiting'"
    " ORDER BY o.id LIMIT $4::bigint)"
    " SELECT waiting.*, last.id::bigint FROM (SELECT max(id) AS id FROM slice) AS last"
    " LEFT JOIN waiting ON true ORDER BY waiting.id" };

const struct pg_statement SQL_ORDER_COUNT = { "order_count",
    "SELECT count(*), max(id)::bigint, count(*) FILTER (WHERE status = 'waiting'),"
    " (min(id) FILTER (WHERE status = 'waiting'))::bigint FROM (SELECT id, status FROM orders"
    " WHERE id > $1::bigint AND id <= $2::bigint ORDER BY id LIMIT $3::bigint) AS slice" };

const struct pg_statement SQL_KEY_FIND = { "key_find",
    "SELECT k.key::text, k.product_id::bigint, k.quantity::bigint, " ORDER_COLUMNS
    " FROM idempotency_keys AS k JOIN orders AS o ON o.id = k.order_id"
    " WHERE k.key = ANY ($1::text[]) AND k.created_at >= now() - interval '24 hours'" };
/* The oldest that waits is above the mark. What is old is as in services/admin/audit.h. */
#define PATIENCE "interval '5 minutes'"
const struct pg_statement SQL_ORDER_BOOKS = { "order_books",
    "WITH oldest AS MATERIALIZED (SELECT created_at FROM orders WHERE status = 'waiting'"
    " AND id > (SELECT low_id FROM order_mark) ORDER BY id LIMIT 1)"
    " SELECT (coalesce((SELECT balanced FROM audit_mark), true)"
    " AND (SELECT count(*) FROM oldest WHERE created_at < now() - " PATIENCE ") = 0"
    " AND NOT EXISTS (SELECT FROM cancellations WHERE settled_at IS NULL"
    " AND cancelled_at < now() - " PATIENCE ")"
    " AND NOT EXISTS (SELECT FROM outbox WHERE available_at < now() - " PATIENCE ")"
    " AND greatest((SELECT max(id) FROM orders), (SELECT low_id FROM order_mark))"
    " <= (SELECT last_value FROM order_numbers))::int::bigint,"
    " (SELECT created_at FROM oldest)::timestamptz" };
/* clang-format on */

const struct pg_statement *const ORDER_STATEMENTS[] = {
    &SQL_ORDER_INSERT,       &SQL_ORDER_GET,
    &SQL_ORDER_FIRST_PAGES,  &SQL_ORDER_PAGE,
    &SQL_ORDER_FINISH,       &SQL_ORDER_LOCKED,
    &SQL_ORDER_KNOWN,        &SQL_ORDER_DRAWN,
    &SQL_TRANSACTION,        &SQL_ORDER_MARK,
    &SQL_ORDER_MARK_MOVE,    &SQL_ORDER_WAITING,
    &SQL_ORDER_COUNT,        &SQL_KEY_FIND,
    &SQL_KEY_EXPIRE,         &SQL_CACHE_NOTICE_COUNT,
    &SQL_CACHE_NOTICE_ADD,   &SQL_ORDER_CANCEL,
    &SQL_ORDER_SEARCH,       &SQL_ORDER_DECIDED,
    &SQL_ORDER_CANCELLED,    &SQL_CANCELLATION_DUE,
    &SQL_CANCELLATION_HURRY, &SQL_CANCELLATION_SETTLE,
    &SQL_ORDER_BOOKS,        NULL,
};
