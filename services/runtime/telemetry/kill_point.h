/*
 * Named points at which a test stops the process, to kill something just there (t/fault/). They are
 * there in a build of ./configure.sh --kill-points only; in any other the macro is nothing.
 */
#ifndef RUNTIME_KILL_POINT_H
#define RUNTIME_KILL_POINT_H

#include <stdint.h>

enum { KILL_POINT_NAME_BYTES = 60 };

/*
 * What the file that KILL_POINT_FILE names in the environment holds, mapped by the process and
 * written by the test while it runs: the name first, then how many times the point is still to be
 * passed, the last of which stops. 0: armed for nothing.
 */
struct kill_point_armed {
    char name[KILL_POINT_NAME_BYTES]; /* "WHERE/WHAT", ends with '\0' */
    _Atomic uint32_t left;
};

#ifdef PRODORDER_KILL_POINTS
#define KILL_POINT(where, what) kill_point_reach(where, what)
#else
#define KILL_POINT(where, what) ((void)0)
#endif

/* SIGSTOP, with all threads, if this is the point that is armed and the last time. Any thread. */
void kill_point_reach(const char *where, const char *what);

#endif
