/*
 * The options that both services have, and how options are read from the environment and printed.
 */
#include "config.h"

#include "base/arena.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { VALUE_SHOWN_BYTES_MAX = 64, FILE_NAME_BYTES_MAX = 128, SECRET_FILES_BYTES_MAX = 1 << 20 };

/* ---- the options that both services have ---- */

struct config_shared config_shared;

static const char *const AMQP_SCHEMES[] = { "amqp://", NULL };
static const char *const EVENTS_FORMATS[] = {
    [EVENTS_BATCH] = "batch", [EVENTS_BARE] = "bare", NULL
};
static const char *const QUEUE_TYPES[] = {
    [QUEUES_QUORUM] = "quorum", [QUEUES_CLASSIC] = "classic", NULL
};

/* clang-format off */
static const struct config_option SHARED_OPTIONS[] = {
    { "PORT", CONFIG_INT, &config_shared.port, .required = true, .min = 1, .max = 65535,
      .help = "TCP port of the HTTP server" },
    { "DB_HOST", CONFIG_STRING, &config_shared.db_host, .required = true, .example = "127.0.0.1",
      .max = 253, .help = "PostgreSQL host" },
    { "DB_PORT", CONFIG_INT, &config_shared.db_port, .required = true, .min = 1, .max = 65535,
      .help = "PostgreSQL port" },
    { "DB_USER", CONFIG_STRING, &config_shared.db_user, .required = true, .max = 63,
      .help = "PostgreSQL role; it must own the schema" },
    { "DB_PASSWORD", CONFIG_SECRET, &config_shared.db_password, .required = true,
      .example = "change-me", .max = 1024,
      .help = "its password, unless DB_PASSWORD_FILE names a file that holds it" },
    { "DB_NAME", CONFIG_STRING, &config_shared.db_name, .required = true, .max = 63,
      .help = "database of this service" },
    { "REDIS_HOST", CONFIG_STRING, &config_shared.redis_host, .required = true,
      .example = "127.0.0.1", .max = 253,
      .help = "Redis host; the instance belongs to this service" },
    { "REDIS_PORT", CONFIG_INT, &config_shared.redis_port, .required = true, .min = 1, .max = 65535,
      .help = "Redis port" },
    { "RABBITMQ_URL", CONFIG_URL, &config_shared.rabbitmq_url, .required = true,
      .example = "amqp://guest:guest@127.0.0.1:5673/", .max = 1024, .choices = AMQP_SCHEMES,
      .help = "amqp://user:password@host:port/vhost" },
    { "SERVICE_NAME", CONFIG_STRING, &config_shared.service_name, .max = 63,
      .help = "name in logs and at the broker" },
    { "LISTEN_ADDRESS", CONFIG_STRING, &config_shared.listen_address, .fallback = "127.0.0.1",
      .max = 45, .help = "numeric address to listen on; 0.0.0.0 inside a container" },
    { "LOG_LEVEL", CONFIG_ENUM, &config_shared.log_level, .fallback = "info",
      .choices = log_level_names, .help = "least severe level that is logged" },
    { "DB_CONNECTIONS", CONFIG_INT, &config_shared.db_connections, .fallback = "8", .min = 2,
      .max = 64, .help = "connections to PostgreSQL" },
    { "DB_DEADLINE_MS", CONFIG_INT, &config_shared.db_deadline_ms, .fallback = "5000", .min = 100,
      .max = 60000, .unit = "ms", .help = "statement timeout" },
    { "DB_LOCK_TIMEOUT_MS", CONFIG_INT, &config_shared.db_lock_timeout_ms, .fallback = "300",
      .min = 10, .max = 60000, .unit = "ms",
      .help = "how long a statement waits for what another transaction has locked; less than"
              " DB_DEADLINE_MS" },
    { "REDIS_DEADLINE_MS", CONFIG_INT, &config_shared.redis_deadline_ms, .fallback = "1000",
      .min = 10, .max = 60000, .unit = "ms",
      .help = "Redis counts as down when it does not answer for so long" },
    { "RABBITMQ_HEARTBEAT_S", CONFIG_INT, &config_shared.rabbitmq_heartbeat_s, .fallback = "15",
      .min = 1, .max = 600, .unit = "s", .help = "heartbeat of the broker connections" },
    { "RABBITMQ_PREFETCH", CONFIG_INT, &config_shared.rabbitmq_prefetch, .fallback = "128",
      .min = 1, .max = 65535, .unit = "messages", .help = "unacknowledged deliveries per queue" },
    { "RABBITMQ_QUEUE_TYPE", CONFIG_ENUM, &config_shared.rabbitmq_queue_type, .fallback = "quorum",
      .choices = QUEUE_TYPES, .help = "queues are made so; one that exists is used as it is" },
    { "CONSUMER_BATCH_MAX", CONFIG_INT, &config_shared.consumer_batch_max, .fallback = "500",
      .min = 1, .max = 512, .unit = "events", .help = "events in one transaction" },
    { "EVENTS_FORMAT", CONFIG_ENUM, &config_shared.events_format, .fallback = "batch",
      .choices = EVENTS_FORMATS,
      .help = "how events are sent; bare is that of versions before, for a rolling upgrade" },
    { "EVENTS_PER_MESSAGE_MAX", CONFIG_INT, &config_shared.events_per_message_max,
      .fallback = "100", .min = 1, .max = 1000, .unit = "events",
      .help = "events of one type that share a message" },
    { "EVENT_MESSAGE_BYTES_MAX", CONFIG_INT, &config_shared.event_message_bytes_max,
      .fallback = "65536", .min = 1024, .max = 1048576, .unit = "bytes",
      .help = "a message that has events ends before it is larger" },
    { "PUBLISH_QUEUE_MAX", CONFIG_INT, &config_shared.publish_queue_max, .fallback = "16384",
      .min = 16, .max = 1000000, .unit = "messages",
      .help = "messages waiting in memory for the broker; more wait in the database" },
    { "PUBLISH_INFLIGHT_MAX", CONFIG_INT, &config_shared.publish_inflight_max, .fallback = "5000",
      .min = 1, .max = 65535, .unit = "messages", .help = "messages sent and not yet confirmed" },
    { "OUTBOX_SWEEP_MS", CONFIG_INT, &config_shared.outbox_sweep_ms, .fallback = "1000", .min = 50,
      .max = 60000, .unit = "ms",
      .help = "how often the outbox is searched for events left behind" },
    { "HTTP_CONNECTIONS_MAX", CONFIG_INT, &config_shared.http_connections_max, .fallback = "4096",
      .min = 1, .max = 100000, .unit = "connections",
      .help = "open client connections; more get 503" },
    { "HTTP_BODY_BYTES_MAX", CONFIG_INT, &config_shared.http_body_bytes_max, .fallback = "1048576",
      .min = 1024, .max = 67108864, .unit = "bytes", .help = "largest request body; more is 413" },
    { "HTTP_IDLE_TIMEOUT_MS", CONFIG_INT, &config_shared.http_idle_timeout_ms, .fallback = "75000",
      .min = 100, .max = 3600000, .unit = "ms",
      .help = "a kept-alive connection without a request is closed" },
    { "HTTP_REQUEST_TIMEOUT_MS", CONFIG_INT, &config_shared.http_request_timeout_ms,
      .fallback = "10000", .min = 100, .max = 600000, .unit = "ms",
      .help = "from a request's first byte to its last; slower is 408" },
    { "REQUESTS_MAX", CONFIG_INT, &config_shared.requests_max, .fallback = "4096", .min = 1,
      .max = 100000, .unit = "requests", .help = "requests of one kind under way; more get 503" },
    { "REQUEST_DEADLINE_MS", CONFIG_INT, &config_shared.request_deadline_ms, .fallback = "8000",
      .min = 50, .max = 600000, .unit = "ms", .help = "time for one request; slower is 503" },
    { "DRAIN_TIMEOUT_MS", CONFIG_INT, &config_shared.drain_timeout_ms, .fallback = "9000",
      .min = 100, .max = 600000, .unit = "ms", .help = "time to finish after SIGTERM" },
};
/* clang-format on */

