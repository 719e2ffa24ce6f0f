#include "config.h"

#include "base/arena.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { VALUE_SHOWN_BYTES_MAX = 64, FILE_NAME_BYTES_MAX = 128, SECRET_FILES_BYTES_MAX = 1 << 20 };

/* ---- what an option expects, in words ---- */

static bool is_textual(const struct config_option *option) {
    return option->type == CONFIG_STRING || option->type == CONFIG_SECRET ||
           option->type == CONFIG_URL;
}

static void print_choices(const struct config_option *option, FILE *out) {
    for (const char *const *choice = option->choices; *choice != NULL; choice++) {
        const char *joint = choice == option->choices ? "" : choice[1] == NULL ? " or " : ", ";
        fprintf(out, "%s%s", joint, *choice);
    }
}

static void print_expectation(const struct config_option *option, FILE *out) {
    switch (option->type) {
    case CONFIG_STRING: fputs("text", out); break;
    case CONFIG_SECRET: fputs("a secret", out); break;
    case CONFIG_BOOL: fputs("true or false", out); break;
    case CONFIG_ENUM: print_choices(option, out); break;
    case CONFIG_INT:
        fprintf(out, "an integer from %" PRId64 " to %" PRId64, option->min, option->max);
        break;
    case CONFIG_URL:
        fputs("a URL that starts with ", out);
        print_choices(option, out);
        break;
    }
    if (is_textual(option) && option->max > 0) {
        fprintf(out, " of at most %" PRId64 " bytes", option->max);
    }
    if (option->unit != NULL) {
        fprintf(out, ", in %s", option->unit);
    }
}

/* ---- problems ---- */

static bool may_be_shown(const struct config_option *option) {
    return option->type != CONFIG_SECRET && option->type != CONFIG_URL;
}

/* `value` on one line of plain ASCII, whatever it contains. */
static void print_value(const char *value, FILE *out) {
    size_t length = strlen(value);
    fputc('"', out);
    for (size_t i = 0; i < length && i < VALUE_SHOWN_BYTES_MAX; i++) {
        fputc(isprint((unsigned char)value[i]) ? value[i] : '?', out);
    }
    fputs(length > VALUE_SHOWN_BYTES_MAX ? "…\"" : "\"", out);
}

/* One line: the name, what is wrong, what is expected. Returns false. */
static bool report(const struct config_option *option, const char *problem, const char *value,
                   FILE *errors) {
    fprintf(errors, "%s %s", option->name, problem);
    if (value != NULL && may_be_shown(option)) {
        fputs(": it is ", errors);
        print_value(value, errors);
    }
    fputs("; expected: ", errors);
    print_expectation(option, errors);
    fprintf(errors, " (%s)\n", option->help);
    return false;
}

/* ---- values ---- */

/* A value as text becomes a value of the option's type. */
union parsed {
    const char *text;
    int64_t integer;
    bool truth;
};

static bool parse_int(const char *text, int64_t *ret_value) {
    const char *digits = text[0] == '-' ? text + 1 : text;
    char *end;
    if (!isdigit((unsigned char)digits[0])) { /* strtoll() would skip white space, take a plus */
        return false;
    }
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0') {
        return false;
    }
    *ret_value = value;
    return true;
}

static bool parse_bool(const char *text, bool *ret_value) {
    static const char *const WORDS[] = { "false", "true", "0", "1", "no", "yes", "off", "on" };
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (strcasecmp(text, WORDS[i]) == 0) {
            *ret_value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool parse_enum(const struct config_option *option, const char *text, int64_t *ret_value) {
    for (int64_t i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(text, option->choices[i]) == 0) {
            *ret_value = i;
            return true;
        }
    }
    return false;
}

static bool has_scheme(const struct config_option *option, const char *text) {
    for (const char *const *scheme = option->choices; *scheme != NULL; scheme++) {
        size_t length = strlen(*scheme);
        if (strncmp(text, *scheme, length) == 0 && text[length] != '\0') {
            return true;
        }
    }
    return false;
}

/* NULL, or what is wrong with `text` as the value of a textual option. */
static const char *check_text(const struct config_option *option, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (iscntrl((unsigned char)*c)) {
            return "contains a control character";
        }
    }
    if (option->max > 0 && strlen(text) > (size_t)option->max) {
        return "is too long";
    }
    if (option->type == CONFIG_URL && !has_scheme(option, text)) {
        return "is not such a URL";
    }
    return NULL;
}

/* NULL, or what is wrong with `text`; then *ret_value is not set. */
static const char *parse(const struct config_option *option, const char *text,
                         union parsed *ret_value) {
    const char *problem = NULL;
    union parsed value = { .integer = 0 };
    switch (option->type) {
    case CONFIG_INT:
        if (!parse_int(text, &value.integer)) {
            problem = "is not an integer";
        } else if (value.integer < option->min || value.integer > option->max) {
            problem = "is out of range";
        }
        break;
    case CONFIG_BOOL:
        problem = parse_bool(text, &value.truth) ? NULL : "is not a truth value";
        break;
    case CONFIG_ENUM:
        problem = parse_enum(option, text, &value.integer) ? NULL : "is none of the choices";
        break;
    default:
        problem = check_text(option, text);
        value.text = text;
        break;
    }
    if (problem == NULL) {
        *ret_value = value;
    }
    return problem;
}

