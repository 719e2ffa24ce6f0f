/*
 * audit: what a running system has promised, looked at from outside: one check for each promise of the contract, §7.
 *
 * Nothing is written, and every question is a short read-only transaction. What is under way is told from what is
 * broken by the moments at which two places are read (audit_orders.c), or by its age: PATIENCE_S.
 */
#include "audit.h"

#include "admin.h"
#include "database.h"

#include "base/buf.h"
#include "base/json_write.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHECK_COUNT_MAX = 32 };
/* What should have gone on by now; PostgreSQL's. */
#define PATIENCE "interval '5 minutes'"

static const char USAGE[] = "usage: prodorder-admin audit [--json]\n"
                            "\n"
                            "Looks whether the books of a running system balance: orders against "
                            "the ledger, stock, what waits\n"
                            "and for how long, keys, sequences. Each check is printed with what it "
                            "looked at, and with up to 20\n"
                            "ids that break it. Nothing is changed.\n"
                            "\n"
                            "Environment: ORDER_DATABASE_URL, PRODUCT_DATABASE_URL.\n"
                            "Exit status: 0; 1 when a promise is broken, or could not be looked "
                            "at; 2 for a wrong command.\n";

void audit_break(struct finding *finding, int64_t id) {
    finding->broken++;
    if (finding->id_count < AUDIT_IDS_MAX) {
        finding->ids[finding->id_count++] = id;
    }
}

/* ---- checks that are one question: how many there are, and ids of those that break it ---- */

static bool ask(PGconn *connection, const char *count, const char *broken,
                struct finding *finding) {
    PGresult *rows = database_ask(connection, count, NULL);
    if (rows == NULL) {
        return false;
    }
    finding->looked = database_int(rows, 0, 0);
    PQclear(rows);
    rows = database_ask(connection, broken, NULL);
    for (int row = 0; rows != NULL && row < PQntuples(rows); row++) {
        audit_break(finding, database_int(rows, row, 0));
    }
    PQclear(rows);
    return rows != NULL;
}

static bool check_stock(struct books *books, struct finding *finding) {
    return ask(books->products, "SELECT count(*) FROM products",
               "SELECT p.id FROM products AS p"
               " LEFT JOIN (SELECT product_id, sum(quantity) AS quantity FROM restocks GROUP BY 1)"
               " AS r ON r.product_id = p.id"
               " LEFT JOIN (SELECT product_id, sum(quantity) AS quantity FROM stock_ledger"
               " WHERE status = 'done' GROUP BY 1) AS l ON l.product_id = p.id"
               " WHERE p.initial_qty + coalesce(r.quantity, 0) - coalesce(l.quantity, 0) <> p.qty"
               " OR p.qty < 0 ORDER BY 1",
               finding);
}

static bool check_waiting(struct books *books, struct finding *finding) {
    return ask(books->orders,
               "SELECT count(*) FROM orders WHERE id > (SELECT low_id FROM order_mark)"
               " AND status = 'waiting'",
               "SELECT id FROM orders WHERE id > (SELECT low_id FROM order_mark)"
               " AND status = 'waiting' AND created_at < now() - " PATIENCE " ORDER BY 1",
               finding);
}

static bool check_mark(struct books *books, struct finding *finding) {
    return ask(books->orders, "SELECT low_id FROM order_mark",
               "SELECT id FROM orders WHERE id <= (SELECT low_id FROM order_mark)"
               " AND status = 'waiting' ORDER BY 1 LIMIT 1000",
               finding);
}

static bool check_cancellations(struct books *books, struct finding *finding) {
    return ask(books->orders, "SELECT count(*) FROM cancellations",
               "SELECT order_id FROM cancellations WHERE settled_at IS NULL"
               " AND cancelled_at < now() - " PATIENCE
               " UNION SELECT c.order_id FROM cancellations AS c LEFT JOIN orders AS o"
               " ON o.id = c.order_id WHERE o.status IS DISTINCT FROM 'cancelled' ORDER BY 1",
               finding);
}

static bool check_keys(struct books *books, struct finding *finding) {
    return ask(books->orders, "SELECT count(*) FROM idempotency_keys",
               "SELECT k.order_id FROM idempotency_keys AS k LEFT JOIN orders AS o"
               " ON o.id = k.order_id WHERE o.id IS NULL OR o.product_id <> k.product_id"
               " OR o.quantity <> k.quantity ORDER BY 1",
               finding);
}

static bool check_order_ids(struct books *books, struct finding *finding) {
    return ask(books->orders, "SELECT last_value FROM order_numbers",
               "SELECT max(id) FROM orders HAVING max(id) > (SELECT last_value FROM order_numbers)",
               finding);
}

static bool check_product_ids(struct books *books, struct finding *finding) {
    return ask(books->products, "SELECT last_value FROM product_ids",
               "SELECT max(id) FROM products"
               " HAVING max(id) >= (SELECT last_value + 20 FROM product_ids)",
               finding);
}

static bool check_outbox(PGconn *connection, struct finding *finding) {
    return ask(connection, "SELECT count(*) FROM outbox",
               "SELECT id FROM outbox WHERE available_at < now() - " PATIENCE " ORDER BY 1",
               finding);
}

static bool check_order_outbox(struct books *books, struct finding *finding) {
    return check_outbox(books->orders, finding);
}

