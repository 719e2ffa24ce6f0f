/*
 * order-service: takes orders and follows them to their end. Start reading at the routes in app.c.
 */
#include "app.h"
#include "config.h"

#include "runtime/process/service.h"

int main(int argc, char **argv) {
    const struct service service = {
        .name = "order-service",
        .version = PRODORDER_VERSION,
        .summary = "Takes orders, stores them, and follows them to their end.",
        .options = ORDER_OPTIONS,
        .option_count = ORDER_OPTION_COUNT,
        .config = &order_config,
        .log_service = &order_config.service_name,
        .log_level = &order_config.log_level,
        .drain_timeout_ms = &order_config.drain_timeout_ms,
        .start = app_start,
        .drain = app_drain,
        .stop = app_stop,
    };
    return service_main(argc, argv, &service);
}
