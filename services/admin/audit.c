/*
 * audit: what a running system has promised, looked at from outside. The checks (audit.h) one after
 * the other, what they found, what is done about it, and what a person must decide.
 *
 * What cannot be looked at, because something is away for a moment, is tried again, with PAUSES_MAX
 * pauses in all. What other processes may just be changing (looks in the table) is looked at again,
 * and only what every look has found is broken.
 */
#include "audit.h"

#include "admin.h"

#include "base/buf.h"
#include "base/json_write.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PAUSES_MAX = 60, /* of an audit, until what is away must be there */
    PAUSE_S = 1,
    REPAIR_PAUSE_S = 3, /* what was told again is on its way */
    SHOWN_MAX = 20,     /* names of a finding */
};

static const char USAGE[] =
    "usage: prodorder-admin audit [--json] [--full] [--repair]\n"
    "\n"
    "Looks whether the books of a running system balance: orders against the ledger, stock, what\n"
    "waits and for how long, prices, keys, sequences, outboxes, queues, dead letters, caches. "
    "Each\n"
    "check is printed with what it looked at, and with up to 20 names of what breaks it. "
    "Read-only.\n"
    "\n"
    "  --full    all orders; else those since the last audit that found nothing wrong\n"
    "  --repair  do what is safe: tell waiting orders again, drop caches; then look again\n"
    "  --json    for machines\n"
    "\n"
    "Environment (each also as NAME_FILE, a file that holds it): ORDER_DATABASE_URL,\n"
    "PRODUCT_DATABASE_URL, ORDER_REDIS_URL, PRODUCT_REDIS_URL, RABBITMQ_URL.\n"
    "Exit status: 0; 1 when a promise is broken, or could not be looked at; 2 for a wrong "
    "command.\n";

/* ---- all checks ---- */

static const struct {
    const char *name;
    audit_fn *fn;
    int looks;
    audit_repair_fn *repair; /* NULL: nothing is safe */
    const char *promise;
    const char *looked; /* what finding.looked counts */
    const char *cure;   /* for a person */
} CHECKS[] = {
    { "lost orders", audit_orders_lost, 1, NULL, "every order that has ended is in the ledger",
      "orders compared",
      "The product database was restored to an earlier moment? The stock of these was taken, and is"
      " there again: adjust it" },
    { "unknown orders", audit_orders_unknown, 1, NULL, "whatever is in the ledger is an order",
      "orders compared",
      "The order database was restored to an earlier moment? Stock was taken for these: give it "
      "back"
      " (POST /products/{id}/adjust), or enter the orders again" },
    { "orders", audit_orders_different, 1, NULL,
      "order and ledger say the same: product, quantity, outcome", "orders compared",
      "./prodorder trace order:ID shows its way; ./prodorder order resolve ends one that waits" },
    { "waiting", audit_tables_waiting, 1, audit_repair_orders,
      "no order waits for longer than 5 minutes", "orders wait",
      "--repair tells them again; are RabbitMQ and the product-service there? What nothing else can"
      " end: ./prodorder order resolve" },
    { "below the mark", audit_orders_left, 1, audit_repair_orders,
      "no order waits that nobody will be told of", "orders compared",
      "--repair tells them again" },
    { "mark", audit_tables_mark, 1, NULL, "the mark is behind the sequence", "the mark",
      "the order-service moves it within RECONCILE_INTERVAL_MS: does it run?" },
    { "cancellations", audit_tables_cancellations, 1, audit_repair_cancellations,
      "every cancellation is of a cancelled order, and settled within 5 minutes", "cancellations",
      "--repair tells them again; then ./prodorder dlq list, and compare the order with its row in"
      " cancellations" },
    { "unsettled", audit_orders_unsettled, 1, NULL,
      "whoever cancels an order, the product-service will be told", "orders compared",
      "these have no row in cancellations: insert one (services/order/migrations), and it is "
      "told" },
    { "stock", audit_tables_stock, 1, NULL,
      "initial + restocked + adjusted - taken = stock, never below zero", "products",
      "compare restocks and stock_ledger of the product; POST /products/{id}/adjust" },
    { "prices", audit_orders_priced, 1, NULL,
      "every order has a price that its product had when it was made", "orders compared",
      "table product_prices of the product database has what was valid when" },
    { "order keys", audit_tables_order_keys, 1, NULL, "every idempotency key stands for its order",
      "keys", "delete the keys of these orders: who asks again gets a new one" },
    { "product keys", audit_tables_product_keys, 1, NULL,
      "every idempotency key stands for the product that it answers", "keys",
      "delete these keys: who asks again is served anew" },
    { "order ids", audit_tables_order_sequences, 1, NULL, "the sequence is ahead of the orders",
      "the last number", "restart the order-service: it moves the sequence" },
    { "product ids", audit_tables_product_sequences, 1, NULL,
      "the sequences are ahead of their tables, by whole blocks", "the last number",
      "restart the product-service: it moves them" },
    { "order outbox", audit_tables_order_outbox, 1, NULL,
      "what a version before has left is told within 5 minutes", "rows", "is RabbitMQ there?" },
    { "product outbox", audit_tables_product_outbox, 1, NULL,
      "every change of a product is told within 5 minutes", "rows",
      "are RabbitMQ and the product-service there?" },
    { "queues", audit_queues, 15, NULL, "every queue is there, and consumed", "messages are ready",
      "./prodorder status; a queue without a leader: docs/operations.md" },
    { "dead letters", audit_queues_dead_letters, 1, NULL, "no event has been given up",
      "dead letters", "./prodorder dlq list says why; then replay or purge" },
    { "caches", audit_caches, 1, audit_repair_caches,
      "every cached value is as the database has it", "keys", "--repair drops them" },
};

