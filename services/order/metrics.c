/* The order service's counters by name. */
#include "metrics.h"

#include "backlog.h"

#include "contract/books.h"

#define FINISHED "prodorder_orders_finished_total", METRIC_COUNTER, "Orders that left waiting"
#define PRODUCTS "prodorder_order_product_lookups_total", METRIC_COUNTER, "Product lookups"
#define LISTS "prodorder_order_list_lookups_total", METRIC_COUNTER, "First pages asked for"

struct metric order_metrics[ORDER_METRIC_COUNT] = {
    [M_ORDERS_STORED] = { "prodorder_orders_stored_total", METRIC_COUNTER, "Orders committed" },
    [M_ORDERS_REPLAYED] = { "prodorder_orders_replayed_total", METRIC_COUNTER,
                            "Requests answered with the order of their idempotency key" },
    [M_ORDERS_DONE] = { FINISHED, "status=\"done\"" },
    [M_ORDERS_REJECTED] = { FINISHED, "status=\"rejected\"" },
    [M_ORDERS_CANCELLED] = { "prodorder_orders_cancelled_total", METRIC_COUNTER,
                             "Orders cancelled" },
    [M_CANCELLATIONS_TOLD_AGAIN] = { "prodorder_cancellations_told_again_total", METRIC_COUNTER,
                                     "Cancellations whose event was published again" },
    [M_ORDERS_TOLD_AGAIN] = { "prodorder_orders_told_again_total", METRIC_COUNTER,
                              "Waiting orders whose event was published again" },
    [M_ORDERS_UNKNOWN] = { "prodorder_orders_unknown_total", METRIC_COUNTER,
                           "Outcomes of orders that are not in the order database" },
    [M_PRODUCT_HITS] = { PRODUCTS, "result=\"hit\"" },
    [M_PRODUCT_MISSES] = { PRODUCTS, "result=\"miss\"" },
    [M_PRODUCT_FETCHES] = { "prodorder_order_product_fetches_total", METRIC_COUNTER,
                            "Requests to the product service" },
    [M_LIST_HITS] = { LISTS, "result=\"hit\"" },
    [M_LIST_MISSES] = { LISTS, "result=\"miss\"" },
    [M_INSERT_BATCH] = { "prodorder_insert_batch_orders", METRIC_HISTOGRAM_SIZE,
                         "Orders stored in one transaction" },
    [M_ORDERS_WAITING] = { "prodorder_orders_waiting", METRIC_GAUGE,
                           "Orders that wait for their outcome, as this process estimates",
                           .read = backlog_waiting },
    [M_OLDEST_WAITING] = { "prodorder_orders_oldest_waiting_seconds", METRIC_GAUGE,
                           "For how long the oldest order waits; looked at every 10 s",
                           .read = books_oldest_waiting_s },
    [M_BOOKS_BALANCED] = { "prodorder_books_balanced", METRIC_GAUGE,
                           "1: what this service sees is right, and so was the last audit; else 0",
                           .read = books_balanced },
    [M_HOLD_SECONDS] = { "prodorder_order_hold_seconds", METRIC_HISTOGRAM_SECONDS,
                         "How long insert batches were held back for the backlog" },
    [M_FINISH_BATCH] = { "prodorder_finish_batch_orders", METRIC_HISTOGRAM_SIZE,
                         "Outcomes stored in one transaction" },
    [M_FULFILMENT_SECONDS] = { "prodorder_order_fulfilment_seconds", METRIC_HISTOGRAM_SECONDS,
                               "From accepting an order to its outcome in the order database" },
};
