/*
 * Dead letters: what is in the queues that end in .dlq, by reason; one whole; back into the queue
 * that it came from; away.
 *
 * A replayed letter is acknowledged when the broker has confirmed its copy: whatever dies in
 * between, it is there twice rather than lost, and the services take the same event for once. How
 * many letters there are is asked first, so that one that is dead-lettered again meanwhile is not
 * met twice.
 */
#include "admin.h"
#include "letters.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/json_write.h"
#include "contract/contract.h"
#include "runtime/broker/broker.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUR_HEADERS "x-prodorder-" /* what they begin with */

enum {
    IDS_MAX = 20,      /* shown of a reason */
    REASONS_MAX = 100, /* of a queue; more are counted as one */
    WANTED_MAX = 1000, /* ids of a command */
};

static const char USAGE[] =
    "usage: prodorder-admin dlq list [--json] [FILTER] [QUEUE]\n"
    "       prodorder-admin dlq show QUEUE ID\n"
    "       prodorder-admin dlq replay QUEUE ID...|--all [FILTER]\n"
    "       prodorder-admin dlq purge QUEUE ID...|--all [FILTER] [--yes]\n"
    "\n"
    "Dead letters are events that can never succeed as they are. list says how many, why and "
    "since\n"
    "when, with up to 20 ids of each reason; show prints one whole, as JSON; replay puts them "
    "back\n"
    "into the queue that they came from; purge deletes them (it asks first).\n"
    "\n"
    "  QUEUE             order.created.product-service, with or without .dlq\n"
    "  ID                as list shows it: the event's id, else the message's, else one of its "
    "body\n"
    "\n"
    "FILTER:\n"
    "  --reason TEXT     only those whose reason or its detail has this in it\n"
    "  --older-than AGE  only those that have been there for longer: 90s, 15m, 12h, 7d\n"
    "\n"
    "Environment: RABBITMQ_URL. A user who may only read, and not write, cannot replay.\n"
    "Exit status: 0; 1 when something could not be done, or an ID is not there; 2 for a wrong "
    "command.\n";

static const char *const QUEUES[] = { QUEUE_ORDER_CREATED, QUEUE_ORDER_CANCELLED,
                                      QUEUE_ORDER_UPDATED, QUEUE_PRODUCT_CREATED,
                                      QUEUE_PRODUCT_UPDATED };
enum { QUEUE_COUNT = sizeof(QUEUES) / sizeof(QUEUES[0]) };

/* ---- the command ---- */

struct options {
    const char *queues[QUEUE_COUNT]; /* without .dlq */
    size_t queue_count;
    char **ids;
    bool *found; /* of each id */
    size_t id_count;
    bool all, yes, json;
    const char *reason;               /* NULL: any */
    char before[CLOCK_RFC3339_BYTES]; /* "": any */
};

static int fail_usage(const char *what, const char *value) {
    fprintf(stderr, "prodorder-admin dlq: %s%s\n  prodorder-admin dlq --help\n", what, value);
    return ADMIN_USAGE;
}

static bool read_age(const char *text, char ret_before[CLOCK_RFC3339_BYTES]) {
    static const struct {
        char unit;
        int64_t ms;
    } UNITS[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
    size_t length = strlen(text);
    int64_t count = 0;
    for (size_t i = 0; length > 1 && i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
        if (text[length - 1] == UNITS[i].unit &&
            decimal_to_int((struct str){ text, length - 1 }, 0, &count) == ERR_OK && count >= 0 &&
            count < INT64_C(1000000000)) {
            clock_format_rfc3339(clock_unix_ms() - count * UNITS[i].ms, ret_before);
            return true;
        }
    }
    return false;
}

/* NULL: none of ours. */
static const char *find_queue(const char *name) {
    for (size_t i = 0; i < QUEUE_COUNT; i++) {
        size_t length = strlen(QUEUES[i]);
        if (strncmp(name, QUEUES[i], length) == 0 &&
            (name[length] == '\0' || strcmp(name + length, BROKER_DLQ_SUFFIX) == 0)) {
            return QUEUES[i];
        }
    }
    return NULL;
}

static int read_options(int argc, char **argv, struct options *options) {
    enum { JSON = 1, REASON, OLDER, ALL, YES };
    static const struct option LONG[] = { { "json", no_argument, NULL, JSON },
                                          { "reason", required_argument, NULL, REASON },
                                          { "older-than", required_argument, NULL, OLDER },
                                          { "all", no_argument, NULL, ALL },
                                          { "yes", no_argument, NULL, YES },
                                          { NULL, 0, NULL, 0 } };
    *options = (struct options){ 0 };
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
        switch (c) {
        case JSON: options->json = true; break;
        case REASON: options->reason = optarg; break;
        case ALL: options->all = true; break;
        case YES: options->yes = true; break;
        case OLDER:
            if (!read_age(optarg, options->before)) {
                return fail_usage("--older-than is a number and s, m, h or d, not ", optarg);
            }
            break;
        default: return fail_usage("not understood: ", argv[optind - 1]);
        }
    }
    if (optind < argc) {
        options->queues[0] = find_queue(argv[optind]);
        if (options->queues[0] == NULL) {
            return fail_usage("no queue of ours has dead letters there: ", argv[optind]);
        }
        options->queue_count = 1;
        options->ids = argv + optind + 1;
        options->id_count = (size_t)(argc - optind - 1);
    }
    return options->id_count <= WANTED_MAX ? ADMIN_GOOD
                                           : fail_usage("that many ids: use --reason or --all", "");
}

