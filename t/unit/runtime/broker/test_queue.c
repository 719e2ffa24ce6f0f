/* runtime/broker: queue, confirms and batch: bounds at their edges, fates, hand-overs. */
#include "runtime/broker/private.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static struct delivery_batch some_batch;

static struct send_item item_of(uint64_t cookie, const char *body, size_t body_length) {
    return (struct send_item){
        .message = { .routing_key = "order.created",
                     .content_type = "text/x",
                     .message_id = "m-1",
                     .trace = { "r-1", "", "a=1" },
                     .body = body,
                     .body_length = body_length },
        .cookie = cookie,
        .queued_us = 7,
    };
}

static enum err put(struct send_queue *sendq, uint64_t cookie, bool *ret_was_empty) {
    struct send_item item = item_of(cookie, "{}", 2);
    return queue_put(sendq, &item, ret_was_empty);
}

/* ---- the send queue ---- */

START_TEST(messages_come_out_whole_and_in_order) {
    struct send_queue sendq;
    struct buf records;
    struct send_item item = item_of(1, "{\"a\":1}", 7);
    bool was_empty = false;
    queue_init(&sendq, 10);
    buf_init(&records, 0);
    queue_set_mode(&sendq, QUEUE_OPEN);
    ck_assert_int_eq(queue_put(&sendq, &item, &was_empty), ERR_OK);
    ck_assert(was_empty);
    item = item_of(2, "x\0y", 3);
    item.properties = "\1\2\3\4";
    item.properties_length = 4;
    item.copied_from = &some_batch;
    ck_assert_int_eq(queue_put(&sendq, &item, &was_empty), ERR_OK);
    ck_assert(!was_empty);

    queue_take(&sendq, &records);
    ck_assert(queue_next(&records, &item));
    ck_assert_uint_eq(item.cookie, 1);
    ck_assert_uint_eq(item.queued_us, 7);
    ck_assert_str_eq(item.message.routing_key, "order.created");
    ck_assert_str_eq(item.message.content_type, "text/x");
    ck_assert_str_eq(item.message.message_id, "m-1");
    ck_assert_str_eq(item.message.trace.request_id, "r-1");
    ck_assert_str_eq(item.message.trace.parent, "");
    ck_assert_str_eq(item.message.trace.state, "a=1");
    ck_assert_str_eq(item.message.body, "{\"a\":1}");
    ck_assert_ptr_null(item.properties);
    ck_assert_ptr_null(item.copied_from);
    ck_assert(queue_next(&records, &item));
    ck_assert_uint_eq(item.cookie, 2);
    ck_assert_uint_eq(item.message.body_length, 3);
    ck_assert_mem_eq(item.message.body, "x\0y", 3);
    ck_assert_uint_eq(item.properties_length, 4);
    ck_assert_mem_eq(item.properties, "\1\2\3\4", 4);
    ck_assert_ptr_eq(item.copied_from, &some_batch);
    ck_assert(!queue_next(&records, &item));
    buf_free(&records);
    queue_done(&sendq);
}
END_TEST

START_TEST(the_count_includes_what_is_taken_and_not_sent) {
    struct send_queue sendq;
    struct buf records;
    bool was_empty;
    queue_init(&sendq, 2);
    buf_init(&records, 0);
    queue_set_mode(&sendq, QUEUE_OPEN);
    ck_assert_int_eq(put(&sendq, 1, &was_empty), ERR_OK);
    queue_take(&sendq, &records);
    ck_assert_int_eq(put(&sendq, 2, &was_empty), ERR_OK);
    ck_assert_int_eq(put(&sendq, 3, &was_empty), ERR_BUSY);
    ck_assert_uint_eq(queue_waiting(&sendq), 2);
    queue_sent(&sendq, 1);
    ck_assert_int_eq(put(&sendq, 3, &was_empty), ERR_OK);
    buf_free(&records);
    queue_done(&sendq);
}
END_TEST