enum { CHECKS_COUNT = sizeof(CHECKS) / sizeof(CHECKS[0]) };

static struct result {
    struct finding finding;
    bool is_known;
} results[CHECKS_COUNT];

/* ---- looking ---- */

/* False: there are none left. */
static bool may_pause(void) {
    static int pauses;
    bool may = pauses++ < PAUSES_MAX;
    if (may) {
        sleep(PAUSE_S);
    }
    return may;
}

static bool try_check(struct books *books, audit_fn *fn, struct finding *finding) {
    for (;;) {
        memset(finding, 0, sizeof(*finding));
        if (fn(books, finding)) {
            return true;
        }
        if (!may_pause()) {
            return false;
        }
        (void)books_again(books);
    }
}

static bool begin(struct books *books, bool is_full) {
    while (!books_begin(books, is_full)) {
        if (!may_pause()) {
            return false;
        }
        (void)books_again(books);
    }
    return true;
}

static bool open_books(struct books *books) {
    bool is_set = admin_variable("ORDER_DATABASE_URL") != NULL;
    is_set = admin_variable("PRODUCT_DATABASE_URL") != NULL && is_set;
    *books = (struct books){ .orders = NULL };
    while (is_set && !books_open(books)) {
        books_close(books);
        if (!may_pause()) {
            *books = (struct books){ .orders = NULL };
            return false;
        }
    }
    return is_set;
}

static void check(struct books *books, size_t i) {
    static struct finding before;
    struct result *result = &results[i];
    result->is_known = try_check(books, CHECKS[i].fn, &result->finding);
    for (int n = 1; n < CHECKS[i].looks && result->is_known && result->finding.broken > 0; n++) {
        before = result->finding;
        sleep(PAUSE_S);
        result->is_known = try_check(books, CHECKS[i].fn, &result->finding);
        findings_keep(&result->finding, &before);
    }
}

static bool read_orders(struct books *books, struct finding *finding) {
    (void)finding;
    return audit_orders_read(books);
}

static bool is_good(size_t i) {
    return results[i].is_known && results[i].finding.broken == 0;
}

/* ---- printing ---- */

static void print_result(size_t i) {
    const struct finding *finding = &results[i].finding;
    const char *verdict = !results[i].is_known  ? "unknown"
                          : finding->broken > 0 ? "BROKEN"
                                                : "good";
    printf("  %-15s %-8s %s (%s: %" PRId64 ")\n", CHECKS[i].name, verdict, CHECKS[i].promise,
           CHECKS[i].looked, finding->looked);
    if (finding->broken > 0) {
        printf("                  %" PRId64 " break it:", finding->broken);
        size_t shown = finding->name_count < SHOWN_MAX ? finding->name_count : SHOWN_MAX;
        for (size_t n = 0; n < shown; n++) {
            printf(" %s", finding->names[n]);
        }
        printf("%s\n                  %s\n", finding->broken > (int64_t)shown ? " …" : "",
               CHECKS[i].cure);
    }
    fflush(stdout);
}

enum { JSON_DIGITS_MAX = 15 }; /* below 2^53 */

static void write_name(struct json_writer *writer, const char *name) {
    size_t length = strlen(name); /* a client's key of digits is no number that JSON has */
    bool is_number = *name >= '1' && *name <= '9' && length <= JSON_DIGITS_MAX &&
                     strspn(name, "0123456789") == length;
    if (is_number) {
        json_write_raw(writer, NULL, name, strlen(name));
    } else {
        json_write_str(writer, NULL, name);
    }
}

