/* link: services/admin/audit_orders.c services/admin/findings.c */
/*
 * services/admin/audit_orders: what is under way is told from what is broken. The two databases are
 * tables of this test, which may change before each question (`between`); database.c is faked at
 * link time and knows the questions by a word in them.
 */
#include "admin/audit.h"
#include "admin/database.h"

#include "unit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_MAX = 8, COLUMNS = 10, AT_MS = 1000 };

struct row {
    int64_t id, created_ms, product_id, quantity;
    const char *status, *reason;
    bool is_settled, is_noted; /* of a cancelled order */
};

static struct {
    struct row rows[ROWS_MAX];
    size_t count;
} orders, ledger;

static char order_database, product_database; /* connections */
static struct books books;
static int questions; /* of rows, so far */
static void (*between)(int question);
static int fails_at; /* the question that is not answered; 0: none */

/* ---- the tables ---- */

static struct row *put(int64_t id, const char *status, bool in_ledger) {
    struct row row = { id, AT_MS, 7, 2, status, "", false, true };
    if (in_ledger) {
        ledger.rows[ledger.count] = row;
        return &ledger.rows[ledger.count++];
    }
    orders.rows[orders.count] = row;
    return &orders.rows[orders.count++];
}

static void put_both(int64_t id, const char *status) {
    put(id, status, false);
    put(id, status, true);
}

/* ---- database.c ---- */

static PGresult *new_rows(void) {
    static char name[] = "x";
    PGresAttDesc columns[COLUMNS];
    memset(columns, 0, sizeof(columns));
    for (int i = 0; i < COLUMNS; i++) {
        columns[i].name = name;
    }
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    ck_assert_int_eq(PQsetResultAttrs(rows, COLUMNS, columns), 1);
    return rows;
}

static void set(PGresult *rows, int row, int column, const char *text) {
    ck_assert_int_eq(PQsetvalue(rows, row, column, (char *)(uintptr_t)text, (int)strlen(text)), 1);
}

static void set_int(PGresult *rows, int row, int column, int64_t value) {
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    set(rows, row, column, text);
}

static int64_t hash_of(const struct row *row) {
    bool is_cancelled = strcmp(row->status, "returned") == 0;
    const char *status = is_cancelled ? "cancelled" : row->status;
    return row->id * 1000003 + row->product_id * 10007 + row->quantity * 101 + status[0] +
           (row->reason[0] == '\0' ? 0 : row->reason[1]);
}

/* All in one block. */
static PGresult *answer_blocks(const struct row *rows, size_t count, bool of_orders) {
    PGresult *blocks = new_rows();
    int64_t ended = 0, digest = 0, timed = 0, left = 0, cancelled = 0;
    for (size_t i = 0; i < count; i++) {
        bool waits = of_orders && strcmp(rows[i].status, "waiting") == 0;
        ended += !waits;
        digest ^= waits ? 0 : hash_of(&rows[i]);
        timed ^= waits ? 0 : hash_of(&rows[i]) * 31 + rows[i].created_ms;
        left += of_orders ? waits && rows[i].id <= books.low_id : rows[i].created_ms == 0;
        cancelled += of_orders && strcmp(rows[i].status, "cancelled") == 0;
    }
    if (count > 0) {
        int64_t values[] = { 0, ended, digest, timed, left, cancelled };
        for (int i = 0; i < 6; i++) {
            set_int(blocks, 0, i, values[i]);
        }
    }
    return blocks;
}

static PGresult *answer_rows(const struct row *rows, size_t count, const char *array) {
    PGresult *result = new_rows();
    for (size_t i = 0, row = 0; i < count; i++) {
        char id[24];
        snprintf(id, sizeof(id), "%" PRId64, rows[i].id);
        if (*array != '\0' && strstr(array, id) == NULL) {
            continue;
        }
        set(result, (int)row, 0, id);
        set_int(result, (int)row, 1, rows[i].created_ms);
        set_int(result, (int)row, 2, rows[i].product_id);
        set_int(result, (int)row, 3, rows[i].quantity);
        set(result, (int)row, 4, rows[i].status);
        set(result, (int)row, 5, rows[i].reason);
        set_int(result, (int)row++, 6, rows[i].is_settled);
    }
    return result;
}