START_TEST(bytes_are_bounded_too) {
    static char body[BROKER_BODY_BYTES_MAX];
    struct send_queue sendq;
    struct send_item item = item_of(1, body, sizeof(body));
    size_t count = 0;
    bool was_empty;
    enum err err;
    queue_init(&sendq, SIZE_MAX);
    queue_set_mode(&sendq, QUEUE_OPEN);
    while ((err = queue_put(&sendq, &item, &was_empty)) == ERR_OK) {
        count++;
    }
    ck_assert_int_eq(err, ERR_BUSY);
    ck_assert_uint_ge(count, BROKER_QUEUED_BYTES_MAX / (BROKER_BODY_BYTES_MAX + 256));
    ck_assert_uint_lt(count, BROKER_QUEUED_BYTES_MAX / BROKER_BODY_BYTES_MAX);
    queue_done(&sendq);
}
END_TEST

START_TEST(modes_decide_what_may_come_in) {
    static const struct {
        enum queue_mode mode;
        enum err ordinary;
        enum err parked;
    } cases[] = {
        { QUEUE_SHUT, ERR_UNAVAILABLE, ERR_UNAVAILABLE },
        { QUEUE_BLOCKED, ERR_UNAVAILABLE, ERR_OK },
        { QUEUE_OPEN, ERR_OK, ERR_OK },
    };
    struct send_queue sendq;
    struct send_item parked = item_of(9, "{}", 2);
    bool was_empty;
    parked.copied_from = &some_batch;
    queue_init(&sendq, 10);
    queue_set_mode(&sendq, cases[_i].mode);
    ck_assert_int_eq(put(&sendq, 1, &was_empty), cases[_i].ordinary);
    ck_assert_int_eq(queue_put(&sendq, &parked, &was_empty), cases[_i].parked);
    queue_done(&sendq);
}
END_TEST

START_TEST(parked_deliveries_pass_a_full_queue) {
    struct send_queue sendq;
    struct send_item parked = item_of(9, "{}", 2);
    bool was_empty;
    parked.copied_from = &some_batch;
    queue_init(&sendq, 1);
    queue_set_mode(&sendq, QUEUE_OPEN);
    ck_assert_int_eq(put(&sendq, 1, &was_empty), ERR_OK);
    ck_assert_int_eq(put(&sendq, 2, &was_empty), ERR_BUSY);
    ck_assert_int_eq(queue_put(&sendq, &parked, &was_empty), ERR_OK);
    queue_done(&sendq);
}
END_TEST

/* ---- fates ---- */

START_TEST(fates_are_taken_once) {
    struct fates fates;
    struct fate_set set;
    size_t copies[2];
    ck_assert_int_eq(queue_fates_init(&fates, 4), ERR_OK);
    ck_assert_int_eq(queue_fate_set_init(&set, 4), ERR_OK);
    queue_fates_post(&fates, 11, NULL, true);
    queue_fates_post(&fates, 12, NULL, false);
    queue_fates_post(&fates, 13, NULL, true);
    queue_fates_post(&fates, 0, &some_batch, true);
    queue_fates_post(&fates, 0, &some_batch, false);
    queue_fates_take(&fates, &set);
    ck_assert_uint_eq(set.lists[true].count, 2);
    ck_assert_uint_eq(set.lists[true].cookies[0], 11);
    ck_assert_uint_eq(set.lists[true].cookies[1], 13);
    ck_assert_uint_eq(set.lists[false].count, 1);
    ck_assert_uint_eq(set.lists[false].cookies[0], 12);
    queue_copies_take(&fates, &some_batch, copies);
    ck_assert_uint_eq(copies[true], 1);
    ck_assert_uint_eq(copies[false], 1);
    queue_fates_take(&fates, &set);
    ck_assert_uint_eq(set.lists[true].count + set.lists[false].count, 0);
    queue_copies_take(&fates, &some_batch, copies);
    ck_assert_uint_eq(copies[true] + copies[false], 0);
    queue_fate_set_done(&set);
    queue_fates_done(&fates);
}
END_TEST

/* ---- hand-overs ---- */

