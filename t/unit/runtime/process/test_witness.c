/* link: services/runtime/process/witness.c t/unit/fake_pg.c t/unit/fake_cache.c
 *       t/unit/fake_broker.c t/unit/fake_backends.c */
/* services/runtime/process/witness: what Redis knows of the database, and what follows from it. */
#include "runtime/process/witness.h"

#include "base/clock.h"

#include "fake_backends.h"
#include "unit.h"

#define KEY "witness:test-service"
#define AT_MS INT64_C(1795367792123)

static struct witness_loss losses[4];
static size_t loss_count;

static void note_loss(const struct witness_loss *loss, struct buf *out) {
    losses[loss_count++] = *loss;
    buf_append_str(out, "a cure");
}

static const struct pg_sequence SEQUENCES[] = { { "thing_ids", "things" },
                                                { "other_ids", "others" },
                                                { NULL, NULL } };

static void setup(void) {
    fake_backends_open();
    fake_pg.ready = false;
    loss_count = 0;
}

static void teardown(void) {
    witness_close();
    fake_backends_close();
}

static void run_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
        fake_cache_run();
    }
}

static void begin(void) {
    witness_open(&(struct witness_options){ .loop = backends.loop,
                                            .pg = &fake_pg,
                                            .cache = &fake_cache,
                                            .service = "test-service",
                                            .sequences = SEQUENCES,
                                            .cure = note_loss });
}

static void open_witness(void) {
    begin();
    run_for(20);
}

static void come_up(void) {
    ck_assert(fake_pg.has_gone);
    fake_pg.ready = true;
    witness_on_database_ready();
}

/* A beat that was asked for with what is known, and the database's answer. */
static void expect_beat(int64_t beats, int64_t things, int64_t others) {
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, WITNESS_STATEMENTS[0]);
    const struct pg_call *call = &request->calls[0];
    ck_assert(str_equal(fake_param_text_at(call, 0, 0), STR("thing_ids")));
    ck_assert_int_eq(fake_param_int8_at(call, 1, 0), things);
    ck_assert_int_eq(fake_param_int8_at(call, 1, 1), others);
    ck_assert_int_eq(fake_param_int8(call, 2), beats);
    ck_assert_int_eq(fake_param_int8(call, 3), WITNESS_MARGIN_IDS);
}

static void answer(int64_t before, int64_t after, const int64_t ids[4]) {
    PGresult *rows = fake_rows(5);
    fake_row(rows, "iTiii", before, AT_MS, after, ids[0], ids[1]);
    fake_row(rows, "iTiii", before, AT_MS, after, ids[2], ids[3]);
    fake_pg_answer(rows, NULL, NULL);
    fake_cache_run();
}

START_TEST(the_database_waits_for_redis_and_begins_with_a_beat) {
    fake_cache_set(KEY, "{\"beats\":7,\"at\":1795367800000,\"thing_ids\":41,\"other_ids\":3}", 0);
    begin();
    ck_assert(!fake_pg.has_gone);
    run_for(20);
    come_up();
    expect_beat(7, 41, 3);
    answer(7, 8, (const int64_t[]){ 41, 41, 5, 5 });
    ck_assert_uint_eq(loss_count, 0);
    ck_assert_ptr_nonnull(strstr(fake_cache_value(KEY), "{\"beats\":8,\"at\":"));
    ck_assert_ptr_nonnull(strstr(fake_cache_value(KEY), ",\"thing_ids\":41,\"other_ids\":5}"));
}
END_TEST

