/*
 * schema-check: which JSON values does a JSON Schema accept?
 *
 * One instance per line of standard input, one JSON line for each on standard output, written at
 * once, so that another program can ask and wait for the answer.
 */
#include "openapi/schema_document.h"

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

/* The texts are valid UTF-8: only quotes, backslashes and control characters need an escape. */
static void print_text(struct oa_str text) {
    putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void print_verdict(bool is_valid, const struct oa_report *report) {
    printf("{\"valid\":%s,\"errors\":[", is_valid ? "true" : "false");
    for (const struct oa_error *error = report->first; error != NULL; error = error->next) {
        printf("%s{\"path\":", error == report->first ? "" : ",");
        print_text(error->path);
        printf(",\"keyword\":");
        print_text(error->keyword);
        printf(",\"message\":");
        print_text(error->message);
        putchar('}');
    }
    printf("]}\n");
}

static bool fail(const char *what) {
    fprintf(stderr, "schema-check: %s\n", what);
    return false;
}

static bool check_line(const struct oa_schema *schema, const char *line, size_t len) {
    const struct oa_place root = { .key = { "", 0 } };
    struct oa_schema_limits limits = oa_schema_limits_default;
    _Alignas(8) char memory[4096];
    struct oa_scratch scratch;
    struct oa_report report;
    bool is_valid = false;

    limits.json.values_max = VALUES_MAX;
    oa_scratch_init(&scratch, memory, sizeof(memory), REPORT_BYTES_MAX);
    oa_report_init(&report, &scratch.arena, ERRORS_MAX);
    if (len > LINE_BYTES_MAX) {
        oa_report_add(&report, &root, "json", "the line is longer than %d bytes", LINE_BYTES_MAX);
    } else {
        is_valid = oa_schema_check_text(schema, line, len, &limits, &report);
    }
    if (!report.out_of_memory) {
        print_verdict(is_valid, &report);
    }
    oa_scratch_done(&scratch);
    if (report.out_of_memory) {
        return fail("out of memory");
    }
    return fflush(stdout) == 0 || fail("the answer cannot be written");
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

static bool check_input(const struct oa_schema *schema) {
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

int main(int argc, char **argv) {
    struct oa_schema_options options = { .asserts_formats = false };
    struct oa_schema_document *document;
    const char *file = NULL;
    bool is_good;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[i], "--format") == 0) {
            options.asserts_formats = true;
        } else if (argv[i][0] == '-' || file != NULL) {
            fprintf(stderr, "schema-check: %s: not expected; see schema-check --help\n", argv[i]);
            return EXIT_MISTAKE;
        } else {
            file = argv[i];
        }
    }
    if (file == NULL) {
        fputs(usage, stderr);
        return EXIT_MISTAKE;
    }
    document = oa_schema_document_load(file, &options, print_problem, NULL);
    if (document == NULL) {
        return EXIT_MISTAKE;
    }
    is_good = check_input(oa_schema_document_root(document));
    oa_schema_document_free(document);
    return is_good ? EXIT_SUCCESS : EXIT_MISTAKE;
}