START_TEST(batches_go_to_the_loop_and_back_as_they_are_wanted) {
    struct handover handover;
    struct delivery_batch first, second;
    queue_handover_init(&handover);
    list_init(&first.node);
    list_init(&second.node);
    ck_assert(queue_batch_is_wanted(&handover));
    ck_assert_ptr_null(queue_batch_take(&handover));
    queue_batch_offer(&handover, &first);
    ck_assert(!queue_batch_is_wanted(&handover));
    queue_batch_want(&handover); /* there is one: not one more */
    ck_assert(!queue_batch_is_wanted(&handover));
    ck_assert_ptr_eq(queue_batch_take(&handover), &first);
    ck_assert_ptr_null(queue_batch_take(&handover));
    ck_assert_ptr_null(queue_batch_withdraw(&handover));
    ck_assert(!queue_batch_is_wanted(&handover));
    queue_batch_want(&handover);
    ck_assert(queue_batch_is_wanted(&handover)); /* while the first one is out */
    queue_batch_offer(&handover, &second);
    ck_assert_ptr_eq(queue_batch_take(&handover), &second);
    ck_assert_ptr_null(queue_batch_collect(&handover));
    queue_batch_release(&handover, &second);
    queue_batch_release(&handover, &first);
    ck_assert_ptr_eq(queue_batch_collect(&handover), &second);
    ck_assert_ptr_eq(queue_batch_collect(&handover), &first);
    ck_assert_ptr_null(queue_batch_collect(&handover));
    queue_handover_done(&handover);
}
END_TEST

START_TEST(an_offer_can_be_withdrawn_until_it_is_taken) {
    struct handover handover;
    struct delivery_batch batch;
    queue_handover_init(&handover);
    ck_assert_ptr_null(queue_batch_withdraw(&handover));
    queue_batch_offer(&handover, &batch);
    ck_assert_ptr_eq(queue_batch_withdraw(&handover), &batch);
    ck_assert(queue_batch_is_wanted(&handover));
    ck_assert_ptr_null(queue_batch_take(&handover));
    queue_handover_done(&handover);
}
END_TEST

/* ---- confirms: fates as letters by cookie: . none, y confirmed, n not, ! more than once ---- */

enum { FATES_MAX = 16, WINDOW = 4 };
static char fate[FATES_MAX + 1];

static void note_fate(void *ctx, const struct confirm_entry *entry, bool confirmed) {
    (void)ctx;
    ck_assert_uint_lt(entry->cookie, FATES_MAX);
    fate[entry->cookie] = fate[entry->cookie] != '.' ? '!' : confirmed ? 'y' : 'n';
}

static void open_window(struct confirms *confirms, size_t count) {
    memset(fate, '.', FATES_MAX);
    ck_assert_int_eq(queue_confirms_init(confirms, WINDOW, note_fate, NULL), ERR_OK);
    for (size_t i = 0; i < count; i++) {
        struct confirm_entry entry = { .cookie = i, .fingerprint = 100 + i };
        queue_confirms_add(confirms, &entry);
    }
}

START_TEST(one_tag_settles_one_message) {
    struct confirms confirms;
    open_window(&confirms, 3);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 2, false, true), ERR_OK);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 3, false, false), ERR_OK);
    ck_assert_str_eq(fate, ".yn.............");
    ck_assert_uint_eq(confirms.open, 1);
    queue_confirms_done(&confirms);
}
END_TEST

START_TEST(multiple_settles_all_up_to_the_tag_once) {
    struct confirms confirms;
    open_window(&confirms, 4);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 2, false, false), ERR_OK);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 3, true, true), ERR_OK);
    ck_assert_str_eq(fate, "yny.............");
    ck_assert_int_eq(queue_confirms_settle(&confirms, 1, false, true), ERR_OK); /* again: ignored */
    ck_assert_str_eq(fate, "yny.............");
    ck_assert_int_eq(queue_confirms_settle(&confirms, 0, true, true), ERR_OK); /* all so far */
    ck_assert_str_eq(fate, "ynyy............");
    queue_confirms_done(&confirms);
}
END_TEST

START_TEST(tags_never_sent_are_an_error) {
    struct confirms confirms;
    open_window(&confirms, 2);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 3, false, true), ERR_BAD_REPLY);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 3, true, true), ERR_BAD_REPLY);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 0, false, true), ERR_BAD_REPLY);
    ck_assert_str_eq(fate, "................");
    queue_confirms_done(&confirms);
}
END_TEST