/* A sequence alone that is behind was set back by somebody: 2, 3. */
START_TEST(a_database_that_is_behind_was_restored) {
    fake_cache_set(KEY, "{\"beats\":7,\"at\":1795367800000,\"thing_ids\":41,\"other_ids\":3}", 0);
    open_witness();
    come_up();
    answer(_i < 2 ? 6 : 7, 8,
           _i == 1   ? (const int64_t[]){ 40, 100041, 3, 3 }
           : _i == 2 ? (const int64_t[]){ 41, 41, 2, 100003 }
                     : (const int64_t[]){ 41, 41, 3, 3 });
    ck_assert_uint_eq(loss_count, _i < 2);
    if (loss_count > 0) {
        ck_assert_str_eq(losses[0].from, "2026-11-22T17:16:32.123Z");
        ck_assert_str_eq(losses[0].until, "2026-11-22T17:16:40.000Z");
        ck_assert_int_eq(losses[0].last_id, _i == 1 ? 40 : 41);
        ck_assert_int_eq(losses[0].noted_id, 41);
    }
    run_for(WITNESS_LOOK_MS + 100);
    expect_beat(8, _i == 1 ? 100041 : 41, _i == 2 ? 100003 : 3); /* then it is no more */
    answer(8, 9, (const int64_t[]){ 100041, 100041, 100003, 100003 });
    ck_assert_uint_eq(loss_count, _i < 2);
}
END_TEST

/* Nobody has noted anything, something else is there, or Redis is away. */
START_TEST(without_a_note_nothing_is_known) {
    static const char *const NOTES[] = { NULL, "nonsense", "[7]", "{\"beats\":\"7\"}" };
    if (NOTES[_i] != NULL) {
        fake_cache_set(KEY, NOTES[_i], 0);
    }
    open_witness();
    come_up();
    expect_beat(0, 0, 0);
    answer(1, 2, (const int64_t[]){ 0, 0, 0, 0 });
    ck_assert_uint_eq(loss_count, 0);
    ck_assert_ptr_nonnull(strstr(fake_cache_value(KEY), "{\"beats\":2,"));
}
END_TEST

START_TEST(without_redis_the_database_waits_for_a_moment) {
    fake_cache_lose();
    uint64_t begin_ms = clock_monotonic_ms();
    begin();
    while (!fake_pg.has_gone && clock_monotonic_ms() < begin_ms + 10000) {
        loop_tick(backends.loop, 1);
    }
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, WITNESS_WAIT_MS - 1);
    come_up();
    answer(1, 2, (const int64_t[]){ 0, 0, 0, 0 });
    ck_assert_uint_eq(loss_count, 0);
}
END_TEST

/* Under a service that runs on: its own memory is enough. And another replica's note is read. */
START_TEST(a_database_that_comes_back_is_looked_at_first) {
    open_witness();
    come_up();
    answer(9, 10, (const int64_t[]){ 5, 5, 0, 0 });
    witness_on_database_ready();
    expect_beat(10, 5, 0);
    answer(3, 11, (const int64_t[]){ 5, 5, 0, 0 });
    ck_assert_uint_eq(loss_count, 1);
    fake_cache_set(KEY, "{\"beats\":20,\"at\":1795367800000,\"thing_ids\":8,\"other_ids\":0}", 0);
    run_for(WITNESS_LOOK_MS + 100);
    expect_beat(20, 8, 0);
    fake_pg_fail(ERR_UNAVAILABLE);
    run_for(WITNESS_LOOK_MS + 100);
    expect_beat(20, 8, 0);
}
END_TEST

START_TEST(closed_it_begins_nothing_more) {
    open_witness();
    come_up();
    witness_close();
    answer(1, 2, (const int64_t[]){ 0, 0, 0, 0 });
    ck_assert_ptr_null(fake_cache_value(KEY));
    witness_on_database_ready();
    run_for(WITNESS_LOOK_MS + 100);
    ck_assert_uint_eq(fake_pg.waiting, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("witness");
    TCase *tcase = tcase_create("witness");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_database_waits_for_redis_and_begins_with_a_beat);
    tcase_add_loop_test(tcase, a_database_that_is_behind_was_restored, 0, 4);
    tcase_add_loop_test(tcase, without_a_note_nothing_is_known, 0, 4);
    tcase_add_test(tcase, without_redis_the_database_waits_for_a_moment);
    tcase_add_test(tcase, a_database_that_comes_back_is_looked_at_first);
    tcase_add_test(tcase, closed_it_begins_nothing_more);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
