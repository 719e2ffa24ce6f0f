/*
 * openapi-check: whether an OpenAPI document is good, and what the gateway would say to a request.
 */
#include "base/ascii.h"
#include "openapi/request/request.h"
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { EXIT_VALID = 0, EXIT_REFUSED = 1, EXIT_UNUSABLE = 2 };

enum {
    HEADERS_MAX = 100,
    BODY_BYTES_DEFAULT = 1024 * 1024,
    BODY_BYTES_MAX = 1024 * 1024 * 1024,
    ERRORS_MAX = 1000,
    VALUES_MAX = 10000000,
    REPORT_BYTES_MAX = 16 * 1024 * 1024
};

static const char usage[] =
    "Usage: openapi-check [OPTION]... DOCUMENT [METHOD TARGET]\n"
    "\n"
    "Without METHOD and TARGET: check the OpenAPI 3.1 document, print every mistake.\n"
    "With them: judge the request as the gateway does, and print the verdict as one line of JSON.\n"
    "TARGET is a path with an optional query, as in a request line. A body is read from standard\n"
    "input when the operation takes one and standard input is no terminal.\n"
    "\n"
    "  -H, --header 'NAME: VALUE'  a header of the request, repeatable\n"
    "                              (default: Content-Type: application/json)\n"
    "      --body-limit BYTES      prodorder_body_limit (default 1048576)\n"
    "      --max-errors N          prodorder_max_errors, 1 to 1000 (default 32)\n"
    "      --json-depth N          prodorder_json_depth, 1 to 128 (default 64)\n"
    "      --json-values N         prodorder_json_values, 1 to 10000000 (default 65536)\n"
    "      --help                  this text\n"
    "\n"
    "Exit status: 0 good or valid, 1 mistakes in the document or a request that is refused,\n"
    "2 wrong usage, a request and a document with mistakes, or what cannot be read or written.\n"
    "\n"
    "  openapi-check openapi.json\n"
    "  echo '{\"productId\":1,\"quantity\":0}' | openapi-check openapi.json POST /orders\n"
    "  openapi-check openapi.json GET '/orders/product/7?limit=5000'\n";

struct header {
    struct str name;
    struct str value;
};

struct request {
    const char *document;
    const char *method;
    const char *target;
    struct header headers[HEADERS_MAX];
    size_t header_count;
    size_t body_bytes_max;
    unsigned errors_max;
    struct json_scan_limits limits;
    struct arena *arena; /* for the report and joined headers */
};

struct verdict {
    unsigned status; /* 0: whatever the service answers */
    struct match match;
    struct report report;
    const char *reason; /* of a status that no error explains, or NULL */
};

/* ---- the command line ---- */

enum { OPTION_HELP = 256, OPTION_NUMBERS };

static bool usage_error(const char *what, const char *value) {
    fprintf(stderr, "openapi-check: %s%s%s\nTry openapi-check --help\n", what,
            value != NULL ? ": " : "", value != NULL ? value : "");
    return false;
}

/* getopt says which letter of several it did not like, but not which word. */
static bool usage_option_error(const char *word) {
    const char letter[] = { '-', (char)optopt, '\0' };

    return usage_error("this option is not known, or lacks its value",
                       strncmp(word, "--", 2) == 0 ? word : letter);
}

static bool parse_number(const char *text, unsigned long max, unsigned long *ret) {
    char *end;

    errno = 0;
    *ret = strtoul(text, &end, 10);
    return errno == 0 && ascii_is_digit(text[0]) && *end == '\0' && *ret <= max;
}

static bool add_header(struct request *request, const char *text) {
    const char *colon = strchr(text, ':');
    struct header *header = &request->headers[request->header_count];
    const char *value;

    if (colon == NULL || colon == text) {
        return usage_error("a header must be written NAME: VALUE", text);
    }
    if (request->header_count == HEADERS_MAX) {
        return usage_error("there are too many headers", NULL);
    }
    value = colon + 1 + strspn(colon + 1, " \t");
    header->name = (struct str){ text, (size_t)(colon - text) };
    header->value = str_of(value);
    request->header_count++;
    return true;
}

/* The options that stand for directives of the gateway, with their bounds. */
static const struct {
    const char *name;
    unsigned long min;
    unsigned long max;
} numbers[] = {
    { "body-limit", 1, BODY_BYTES_MAX },
    { "max-errors", 1, ERRORS_MAX },
    { "json-depth", 1, JSON_SCAN_DEPTH_MAX },
    { "json-values", 1, VALUES_MAX },
};