static void set_local(struct config_option *option, const struct config_local *locals) {
    for (; locals->name != NULL; locals++) {
        if (strcmp(locals->name, option->name) == 0) {
            *(option->required ? &option->example : &option->fallback) = locals->text;
        }
    }
}

size_t config_join(const struct config_local *locals, const struct config_option *own,
                   struct config_option ret_options[CONFIG_OPTIONS_MAX]) {
    size_t count = sizeof(SHARED_OPTIONS) / sizeof(SHARED_OPTIONS[0]);
    for (size_t i = 0; i < count; i++) {
        ret_options[i] = SHARED_OPTIONS[i];
        set_local(&ret_options[i], locals);
    }
    for (; own != NULL && own->name != NULL; own++) {
        assert(count < CONFIG_OPTIONS_MAX);
        ret_options[count++] = *own;
    }
    return count;
}

/* ---- what an option expects, in words ---- */

static bool is_textual(const struct config_option *option) {
    return option->type == CONFIG_STRING || option->type == CONFIG_SECRET ||
           option->type == CONFIG_URL;
}

static void print_choices(const struct config_option *option, FILE *out) {
    for (const char *const *choice = option->choices; *choice != NULL; choice++) {
        const char *joint = choice == option->choices ? "" : choice[1] == NULL ? " or " : ", ";
        fprintf(out, "%s%s", joint, *choice);
    }
}