static void store(const struct config_option *option, const union parsed *value, void *config) {
    void *member = (char *)config + option->offset;
    switch (option->type) {
    case CONFIG_INT:
    case CONFIG_ENUM: *(int64_t *)member = value->integer; break;
    case CONFIG_BOOL: *(bool *)member = value->truth; break;
    default: *(const char **)member = value->text; break;
    }
}

/* ---- where values come from ---- */

static const char *get_environment(const char *name) {
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* The content of the file, kept for the life of the process; NULL: reported. */
static const char *read_secret_file(const struct config_option *option, const char *path,
                                    FILE *errors) {
    static struct arena kept = { .bytes_max = SECRET_FILES_BYTES_MAX };
    char text[CONFIG_SECRET_FILE_BYTES_MAX + 2];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fprintf(errors, "%s_FILE: cannot open the file that it names: %s\n", option->name,
                strerror(errno));
        return NULL;
    }
    size_t length = fread(text, 1, CONFIG_SECRET_FILE_BYTES_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    if (failed || length > CONFIG_SECRET_FILE_BYTES_MAX || memchr(text, '\0', length) != NULL) {
        fprintf(errors, "%s_FILE: expected a readable text file of at most %d bytes\n",
                option->name, CONFIG_SECRET_FILE_BYTES_MAX);
        return NULL;
    }
    const char *copy = arena_copy(&kept, text, length);
    if (copy == NULL) {
        fprintf(errors, "%s_FILE: no memory for another secret\n", option->name);
    }
    return copy;
}

/* The option's text, NULL when nothing sets it. False: reported. */
static bool find_text(const struct config_option *option, const char **ret_text, FILE *errors) {
    const char *text = get_environment(option->name);
    if (option->type == CONFIG_SECRET) {
        char file_variable[FILE_NAME_BYTES_MAX];
        snprintf(file_variable, sizeof(file_variable), "%s_FILE", option->name);
        const char *path = get_environment(file_variable);
        if (path != NULL && text != NULL) {
            fprintf(errors, "%s and %s are both set; expected: one of them\n", option->name,
                    file_variable);
            return false;
        }
        if (path != NULL) {
            text = read_secret_file(option, path, errors);
            if (text == NULL) {
                return false;
            }
        }
    }
    *ret_text = text == NULL || text[0] == '\0' ? option->fallback : text;
    return true;
}

/* Check the option, and store it unless `config` is NULL. False: reported. */
static bool read_option(const struct config_option *option, void *config, FILE *errors) {
    const char *text;
    union parsed value = { .integer = 0 };
    if (!find_text(option, &text, errors)) {
        return false;
    }
    if (text == NULL && option->required) {
        return report(option, "is not set", NULL, errors);
    }
    if (text == NULL && is_textual(option)) {
        value.text = "";
    }
    const char *problem = text == NULL ? NULL : parse(option, text, &value);
    if (problem != NULL) {
        assert(text != option->fallback); /* a default that its own option refuses */
        return report(option, problem, text, errors);
    }
    if (config != NULL) {
        store(option, &value, config);
    }
    return true;
}

static void check_table(const struct config_option *options, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct config_option *option = &options[i];
        bool has_choices = option->type == CONFIG_ENUM || option->type == CONFIG_URL;
        assert(option->name != NULL && option->help != NULL);
        assert(!option->required || option->fallback == NULL);
        assert(!has_choices || (option->choices != NULL && option->choices[0] != NULL));
        assert(option->type != CONFIG_INT || option->min < option->max);
        (void)has_choices;
    }
}

enum err config_read(const struct config_option *options, size_t count, void *ret_config,
                     FILE *errors) {
    bool ok = true;
    check_table(options, count);
    for (size_t i = 0; i < count; i++) {
        ok = read_option(&options[i], NULL, errors) && ok;
    }
    for (size_t i = 0; ok && i < count; i++) {
        ok = read_option(&options[i], ret_config, errors);
    }
    return ok ? ERR_OK : ERR_INVALID;
}

/* ---- --help and .env.example ---- */

static void print_default(const struct config_option *option, FILE *out) {
    if (option->required) {
        fputs("required", out);
    } else if (option->fallback == NULL) {
        fputs("optional", out);
    } else if (option->type == CONFIG_SECRET) {
        fputs("default not shown", out);
    } else {
        fprintf(out, "default %s", option->fallback);
    }
}

void config_print_help(const struct config_option *options, size_t count, FILE *out) {
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "  %s: ", options[i].name);
        print_expectation(&options[i], out);
        fputs("; ", out);
        print_default(&options[i], out);
        fprintf(out, "\n      %s\n", options[i].help);
    }
}

void config_print_env_example(const struct config_option *options, size_t count, FILE *out) {
    for (size_t i = 0; i < count; i++) {
        const struct config_option *option = &options[i];
        bool shows_default = option->fallback != NULL && option->type != CONFIG_SECRET;
        const char *value = shows_default ? option->fallback : option->example;
        fprintf(out, "%s# %s: ", i == 0 ? "" : "\n", option->help);
        print_expectation(option, out);
        fprintf(out, "; %s\n", option->required ? "required" : "optional");
        fprintf(out, "%s=%s\n", option->name, value == NULL ? "" : value);
    }
}
