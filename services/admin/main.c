/* prodorder-admin COMMAND …: finds the command, and says what there is. */
#include "admin.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} COMMANDS[] = {
    { "audit", admin_audit, "do the books balance?" },
    { "dlq", admin_dlq, "dead-lettered events: list, show, replay, purge" },
    { "order", admin_order, "what a person decides about an order" },
};

enum { COMMAND_COUNT = sizeof(COMMANDS) / sizeof(COMMANDS[0]) };

static void print_usage(FILE *to) {
    fputs("usage: prodorder-admin COMMAND [ARGUMENTS]\n\n", to);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(to, "  %-8s %s\n", COMMANDS[i].name, COMMANDS[i].what);
    }
    fputs("\nprodorder-admin COMMAND --help says more. ./prodorder COMMAND sets the variables\n"
          "for the stack that it runs; elsewhere: services/admin/.env.example has them.\n",
          to);
}

int main(int argc, char **argv) {
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_usage(stdout);
        return ADMIN_GOOD;
    }
    for (size_t i = 0; argc > 1 && i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], COMMANDS[i].name) == 0) {
            return COMMANDS[i].run(argc - 1, argv + 1);
        }
    }
    print_usage(stderr);
    return ADMIN_USAGE;
}
