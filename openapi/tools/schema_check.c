/*
 * schema-check: which JSON values does a JSON Schema accept?
 *
 * One instance per line of standard input, one JSON line for each on standard output, written at
 * once, so that another program can ask and wait for the answer.
 */
#include "openapi/schema/schema.h"
#include "tool.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_BYTES_MAX = 64 * 1024 * 1024, /* of one instance */
    VALUES_MAX = 4 * 1000 * 1000,      /* in one instance */
    ERRORS_MAX = 100,                  /* reported for one instance */
    REPORT_BYTES_MAX = 4 * 1024 * 1024,
    EXIT_MISTAKE = 2
};

static const char usage[] =
    "usage: schema-check [--format] SCHEMA < INSTANCES\n"
    "\n"
    "Checks JSON values against the JSON Schema (draft 2020-12) in the file SCHEMA.\n"
    "\n"
    "  --format   assert \"format\"; without it, it is an annotation\n"
    "  --help     this text\n"
    "\n"
    "Each line of standard input is one value; the answer to it is one line:\n"
    "\n"
    "  {\"valid\":false,\"errors\":[{\"path\":\"/a\",\"keyword\":\"minimum\",\"message\":\"must be "
    ">= 1\"}]}\n"
    "\n"
    "A line that is not JSON has one error with the keyword \"json\". At most 100 errors\n"
    "are reported of a value, and a line may have 64 MiB.\n"
    "\n"
    "Exit status: 0; 2 when the schema has mistakes (all of them are written to\n"
    "standard error), when the input cannot be read, or the output not be written.\n";

static void print_problem(void *user, const char *line) {
    (void)user;
    fprintf(stderr, "schema-check: %s\n", line);
}

static void print_verdict(bool is_valid, const struct report *report) {
    printf("{\"valid\":%s,\"errors\":", is_valid ? "true" : "false");
    tool_print_errors(report);
    puts("}");
}

static bool fail(const char *what) {
    fprintf(stderr, "schema-check: %s\n", what);
    return false;
}

static bool check_line(const struct schema *schema, const char *line, size_t len) {
    struct schema_limits limits = schema_run_defaults;
    _Alignas(8) char memory[4096];
    struct arena scratch;
    struct report report;
    bool is_valid = false;

    limits.json.values_max = VALUES_MAX;
    arena_init_scratch(&scratch, memory, sizeof(memory), REPORT_BYTES_MAX);
    report_init(&report, &scratch, ERRORS_MAX);
    if (len > LINE_BYTES_MAX) {
        report_add(&report, &report_root, "json", "the line is longer than %d bytes",
                   LINE_BYTES_MAX);
    } else {
        is_valid = schema_run_text(schema, line, len, &limits, &report);
    }
    if (!report.out_of_memory) {
        print_verdict(is_valid, &report);
    }
    arena_done(&scratch);
    if (report.out_of_memory) {
        return fail("out of memory");
    }
    return tool_flush("schema-check");
}

/*
 * One line without its end, in *line, which grows up to LINE_BYTES_MAX + 1 bytes: what is longer is
 * read and dropped. *ret_len is then greater than LINE_BYTES_MAX. False at the end of the input.
 */
static bool read_line(char **line, size_t *room, size_t *ret_len) {
    size_t len = 0;
    int c;

    while ((c = getchar_unlocked()) != EOF && c != '\n') {
        if (len == *room && *room <= LINE_BYTES_MAX) {
            size_t more = *room * 2 + 4096;
            char *grown;

            more = more <= LINE_BYTES_MAX ? more : LINE_BYTES_MAX + 1;
            grown = realloc(*line, more);
            if (grown == NULL) {
                fail("out of memory");
                exit(EXIT_MISTAKE);
            }
            *line = grown;
            *room = more;
        }
        if (len < *room) {
            (*line)[len++] = (char)c;
        }
    }
    *ret_len = len;
    return c != EOF || len > 0;
}

static bool check_input(const struct schema *schema) {
    char *line = NULL;
    size_t room = 0;
    size_t len;
    bool is_good = true;

    while (is_good && read_line(&line, &room, &len)) {
        is_good = check_line(schema, line != NULL ? line : "", len);
    }
    free(line);
    return is_good && (!ferror(stdin) || fail("the input cannot be read"));
}

static void usage_error(const char *word) {
    fprintf(stderr, "schema-check: %s: not expected; see schema-check --help\n", word);
}

/* The schema's file; NULL: there is nothing to do but to exit with *ret_status. */
static const char *parse_arguments(int argc, char **argv, struct schema_options *ret_options,
                                   int *ret_status) {
    static const struct option options[] = {
        { "format", no_argument, NULL, 'f' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    *ret_status = EXIT_MISTAKE;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        const char letter[] = { '-', (char)optopt, '\0' };

        if (option == 'h') {
            fputs(usage, stdout);
            *ret_status = tool_flush("schema-check") ? EXIT_SUCCESS : EXIT_MISTAKE;
            return NULL;
        }
        if (option != 'f') {
            usage_error(strncmp(argv[optind - 1], "--", 2) == 0 ? argv[optind - 1] : letter);
            return NULL;
        }
        ret_options->asserts_formats = true;
    }
    if (argc - optind == 1) {
        return argv[optind];
    }
    if (argc == optind) {
        fputs(usage, stderr);
    } else {
        usage_error(argv[optind + 1]);
    }
    return NULL;
}

int main(int argc, char **argv) {
    struct schema_options options = { .asserts_formats = false };
    struct schema_file *schema;
    int status;
    const char *file = parse_arguments(argc, argv, &options, &status);
    bool is_good;

    if (file == NULL) {
        return status;
    }
    schema = schema_file_load(file, &options, print_problem, NULL);
    if (schema == NULL) {
        return EXIT_MISTAKE;
    }
    is_good = check_input(schema_file_root(schema));
    schema_file_free(schema);
    return is_good ? EXIT_SUCCESS : EXIT_MISTAKE;
}