static void print_expectation(const struct config_option *option, FILE *out) {
    switch (option->type) {
    case CONFIG_STRING: fputs("text", out); break;
    case CONFIG_SECRET: fputs("a secret", out); break;
    case CONFIG_BOOL: fputs("true or false", out); break;
    case CONFIG_ENUM: print_choices(option, out); break;
    case CONFIG_INT:
        fprintf(out, "an integer from %" PRId64 " to %" PRId64, option->min, option->max);
        break;
    case CONFIG_URL:
        fputs("a URL that starts with ", out);
        print_choices(option, out);
        break;
    }
    if (is_textual(option) && option->max > 0) {
        fprintf(out, " of at most %" PRId64 " bytes", option->max);
    }
    if (option->unit != NULL) {
        fprintf(out, ", in %s", option->unit);
    }
}

/* ---- problems ---- */

static bool may_be_shown(const struct config_option *option) {
    return option->type != CONFIG_SECRET && option->type != CONFIG_URL;
}

/* `value` on one line of plain ASCII, whatever it contains. */
static void print_value(const char *value, FILE *out) {
    size_t length = strlen(value);
    fputc('"', out);
    for (size_t i = 0; i < length && i < VALUE_SHOWN_BYTES_MAX; i++) {
        fputc(isprint((unsigned char)value[i]) ? value[i] : '?', out);
    }
    fputs(length > VALUE_SHOWN_BYTES_MAX ? "…\"" : "\"", out);
}

/* One line: the name, what is wrong, what is expected. Returns false. */
static bool report(const struct config_option *option, const char *problem, const char *value,
                   FILE *errors) {
    fprintf(errors, "%s %s", option->name, problem);
    if (value != NULL && may_be_shown(option)) {
        fputs(": it is ", errors);
        print_value(value, errors);
    }
    fputs("; expected: ", errors);
    print_expectation(option, errors);
    fprintf(errors, " (%s)\n", option->help);
    return false;
}

/* ---- values ---- */

/* A value as text becomes a value of the option's type. */
union parsed {
    const char *text;
    int64_t integer;
    bool truth;
};

static bool parse_int(const char *text, int64_t *ret_value) {
    const char *digits = text[0] == '-' ? text + 1 : text;
    char *end;
    if (!isdigit((unsigned char)digits[0])) { /* strtoll() would skip white space, take a plus */
        return false;
    }
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0') {
        return false;
    }
    *ret_value = value;
    return true;
}

static bool parse_bool(const char *text, bool *ret_value) {
    static const char *const WORDS[] = { "false", "true", "0", "1", "no", "yes", "off", "on" };
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (strcasecmp(text, WORDS[i]) == 0) {
            *ret_value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool parse_enum(const struct config_option *option, const char *text, int64_t *ret_value) {
    for (int64_t i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(text, option->choices[i]) == 0) {
            *ret_value = i;
            return true;
        }
    }
    return false;
}

static bool has_scheme(const struct config_option *option, const char *text) {
    for (const char *const *scheme = option->choices; *scheme != NULL; scheme++) {
        size_t length = strlen(*scheme);
        if (strncmp(text, *scheme, length) == 0 && text[length] != '\0') {
            return true;
        }
    }
    return false;
}

/* NULL, or what is wrong with `text` as the value of a textual option. */
static const char *check_text(const struct config_option *option, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (iscntrl((unsigned char)*c)) {
            return "contains a control character";
        }
    }
    if (option->max > 0 && strlen(text) > (size_t)option->max) {
        return "is too long";
    }
    if (option->type == CONFIG_URL && !has_scheme(option, text)) {
        return "is not such a URL";
    }
    return NULL;
}

/* NULL, or what is wrong with `text`; then *ret_value is not set. */
static const char *parse(const struct config_option *option, const char *text,
                         union parsed *ret_value) {
    const char *problem = NULL;
    union parsed value = { .integer = 0 };
    switch (option->type) {
    case CONFIG_INT:
        if (!parse_int(text, &value.integer)) {
            problem = "is not an integer";
        } else if (value.integer < option->min || value.integer > option->max) {
            problem = "is out of range";
        }
        break;
    case CONFIG_BOOL:
        problem = parse_bool(text, &value.truth) ? NULL : "is not a truth value";
        break;
    case CONFIG_ENUM:
        problem = parse_enum(option, text, &value.integer) ? NULL : "is none of the choices";
        break;
    default:
        problem = check_text(option, text);
        value.text = text;
        break;
    }
    if (problem == NULL) {
        *ret_value = value;
    }
    return problem;
}

static void store(const struct config_option *option, const union parsed *value) {
    switch (option->type) {
    case CONFIG_INT:
    case CONFIG_ENUM: *(int64_t *)option->value = value->integer; break;
    case CONFIG_BOOL: *(bool *)option->value = value->truth; break;
    default: *(const char **)option->value = value->text; break;
    }
}