static bool check_product_outbox(struct books *books, struct finding *finding) {
    return check_outbox(books->products, finding);
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    const char *promise;
    const char *looked; /* what finding.looked counts */
    const char *cure;   /* for a person */
    audit_fn *fn;
} CHECKS[] = {
    { "orders", "every order that has ended is in the ledger as it ended, and nothing else is",
      "orders compared", "./prodorder trace order:ID shows its way", audit_orders_and_ledger },
    { "stock", "initial + restocked + adjusted - taken = stock, never below zero", "products",
      "compare restocks and stock_ledger of the product; adjust it with a reason", check_stock },
    { "waiting", "no order waits for longer than 5 minutes", "orders wait",
      "are RabbitMQ and the product-service there? else ./prodorder order resolve", check_waiting },
    { "mark", "below the mark no order waits", "the mark",
      "set order_mark below it, and start the order-service anew", check_mark },
    { "cancellations", "every cancelled order is settled within 5 minutes", "cancelled orders",
      "is the product-service there? ./prodorder dlq list", check_cancellations },
    { "keys", "every idempotency key stands for an order, as it was asked for", "keys",
      "delete the key: its order is not there", check_keys },
    { "order ids", "the sequence is ahead of the orders", "the last number",
      "start the order-service anew: it moves the sequence", check_order_ids },
    { "product ids", "the sequence is ahead of the products", "the last number",
      "start the product-service anew: it moves the sequence", check_product_ids },
    { "order outbox", "what a version before has left is told within 5 minutes", "rows",
      "is RabbitMQ there?", check_order_outbox },
    { "product outbox", "every change of a product is told within 5 minutes", "rows",
      "is RabbitMQ there?", check_product_outbox },
};

enum { CHECKS_COUNT = sizeof(CHECKS) / sizeof(CHECKS[0]) };

static void print_finding(size_t check, const struct finding *finding, bool is_good) {
    const char *verdict = !is_good ? "unknown" : finding->broken > 0 ? "BROKEN" : "good";
    printf("  %-15s %-8s %s (%s: %" PRId64 ")\n", CHECKS[check].name, verdict,
           CHECKS[check].promise, CHECKS[check].looked, finding->looked);
    if (finding->broken > 0) {
        printf("                  %" PRId64 " break it:", finding->broken);
        for (size_t i = 0; i < finding->id_count; i++) {
            printf(" %" PRId64, finding->ids[i]);
        }
        printf("%s\n                  %s\n",
               finding->broken > (int64_t)finding->id_count ? " …" : "", CHECKS[check].cure);
    }
}

static void write_finding(struct json_writer *writer, size_t check, const struct finding *finding,
                          bool is_good) {
    json_write_begin_object(writer, NULL);
    json_write_str(writer, "check", CHECKS[check].name);
    json_write_str(writer, "promise", CHECKS[check].promise);
    json_write_str(writer, "verdict",
                   !is_good              ? "unknown"
                   : finding->broken > 0 ? "broken"
                                         : "good");
    json_write_int(writer, "looked", finding->looked);
    json_write_int(writer, "broken", finding->broken);
    json_write_begin_array(writer, "ids");
    for (size_t i = 0; i < finding->id_count; i++) {
        json_write_int(writer, NULL, finding->ids[i]);
    }
    json_write_end_array(writer);
    json_write_end_object(writer);
}

static int run_all(struct books *books, bool as_json) {
    struct buf out;
    struct json_writer writer;
    bool balanced = true;
    buf_init(&out, 0);
    json_write_init(&writer, &out);
    json_write_begin_object(&writer, NULL);
    json_write_begin_array(&writer, "checks");
    for (size_t i = 0; i < CHECKS_COUNT; i++) {
        struct finding finding = { 0 };
        bool is_good = CHECKS[i].fn(books, &finding);
        balanced = balanced && is_good && finding.broken == 0;
        if (as_json) {
            write_finding(&writer, i, &finding, is_good);
        } else {
            print_finding(i, &finding, is_good);
            fflush(stdout);
        }
    }
    json_write_end_array(&writer);
    json_write_bool(&writer, "balanced", balanced);
    json_write_end_object(&writer);
    if (as_json) {
        printf("%.*s\n", (int)buf_length(&out), buf_bytes(&out));
    } else {
        puts(balanced ? "the books balance" : "the books do not balance");
    }
    buf_free(&out);
    return balanced ? ADMIN_GOOD : ADMIN_BAD;
}

int admin_audit(int argc, char **argv) {
    static const struct option LONG[] = { { "json", no_argument, NULL, 'j' },
                                          { "help", no_argument, NULL, 'h' },
                                          { NULL, 0, NULL, 0 } };
    struct books books = { 0 };
    bool as_json = false;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "h", LONG, NULL)) != -1;) {
        switch (c) {
        case 'j': as_json = true; break;
        case 'h': fputs(USAGE, stdout); return ADMIN_GOOD;
        default: fputs(USAGE, stderr); return ADMIN_USAGE;
        }
    }
    if (optind < argc) {
        fputs(USAGE, stderr);
        return ADMIN_USAGE;
    }
    books.orders = database_connect("ORDER_DATABASE_URL");
    books.products = books.orders == NULL ? NULL : database_connect("PRODUCT_DATABASE_URL");
    int status = books.products == NULL ? ADMIN_BAD : run_all(&books, as_json);
    PQfinish(books.orders);
    PQfinish(books.products);
    return status;
}