/* ---- those that are meant ---- */

static bool is_wanted(const struct options *options, const struct letter *letter) {
    if ((options->reason != NULL && strstr(letter->reason, options->reason) == NULL &&
         strstr(letter->detail, options->reason) == NULL) ||
        (options->before[0] != '\0' &&
         (letter->time[0] == '\0' || strcmp(letter->time, options->before) >= 0))) {
        return false;
    }
    for (size_t i = 0; i < options->id_count; i++) {
        if (strcmp(options->ids[i], letter->id) == 0) {
            options->found[i] = true;
            return true;
        }
    }
    return options->id_count == 0;
}

struct pick {
    const struct options *options;
    letter_fn *fn;
    void *ctx;
};

static enum letter_fate pick_letter(amqp_connection_state_t amqp, const struct letter *letter,
                                    void *ctx) {
    const struct pick *pick = ctx;
    return is_wanted(pick->options, letter) ? pick->fn(amqp, letter, pick->ctx) : LETTER_KEEP;
}

static bool for_each_wanted(amqp_connection_state_t amqp, const struct options *options,
                            const char *queue, letter_fn *fn, void *ctx) {
    struct pick pick = { options, fn, ctx };
    return letters_for_each(amqp, queue, pick_letter, &pick);
}

/* ---- list ---- */

struct group {
    char reason[LETTERS_TEXT_BYTES], detail[LETTERS_TEXT_BYTES];
    char since[CLOCK_RFC3339_BYTES];
    int64_t count;
    size_t id_count;
    char ids[IDS_MAX][EVENT_ID_BYTES_MAX + 1];
};

struct summary {
    size_t group_count;
    struct group groups[REASONS_MAX]; /* the last one: all others */
};

static void note_since(char since[CLOCK_RFC3339_BYTES], const char *time) {
    if (time[0] != '\0' && (since[0] == '\0' || strcmp(time, since) < 0)) {
        snprintf(since, CLOCK_RFC3339_BYTES, "%s", time);
    }
}

static enum letter_fate add_to_summary(amqp_connection_state_t amqp, const struct letter *letter,
                                       void *ctx) {
    struct summary *summary = ctx;
    (void)amqp;
    size_t i = 0;
    while (i < summary->group_count && i < REASONS_MAX - 1 &&
           (strcmp(summary->groups[i].reason, letter->reason) != 0 ||
            strcmp(summary->groups[i].detail, letter->detail) != 0)) {
        i++;
    }
    struct group *group = &summary->groups[i];
    if (i == summary->group_count) {
        summary->group_count++;
        bool is_last = i == REASONS_MAX - 1;
        snprintf(group->reason, LETTERS_TEXT_BYTES, "%s", is_last ? "others" : letter->reason);
        snprintf(group->detail, LETTERS_TEXT_BYTES, "%s", is_last ? "" : letter->detail);
    }
    group->count++;
    note_since(group->since, letter->time);
    if (group->id_count < IDS_MAX) {
        snprintf(group->ids[group->id_count++], sizeof(group->ids[0]), "%s", letter->id);
    }
    return LETTER_KEEP;
}

