/*
 * What a check of the books found: how much it looked at, how many break its promise, and by which
 * names they are known. No memory of its own.
 */
#ifndef ADMIN_FINDINGS_H
#define ADMIN_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FINDINGS_NAMES_MAX = 1000, /* kept, to be looked at again; further ones are only counted */
    FINDINGS_NAME_BYTES = 96,  /* longer ones are cut */
};

/* Of one promise; zeroed before its check. */
struct finding {
    int64_t looked; /* at so many things */
    int64_t broken; /* so many of them break it: at least name_count */
    size_t name_count;
    char names[FINDINGS_NAMES_MAX]
              [FINDINGS_NAME_BYTES]; /* an id, a key, a queue; in the order in which they came */
};

void findings_add(struct finding *finding, const char *name);
void findings_add_id(struct finding *finding, int64_t id);

/*
 * What is in `finding` but was not in `before`, an earlier look at the same, goes: it was under
 * way. What neither could name stays.
 */
void findings_keep(struct finding *finding, const struct finding *before);

#endif
