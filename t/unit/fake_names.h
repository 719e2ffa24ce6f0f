/*
 * A getaddrinfo() that knows the names of a test, at link time; others it asks the real one for.
 * Its addresses are changed from the test's thread while no lookup is under way, or is held.
 */
#ifndef FAKE_NAMES_H
#define FAKE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define FAKE_NAME "two.faces.test"

/* What FAKE_NAME resolves to, in this order, NULL at the end; none: it does not resolve. */
void fake_names_set(const char *const *addresses);
/* While held, lookups of FAKE_NAME wait. */
void fake_names_hold(bool held);
/* Lookups of FAKE_NAME so far, begun; whether the last was in the thread of the caller. */
size_t fake_names_lookups(void);
bool fake_names_were_here(void);

#endif