static void print_summary(const char *queue, const struct summary *summary) {
    int64_t count = 0;
    char since[CLOCK_RFC3339_BYTES] = "";
    for (size_t i = 0; i < summary->group_count; i++) {
        count += summary->groups[i].count;
        note_since(since, summary->groups[i].since);
    }
    printf("%s%s: %lld%s%s\n", queue, BROKER_DLQ_SUFFIX, (long long)count,
           since[0] != '\0' ? ", since " : "", since);
    for (size_t i = 0; i < summary->group_count; i++) {
        const struct group *group = &summary->groups[i];
        printf("  %lld  %s%s%s%s%s\n", (long long)group->count, group->reason,
               group->detail[0] != '\0' ? ": " : "", group->detail,
               group->since[0] != '\0' ? ", since " : "", group->since);
        for (size_t k = 0; k < group->id_count; k++) {
            printf("     %s\n", group->ids[k]);
        }
        if (group->count > (int64_t)group->id_count) {
            printf("     and %lld more\n", (long long)group->count - (long long)group->id_count);
        }
    }
}

static void write_summary(struct json_writer *writer, const char *queue,
                          const struct summary *summary) {
    json_write_begin_object(writer, NULL);
    json_write_str(writer, "queue", queue);
    json_write_begin_array(writer, "reasons");
    for (size_t i = 0; i < summary->group_count; i++) {
        const struct group *group = &summary->groups[i];
        json_write_begin_object(writer, NULL);
        json_write_str(writer, "reason", group->reason);
        json_write_str(writer, "detail", group->detail[0] != '\0' ? group->detail : NULL);
        json_write_int(writer, "count", group->count);
        json_write_str(writer, "since", group->since[0] != '\0' ? group->since : NULL);
        json_write_begin_array(writer, "ids");
        for (size_t k = 0; k < group->id_count; k++) {
            json_write_str(writer, NULL, group->ids[k]);
        }
        json_write_end_array(writer);
        json_write_end_object(writer);
    }
    json_write_end_array(writer);
    json_write_end_object(writer);
}

static int list(amqp_connection_state_t amqp, const struct options *options) {
    struct summary *summary = malloc(sizeof(*summary));
    struct buf out;
    struct json_writer writer;
    bool good = summary != NULL;
    buf_init(&out, 0);
    json_write_init(&writer, &out);
    json_write_begin_array(&writer, NULL);
    for (size_t i = 0; good && i < options->queue_count; i++) {
        memset(summary, 0, sizeof(*summary));
        good = for_each_wanted(amqp, options, options->queues[i], add_to_summary, summary);
        if (good && options->json) {
            write_summary(&writer, options->queues[i], summary);
        } else if (good) {
            print_summary(options->queues[i], summary);
        }
    }
    json_write_end_array(&writer);
    if (good && options->json) {
        printf("%.*s\n", (int)buf_length(&out), buf_bytes(&out));
    }
    buf_free(&out);
    free(summary);
    return good ? ADMIN_GOOD : ADMIN_BAD;
}

/* ---- show ---- */

static void write_value(struct json_writer *writer, const char *name,
                        const amqp_field_value_t *value) {
    switch (value->kind) {
    case AMQP_FIELD_KIND_BOOLEAN: json_write_bool(writer, name, value->value.boolean != 0); break;
    case AMQP_FIELD_KIND_I8: json_write_int(writer, name, value->value.i8); break;
    case AMQP_FIELD_KIND_U8: json_write_int(writer, name, value->value.u8); break;
    case AMQP_FIELD_KIND_I16: json_write_int(writer, name, value->value.i16); break;
    case AMQP_FIELD_KIND_U16: json_write_int(writer, name, value->value.u16); break;
    case AMQP_FIELD_KIND_I32: json_write_int(writer, name, value->value.i32); break;
    case AMQP_FIELD_KIND_U32: json_write_int(writer, name, value->value.u32); break;
    case AMQP_FIELD_KIND_I64: json_write_int(writer, name, value->value.i64); break;
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP: json_write_int(writer, name, (int64_t)value->value.u64); break;
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
        json_write_string(writer, name, value->value.bytes.bytes, value->value.bytes.len);
        break;
    case AMQP_FIELD_KIND_TABLE:
        json_write_begin_object(writer, name);
        for (int i = 0; i < value->value.table.num_entries; i++) {
            const amqp_table_entry_t *entry = &value->value.table.entries[i];
            char key[LETTERS_TEXT_BYTES];
            snprintf(key, sizeof(key), "%.*s", (int)entry->key.len, (const char *)entry->key.bytes);
            write_value(writer, key, &entry->value);
        }
        json_write_end_object(writer);
        break;
    case AMQP_FIELD_KIND_ARRAY:
        json_write_begin_array(writer, name);
        for (int i = 0; i < value->value.array.num_entries; i++) {
            write_value(writer, NULL, &value->value.array.entries[i]);
        }
        json_write_end_array(writer);
        break;
    default: json_write_null(writer, name); break;
    }
}