static bool take_number(struct request *request, size_t which) {
    unsigned long number;
    char what[80];

    if (!parse_number(optarg, numbers[which].max, &number) || number < numbers[which].min) {
        snprintf(what, sizeof(what), "--%s must be from %lu to %lu", numbers[which].name,
                 numbers[which].min, numbers[which].max);
        return usage_error(what, optarg);
    }
    switch (which) {
    case 0: request->body_bytes_max = number; break;
    case 1: request->errors_max = (unsigned)number; break;
    case 2: request->limits.depth_max = (unsigned)number; break;
    default: request->limits.values_max = (uint32_t)number; break;
    }
    return true;
}

static bool parse_arguments(int argc, char **argv, struct request *request) {
    static const struct option options[] = {
        { "header", required_argument, NULL, 'H' },
        { "help", no_argument, NULL, OPTION_HELP },
        { "body-limit", required_argument, NULL, OPTION_NUMBERS },
        { "max-errors", required_argument, NULL, OPTION_NUMBERS + 1 },
        { "json-depth", required_argument, NULL, OPTION_NUMBERS + 2 },
        { "json-values", required_argument, NULL, OPTION_NUMBERS + 3 },
        { NULL, 0, NULL, 0 },
    };
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "H:", options, NULL)) != -1) {
        bool is_good = false;

        if (option == OPTION_HELP) {
            fputs(usage, stdout);
            exit(tool_flush("openapi-check") ? EXIT_VALID : EXIT_UNUSABLE);
        } else if (option == 'H') {
            is_good = add_header(request, optarg);
        } else if (option >= OPTION_NUMBERS) {
            is_good = take_number(request, (size_t)(option - OPTION_NUMBERS));
        } else {
            usage_option_error(argv[optind - 1]);
        }
        if (!is_good) {
            return false;
        }
    }
    if (argc - optind != 1 && argc - optind != 3) {
        return usage_error("needs DOCUMENT, or DOCUMENT METHOD TARGET", NULL);
    }
    request->document = argv[optind];
    if (argc - optind == 3) {
        request->method = argv[optind + 1];
        request->target = argv[optind + 2];
        if (request->target[0] != '/') {
            return usage_error("TARGET must begin with '/'", request->target);
        }
    }
    return true;
}

/* ---- the request ---- */

/* Several fields of one name are joined by commas, as the gateway does. */
static struct str find_header(void *user, struct str name, unsigned *ret_count) {
    struct request *request = user;
    struct str found = { "", 0 };

    *ret_count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct header *header = &request->headers[i];
        char *joined;

        if (header->name.len != name.len ||
            strncasecmp(header->name.data, name.data, name.len) != 0) {
            continue;
        }
        if ((*ret_count)++ == 0) {
            found = header->value;
            continue;
        }
        joined = arena_alloc(request->arena, found.len + 1 + header->value.len);
        if (joined != NULL) {
            memcpy(joined, found.data, found.len);
            joined[found.len] = ',';
            memcpy(joined + found.len + 1, header->value.data, header->value.len);
            found = (struct str){ joined, found.len + 1 + header->value.len };
        }
    }
    return found;
}

static bool fail(const char *what, const char *why) {
    fprintf(stderr, "openapi-check: %s%s%s\n", what, why != NULL ? ": " : "",
            why != NULL ? why : "");
    return false;
}

/*
 * The body, to be freed; NULL: it was said why. *ret_len is more than body_bytes_max when it is
 * longer.
 */
static char *read_body(const struct request *request, size_t *ret_len) {
    size_t room = request->body_bytes_max + 1;
    char *body = malloc(room);

    *ret_len = 0;
    if (body == NULL) {
        fail("out of memory", NULL);
        return NULL;
    }
    if (!isatty(STDIN_FILENO)) {
        *ret_len = fread(body, 1, room, stdin);
    }
    if (ferror(stdin)) {
        fail("the body cannot be read", strerror(errno));
        free(body);
        return NULL;
    }
    return body;
}

static bool is_encoded(struct request *request) {
    unsigned count;
    struct str encoding = find_header(request, STR("Content-Encoding"), &count);

    return count > 0 && !(encoding.len == 8 && strncasecmp(encoding.data, "identity", 8) == 0);
}

/* false: there is no verdict, and it was said why. */
static bool judge_body(struct request *request, struct verdict *verdict) {
    const struct operation *operation = verdict->match.operation;
    unsigned count;
    struct str type = find_header(request, STR("Content-Type"), &count);
    size_t len;
    char *body = read_body(request, &len);

    if (body == NULL) {
        return false;
    }
    if (count == 0) {
        type = STR("application/json");
    }
    if (len > request->body_bytes_max) {
        verdict->status = 413;
        verdict->reason = "the body is longer than the limit";
    } else if (len == 0) {
        if (operation->body_required) {
            report_add(&verdict->report, &report_root, "required", "a request body is required");
        }
    } else if (is_encoded(request)) {
        verdict->status = 415;
        verdict->reason = "the body has a Content-Encoding, which is not supported";
    } else if (!request_takes_media(operation, type)) {
        verdict->status = 415;
        verdict->reason = "the operation takes no body of this Content-Type";
    } else {
        request_body(operation, type, body, len, &request->limits, &verdict->report);
    }
    free(body);
    return !verdict->report.out_of_memory || fail("out of memory", NULL);
}