/* ---- where values come from ---- */

static const char *get_environment(const char *name) {
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* The content of the file, kept for the life of the process; NULL: reported. */
static const char *read_secret_file(const struct config_option *option, const char *path,
                                    FILE *errors) {
    static struct arena kept = { .bytes_max = SECRET_FILES_BYTES_MAX };
    char text[CONFIG_SECRET_FILE_BYTES_MAX + 2];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fprintf(errors, "%s_FILE: cannot open the file that it names: %s\n", option->name,
                strerror(errno));
        return NULL;
    }
    size_t length = fread(text, 1, CONFIG_SECRET_FILE_BYTES_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    if (failed || length > CONFIG_SECRET_FILE_BYTES_MAX || memchr(text, '\0', length) != NULL) {
        fprintf(errors, "%s_FILE: expected a readable text file of at most %d bytes\n",
                option->name, CONFIG_SECRET_FILE_BYTES_MAX);
        return NULL;
    }
    const char *copy = arena_copy(&kept, text, length);
    if (copy == NULL) {
        fprintf(errors, "%s_FILE: no memory for another secret\n", option->name);
    }
    return copy;
}

/* The option's text, NULL when nothing sets it. False: reported. */
static bool find_text(const struct config_option *option, const char **ret_text, FILE *errors) {
    const char *text = get_environment(option->name);
    if (option->type == CONFIG_SECRET) {
        char file_variable[FILE_NAME_BYTES_MAX];
        snprintf(file_variable, sizeof(file_variable), "%s_FILE", option->name);
        const char *path = get_environment(file_variable);
        if (path != NULL && text != NULL) {
            fprintf(errors, "%s and %s are both set; expected: one of them\n", option->name,
                    file_variable);
            return false;
        }
        if (path != NULL) {
            text = read_secret_file(option, path, errors);
            if (text == NULL) {
                return false;
            }
        }
    }
    *ret_text = text == NULL || text[0] == '\0' ? option->fallback : text;
    return true;
}

/* Check the option, and store it if `stores`. False: reported. */
static bool read_option(const struct config_option *option, bool stores, FILE *errors) {
    const char *text;
    union parsed value = { .integer = 0 };
    if (!find_text(option, &text, errors)) {
        return false;
    }
    if (text == NULL && option->required) {
        return report(option, "is not set", NULL, errors);
    }
    if (text == NULL && is_textual(option)) {
        value.text = "";
    }
    const char *problem = text == NULL ? NULL : parse(option, text, &value);
    if (problem != NULL) {
        assert(text != option->fallback); /* a default that its own option refuses */
        return report(option, problem, text, errors);
    }
    if (stores) {
        store(option, &value);
    }
    return true;
}

static void check_table(const struct config_option *options, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct config_option *option = &options[i];
        bool has_choices = option->type == CONFIG_ENUM || option->type == CONFIG_URL;
        assert(option->name != NULL && option->help != NULL);
        assert(!option->required || option->fallback == NULL);
        assert(!has_choices || (option->choices != NULL && option->choices[0] != NULL));
        assert(option->type != CONFIG_INT || option->min < option->max);
        (void)has_choices;
    }
}

enum err config_read(const struct config_option *options, size_t count, FILE *errors) {
    bool ok = true;
    check_table(options, count);
    for (size_t i = 0; i < count; i++) {
        ok = read_option(&options[i], false, errors) && ok;
    }
    for (size_t i = 0; ok && i < count; i++) {
        ok = read_option(&options[i], true, errors);
    }
    return ok ? ERR_OK : ERR_INVALID;
}

/* ---- --help and .env.example ---- */

static void print_default(const struct config_option *option, FILE *out) {
    if (option->required) {
        fputs("required", out);
    } else if (option->fallback == NULL) {
        fputs("optional", out);
    } else if (option->type == CONFIG_SECRET) {
        fputs("default not shown", out);
    } else {
        fprintf(out, "default %s", option->fallback);
    }
}

void config_print_help(const struct config_option *options, size_t count, FILE *out) {
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "  %s: ", options[i].name);
        print_expectation(&options[i], out);
        fputs("; ", out);
        print_default(&options[i], out);
        fprintf(out, "\n      %s\n", options[i].help);
    }
}

void config_print_env_example(const struct config_option *options, size_t count, FILE *out) {
    for (size_t i = 0; i < count; i++) {
        const struct config_option *option = &options[i];
        bool shows_default = option->fallback != NULL && option->type != CONFIG_SECRET;
        const char *value = shows_default ? option->fallback : option->example;
        fprintf(out, "%s# %s: ", i == 0 ? "" : "\n", option->help);
        print_expectation(option, out);
        fprintf(out, "; %s\n", option->required ? "required" : "optional");
        fprintf(out, "%s=%s\n", option->name, value == NULL ? "" : value);
    }
}
