/* SQL of the parts that both services have, each with tables of its own database. */
#include "cache_notice.h"
#include "key_expiry.h"

/* clang-format off */
const struct pg_statement SQL_KEY_EXPIRE = { "key_expire",
    "WITH gone AS (DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(SELECT ctid"
    " FROM idempotency_keys WHERE created_at >= $1::timestamptz"
    " AND created_at < now() - interval '24 hours' ORDER BY created_at LIMIT $2::bigint"
    " FOR UPDATE SKIP LOCKED)) RETURNING created_at)"
    " SELECT count(*)::bigint, max(created_at)::timestamptz FROM gone" };

const struct pg_statement SQL_CACHE_NOTICE_COUNT = { "cache_notice_count",
    "SELECT count::bigint FROM cache_notices" };

const struct pg_statement SQL_CACHE_NOTICE_ADD = { "cache_notice_add",
    "UPDATE cache_notices SET count = count + 1 RETURNING count::bigint" };
/* clang-format on */