static PGresult *answer_ids(const char *status, bool unnoted) {
    PGresult *result = new_rows();
    for (size_t i = 0, row = 0; i < orders.count; i++) {
        if (strcmp(orders.rows[i].status, status) == 0 && !(unnoted && orders.rows[i].is_noted)) {
            set_int(result, (int)row++, 0, orders.rows[i].id);
        }
    }
    return result;
}

static PGresult *answer_noted(void) {
    PGresult *result = new_rows();
    int64_t noted = 0;
    for (size_t i = 0; i < orders.count; i++) {
        noted += strcmp(orders.rows[i].status, "cancelled") == 0 && orders.rows[i].is_noted;
    }
    set_int(result, 0, 0, 0);
    set_int(result, 0, 1, noted);
    return result;
}

/* The next id from this one on; NULL: there is none. */
static PGresult *answer_next(const struct row *rows, size_t count, const char *from) {
    PGresult *result = new_rows();
    if (count > 0 && strtoll(from, NULL, 10) <= rows[0].id) {
        set_int(result, 0, 0, rows[0].id);
    } else {
        ck_assert_int_eq(PQsetvalue(result, 0, 0, NULL, -1), 1);
    }
    return result;
}

PGresult *database_ask(PGconn *connection, const char *sql, ...) {
    bool of_orders = connection == books.orders;
    const struct row *rows = of_orders ? orders.rows : ledger.rows;
    va_list list;
    va_start(list, sql);
    const char *params[4] = { NULL, NULL, NULL, NULL };
    for (int i = 0; i < 3 && (params[i] = va_arg(list, const char *)) != NULL; i++) {
    }
    va_end(list);
    if (strstr(sql, "min(id)") == sql + 7 || strstr(sql, "SELECT min(order_id)") == sql) {
        return answer_next(rows, of_orders ? orders.count : ledger.count, params[0]);
    }
    if (strstr(sql, "count(*)") != NULL && strstr(sql, "FROM cancellations") != NULL) {
        return answer_noted();
    }
    if (strstr(sql, "GROUP BY") != NULL) {
        return answer_blocks(rows, of_orders ? orders.count : ledger.count, of_orders);
    }
    if (strstr(sql, "cancelled_at >") != NULL) {
        return answer_ids("cancelled", false);
    }
    if (strstr(sql, "SELECT id FROM orders") == sql) {
        bool is_left = strstr(sql, "'waiting'") != NULL;
        return answer_ids(is_left ? "waiting" : "cancelled", !is_left);
    }
    questions++;
    if (questions == fails_at) {
        return NULL;
    }
    if (between != NULL) {
        between(questions);
    }
    return answer_rows(rows, of_orders ? orders.count : ledger.count, params[2]);
}

int64_t database_int(const PGresult *rows, int row, int column) {
    return PQgetisnull(rows, row, column) ? 0 : strtoll(PQgetvalue(rows, row, column), NULL, 10);
}

/* ---- audit_prices.c ---- */

static struct finding no_finding;

bool audit_prices_begin(struct books *given) {
    (void)given;
    return true;
}

const char *audit_prices_beginning(void) {
    return "-infinity";
}

bool audit_prices_compare(struct books *given, const PGresult *rows, int first, const char *from_id,
                          const char *to_id) {
    (void)given;
    (void)from_id;
    (void)to_id;
    return first <= PQntuples(rows);
}

const struct finding *audit_prices_found(void) {
    return &no_finding;
}

/* ---- what is found: "lost 1 2; unknown 3; " ---- */

