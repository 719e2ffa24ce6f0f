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
#include "database.h"

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

#define RESOLVE "./prodorder order resolve {}"
#define REPAIR "./prodorder audit --full --repair"

static const struct {
    const char *name;
    audit_fn *fn;
    int looks;               /* 0: at what was read before */
    audit_repair_fn *repair; /* NULL: nothing is safe */
    const char *promise;
    const char *looked;      /* what finding.looked counts */
    const char *cure;        /* for a person */
    const char *commands[2]; /* that then make it good, as they are printed; {}: the ids */
    const char *between;     /* ids */
} CHECKS[] = {
    { "lost orders",
      audit_orders_lost,
      0,
      NULL,
      "every order that has ended is in the ledger",
      "orders compared",
      "The product database was restored to an earlier moment? Its service has logged the cure for "
      "all. One by one: the ledger follows the order, and stock is taken; or cancel it before",
      { RESOLVE },
      " " },
    { "unknown orders",
      audit_orders_unknown,
      0,
      NULL,
      "whatever is in the ledger is an order",
      "orders compared",
      "The order database was restored to an earlier moment? Enter again (POST /orders) what is to "
      "be sold; then what was taken for these is given back, and their rows go",
      { RESOLVE " gone" },
      " " },
    { "orders",
      audit_orders_different,
      0,
      NULL,
      "order and ledger say the same: product, quantity, outcome",
      "orders compared",
      "./prodorder trace order:ID shows its way. The order is right? Then ledger and stock follow "
      "it; one that waits: order resolve ID done, or rejected",
      { RESOLVE },
      " " },
    { "waiting",
      audit_tables_waiting,
      1,
      audit_repair_orders,
      "no order waits for longer than 5 minutes",
      "orders wait",
      "are RabbitMQ and the product-service there? What nothing else can end: ./prodorder order "
      "resolve ID done, or rejected",
      { REPAIR },
      NULL },
    { "below the mark",
      audit_orders_left,
      0,
      audit_repair_orders,
      "no order waits that nobody will be told of",
      "orders compared",
      "they are told again",
      { REPAIR },
      NULL },
    { "mark",
      audit_tables_mark,
      1,
      NULL,
      "the mark is behind the sequence",
      "the mark",
      "after its start the order-service moves it within RECONCILE_INTERVAL_MS",
      { "./prodorder psql order -c 'UPDATE order_mark SET low_id = least(low_id, (SELECT last_value"
        " FROM order_numbers))'",
        "./prodorder restart order-service" },
      NULL },
    { "cancellations",
      audit_tables_cancellations,
      1,
      audit_repair_cancellations,
      "every cancellation is of a cancelled order, and settled within 5 minutes",
      "cancellations",
      "they are told again; what then is left says something else than its order: it follows it",
      { REPAIR, RESOLVE },
      " " },
    { "unsettled",
      audit_orders_unsettled,
      0,
      NULL,
      "whoever cancels an order, the product-service will be told",
      "orders compared",
      "these have no row in cancellations: the ledger follows the order",
      { RESOLVE },
      " " },
    { "stock",
      audit_tables_stock,
      1,
      NULL,
      "initial + restocked + adjusted - taken = stock, never below zero",
      "products",
      "compare restocks and stock_ledger of the product. The stock is right? It is noted like an "
      "adjustment; if it is not: POST /products/ID/adjust as well",
      { "./prodorder psql product -c \"SELECT accept_stock(id, 'found by audit') FROM"
        " unnest('{{}}'::bigint[]) AS id\"" },
      "," },
    { "prices",
      audit_orders_priced,
      0,
      NULL,
      "every order has a price that its product had when it was made",
      "orders compared",
      "table product_prices of the product database has what was valid when. The order's price was "
      "right (lost in a restore)? It is noted there",
      { RESOLVE },
      " " },
    { "order keys",
      audit_tables_order_keys,
      1,
      NULL,
      "every idempotency key stands for its order",
      "keys",
      "without its key, who asks again gets a new order",
      { "./prodorder psql order -c 'DELETE FROM idempotency_keys WHERE order_id IN ({})'" },
      ", " },
    { "product keys",
      audit_tables_product_keys,
      1,
      NULL,
      "every idempotency key stands for the product that it answers",
      "keys",
      "without its key, who asks again is served anew",
      { "./prodorder psql product -c 'DELETE FROM idempotency_keys AS k WHERE k.version < 1 OR NOT"
        " EXISTS (SELECT FROM products AS p WHERE p.id = k.product_id AND k.version <="
        " greatest(p.version, (SELECT floor FROM version_floor)) AND starts_with(k.answer,"
        " format($${\"id\":%s,$$, p.id)))'" },
      NULL },
    { "order ids",
      audit_tables_order_sequences,
      1,
      NULL,
      "the sequence is ahead of the orders",
      "the last number",
      "the order-service moves the sequence when it starts",
      { "./prodorder restart order-service" },
      NULL },
    { "product ids",
      audit_tables_product_sequences,
      1,
      NULL,
      "the sequences are ahead of their tables, by whole blocks",
      "the last number",
      "the product-service moves them when it starts",
      { "./prodorder psql product -c 'ALTER SEQUENCE product_ids INCREMENT BY 20; ALTER SEQUENCE"
        " outbox_ids INCREMENT BY 4000; ALTER SEQUENCE restocks_id_seq INCREMENT BY 1'",
        "./prodorder restart product-service" },
      NULL },
    { "order outbox",
      audit_tables_order_outbox,
      1,
      NULL,
      "what a version before has left is told within 5 minutes",
      "rows",
      "are RabbitMQ and the order-service there? ./prodorder status; its log says why it is not "
      "taken",
      { NULL },
      NULL },
    { "product outbox",
      audit_tables_product_outbox,
      1,
      NULL,
      "every change of a product is told within 5 minutes",
      "rows",
      "are RabbitMQ and the product-service there? ./prodorder status; its log says why it is not "
      "taken",
      { NULL },
      NULL },
    { "queues",
      audit_queues,
      15,
      NULL,
      "every queue is there, and consumed",
      "messages are ready",
      "./prodorder status says what does not run, ./prodorder up starts it; a queue without a "
      "leader: docs/operations.md",
      { NULL },
      NULL },
    { "dead letters",
      audit_queues_dead_letters,
      1,
      NULL,
      "no event has been given up",
      "dead letters",
      "./prodorder dlq list says why, docs/events.md what to do; then ./prodorder dlq replay or "
      "purge",
      { NULL },
      NULL },
    { "caches",
      audit_caches,
      1,
      audit_repair_caches,
      "every cached value is as the database has it",
      "keys",
      "they are dropped",
      { REPAIR },
      NULL },
};

