/*
 * Whenever the database is ready: from which version on products are told, and one of them, so that
 * whoever holds copies learns that an epoch has begun (contract.h, migrations/0011_epochs.sql). The
 * database begins it by itself, before; every later event says it, too.
 */
#include "parts.h"
#include "product.h"
#include "statements.h"
#include "stock_news.h"

#include "contract/contract.h"
#include "runtime/telemetry/log.h"

#include <inttypes.h>
#include <stdio.h>

static void arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct product product;
    char id[TRACE_REQUEST_ID_BYTES_MAX + 1], parent[TRACE_PARENT_BYTES_MAX + 1];
    (void)ctx;
    if (err != ERR_OK || rows[0].count == 0) {
        return;
    }
    product_first_version = pg_rows_get_int8(&rows[0], 0, 0);
    log_info("products are told from this version on", LOG_INT("version", product_first_version));
    if (rows[1].count > 0) {
        product_from_row(&rows[1], 0, &product);
        snprintf(id, sizeof(id), "epoch-%" PRId64, contract_version_epoch(product_first_version));
        trace_parent_start(false, parent);
        stock_news_again(&product, (struct trace){ id, parent, "" });
    }
}

void epoch_on_database_ready(void) {
    struct pg_call calls[2] = { { .statement = &SQL_VERSION_FLOOR },
                                { &SQL_PRODUCT_PAGE, { pg_int8(0), pg_int8(1) }, 2 } };
    pg_run(backends.pg, calls, 2, arrived, NULL);
}
