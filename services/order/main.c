/*
 * order-service: takes orders and follows them to their end. Start reading at the routes in app.c.
 */
#include "app.h"
#include "config.h"

#include "runtime/process/service.h"

static const struct config_local LOCALS[] = {
    { "SERVICE_NAME", "order-service" },
    { "PORT", "3002" },
    { "DB_PORT", "5434" },
    { "DB_USER", "order" },
    { "DB_NAME", "order" },
    { "REDIS_PORT", "6382" },
    { NULL, NULL },
};

int main(int argc, char **argv) {
    const struct service service = {
        .name = "order-service",
        .version = PRODORDER_VERSION,
        .summary = "Takes orders, stores them, and follows them to their end.",
        .locals = LOCALS,
        .options = ORDER_OPTIONS,
        .option_count = ORDER_OPTION_COUNT,
        .start = app_start,
        .drain = app_drain,
        .stop = app_stop,
    };
    return service_main(argc, argv, &service);
}
