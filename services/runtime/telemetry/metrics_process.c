#include "metrics_process.h"

#include "base/clock.h"
#include "base/decimal.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void append(struct buf *out, const char *name, const char *type, const char *help,
                   int64_t value, unsigned scale) {
    char text[DECIMAL_TEXT_BYTES];
    decimal_format(value, scale, 0, text);
    buf_appendf(out, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, type, name, text);
}

static void append_memory(struct buf *out) {
    int64_t virtual_pages, resident_pages;
    int64_t page_bytes = sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return;
    }
    if (fscanf(file, "%" SCNd64 " %" SCNd64, &virtual_pages, &resident_pages) == 2) {
        append(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes",
               virtual_pages * page_bytes, 0);
        append(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes",
               resident_pages * page_bytes, 0);
    }
    fclose(file);
}

static void append_cpu(struct buf *out) {
    struct timespec cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
        append(out, "process_cpu_seconds_total", "counter", "User and system CPU time in seconds",
               (int64_t)cpu.tv_sec * 1000000 + cpu.tv_nsec / 1000, 6);
    }
}

static void append_fds(struct buf *out) {
    struct rlimit limit;
    DIR *fds = opendir("/proc/self/fd");
    if (fds != NULL) {
        int64_t count = -1; /* the one that lists them */
        for (const struct dirent *entry; (entry = readdir(fds)) != NULL;) {
            count += entry->d_name[0] != '.';
        }
        closedir(fds);
        append(out, "process_open_fds", "gauge", "Open file descriptors", count, 0);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        append(out, "process_max_fds", "gauge", "Limit on open file descriptors",
               (int64_t)limit.rlim_cur, 0);
    }
}

/* Milliseconds from the machine's boot to this process's start (proc(5), stat, field 22); or -1. */
static int64_t read_start_after_boot_ms(void) {
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) {
        return -1;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const char *field = strrchr(text, ')'); /* the end of field 2, which may hold anything */
    for (int i = 2; i < 22 && field != NULL; i++) {
        field = strchr(field + 1, ' ');
    }
    int64_t ticks;
    if (field == NULL || sscanf(field, " %" SCNd64, &ticks) != 1) {
        return -1;
    }
    return ticks * 1000 / sysconf(_SC_CLK_TCK);
}

static void append_start_time(struct buf *out) {
    static int64_t start_unix_ms; /* read once, so that it never seems to move */
    if (start_unix_ms == 0) {
        struct timespec up;
        int64_t after_boot_ms = read_start_after_boot_ms();
        if (after_boot_ms < 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0) {
            return;
        }
        int64_t up_ms = (int64_t)up.tv_sec * 1000 + up.tv_nsec / 1000000;
        start_unix_ms = clock_unix_ms() - up_ms + after_boot_ms;
    }
    append(out, "process_start_time_seconds", "gauge",
           "Start of the process, in seconds since 1970", start_unix_ms, 3);
}

void metrics_render_process(struct buf *out) {
    append_cpu(out);
    append_memory(out);
    append_fds(out);
    append_start_time(out);
}
