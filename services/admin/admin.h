/*
 * prodorder-admin: what an operator asks of a running system, from wherever its addresses are known
 * (the variables of the services: RABBITMQ_URL …). A command prints what it found to standard
 * output, what is wrong to standard error, one thread, blocking.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include <stdbool.h>

enum {
    ADMIN_GOOD = 0,
    ADMIN_BAD = 1,  /* what was asked for is not so, or could not be done */
    ADMIN_USAGE = 2 /* the question was wrong */
};

/* `argv[0]` is the command's name. They return an exit status. */
int admin_audit(int argc, char **argv);
int admin_dlq(int argc, char **argv);
int admin_order(int argc, char **argv);

/*
 * The value of a variable, or the first line of the file that NAME_FILE names; NULL: said that it
 * is missing.
 */
const char *admin_variable(const char *name);

/* A line on standard error; the same twice in a row is one. */
void admin_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "": there was none. */
const char *admin_last_complaint(void);

#endif