static const char *found(void) {
    static char text[512];
    static struct finding finding;
    static const struct {
        const char *name;
        audit_fn *fn;
    } KINDS[] = { { "lost", audit_orders_lost },
                  { "unknown", audit_orders_unknown },
                  { "different", audit_orders_different },
                  { "left", audit_orders_left },
                  { "unsettled", audit_orders_unsettled } };
    size_t length = 0;
    ck_assert(audit_orders_read(&books));
    text[0] = '\0';
    for (size_t i = 0; i < UNIT_COUNT(KINDS); i++) {
        ck_assert(KINDS[i].fn(&books, &finding));
        for (size_t n = 0; n < finding.name_count; n++) {
            length +=
                (size_t)snprintf(text + length, sizeof(text) - length, "%s%s%s",
                                 n == 0 ? KINDS[i].name : "", n == 0 ? " " : ",", finding.names[n]);
        }
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s",
                                   finding.name_count > 0 ? "; " : "");
    }
    return text;
}

static void setup(void) {
    memset(&orders, 0, sizeof(orders));
    memset(&ledger, 0, sizeof(ledger));
    books = (struct books){ .orders = (PGconn *)&order_database,
                            .products = (PGconn *)&product_database,
                            .clean_at = "-infinity" };
    questions = fails_at = 0;
    between = NULL;
}

START_TEST(what_both_have_is_not_looked_at_one_by_one) {
    put_both(1, "done");
    put_both(2, "rejected");
    put(3, "waiting", false);
    ck_assert_str_eq(found(), "");
    ck_assert_int_eq(questions, 0);
}
END_TEST

START_TEST(each_way_of_being_broken_has_its_name) {
    put(1, "done", false); /* not in the ledger */
    put(2, "done", true);  /* no order */
    put_both(3, "done");
    ledger.rows[ledger.count - 1].quantity++;
    put(4, "done", false);
    put(4, "rejected", true)->reason = "out_of_stock";
    put_both(5, "done");
    ledger.rows[ledger.count - 1].created_ms++; /* another order's */
    ck_assert_str_eq(found(), "lost 1,5; unknown 2,5; different 3,4; ");
}
END_TEST

START_TEST(a_row_that_does_not_know_its_order_s_time_is_its_own) {
    put_both(1, "done");
    ledger.rows[0].created_ms = 0;
    ck_assert_str_eq(found(), "");
    ledger.rows[1] = ledger.rows[0];
    ledger.rows[1].created_ms = AT_MS; /* but not when there is a better one */
    ledger.count = 2;
    ck_assert_str_eq(found(), "unknown 1; ");
}
END_TEST

START_TEST(a_cancelled_order_and_its_stock) {
    put_both(1, "cancelled"); /* never took any */
    put(2, "cancelled", false);
    put(2, "returned", true);
    put(3, "cancelled", false);
    put(3, "rejected", true)->reason = "out_of_stock";
    put(4, "cancelled", false); /* under way */
    put(4, "done", true);
    put(5, "cancelled", false);
    ck_assert_str_eq(found(), "");
    for (size_t i = 0; i < orders.count; i++) {
        orders.rows[i].is_settled = true;
    }
    ck_assert_str_eq(found(), "lost 5; different 4; ");
}
END_TEST

START_TEST(waiting_orders) {
    put(1, "waiting", false);
    put(2, "waiting", false); /* decided, and not heard of yet */
    put(2, "done", true);
    put(3, "waiting", false);
    put(3, "done", true)->product_id++;
    ck_assert_str_eq(found(), "different 3; ");
    books.low_id = 1;
    orders.count = 1;
    ledger.count = 0;
    ck_assert_str_eq(found(), "left 1; ");
}
END_TEST

START_TEST(a_cancelled_order_that_nobody_tells) {
    put_both(1, "cancelled");
    put_both(2, "cancelled");
    orders.rows[1].is_noted = false;
    ck_assert_str_eq(found(), "unsettled 2; ");
}
END_TEST

/*
 * Questions of a look: 1 orders, 2 the ledger, 3 orders again. Each time the same comes in between,
 * so that no later look helps.
 */
static void come(int question, int when) {
    orders.count = 1; /* the one that is broken */
    ledger.count = 0;
    if ((question - 1) % 3 + 1 >= when) {
        put_both(9, "done");
    }
}