/* As the gateway does it; false: there is no verdict, and it was said why. */
static bool judge(struct request *request, const struct document *doc, struct verdict *verdict) {
    const char *question = strchr(request->target, '?');
    size_t path_len =
        question != NULL ? (size_t)(question - request->target) : strlen(request->target);
    struct str query = str_of(question != NULL ? question + 1 : "");

    request_match(doc, str_of(request->method), (struct str){ request->target, path_len },
                  &verdict->match);
    report_init(&verdict->report, request->arena, request->errors_max);
    if (verdict->match.route != ROUTE_FOUND) {
        bool has_path = verdict->match.route == ROUTE_NO_METHOD;

        verdict->status = has_path ? 405 : 404;
        verdict->reason = has_path ? "the path has no such method" : "no path of the document fits";
        return true;
    }
    request_params(&verdict->match, query, find_header, request, &verdict->report);
    if (verdict->report.out_of_memory) {
        return fail("out of memory", NULL);
    }
    if (verdict->match.operation->takes_body && !judge_body(request, verdict)) {
        return false;
    }
    if (verdict->status == 413 || verdict->status == 415) {
        verdict->report.first = NULL; /* said alone, whatever the parameters are */
    } else {
        verdict->status =
            verdict->report.count > 0 ? 400 : verdict->match.operation->success_status;
    }
    return true;
}

/* ---- output ---- */

static bool print_verdict(const struct verdict *verdict) {
    bool is_valid = verdict->status < 400;

    if (verdict->status > 0) {
        printf("{\"statusCode\":%u,\"operation\":", verdict->status);
    } else {
        fputs("{\"statusCode\":null,\"operation\":", stdout);
    }
    if (verdict->match.operation != NULL) {
        tool_print_text(verdict->match.operation->id);
    } else {
        fputs("null", stdout);
    }
    printf(",\"valid\":%s,\"errors\":", is_valid ? "true" : "false");
    tool_print_errors(&verdict->report);
    if (verdict->reason != NULL) {
        printf(",\"message\":\"%s\"", verdict->reason);
    }
    if (verdict->status == 405) {
        fputs(",\"allow\":", stdout);
        tool_print_text(verdict->match.allow);
    }
    puts("}");
    return is_valid;
}

static void print_problem(void *user, const char *line) {
    (void)user;
    fprintf(stderr, "%s\n", line);
}

static void print_summary(const struct request *request, const struct document *doc) {
    struct document_counts n = document_count(doc);

    printf("%s: %zu path%s, %zu operation%s, %zu schema%s: valid\n", request->document, n.paths,
           n.paths == 1 ? "" : "s", n.operations, n.operations == 1 ? "" : "s", n.schemas,
           n.schemas == 1 ? "" : "s");
}

static int run(struct request *request) {
    struct verdict verdict = { .status = 0 };
    struct document *doc;
    int result = EXIT_VALID;
    size_t len;
    char *text = loader_read(request->document, &len, print_problem, NULL);

    if (text == NULL) {
        return EXIT_UNUSABLE;
    }
    doc = document_parse(request->document, text, len, print_problem, NULL);
    if (doc == NULL) {
        free(text);
        return request->method != NULL ? EXIT_UNUSABLE : EXIT_REFUSED;
    }
    if (request->method == NULL) {
        print_summary(request, doc);
    } else if (!judge(request, doc, &verdict)) {
        result = EXIT_UNUSABLE;
    } else {
        result = print_verdict(&verdict) ? EXIT_VALID : EXIT_REFUSED;
    }
    document_free(doc);
    free(text);
    return result;
}

int main(int argc, char **argv) {
    static struct request request = { .body_bytes_max = BODY_BYTES_DEFAULT,
                                      .errors_max = REPORT_ERRORS_MAX_DEFAULT,
                                      .limits = { .depth_max = REQUEST_BODY_DEPTH_MAX,
                                                  .values_max = REQUEST_BODY_VALUES_MAX } };
    int result;

    if (!parse_arguments(argc, argv, &request)) {
        return EXIT_UNUSABLE;
    }
    request.arena = arena_open(REPORT_BYTES_MAX);
    if (request.arena == NULL) {
        fail("out of memory", NULL);
        return EXIT_UNUSABLE;
    }
    result = run(&request);
    arena_close(request.arena);
    return tool_flush("openapi-check") ? result : EXIT_UNUSABLE;
}
