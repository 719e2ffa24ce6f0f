/* product-service: the catalogue and its stock. Start reading at the routes in app.c. */
#include "app.h"

#include "runtime/process/service.h"

static const struct config_local LOCALS[] = {
    { "SERVICE_NAME", "product-service" },
    { "PORT", "3001" },
    { "DB_PORT", "5433" },
    { "DB_USER", "product" },
    { "DB_NAME", "product" },
    { "REDIS_PORT", "6381" },
    { NULL, NULL },
};

int main(int argc, char **argv) {
    const struct service service = {
        .name = "product-service",
        .version = PRODORDER_VERSION,
        .summary = "Keeps the catalogue and decides on stock.",
        .locals = LOCALS,
        .start = app_start,
        .drain = app_drain,
        .stop = app_stop,
    };
    return service_main(argc, argv, &service);
}
