/* One main() for all services: what it runs is in the service's app.c. */
#include "backends.h"
#include "service.h"

int main(int argc, char **argv) {
    backends.app = &APP;
    const struct service service = {
        .name = APP.name,
        .version = PRODORDER_VERSION,
        .summary = APP.summary,
        .locals = APP.locals,
        .options = APP.options,
        .start = backends_start,
        .drain = backends_drain,
        .stop = backends_stop,
    };
    return service_main(argc, argv, &service);
}
