/* The options that only the order service has. */
#include "config.h"

struct order_config order_config;

static const char *const HTTP_SCHEMES[] = { "http://", NULL };

/* clang-format off */
const struct config_option ORDER_OPTIONS[] = {
    { "PRODUCT_SERVICE_URL", CONFIG_URL, &order_config.product_service_url, .required = true,
      .example = "http://127.0.0.1:3001", .max = 4096, .choices = HTTP_SCHEMES,
      .help = "http://host:port of the product service; several with commas: when one gives no"
              " answer, the next is asked" },
    { "PRODUCT_DEADLINE_MS", CONFIG_INT, &order_config.product_deadline_ms, .fallback = "3000",
      .min = 50, .max = 60000, .unit = "ms", .help = "time for the product service to answer" },
    { "INSERT_BATCH_MAX", CONFIG_INT, &order_config.insert_batch_max, .fallback = "256", .min = 1,
      .max = 512, .unit = "orders", .help = "orders in one transaction" },
    { "INSERT_INFLIGHT_MAX", CONFIG_INT, &order_config.insert_inflight_max, .fallback = "2",
      .min = 1, .max = 8, .unit = "transactions", .help = "insert transactions at once" },
    { "RECONCILE_INTERVAL_MS", CONFIG_INT, &order_config.reconcile_interval_ms, .fallback = "10000",
      .min = 100, .max = 3600000, .unit = "ms", .help = "how often waiting orders are looked for" },
    { "RECONCILE_AFTER_MS", CONFIG_INT, &order_config.reconcile_after_ms, .fallback = "60000",
      .min = 100, .max = 3600000, .unit = "ms",
      .help = "an order that waits longer is told again, then at twice the time, and so on" },
    { "ORDERS_WAITING_MAX", CONFIG_INT, &order_config.orders_waiting_max, .fallback = "1000000",
      .min = 1, .max = 1000000000, .unit = "orders",
      .help = "orders that wait for their outcome; when there are so many, more get 503" },
    { .name = NULL },
};
/* clang-format on */
