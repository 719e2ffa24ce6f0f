/*
 * Configuration from the environment (12-factor): one table per service, read once into a struct.
 *
 *   static const struct config_option OPTIONS[] = {
 *       { "PORT", CONFIG_INT, offsetof(struct order_config, port), .required = true,
 *         .min = 1, .max = 65535, .help = "TCP port to listen on" },
 *       …
 *   };
 *
 * The table drives --help (name, type, default, bounds, unit, text) and the check that compares it
 * with .env.example and the README. A missing or malformed value is one line that names the
 * variable, what was found (never for secrets and URLs, which hold passwords) and what is expected.
 * A variable that is set to nothing counts as not set. Text must not contain control characters.
 *
 * A secret may also come from a file, as container platforms hand them out: when DB_PASSWORD is not
 * set and DB_PASSWORD_FILE is, the value is that file's content without one line feed at its end.
 */
#ifndef RUNTIME_PROCESS_CONFIG_H
#define RUNTIME_PROCESS_CONFIG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_type {
    CONFIG_STRING, /* member: const char *, points into the environment or the table */
    CONFIG_SECRET, /* like CONFIG_STRING, never printed; or from the file that NAME_FILE names */
    CONFIG_INT,    /* member: int64_t, decimal, within [min, max] */
    CONFIG_BOOL,   /* member: bool: true|false|1|0|yes|no|on|off */
    CONFIG_ENUM,   /* member: int64_t index into `choices` */
    CONFIG_URL,    /* member: const char *, must start with one of the `choices` schemes, e.g.
                      "amqp://" */
};

struct config_option {
    const char *name;
    enum config_type type;
    size_t offset;        /* of the member in the service's config struct */
    bool required;        /* no default: must be set and not empty */
    const char *fallback; /* default as text; NULL with !required: empty string / 0 / false */
    int64_t min, max; /* CONFIG_INT bounds, inclusive, min < max; CONFIG_STRING, SECRET, URL: max
                         length in bytes when max > 0 */
    const char *unit; /* "ms", "bytes", … or NULL */
    const char *const *choices; /* NULL-terminated, CONFIG_ENUM and CONFIG_URL */
    const char *help;
    const char *example; /* what .env.example says when there is no default; NULL: nothing */
};

enum { CONFIG_SECRET_FILE_BYTES_MAX = 4096 };

/*
 * Read every option into `ret_config`, which is not touched on failure (unless a secret's file
 * changes meanwhile). Reports all problems, a line each, to `errors` and returns ERR_INVALID; the
 * caller exits with 2. Nothing else is done with the environment. Start-up only.
 */
MUST_CHECK enum err config_read(const struct config_option *options, size_t count, void *ret_config,
                                FILE *errors);

/* The --help table. */
void config_print_help(const struct config_option *options, size_t count, FILE *out);
/* `NAME=default` lines with comments, as .env.example has them (used by a check). */
void config_print_env_example(const struct config_option *options, size_t count, FILE *out);

#endif
