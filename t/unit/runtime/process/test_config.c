/*
 * runtime/process/config: every type at its edges, all problems in one run, no secret ever printed.
 */
#include "runtime/process/config.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct test_config {
    int64_t port;
    int64_t timeout_ms;
    const char *host;
    const char *note;
    const char *password;
    const char *url;
    bool cache;
    int64_t level;
};

static const char *const LEVELS[] = { "debug", "info", "warn", NULL };
static const char *const SCHEMES[] = { "amqp://", "amqps://", NULL };

static struct test_config config;

static const struct config_option OPTIONS[] = {
    { "T_PORT", CONFIG_INT, &config.port, .required = true, .min = 1, .max = 65535,
      .help = "TCP port to listen on", .example = "3001" },
    { "T_TIMEOUT", CONFIG_INT, &config.timeout_ms, .fallback = "3000", .min = -1, .max = 60000,
      .unit = "ms", .help = "How long to wait" },
    { "T_HOST", CONFIG_STRING, &config.host, .fallback = "127.0.0.1", .max = 10, .help = "Host" },
    { "T_NOTE", CONFIG_STRING, &config.note, .help = "Note" },
    { "T_PASSWORD", CONFIG_SECRET, &config.password, .fallback = "hidden-default", .max = 20,
      .help = "Password" },
    { "T_URL", CONFIG_URL, &config.url, .required = true, .choices = SCHEMES, .help = "Broker" },
    { "T_CACHE", CONFIG_BOOL, &config.cache, .fallback = "true", .help = "Use the cache" },
    { "T_LEVEL", CONFIG_ENUM, &config.level, .fallback = "info", .choices = LEVELS,
      .help = "Level" },
};

static char *errors; /* what the last read() printed */
static size_t errors_length;

static void setup(void) {
    for (size_t i = 0; i < UNIT_COUNT(OPTIONS); i++) {
        unsetenv(OPTIONS[i].name);
    }
    unsetenv("T_PASSWORD_FILE");
    setenv("T_PORT", "8080", 1);
    setenv("T_URL", "amqp://u:url-secret@h", 1);
}

static void teardown(void) {
    free(errors);
    errors = NULL;
}

static enum err read_config(void) {
    free(errors);
    FILE *out = open_memstream(&errors, &errors_length);
    ck_assert_ptr_nonnull(out);
    enum err err = config_read(OPTIONS, UNIT_COUNT(OPTIONS), out);
    fclose(out);
    return err;
}