enum { COMMANDS_MAX = sizeof(CHECKS[0].commands) / sizeof(CHECKS[0].commands[0]) };
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
        if (database_was_too_slow() || !may_pause()) {
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
    if (CHECKS[i].looks == 0) {
        memset(&result->finding, 0, sizeof(result->finding));
        result->is_known = CHECKS[i].fn(books, &result->finding);
        return;
    }
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

static bool is_id(const char *name) {
    return *name != '\0' && strspn(name, "0123456789") == strlen(name);
}

/* With the ids that are shown, in place of {}. */
static void write_command(size_t i, const char *command, struct buf *out) {
    const struct finding *finding = &results[i].finding;
    const char *at = CHECKS[i].between == NULL ? NULL : strstr(command, "{}");
    buf_append(out, command, at == NULL ? strlen(command) : (size_t)(at - command));
    int written = 0;
    for (size_t n = 0; at != NULL && n < finding->name_count && n < SHOWN_MAX; n++) {
        if (is_id(finding->names[n])) {
            buf_append_str(out, written++ > 0 ? CHECKS[i].between : "");
            buf_append_str(out, finding->names[n]);
        }
    }
    buf_append_str(out, at == NULL ? "" : at + 2);
}

static void print_cure(size_t i) {
    printf("                  %s\n", CHECKS[i].cure);
    for (size_t n = 0; n < COMMANDS_MAX && CHECKS[i].commands[n] != NULL; n++) {
        struct buf command;
        buf_init(&command, 0);
        write_command(i, CHECKS[i].commands[n], &command);
        printf("                  %.*s\n", (int)buf_length(&command), buf_bytes(&command));
        buf_free(&command);
    }
}

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
        puts(finding->broken > (int64_t)shown ? " …" : "");
        print_cure(i);
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

static void write_cure(struct json_writer *writer, size_t i) {
    json_write_str(writer, "cure", CHECKS[i].cure);
    json_write_begin_array(writer, "commands");
    for (size_t n = 0; n < COMMANDS_MAX && CHECKS[i].commands[n] != NULL; n++) {
        struct buf command;
        buf_init(&command, 0);
        write_command(i, CHECKS[i].commands[n], &command);
        json_write_string(writer, NULL, buf_bytes(&command), buf_length(&command));
        buf_free(&command);
    }
    json_write_end_array(writer);
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
    if (results[i].is_known && finding->broken > 0) {
        write_cure(writer, i);
    }
    json_write_end_object(writer);
}

/* `known`: everything could be looked at. */
static void write_all(const struct books *books, bool balanced, bool known) {
    struct buf out;
    struct json_writer writer;
    buf_init(&out, 0);
    json_write_init(&writer, &out);
    json_write_begin_object(&writer, NULL);
    json_write_bool(&writer, "balanced", balanced);
    json_write_bool(&writer, "known", known);
    if (!known) {
        json_write_str(&writer, "error", admin_last_complaint());
    }
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
        write_all(books, balanced, known);
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
    int status = ADMIN_BAD;
    if (open_books(&books)) {
        status = run(&books, &options);
    } else if (options.json) {
        write_all(&books, false, false);
    }
    books_close(&books);
    return status;
}
