/* product-service: the catalogue and its stock. Start reading at the routes in app.c. */
#include "app.h"
#include "config.h"

#include "runtime/process/service.h"

int main(int argc, char **argv) {
    const struct service service = {
        .name = "product-service",
        .version = PRODORDER_VERSION,
        .summary = "Keeps the catalogue and decides on stock.",
        .options = PRODUCT_OPTIONS,
        .option_count = PRODUCT_OPTION_COUNT,
        .config = &product_config,
        .log_service = &product_config.service_name,
        .log_level = &product_config.log_level,
        .drain_timeout_ms = &product_config.drain_timeout_ms,
        .start = app_start,
        .drain = app_drain,
        .stop = app_stop,
    };
    return service_main(argc, argv, &service);
}