static size_t count_lines(const char *text) {
    size_t lines = 0;
    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

START_TEST(defaults_fill_what_is_not_set) {
    ck_assert_int_eq(read_config(), ERR_OK);
    ck_assert_str_eq(errors, "");
    ck_assert_int_eq(config.port, 8080);
    ck_assert_int_eq(config.timeout_ms, 3000);
    ck_assert_str_eq(config.host, "127.0.0.1");
    ck_assert_str_eq(config.note, "");
    ck_assert_str_eq(config.password, "hidden-default");
    ck_assert_str_eq(config.url, "amqp://u:url-secret@h");
    ck_assert(config.cache);
    ck_assert_int_eq(config.level, 1);
}
END_TEST

START_TEST(an_empty_value_counts_as_not_set) {
    setenv("T_TIMEOUT", "", 1);
    setenv("T_HOST", "", 1);
    ck_assert_int_eq(read_config(), ERR_OK);
    ck_assert_int_eq(config.timeout_ms, 3000);
    ck_assert_str_eq(config.host, "127.0.0.1");
    setenv("T_PORT", "", 1);
    ck_assert_int_eq(read_config(), ERR_INVALID);
    ck_assert_str_eq(errors, "T_PORT is not set; expected: an integer from 1 to 65535 "
                             "(TCP port to listen on)\n");
}
END_TEST

static const struct {
    const char *name;
    const char *value;
    bool is_taken;
    int64_t expected; /* of integers, booleans and choices */
} VALUES[] = {
    { "T_PORT", "1", true, 1 },
    { "T_PORT", "65535", true, 65535 },
    { "T_PORT", "080", true, 80 },
    { "T_PORT", "0", false, 0 },
    { "T_PORT", "65536", false, 0 },
    { "T_PORT", "-1", false, 0 },
    { "T_PORT", "+80", false, 0 },
    { "T_PORT", " 80", false, 0 },
    { "T_PORT", "80 ", false, 0 },
    { "T_PORT", "80x", false, 0 },
    { "T_PORT", "0x50", false, 0 },
    { "T_PORT", "8e1", false, 0 },
    { "T_PORT", "-", false, 0 },
    { "T_PORT", "99999999999999999999", false, 0 },
    { "T_TIMEOUT", "-1", true, -1 },
    { "T_TIMEOUT", "-2", false, 0 },
    { "T_CACHE", "on", true, 1 },
    { "T_CACHE", "YES", true, 1 },
    { "T_CACHE", "1", true, 1 },
    { "T_CACHE", "False", true, 0 },
    { "T_CACHE", "no", true, 0 },
    { "T_CACHE", "off", true, 0 },
    { "T_CACHE", "0", true, 0 },
    { "T_CACHE", "2", false, 0 },
    { "T_CACHE", "maybe", false, 0 },
    { "T_LEVEL", "debug", true, 0 },
    { "T_LEVEL", "warn", true, 2 },
    { "T_LEVEL", "WARN", false, 0 },
    { "T_LEVEL", "war", false, 0 },
    { "T_HOST", "1234567890", true, 0 },
    { "T_HOST", "12345678901", false, 0 },
    { "T_HOST", "a\nb", false, 0 },
    { "T_NOTE", "caf\xc3\xa9", true, 0 },
    { "T_PASSWORD", "12345678901234567890", true, 0 },
    { "T_PASSWORD", "123456789012345678901", false, 0 },
    { "T_PASSWORD", "secret\n", false, 0 },
    { "T_URL", "amqps://h", true, 0 },
    { "T_URL", "amqp://", false, 0 },
    { "T_URL", "http://h", false, 0 },
    { "T_URL", "AMQP://h", false, 0 },
    { "T_URL", "h", false, 0 },
};

START_TEST(values_are_taken_or_refused) {
    const char *name = VALUES[_i].name;
    setenv(name, VALUES[_i].value, 1);
    enum err err = read_config();
    ck_assert_msg(err == (VALUES[_i].is_taken ? ERR_OK : ERR_INVALID), "%s: %s", VALUES[_i].value,
                  errors);
    if (err != ERR_OK) { /* one line that begins with the name and says what is expected */
        ck_assert_uint_eq(count_lines(errors), 1);
        ck_assert_int_eq(strncmp(errors, name, strlen(name)), 0);
        ck_assert_ptr_nonnull(strstr(errors, "; expected: "));
        return;
    }
    int64_t value = strcmp(name, "T_PORT") == 0      ? config.port
                    : strcmp(name, "T_TIMEOUT") == 0 ? config.timeout_ms
                    : strcmp(name, "T_CACHE") == 0   ? config.cache
                    : strcmp(name, "T_LEVEL") == 0   ? config.level
                                                     : VALUES[_i].expected;
    ck_assert_int_eq(value, VALUES[_i].expected);
}
END_TEST

START_TEST(all_problems_are_reported_and_nothing_is_stored) {
    memset(&config, 0x5a, sizeof(config));
    const struct test_config before = config;
    unsetenv("T_PORT");
    setenv("T_TIMEOUT", "soon", 1);
    setenv("T_URL", "http://u:url-secret@h", 1);
    setenv("T_LEVEL", "loud", 1);
    ck_assert_int_eq(read_config(), ERR_INVALID);
    ck_assert_str_eq(
        errors,
        "T_PORT is not set; expected: an integer from 1 to 65535 (TCP port to listen on)\n"
        "T_TIMEOUT is not an integer: it is \"soon\"; expected: an integer from -1 to 60000, in ms "
        "(How long to wait)\n"
        "T_URL is not such a URL; expected: a URL that starts with amqp:// or amqps:// (Broker)\n"
        "T_LEVEL is none of the choices: it is \"loud\"; expected: debug, info or warn (Level)\n");
    ck_assert_mem_eq(&config, &before, sizeof(config));
}
END_TEST

START_TEST(values_shown_are_short_and_printable) {
    char value[300];
    memset(value, 'v', sizeof(value));
    memcpy(value, "a\x1b[31m\n", 7);
    value[sizeof(value) - 1] = '\0';
    setenv("T_PORT", value, 1);
    ck_assert_int_eq(read_config(), ERR_INVALID);
    ck_assert_uint_eq(count_lines(errors), 1);
    ck_assert_ptr_null(strchr(errors, '\x1b'));
    ck_assert_uint_lt(strlen(errors), 250);
}
END_TEST

/* ---- secrets ---- */

START_TEST(secrets_are_printed_nowhere) {
    setenv("T_PASSWORD", "my-secret-that-is-much-too-long", 1);
    setenv("T_URL", "http://u:url-secret@h", 1);
    ck_assert_int_eq(read_config(), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(errors, "T_PASSWORD is too long"));
    ck_assert_ptr_null(strstr(errors, "my-secret"));
    ck_assert_ptr_null(strstr(errors, "url-secret"));
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    config_print_help(OPTIONS, UNIT_COUNT(OPTIONS), out);
    config_print_env_example(OPTIONS, UNIT_COUNT(OPTIONS), out);
    fclose(out);
    ck_assert_ptr_null(strstr(text, "hidden-default"));
    ck_assert_ptr_null(strstr(text, "my-secret"));
    free(text);
}
END_TEST

static char secret_path[] = "/tmp/test_config_XXXXXX";

static void write_secret(const char *bytes, size_t length) {
    int fd = mkstemp(secret_path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    close(fd);
    setenv("T_PASSWORD_FILE", secret_path, 1);
}

static const struct {
    const char *content;
    size_t length;
    const char *secret; /* NULL: refused */
} SECRETS[] = {
    { "from-file", 9, "from-file" },
    { "from-file\n", 10, "from-file" },
    { "from-file\n\n", 11, NULL },
    { "", 0, "hidden-default" },
    { "a\0b", 3, NULL },
    { "123456789012345678901", 21, NULL },
};

START_TEST(secrets_come_from_files_too) {
    write_secret(SECRETS[_i].content, SECRETS[_i].length);
    enum err err = read_config();
    unlink(secret_path);
    ck_assert_int_eq(err, SECRETS[_i].secret == NULL ? ERR_INVALID : ERR_OK);
    if (err == ERR_OK) {
        ck_assert_str_eq(config.password, SECRETS[_i].secret);
        ck_assert_str_eq(errors, "");
    } else {
        ck_assert_int_eq(strncmp(errors, "T_PASSWORD", 10), 0);
        ck_assert_ptr_null(strstr(errors, "from-file"));
    }
}
END_TEST

START_TEST(secret_files_that_cannot_be_used_are_named) {
    setenv("T_PASSWORD_FILE", "/nonexistent/secret", 1);
    ck_assert_int_eq(read_config(), ERR_INVALID);
    ck_assert_str_eq(
        errors, "T_PASSWORD_FILE: cannot open the file that it names: No such file or directory\n");
    setenv("T_PASSWORD_FILE", "/", 1);
    ck_assert_int_eq(read_config(), ERR_INVALID);
    setenv("T_PASSWORD", "x", 1);
    ck_assert_int_eq(read_config(), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(errors, "both set"));
    unsetenv("T_PASSWORD");
    static char large[CONFIG_SECRET_FILE_BYTES_MAX + 1];
    memset(large, 's', sizeof(large));
    write_secret(large, sizeof(large));
    ck_assert_int_eq(read_config(), ERR_INVALID);
    unlink(secret_path);
    ck_assert_ptr_nonnull(strstr(errors, "at most 4096 bytes"));
}
END_TEST

/* ---- printing ---- */

START_TEST(help_lists_every_option) {
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    config_print_help(OPTIONS, UNIT_COUNT(OPTIONS), out);
    fclose(out);
    ck_assert_str_eq(text, "  T_PORT: an integer from 1 to 65535; required\n"
                           "      TCP port to listen on\n"
                           "  T_TIMEOUT: an integer from -1 to 60000, in ms; default 3000\n"
                           "      How long to wait\n"
                           "  T_HOST: text of at most 10 bytes; default 127.0.0.1\n"
                           "      Host\n"
                           "  T_NOTE: text; optional\n"
                           "      Note\n"
                           "  T_PASSWORD: a secret of at most 20 bytes; default not shown\n"
                           "      Password\n"
                           "  T_URL: a URL that starts with amqp:// or amqps://; required\n"
                           "      Broker\n"
                           "  T_CACHE: true or false; default true\n"
                           "      Use the cache\n"
                           "  T_LEVEL: debug, info or warn; default info\n"
                           "      Level\n");
    free(text);
}
END_TEST

START_TEST(env_example_lists_every_option) {
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    config_print_env_example(OPTIONS, 3, out);
    fclose(out);
    ck_assert_str_eq(text, "# TCP port to listen on: an integer from 1 to 65535; required\n"
                           "T_PORT=3001\n"
                           "\n"
                           "# How long to wait: an integer from -1 to 60000, in ms; optional\n"
                           "T_TIMEOUT=3000\n"
                           "\n"
                           "# Host: text of at most 10 bytes; optional\n"
                           "T_HOST=127.0.0.1\n");
    free(text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("config");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, defaults_fill_what_is_not_set);
    tcase_add_test(tests, an_empty_value_counts_as_not_set);
    tcase_add_loop_test(tests, values_are_taken_or_refused, 0, (int)UNIT_COUNT(VALUES));
    tcase_add_test(tests, all_problems_are_reported_and_nothing_is_stored);
    tcase_add_test(tests, values_shown_are_short_and_printable);
    tcase_add_test(tests, secrets_are_printed_nowhere);
    tcase_add_loop_test(tests, secrets_come_from_files_too, 0, (int)UNIT_COUNT(SECRETS));
    tcase_add_test(tests, secret_files_that_cannot_be_used_are_named);
    tcase_add_test(tests, help_lists_every_option);
    tcase_add_test(tests, env_example_lists_every_option);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
