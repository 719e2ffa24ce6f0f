#include "config_shared.h"

#include "runtime/telemetry/log.h"

const char *const CONFIG_LOG_LEVELS[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn",
    [LOG_ERROR] = "error", [LOG_LEVELS] = NULL,
};

const char *const CONFIG_AMQP_SCHEMES[] = { "amqp://", NULL };