static enum letter_fate show_letter(amqp_connection_state_t amqp, const struct letter *letter,
                                    void *ctx) {
    const amqp_basic_properties_t *properties = &letter->message.properties;
    size_t *shown = ctx;
    struct buf out;
    struct json_writer writer;
    (void)amqp;
    buf_init(&out, 0);
    json_write_init(&writer, &out);
    json_write_begin_object(&writer, NULL);
    json_write_str(&writer, "queue", letter->queue);
    json_write_str(&writer, "id", letter->id);
    json_write_str(&writer, "reason", letter->reason);
    json_write_str(&writer, "detail", letter->detail[0] != '\0' ? letter->detail : NULL);
    json_write_str(&writer, "since", letter->time[0] != '\0' ? letter->time : NULL);
    const struct {
        const char *name;
        amqp_flags_t flag;
        amqp_bytes_t value;
    } TEXTS[] = { { "contentType", AMQP_BASIC_CONTENT_TYPE_FLAG, properties->content_type },
                  { "type", AMQP_BASIC_TYPE_FLAG, properties->type },
                  { "appId", AMQP_BASIC_APP_ID_FLAG, properties->app_id },
                  { "messageId", AMQP_BASIC_MESSAGE_ID_FLAG, properties->message_id },
                  { "correlationId", AMQP_BASIC_CORRELATION_ID_FLAG, properties->correlation_id } };
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        if ((properties->_flags & TEXTS[i].flag) != 0) {
            json_write_string(&writer, TEXTS[i].name, TEXTS[i].value.bytes, TEXTS[i].value.len);
        }
    }
    amqp_field_value_t headers = { .kind = AMQP_FIELD_KIND_TABLE };
    if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) != 0) {
        headers.value.table = properties->headers;
    }
    write_value(&writer, "headers", &headers);
    json_write_string(&writer, "payload", letter->message.body.bytes, letter->message.body.len);
    json_write_end_object(&writer);
    printf("%.*s\n", (int)buf_length(&out), buf_bytes(&out));
    (*shown)++;
    enum letter_fate fate = out.failed ? LETTER_FAIL : LETTER_KEEP;
    buf_free(&out);
    return fate;
}

/* ---- replay, purge ---- */

struct moved {
    size_t count;
    size_t most; /* so many of them; 0: all */
};

/* Without our headers: if it is dead-lettered again, by RabbitMQ this time, they would be wrong. */
static enum letter_fate replay_letter(amqp_connection_state_t amqp, const struct letter *letter,
                                      void *ctx) {
    struct moved *moved = ctx;
    amqp_basic_properties_t properties = letter->message.properties;
    properties._flags &= ~(amqp_flags_t)(AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_USER_ID_FLAG);
    properties._flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    amqp_table_t *headers = &properties.headers; /* the letter's own entries, in another order */
    for (int i = 0;
         (properties._flags & AMQP_BASIC_HEADERS_FLAG) != 0 && i < headers->num_entries;) {
        const amqp_bytes_t *key = &headers->entries[i].key;
        if (key->len > strlen(OUR_HEADERS) &&
            memcmp(key->bytes, OUR_HEADERS, strlen(OUR_HEADERS)) == 0) {
            headers->entries[i] = headers->entries[--headers->num_entries];
        } else {
            i++;
        }
    }
    if (!letters_publish(amqp, letter->queue, &properties, letter->message.body)) {
        return LETTER_FAIL;
    }
    moved->count++;
    return LETTER_DROP;
}

static enum letter_fate purge_letter(amqp_connection_state_t amqp, const struct letter *letter,
                                     void *ctx) {
    struct moved *moved = ctx;
    (void)amqp;
    (void)letter;
    if (moved->most > 0 && moved->count == moved->most) {
        return LETTER_KEEP; /* it came after the question */
    }
    moved->count++;
    return LETTER_DROP;
}

static enum letter_fate count_letter(amqp_connection_state_t amqp, const struct letter *letter,
                                     void *ctx) {
    (void)amqp;
    (void)letter;
    ((struct moved *)ctx)->count++;
    return LETTER_KEEP;
}

static bool is_agreed(const char *queue, size_t count) {
    char answer[8];
    fprintf(stderr, "delete %zu dead letters of %s for ever? [y/N] ", count, queue);
    return isatty(STDIN_FILENO) && fgets(answer, sizeof(answer), stdin) != NULL &&
           (answer[0] == 'y' || answer[0] == 'Y');
}