static void come_before_2(int question) {
    come(question, 2);
}

static void come_before_3(int question) {
    come(question, 3);
}

static void end_before_3(int question) {
    bool has_ended = question % 3 == 0;
    orders.rows[1].status = has_ended ? "done" : "waiting";
    ledger.count = has_ended;
}

static void hear_before_3(int question) {
    orders.rows[1].status = question % 3 == 0 ? "done" : "waiting";
}

START_TEST(what_comes_while_they_are_read_is_under_way) {
    static void (*const CHANGES[])(int question) = { come_before_2, come_before_3 };
    for (size_t i = 0; i < UNIT_COUNT(CHANGES); i++) {
        setup();
        put(1, "done", false); /* so that they are read one by one */
        between = CHANGES[i];
        ck_assert_str_eq(found(), "lost 1; ");
    }
}
END_TEST

START_TEST(what_ends_while_they_are_read_is_under_way) {
    static void (*const CHANGES[])(int question) = { end_before_3, hear_before_3 };
    for (size_t i = 0; i < UNIT_COUNT(CHANGES); i++) {
        setup();
        put(1, "done", false);
        put(2, "waiting", false);
        put(2, "done", true);
        between = CHANGES[i];
        ck_assert_str_eq(found(), "lost 1; ");
    }
}
END_TEST

START_TEST(a_time_alone_makes_it_another_order) {
    put_both(1, "done");
    ledger.rows[0].created_ms++;
    ck_assert_str_eq(found(), "lost 1; unknown 1; ");
}
END_TEST

static void cancel_and_settle_before_3(int question) {
    if (question == 3) {
        orders.rows[1].status = "cancelled";
        orders.rows[1].is_settled = true;
        ledger.rows[0].status = "returned";
    }
}

static void mend_at_the_third_look(int question) {
    if (question == 7) {
        put(1, "done", true);
    }
}

START_TEST(what_a_later_look_does_not_see_is_no_finding) {
    put(1, "done", false);
    put_both(2, "done");
    between = cancel_and_settle_before_3; /* the ledger's row was read before */
    ck_assert_str_eq(found(), "lost 1; ");
    setup();
    put(1, "done", false);
    between = mend_at_the_third_look;
    ck_assert_str_eq(found(), "");
    ck_assert_int_eq(questions, 9);
}
END_TEST

START_TEST(from_the_mark_on) {
    put_both(1, "cancelled");
    put(2, "done", false); /* below the mark, and nobody has touched it */
    orders.rows[0].is_settled = true;
    ledger.rows[0].status = "done";
    books.from_id = 20000;
    ck_assert_str_eq(found(), "different 1; "); /* cancelled since */
}
END_TEST

START_TEST(what_cannot_be_read_is_not_known) {
    static struct finding finding;
    for (fails_at = 1; fails_at <= 4; fails_at++) {
        questions = 0;
        orders.count = 0;
        put(1, "done", false);
        ck_assert(!audit_orders_read(&books));
        ck_assert(!audit_orders_lost(&books, &finding));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("audit_orders");
    TCase *tcase = tcase_create("audit_orders");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, what_both_have_is_not_looked_at_one_by_one);
    tcase_add_test(tcase, each_way_of_being_broken_has_its_name);
    tcase_add_test(tcase, a_row_that_does_not_know_its_order_s_time_is_its_own);
    tcase_add_test(tcase, a_cancelled_order_and_its_stock);
    tcase_add_test(tcase, waiting_orders);
    tcase_add_test(tcase, a_cancelled_order_that_nobody_tells);
    tcase_add_test(tcase, a_time_alone_makes_it_another_order);
    tcase_add_test(tcase, what_comes_while_they_are_read_is_under_way);
    tcase_add_test(tcase, what_ends_while_they_are_read_is_under_way);
    tcase_add_test(tcase, what_a_later_look_does_not_see_is_no_finding);
    tcase_add_test(tcase, from_the_mark_on);
    tcase_add_test(tcase, what_cannot_be_read_is_not_known);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