static void write_result(struct json_writer *writer, size_t i) {
    const struct finding *finding = &results[i].finding;
    json_write_begin_object(writer, NULL);
    json_write_str(writer, "check", CHECKS[i].name);
    json_write_str(writer, "promise", CHECKS[i].promise);
    json_write_str(writer, "verdict",
                   !results[i].is_known  ? "unknown"
                   : finding->broken > 0 ? "broken"
                                         : "good");
    json_write_int(writer, "looked", finding->looked);
    json_write_int(writer, "broken", finding->broken);
    json_write_begin_array(writer, "ids");
    for (size_t n = 0; n < finding->name_count && n < SHOWN_MAX; n++) {
        write_name(writer, finding->names[n]);
    }
    json_write_end_array(writer);
    json_write_end_object(writer);
}

static void write_all(const struct books *books, bool balanced) {
    struct buf out;
    struct json_writer writer;
    buf_init(&out, 0);
    json_write_init(&writer, &out);
    json_write_begin_object(&writer, NULL);
    json_write_bool(&writer, "balanced", balanced);
    json_write_int(&writer, "ordersFrom", books->from_id + 1);
    json_write_begin_array(&writer, "checks");
    for (size_t i = 0; i < CHECKS_COUNT; i++) {
        write_result(&writer, i);
    }
    json_write_end_array(&writer);
    json_write_end_object(&writer);
    printf("%.*s\n", (int)buf_length(&out), buf_bytes(&out));
    buf_free(&out);
}

/* ---- the command ---- */

struct options {
    bool json, full, repair;
};

/* Every check, once. Sets *ret_known when each could be looked at. */
static bool run_all(struct books *books, bool is_full, bool prints, bool *ret_known) {
    static struct finding unused;
    bool balanced = true, known = begin(books, is_full);
    if (!known) {
        *ret_known = false;
        return false;
    }
    if (prints && books->from_id > 0) {
        printf("orders from %" PRId64 " on: those before were right at %s (--full: all)\n",
               books->from_id + 1, books->clean_at);
    }
    (void)try_check(books, read_orders, &unused);
    for (size_t i = 0; i < CHECKS_COUNT; i++) {
        check(books, i);
        balanced = balanced && is_good(i);
        known = known && results[i].is_known;
        if (prints) {
            print_result(i);
        }
    }
    *ret_known = known;
    return balanced;
}

/* How many kinds of repairs were tried. */
static int repair_all(struct books *books, FILE *to) {
    int tried = 0;
    for (size_t i = 0; i < CHECKS_COUNT; i++) {
        if (CHECKS[i].repair == NULL || !results[i].is_known || results[i].finding.broken == 0) {
            continue;
        }
        int64_t done = CHECKS[i].repair(books, &results[i].finding);
        if (done >= 0) {
            fprintf(to, "repaired: %s: %" PRId64 "\n", CHECKS[i].name, done);
        }
        tried++;
    }
    return tried;
}

static int run(struct books *books, const struct options *options) {
    bool known = false, prints = !options->json;
    bool balanced = run_all(books, options->full, prints, &known);
    if (!balanced && options->repair && repair_all(books, prints ? stdout : stderr) > 0) {
        sleep(REPAIR_PAUSE_S);
        balanced = run_all(books, options->full, prints, &known);
    }
    if (known) {
        books_end(books, balanced, options->full);
    }
    if (options->json) {
        write_all(books, balanced);
    } else {
        puts(balanced ? "the books balance"
             : known  ? "the books do not balance"
                      : "not everything could be looked at");
    }
    return balanced ? ADMIN_GOOD : ADMIN_BAD;
}

int admin_audit(int argc, char **argv) {
    static const struct option LONG[] = { { "json", no_argument, NULL, 'j' },
                                          { "full", no_argument, NULL, 'f' },
                                          { "repair", no_argument, NULL, 'r' },
                                          { "help", no_argument, NULL, 'h' },
                                          { NULL, 0, NULL, 0 } };
    struct options options = { false, false, false };
    struct books books;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "h", LONG, NULL)) != -1;) {
        switch (c) {
        case 'j': options.json = true; break;
        case 'f': options.full = true; break;
        case 'r': options.repair = true; break;
        case 'h': fputs(USAGE, stdout); return ADMIN_GOOD;
        default: fputs(USAGE, stderr); return ADMIN_USAGE;
        }
    }
    if (optind < argc) {
        fputs(USAGE, stderr);
        return ADMIN_USAGE;
    }
    int status = open_books(&books) ? run(&books, &options) : ADMIN_BAD;
    books_close(&books);
    return status;
}
