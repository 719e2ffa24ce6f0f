/* Loading a text of JSON: its mistakes, references, nearly right names, a table of names. */
#include "loader.h"
#include "base/ascii.h"
#include "base/percent.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A document's tables take several times its text. */
enum { ARENA_BYTES_MAX = 256 * 1024 * 1024 };

/* ---- mistakes ---- */

/* What each part of a line may take, so that none hides the others. */
enum { NAME_BYTES_MAX = 300, POINTER_BYTES_MAX = 300, REASON_BYTES_MAX = 390 };

_Static_assert(NAME_BYTES_MAX + POINTER_BYTES_MAX + REASON_BYTES_MAX + 8 <=
                   LOADER_PROBLEM_BYTES_MAX,
               "a line holds its parts");

struct loader_problem {
    struct loader_problem *next;
    struct str line;
};

/* Whether this line was reported before. There are at most LOADER_PROBLEMS_MAX of them. */
static bool is_known(const struct loader *loader, struct str line) {
    for (const struct loader_problem *p = loader->problems; p != NULL; p = p->next) {
        if (str_equal(p->line, line)) {
            return true;
        }
    }
    return false;
}

static void remember(struct loader *loader, struct str line) {
    struct loader_problem *problem = arena_alloc(loader->arena, sizeof(*problem) + line.len);
    char *text;

    if (problem == NULL) {
        return; /* it may be reported twice: better than not at all */
    }
    text = (char *)(problem + 1);
    memcpy(text, line.data, line.len);
    *problem = (struct loader_problem){ .next = loader->problems, .line = { text, line.len } };
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

static void report(struct loader *loader, char *line) {
    struct str text = { line, strlen(line) };
    char more[LOADER_PROBLEM_BYTES_MAX];

    hide_controls(line, text.len);
    if (loader->problem_count > LOADER_PROBLEMS_MAX || is_known(loader, text)) {
        return;
    }
    if (loader->problem_count++ < LOADER_PROBLEMS_MAX) {
        remember(loader, text);
        loader->problem(loader->user, line);
        return;
    }
    snprintf(more, sizeof(more), "%.*s: there are more mistakes; these are the first %d",
             NAME_BYTES_MAX, loader->name, LOADER_PROBLEMS_MAX);
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

/* The line without a pointer when `place` is NULL. */
static bool fail(struct loader *loader, const struct place *place, const char *format,
                 va_list args) {
    char line[LOADER_PROBLEM_BYTES_MAX];
    char pointer[POINTER_BYTES_MAX] = "";
    char reason[REASON_BYTES_MAX];
    const char *dots;
    const char *name = short_name(loader->name, &dots);
    size_t len = place != NULL ? report_place(place, pointer, sizeof(pointer)) : 0;

    hide_controls(pointer, len);
    if (len >= sizeof(pointer) - 4) {
        mark_cut(pointer, sizeof(pointer), (int)sizeof(pointer));
    } else {
        pointer[len] = '\0';
    }
    mark_cut(reason, sizeof(reason), vsnprintf(reason, sizeof(reason), format, args));
    snprintf(line, sizeof(line), "%s%s: %s%s%s%s", dots, name, place != NULL ? "#" : "", pointer,
             place != NULL ? ": " : "", reason);
    report(loader, line);
    return false;
}

bool loader_fail(struct loader *loader, const struct place *place, const char *format, ...) {
    va_list args;

    va_start(args, format);
    fail(loader, place, format, args);
    va_end(args);
    return false;
}

bool loader_fail_at(struct loader *loader, const struct place *place, const char *name,
                    const char *format, ...) {
    const struct place at = place_text(place, name);
    va_list args;

    va_start(args, format);
    fail(loader, &at, format, args);
    va_end(args);
    return false;
}

/* ---- "did you mean" ---- */

/* Longer names are not compared: nobody mistypes that much. */
enum { NEAREST_BYTES_MAX = 40 };

static bool same_letter(char a, char b) {
    return ascii_to_lower(a) == ascii_to_lower(b);
}

static unsigned min3(unsigned a, unsigned b, unsigned c) {
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

/*
 * Letters to add, drop, change or swap with their neighbour; small and capital ones are the same.
 */
static unsigned distance(struct str a, struct str b) {
    unsigned rows[3][NEAREST_BYTES_MAX + 1]; /* the row before the last, the last, this one */
    unsigned *before = rows[0];
    unsigned *last = rows[1];
    unsigned *now = rows[2];

    for (unsigned j = 0; j <= b.len; j++) {
        last[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *spare = before;

        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned change = same_letter(a.data[i - 1], b.data[j - 1]) ? 0 : 1;

            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + change);
            if (i > 1 && j > 1 && same_letter(a.data[i - 1], b.data[j - 2]) &&
                same_letter(a.data[i - 2], b.data[j - 1]) && before[j - 2] + 1 < now[j]) {
                now[j] = before[j - 2] + 1;
            }
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[b.len];
}

void loader_offer(struct loader_nearest *nearest, const char *known) {
    struct str candidate = str_of(known);
    size_t shorter = nearest->name.len < candidate.len ? nearest->name.len : candidate.len;
    unsigned d;

    if (shorter < 2 || nearest->name.len > NEAREST_BYTES_MAX || candidate.len > NEAREST_BYTES_MAX) {
        return;
    }
    d = distance(nearest->name, candidate);
    if (d <= 1 + (shorter - 1) / 4 && (nearest->known == NULL || d < nearest->distance)) {
        nearest->known = known;
        nearest->distance = d;
    }
}

bool loader_fail_nearest(struct loader *loader, const struct place *place, const char *what,
                         const struct loader_nearest *nearest) {
    const char *known = nearest->known;

    return loader_fail(loader, place, "\"%.*s\" is not a member of %s%s%s%s", SHOWN(nearest->name),
                       what, known != NULL ? "; did you mean \"" : "", known != NULL ? known : "",
                       known != NULL ? "\"?" : "");
}

/* ---- the text, and memory ---- */

bool loader_open(struct loader *loader, const char *name, loader_problem_fn *problem, void *user) {
    *loader = (struct loader){
        .arena = arena_open(ARENA_BYTES_MAX), .name = name, .problem = problem, .user = user
    };
    if (loader->arena == NULL) {
        loader_fail(loader, NULL, "out of memory");
    }
    return loader->arena != NULL;
}

/* The text, in memory for the longest one; NULL with `reason` set, which has room for 200 bytes. */
static char *read_stream(FILE *stream, size_t *ret_len, char *reason) {
    char *text = malloc(LOADER_BYTES_MAX + 1);
    size_t len;

    if (text == NULL) {
        snprintf(reason, 200, "out of memory");
        return NULL;
    }
    len = fread(text, 1, LOADER_BYTES_MAX + 1, stream);
    if (ferror(stream)) {
        snprintf(reason, 200, "cannot be read: %s", strerror(errno));
    } else if (len > LOADER_BYTES_MAX) {
        snprintf(reason, 200, "larger than %d bytes", LOADER_BYTES_MAX);
    } else {
        *ret_len = len;
        return text;
    }
    free(text);
    return NULL;
}

char *loader_read(const char *file, size_t *ret_len, loader_problem_fn *problem, void *user) {
    char line[LOADER_PROBLEM_BYTES_MAX];
    char reason[200];
    FILE *stream = fopen(file, "rb");
    char *text = NULL;
    char *kept;

    if (stream == NULL) {
        snprintf(reason, sizeof(reason), "cannot be opened: %s", strerror(errno));
    } else {
        text = read_stream(stream, ret_len, reason);
        fclose(stream);
    }
    if (text == NULL) {
        snprintf(line, sizeof(line), "%s: %s", file, reason);
        problem(user, line);
        return NULL;
    }
    kept = realloc(text, *ret_len + 1);
    return kept != NULL ? kept : text;
}

bool loader_parse(struct loader *loader, const char *text, size_t len, const char *hint) {
    struct json_scan_error error;

    loader->root = value_parse(loader->arena, text, len, JSON_SCAN_DEPTH_MAX, &error);
    return loader->root != NULL || loader_fail(loader, NULL, "line %zu, column %zu: %s%s",
                                               error.line, error.column, error.reason, hint);
}

void *loader_alloc(struct loader *loader, size_t count, size_t size) {
    void *memory = arena_array(loader->arena, count, size);

    if (memory == NULL) {
        loader_fail(loader, &report_root, "out of memory");
    }
    return memory;
}

const struct place *loader_keep(struct loader *loader, struct place place) {
    struct place *kept = loader_alloc(loader, 1, sizeof(*kept));

    if (kept != NULL) {
        *kept = place;
    }
    return kept;
}

/* ---- references ---- */

/* References from one to the next; a longer chain is taken for an endless one. */
enum { FOLLOW_MAX = 16 };

struct str loader_fragment(struct loader *loader, struct str fragment, const struct place *place,
                           bool *ret_malformed) {
    char *out = arena_alloc(loader->arena, fragment.len + 1);
    size_t len = 0;

    *ret_malformed = out != NULL && !percent_decode(fragment, out, &len);
    if (out == NULL) {
        loader_fail(loader, place, "out of memory");
    }
    return *ret_malformed ? (struct str){ NULL, 0 } : (struct str){ out, len };
}

struct str loader_token(struct str *pointer) {
    char *s = (char *)pointer->data + 1;
    const char *end = pointer->data + pointer->len;
    char *out = s;
    struct str token = { s, 0 };

    for (; s < end && *s != '/'; s++) {
        char c = *s;

        if (c == '~' && s + 1 < end && (s[1] == '0' || s[1] == '1')) {
            c = *++s == '0' ? '~' : '/';
        }
        *out++ = c;
    }
    token.len = (size_t)(out - token.data);
    *pointer = (struct str){ s, (size_t)(end - s) };
    return token;
}

const struct value *loader_step(const struct value *node, struct str token) {
    size_t index = 0;

    if (node->type != VALUE_ARRAY) {
        return value_member(node, token);
    }
    if (token.len == 0 || token.len > 9 || (token.data[0] == '0' && token.len > 1)) {
        return NULL;
    }
    for (size_t i = 0; i < token.len; i++) {
        if (!ascii_is_digit(token.data[i])) {
            return NULL;
        }
        index = index * 10 + (size_t)(token.data[i] - '0');
    }
    node = node->child;
    while (node != NULL && index-- > 0) {
        node = node->next;
    }
    return node;
}

const struct value *loader_resolve(struct loader *loader, const struct value *reference,
                                   const struct place *place, struct str *ret_pointer) {
    const struct value *node = loader->root;
    struct str text = reference->text;
    struct str pointer;
    bool is_malformed;

    if (reference->type != VALUE_STRING || text.len == 0 || text.data[0] != '#' ||
        (text.len > 1 && text.data[1] != '/')) {
        loader_fail(loader, place, "only references within the document (\"#/...\") are supported");
        return NULL;
    }
    *ret_pointer = (struct str){ text.data + 1, text.len - 1 };
    pointer = loader_fragment(loader, *ret_pointer, place, &is_malformed);
    if (pointer.data == NULL) {
        node = NULL;
    }
    while (node != NULL && pointer.len > 0) {
        node = loader_step(node, loader_token(&pointer));
    }
    if (is_malformed) {
        loader_fail(loader, place, "the reference \"%.*s\" is not correctly percent-encoded",
                    SHOWN(text));
    } else if (node == NULL && pointer.data != NULL) {
        loader_fail(loader, place, "the reference \"%.*s\" leads nowhere", SHOWN(text));
    }
    return node;
}

bool loader_follow(struct loader *loader, const struct value **node, const struct place **place,
                   struct place *storage) {
    for (unsigned i = 0; i < FOLLOW_MAX; i++) {
        const struct value *reference = value_get(*node, "$ref");
        struct str pointer;

        if (reference == NULL) {
            return true;
        }
        *node = loader_resolve(loader, reference, *place, &pointer);
        if (*node == NULL) {
            return false;
        }
        *storage = (struct place){ .key = pointer };
        *place = storage;
    }
    return loader_fail(loader, *place, "references lead from one to the next without end");
}

/* ---- names ---- */

#define FNV_PRIME UINT64_C(0x100000001b3)

/* FNV-1a; a document's author gains nothing from names that collide. */
static uint64_t hash(const void *scope, struct str name) {
    uint64_t h = (UINT64_C(0xcbf29ce484222325) ^ ((uint64_t)(uintptr_t)scope >> 3)) * FNV_PRIME;

    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.data[i]) * FNV_PRIME;
    }
    return h ^ h >> 29;
}

/* Where the name is, or would be. */
static struct loader_name *find_slot(struct loader_name *slots, size_t count, const void *scope,
                                     struct str name) {
    size_t i = (size_t)hash(scope, name) & (count - 1);

    while (slots[i].name.data != NULL &&
           (slots[i].scope != scope || !str_equal(slots[i].name, name))) {
        i = (i + 1) & (count - 1);
    }
    return &slots[i];
}

void *loader_names_find(const struct loader_names *names, const void *scope, struct str name) {
    return names->slot_count == 0 ? NULL
                                  : find_slot(names->slots, names->slot_count, scope, name)->value;
}

/* At most half of the slots are taken. */
static bool grow(struct loader *loader, struct loader_names *names) {
    size_t count = names->slot_count == 0 ? 64 : names->slot_count * 2;
    struct loader_name *slots;

    if (names->count * 2 < names->slot_count) {
        return true;
    }
    slots = loader_alloc(loader, count, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < names->slot_count; i++) {
        const struct loader_name *old = &names->slots[i];

        if (old->name.data != NULL) {
            *find_slot(slots, count, old->scope, old->name) = *old;
        }
    }
    names->slots = slots;
    names->slot_count = count;
    return true;
}

bool loader_names_set(struct loader *loader, struct loader_names *names, const void *scope,
                      struct str name, void *value) {
    struct loader_name *slot;

    if (!grow(loader, names)) {
        return false;
    }
    slot = find_slot(names->slots, names->slot_count, scope, name);
    names->count += slot->name.data == NULL;
    *slot = (struct loader_name){ .scope = scope, .name = name, .value = value };
    return true;
}
