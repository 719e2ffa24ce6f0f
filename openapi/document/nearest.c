/* "Did you mean": the known name that is nearest to one that nobody knows. */
#include "base/ascii.h"
#include "openapi/loader.h"

#include <string.h>

/* Longer names are not compared: nobody mistypes that much. */
enum { NAME_BYTES_MAX = 40 };

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
    unsigned rows[3][NAME_BYTES_MAX + 1]; /* the row before the last, the last, this one */
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

void oa_nearest_offer(struct oa_nearest *nearest, const char *known) {
    struct str candidate = { known, strlen(known) };
    size_t shorter = nearest->name.len < candidate.len ? nearest->name.len : candidate.len;
    unsigned d;

    if (shorter < 2 || nearest->name.len > NAME_BYTES_MAX || candidate.len > NAME_BYTES_MAX) {
        return;
    }
    d = distance(nearest->name, candidate);
    if (d <= 1 + (shorter - 1) / 4 && (nearest->known == NULL || d < nearest->distance)) {
        nearest->known = known;
        nearest->distance = d;
    }
}

bool oa_nearest_fail(struct oa_loader *loader, const struct oa_place *place, const char *what,
                     const struct oa_nearest *nearest) {
    if (nearest->known == NULL) {
        return loader_fail(loader, place, "\"%.*s\" is not a member of %s", OA_STR(nearest->name),
                           what);
    }
    return loader_fail(loader, place, "\"%.*s\" is not a member of %s; did you mean \"%s\"?",
                       OA_STR(nearest->name), what, nearest->known);
}
