/* link: t/unit/broker_rig.c t/unit/fake_amqp.c */
/* runtime/broker/topology: as it is declared, and beside one that is there already. */
#include "broker_rig.h"
#include "unit.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void script_refuse_once(void) {
    struct fake_connection *connection = fake_accept(&server);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
    connection = fake_accept(&server);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(the_topology_is_declared_and_a_refusal_is_tried_again) {
    static const struct broker_queue other = { .name = "order.updated.other",
                                               .routing_keys = { "order.updated", "product.*" } };
    options.declare_only = &other;
    options.declare_only_count = 1;
    server.refuse_queue = "order.updated.other";
    start_script(script_refuse_once);
    open_broker();
    until(states, "U");
    close_broker(2000);
    end_script();
    ck_assert(fake_saw(&server, "exchange.declare events topic\n"
                                "queue.declare order.updated.other.dlq\n"
                                "queue.declare order.updated.other\n"
                                "dead-letters order.updated.other\n"
                                "exchange.declare"));
    ck_assert(fake_saw(&server, "dead-letters order.updated.other\n"
                                "queue.bind order.updated.other events order.updated\n"
                                "queue.bind order.updated.other events product.*\n"));
}
END_TEST

/* What RabbitMQ 3.10 says (rabbit_misc:equivalence_fail/4), shortened to `what`. */
#define REFUSAL(what)                                                                              \
    "PRECONDITION_FAILED - inequivalent arg " what " for queue 'order.updated.other' in vhost "    \
    "'/': "
#define NOW(value) "the value '" value "' of type 'longstr'"

struct existing_case {
    bool classic;
    const char *refusal;
    const char *says; /* in the log */
};

static const struct existing_case usable[] = {
    { false, REFUSAL("'x-queue-type'") "received " NOW("quorum") " but current is none",
      "\"level\":\"info\",\"service\":\"unit\",\"msg\":\"existing queue is used as it is\","
      "\"connection\":\"publisher\",\"name\":\"order.updated.other\",\"argument\":\"x-queue-type\","
      "\"declared\":\"quorum\",\"existing\":\"classic\"" },
    { false, REFUSAL("'x-queue-type'") "received 'quorum' but current is 'classic'",
      "\"declared\":\"quorum\",\"existing\":\"classic\"" },
    { true, REFUSAL("'x-queue-type'") "received 'classic' but current is 'quorum'",
      "\"declared\":\"classic\",\"existing\":\"quorum\"" },
    { false, REFUSAL("'x-message-ttl'") "received none but current is the value '9' of type 'long'",
      "\"level\":\"warn\",\"service\":\"unit\",\"msg\":\"existing queue is used as it is\","
      "\"connection\":\"publisher\",\"name\":\"order.updated.other\","
      "\"argument\":\"x-message-ttl\",\"declared\":\"none\",\"existing\":\"9\"" },
    { false,
      REFUSAL(
          "'x-dead-letter-exchange'") "received the value '' of type 'longstr' but current is none",
      "\"argument\":\"x-dead-letter-exchange\",\"declared\":\"\",\"existing\":\"none\"" },
    /* Cut by RabbitMQ, for want of room after the name of a long virtual host. */
    { false, REFUSAL("'x-dead-letter-routing-key'") "received the value 'order.upd...",
      "\"argument\":\"x-dead-letter-routing-key\",\"declared\":\"order.upd...\",\"existing\":"
      "\"unknown\"" },
    { false,
      "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'order.updated.other' in "
      "v...",
      "\"argument\":\"x-queue-type\",\"declared\":\"unknown\",\"existing\":\"unknown\"" },
};

static const struct existing_case unusable[] = {
    { false, REFUSAL("'durable'") "received 'true' but current is 'false'",
      "received 'true' but current is 'false'" },
    { false, REFUSAL("'auto_delete'") "received 'false' but current is 'true'",
      "received 'false' but current is 'true'" },
    { false, REFUSAL("'x-queue-type'") "received 'quorum' but current is 'stream'",
      "received 'quorum' but current is 'stream'" },
};

static const struct broker_queue other_queue = { .name = "order.updated.other",
                                                 .routing_keys = { "order.updated" } };

/* Open a broker whose queue exists otherwise; returns the log, a memfd. */
static int open_beside(const struct existing_case *existing) {
    int fd = memfd_create("log", MFD_CLOEXEC);
    log_init("unit", LOG_INFO, fd);
    options.declare_only = &other_queue;
    options.declare_only_count = 1;
    options.classic_queues = existing->classic;
    server.queue_type = existing->classic ? "classic" : "quorum";
    server.refuse_queue = other_queue.name;
    server.refusal = existing->refusal;
    return fd;
}

static void read_log(int fd, char text[16384]) {
    log_flush();
    ssize_t length = pread(fd, text, 16383, 0);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
}

static void script_confirm_one(void) {
    struct fake_connection *connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_confirm(connection, 1, false, true);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(an_existing_queue_of_another_kind_is_used_as_it_is) {
    char text[16384];
    int fd = open_beside(&usable[_i]);
    start_script(script_confirm_one);
    open_broker();
    until(states, "U");
    publish_all(0, 1);
    until(fates, "y...............................");
    close_broker(2000);
    end_script();
    read_log(fd, text);
    ck_assert_msg(strstr(text, usable[_i].says) != NULL, "%s", text);
    ck_assert_ptr_null(strstr(text, "\"level\":\"error\""));
    ck_assert(fake_saw(&server, "dead-letters order.updated.other\n"
                                "queue.declare passive order.updated.other\n"
                                "queue.bind order.updated.other events order.updated\n"));
}
END_TEST

static void script_refuse_for_good(void) {
    for (int i = 0; i < 3; i++) {
        struct fake_connection *connection = fake_accept(&server);
        fake_expect(connection, FAKE_END);
        fake_close(connection);
    }
}

START_TEST(a_queue_that_would_lose_messages_is_refused) {
    char text[16384];
    int fd = open_beside(&unusable[_i]);
    start_script(script_refuse_for_good);
    open_broker();
    end_script();
    tick_for(20);
    ck_assert_str_eq(states, "");
    close_broker(100);
    read_log(fd, text);
    ck_assert_ptr_null(strstr(text, "used as it is"));
    const char *error = strstr(text, "\"level\":\"error\"");
    ck_assert_ptr_nonnull(error);
    ck_assert_ptr_nonnull(strstr(error, "\"name\":\"order.updated.other\""));
    ck_assert_msg(strstr(error, unusable[_i].says) != NULL, "%s", text);
    ck_assert_ptr_null(strstr(error + 1, "\"level\":\"error\"")); /* once an outage */
    ck_assert(!fake_saw(&server, "passive"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("broker_topology");
    TCase *tcase = tcase_create("broker_topology");
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, the_topology_is_declared_and_a_refusal_is_tried_again);
    tcase_add_loop_test(tcase, an_existing_queue_of_another_kind_is_used_as_it_is, 0,
                        sizeof(usable) / sizeof(usable[0]));
    tcase_add_loop_test(tcase, a_queue_that_would_lose_messages_is_refused, 0,
                        sizeof(unusable) / sizeof(unusable[0]));
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