static int report_moved(const struct options *options, const char *done, size_t count) {
    printf("%s %zu of %s%s\n", done, count, options->queues[0], BROKER_DLQ_SUFFIX);
    int status = ADMIN_GOOD;
    for (size_t i = 0; i < options->id_count; i++) {
        if (!options->found[i]) {
            fprintf(stderr, "prodorder-admin dlq: %s is not there\n", options->ids[i]);
            status = ADMIN_BAD;
        }
    }
    return status;
}

static int replay(amqp_connection_state_t amqp, const struct options *options) {
    struct moved moved = { 0 };
    bool good = letters_confirm(amqp) &&
                for_each_wanted(amqp, options, options->queues[0], replay_letter, &moved);
    int status = report_moved(options, "replayed", moved.count);
    return good ? status : ADMIN_BAD;
}

/* Counted first, and given back, on a channel of its own. */
static int purge(amqp_connection_state_t amqp, const struct options *options) {
    struct moved found = { 0 }, moved = { 0 };
    const char *queue = options->queues[0];
    if (!options->yes) {
        if (!for_each_wanted(amqp, options, queue, count_letter, &found)) {
            return ADMIN_BAD;
        }
        if (!letters_give_back(amqp)) {
            return ADMIN_BAD;
        }
        if (found.count > 0 && !is_agreed(queue, found.count)) {
            fputs("nothing was deleted (--yes: without a question)\n", stderr);
            return ADMIN_BAD;
        }
        moved.most = found.count;
    }
    bool good = for_each_wanted(amqp, options, queue, purge_letter, &moved);
    int status = report_moved(options, "deleted", moved.count);
    return good ? status : ADMIN_BAD;
}

static int show(amqp_connection_state_t amqp, const struct options *options) {
    size_t shown = 0;
    bool good = for_each_wanted(amqp, options, options->queues[0], show_letter, &shown);
    if (good && shown == 0) {
        fprintf(stderr, "prodorder-admin dlq: %s%s has no %s\n", options->queues[0],
                BROKER_DLQ_SUFFIX, options->ids[0]);
    }
    return good && shown > 0 ? ADMIN_GOOD : ADMIN_BAD;
}

static const struct {
    const char *name;
    int (*run)(amqp_connection_state_t amqp, const struct options *options);
    bool moves; /* needs ids, or --all */
} VERBS[] = { { "list", list, false },
              { "show", show, false },
              { "replay", replay, true },
              { "purge", purge, true } };

enum { VERB_COUNT = sizeof(VERBS) / sizeof(VERBS[0]) };

/* What does not go together. */
static int check_options(const char *verb, bool moves, struct options *options) {
    bool is_list = strcmp(verb, "list") == 0;
    if (is_list && options->queue_count == 0) {
        memcpy(options->queues, QUEUES, sizeof(QUEUES));
        options->queue_count = QUEUE_COUNT;
    }
    if (options->queue_count == 0) {
        return fail_usage("which QUEUE? ", verb);
    }
    if (strcmp(verb, "show") == 0 && options->id_count != 1) {
        return fail_usage("one ID to show", "");
    }
    if (is_list && options->id_count > 0) {
        return fail_usage("list takes no ID: ", options->ids[0]);
    }
    if (moves && (options->id_count > 0) == options->all) {
        return fail_usage(options->all ? "either ids or --all" : "which? ids or --all", "");
    }
    return ADMIN_GOOD;
}

int admin_dlq(int argc, char **argv) {
    struct options options;
    bool found[WANTED_MAX] = { false };
    size_t verb = 0;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(USAGE, stdout);
        return ADMIN_GOOD;
    }
    while (argc > 1 && verb < VERB_COUNT && strcmp(argv[1], VERBS[verb].name) != 0) {
        verb++;
    }
    if (argc < 2 || verb == VERB_COUNT) {
        fputs(USAGE, stderr);
        return ADMIN_USAGE;
    }
    int status = read_options(argc - 1, argv + 1, &options);
    if (status == ADMIN_GOOD) {
        status = check_options(argv[1], VERBS[verb].moves, &options);
    }
    if (status != ADMIN_GOOD) {
        return status;
    }
    amqp_connection_state_t amqp = letters_connect();
    if (amqp == NULL) {
        return ADMIN_BAD;
    }
    options.found = found;
    status = VERBS[verb].run(amqp, &options);
    letters_disconnect(amqp);
    return status;
}