START_TEST(the_window_slides_from_the_oldest) {
    struct confirms confirms;
    struct confirm_entry entry = { .cookie = 4 };
    open_window(&confirms, WINDOW);
    ck_assert(queue_confirms_full(&confirms));
    ck_assert_int_eq(queue_confirms_settle(&confirms, 3, false, true), ERR_OK);
    ck_assert(queue_confirms_full(&confirms)); /* tag 1 is still open */
    ck_assert_int_eq(queue_confirms_settle(&confirms, 1, false, true), ERR_OK);
    ck_assert(!queue_confirms_full(&confirms));
    queue_confirms_add(&confirms, &entry);
    ck_assert(queue_confirms_full(&confirms));
    ck_assert_int_eq(queue_confirms_settle(&confirms, 5, true, true), ERR_OK);
    ck_assert_str_eq(fate, "yyyyy...........");
    ck_assert_uint_eq(confirms.open, 0);
    queue_confirms_done(&confirms);
}
END_TEST

START_TEST(a_returned_message_is_not_confirmed_by_its_ack) {
    struct confirms confirms;
    open_window(&confirms, 3);
    ck_assert_int_eq(queue_confirms_return(&confirms, 101), ERR_OK);
    ck_assert_int_eq(queue_confirms_return(&confirms, 101),
                     ERR_BAD_REPLY); /* only one of that kind */
    ck_assert_int_eq(queue_confirms_return(&confirms, 999), ERR_BAD_REPLY);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 3, true, true), ERR_OK);
    ck_assert_str_eq(fate, "yny.............");
    queue_confirms_done(&confirms);
}
END_TEST

START_TEST(a_lost_connection_fails_what_is_open_and_starts_over) {
    struct confirms confirms;
    struct confirm_entry entry = { .cookie = 3 };
    open_window(&confirms, 3);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 2, false, true), ERR_OK);
    queue_confirms_fail_all(&confirms);
    ck_assert_str_eq(fate, "nyn.............");
    queue_confirms_add(&confirms, &entry);
    ck_assert_int_eq(queue_confirms_settle(&confirms, 1, false, true), ERR_OK);
    ck_assert_str_eq(fate, "nyny............");
    queue_confirms_done(&confirms);
}
END_TEST

START_TEST(fingerprints_keep_key_and_id_apart) {
    ck_assert_uint_ne(queue_confirms_fingerprint("a", 1, "bc", 2),
                      queue_confirms_fingerprint("ab", 2, "c", 1));
    ck_assert_uint_eq(queue_confirms_fingerprint("a", 1, "b", 1),
                      queue_confirms_fingerprint("a", 1, "b", 1));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("broker_queue");
    TCase *tcase = tcase_create("broker_queue");
    tcase_add_test(tcase, messages_come_out_whole_and_in_order);
    tcase_add_test(tcase, the_count_includes_what_is_taken_and_not_sent);
    tcase_add_test(tcase, bytes_are_bounded_too);
    tcase_add_loop_test(tcase, modes_decide_what_may_come_in, 0, 3);
    tcase_add_test(tcase, parked_deliveries_pass_a_full_queue);
    tcase_add_test(tcase, fates_are_taken_once);
    tcase_add_test(tcase, batches_go_to_the_loop_and_back_as_they_are_wanted);
    tcase_add_test(tcase, an_offer_can_be_withdrawn_until_it_is_taken);
    tcase_add_test(tcase, one_tag_settles_one_message);
    tcase_add_test(tcase, multiple_settles_all_up_to_the_tag_once);
    tcase_add_test(tcase, tags_never_sent_are_an_error);
    tcase_add_test(tcase, the_window_slides_from_the_oldest);
    tcase_add_test(tcase, a_returned_message_is_not_confirmed_by_its_ack);
    tcase_add_test(tcase, a_lost_connection_fails_what_is_open_and_starts_over);
    tcase_add_test(tcase, fingerprints_keep_key_and_id_apart);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
