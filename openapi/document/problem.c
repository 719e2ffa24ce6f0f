/* Mistakes of a document: one line each, each once. */
#include "base/utf8.h"
#include "openapi/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What each part of a line may take, so that none hides the others. */
enum { NAME_BYTES_MAX = 300, POINTER_BYTES_MAX = 300, REASON_BYTES_MAX = 390 };

_Static_assert(NAME_BYTES_MAX + POINTER_BYTES_MAX + REASON_BYTES_MAX + 8 <= OA_PROBLEM_BYTES_MAX,
               "a line holds its parts");

struct oa_problem {
    struct oa_problem *next;
    struct str line;
};

/* Whether this line was reported before. There are at most OA_PROBLEMS_MAX of them. */
static bool is_known(const struct oa_loader *loader, struct str line) {
    for (const struct oa_problem *p = loader->problems; p != NULL; p = p->next) {
        if (str_equal(p->line, line)) {
            return true;
        }
    }
    return false;
}

static void remember(struct oa_loader *loader, struct str line) {
    struct oa_problem *problem = arena_alloc(loader->doc->arena, sizeof(*problem) + line.len);
    char *text;

    if (problem == NULL) {
        return; /* it may be reported twice: better than not at all */
    }
    text = (char *)(problem + 1);
    memcpy(text, line.data, line.len);
    *problem = (struct oa_problem){ .next = loader->problems, .line = { text, line.len } };
    loader->problems = problem;
}

/* A name may hold any character, a line may not: not even a zero byte. */
static void hide_controls(char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == '\x7f') {
            text[i] = '?';
        }
    }
}

static void report(struct oa_loader *loader, char *line) {
    struct str text = { line, strlen(line) };
    char more[OA_PROBLEM_BYTES_MAX];

    hide_controls(line, text.len);
    if (loader->problem_count > OA_PROBLEMS_MAX || is_known(loader, text)) {
        return;
    }
    if (loader->problem_count++ < OA_PROBLEMS_MAX) {
        remember(loader, text);
        loader->problem(loader->user, line);
        return;
    }
    snprintf(more, sizeof(more), "%.*s: there are more mistakes; these are the first %d",
             NAME_BYTES_MAX, loader->name, OA_PROBLEMS_MAX);
    loader->problem(loader->user, more);
}

/* End `text` with "..." when it was longer than its buffer; not within a UTF-8 sequence. */
static void mark_cut(char *text, size_t bytes, int len) {
    if (len >= 0 && (size_t)len >= bytes) {
        memcpy(text + utf8_cut(text, bytes - 1, bytes - 4), "...", 4);
    }
}

/* A long path is known by its end. */
static const char *short_name(const char *name, const char **ret_dots) {
    size_t len = strlen(name);

    *ret_dots = "";
    if (len > NAME_BYTES_MAX - 3) {
        *ret_dots = "...";
        name += len - (NAME_BYTES_MAX - 3);
        while (utf8_continues(*name)) {
            name++;
        }
    }
    return name;
}

bool loader_fail(struct oa_loader *loader, const struct oa_place *place, const char *format, ...) {
    char line[OA_PROBLEM_BYTES_MAX];
    char pointer[POINTER_BYTES_MAX];
    char reason[REASON_BYTES_MAX];
    const char *dots;
    const char *name = short_name(loader->name, &dots);
    size_t len = oa_place_write(place, pointer, sizeof(pointer));
    va_list args;

    hide_controls(pointer, len);
    if (len >= sizeof(pointer) - 4) {
        mark_cut(pointer, sizeof(pointer), (int)sizeof(pointer));
    } else {
        pointer[len] = '\0';
    }
    va_start(args, format);
    mark_cut(reason, sizeof(reason), vsnprintf(reason, sizeof(reason), format, args));
    va_end(args);
    snprintf(line, sizeof(line), "%s%s: #%s: %s", dots, name, pointer, reason);
    report(loader, line);
    return false;
}

bool loader_fail_text(struct oa_loader *loader, const char *format, ...) {
    char line[OA_PROBLEM_BYTES_MAX];
    char reason[REASON_BYTES_MAX];
    const char *dots;
    const char *name = short_name(loader->name, &dots);
    va_list args;

    va_start(args, format);
    mark_cut(reason, sizeof(reason), vsnprintf(reason, sizeof(reason), format, args));
    va_end(args);
    snprintf(line, sizeof(line), "%s%s: %s", dots, name, reason);
    report(loader, line);
    return false;
}
