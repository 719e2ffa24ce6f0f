/*
 * A real PostgreSQL or Redis for one test program: in a directory of its own under /tmp, on a port
 * that the kernel chose, on loopback only, gone with the test. It dies with the process that
 * started it. PostgreSQL refuses to run as root: it then runs as its package's user.
 */
#ifndef THROWAWAY_SERVER_H
#define THROWAWAY_SERVER_H

#include "base/clock.h"

#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THROWAWAY_START_MS_MAX = 60000, THROWAWAY_PATIENCE_MS = 20000 };

/* What the server's client, on the test's `loop`, comes to; the test fails when it does not. */
#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        uint64_t wait_end_ms_ = clock_monotonic_ms() + THROWAWAY_PATIENCE_MS;                      \
        while (!(condition) && clock_monotonic_ms() < wait_end_ms_) {                              \
            loop_tick(loop, 2);                                                                    \
        }                                                                                          \
        ck_assert_msg(condition, "waited in vain for " #condition);                                \
    } while (0)

/* Works outside of tests too, where libcheck's own assertions do not. */
#define THROWAWAY_MUST(condition, what)                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "throwaway server: %s\n", what);                                       \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

struct throwaway {
    pid_t pid;
    uint16_t port;
    char dir[64];
    const struct passwd *user; /* NULL: ours */
};

/* A port that is free now. */
static inline uint16_t throwaway_port(void) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    THROWAWAY_MUST(bind(fd, (struct sockaddr *)&address, length) == 0, "no port");
    THROWAWAY_MUST(getsockname(fd, (struct sockaddr *)&address, &length) == 0, "no port");
    close(fd);
    return ntohs(address.sin_port);
}

static inline void throwaway_pause(void) {
    nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

/* Run a program in the server's directory, its output in the file `log` there. */
static inline pid_t throwaway_spawn(const struct throwaway *server, const char *const *argv) {
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    const struct passwd *user = server->user;
    int out = chdir(server->dir) == 0 ? open("log", O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (user != NULL && (fchown(out, user->pw_uid, user->pw_gid) != 0 ||
                         initgroups(user->pw_name, user->pw_gid) != 0 ||
                         setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) {
        _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static inline void throwaway_make_dir(struct throwaway *server) {
    snprintf(server->dir, sizeof(server->dir), "/tmp/prodorder-unit-XXXXXX");
    THROWAWAY_MUST(mkdtemp(server->dir) != NULL, "no directory under /tmp");
    if (server->user != NULL) {
        int rc = chown(server->dir, server->user->pw_uid, server->user->pw_gid);
        THROWAWAY_MUST(rc == 0, "its directory cannot be given to its user");
    }
}

static inline int throwaway_remove(const char *path, const struct stat *status, int type,
                                   struct FTW *place) {
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

/* It takes no step more until SIGCONT. */
static inline void throwaway_freeze(const struct throwaway *server) {
    int status;
    kill(server->pid, SIGSTOP);
    THROWAWAY_MUST(waitpid(server->pid, &status, WUNTRACED) == server->pid && WIFSTOPPED(status),
                   "it cannot be stopped");
}

static inline void throwaway_kill(struct throwaway *server) {
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

static inline void throwaway_stop(struct throwaway *server) {
    throwaway_kill(server);
    if (server->dir[0] != '\0') {
        nftw(server->dir, throwaway_remove, 16, FTW_DEPTH | FTW_PHYS);
        server->dir[0] = '\0';
    }
}

/* Waits until something listens on the port. */
static inline bool throwaway_listens(const struct throwaway *server) {
    uint64_t end_ms = clock_monotonic_ms() + THROWAWAY_START_MS_MAX;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(server->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    while (clock_monotonic_ms() < end_ms && waitpid(server->pid, NULL, WNOHANG) == 0) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool up = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
        close(fd);
        if (up) {
            return true;
        }
        throwaway_pause();
    }
    return false;
}

/* ---- PostgreSQL: trusts everybody on loopback, forgets everything ---- */

/* False: its server programs are not installed. */
static inline bool throwaway_postgres_programs(char *ret_initdb, char *ret_postgres, size_t bytes) {
    char dir[200] = "";
    FILE *config = popen("pg_config --bindir 2>/dev/null", "r");
    if (config == NULL || fgets(dir, sizeof(dir), config) == NULL) {
        dir[0] = '\0';
    }
    if (config != NULL) {
        pclose(config);
    }
    dir[strcspn(dir, "\n")] = '\0';
    snprintf(ret_initdb, bytes, "%s/initdb", dir);
    snprintf(ret_postgres, bytes, "%s/postgres", dir);
    return access(ret_initdb, X_OK) == 0 && access(ret_postgres, X_OK) == 0;
}

static inline bool throwaway_postgres_start(struct throwaway *server) {
    char initdb[256], postgres[256], port[8];
    int status = -1;
    *server = (struct throwaway){ 0 };
    if (!throwaway_postgres_programs(initdb, postgres, sizeof(initdb))) {
        return false;
    }
    server->user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    throwaway_make_dir(server);
    const char *const make[] = { initdb,  "-D", "data",       "-U", "postgres", "-A",
                                 "trust", "-N", "--locale=C", "-E", "UTF8",     NULL };
    server->pid = throwaway_spawn(server, make);
    waitpid(server->pid, &status, 0);
    THROWAWAY_MUST(status == 0, "initdb failed");
    server->port = throwaway_port();
    snprintf(port, sizeof(port), "%u", server->port);
    const char *const run[] = { postgres,
                                "-D",
                                "data",
                                "-p",
                                port,
                                "-c",
                                "listen_addresses=127.0.0.1",
                                "-c",
                                "unix_socket_directories=",
                                "-c",
                                "fsync=off",
                                "-c",
                                "full_page_writes=off",
                                "-c",
                                "shared_buffers=16MB",
                                "-c",
                                "max_connections=40",
                                "-c",
                                "deadlock_timeout=20ms",
                                "-c",
                                "timezone=UTC",
                                NULL };
    server->pid = throwaway_spawn(server, run);
    THROWAWAY_MUST(throwaway_listens(server), "PostgreSQL does not start");
    return true;
}

/* What main() does when a server's programs are missing. */
static inline int throwaway_skip(const char *what) {
    printf("1..0 # SKIP %s is not installed\n", what);
    return EXIT_SUCCESS;
}

/* ---- Redis ---- */

static inline const char *throwaway_redis_program(void) {
    static const char *const PATHS[] = { "/usr/bin/redis-server", "/usr/local/bin/redis-server" };
    for (size_t i = 0; i < UNIT_COUNT(PATHS); i++) {
        if (access(PATHS[i], X_OK) == 0) {
            return PATHS[i];
        }
    }
    return NULL;
}

/* `server->port` 0: any; else that one, for a server that comes back. */
static inline void throwaway_redis_start(struct throwaway *server) {
    char port[8];
    if (server->dir[0] == '\0') {
        throwaway_make_dir(server);
    }
    if (server->port == 0) {
        server->port = throwaway_port();
    }
    snprintf(port, sizeof(port), "%u", server->port);
    const char *const run[] = { throwaway_redis_program(),
                                "--port",
                                port,
                                "--bind",
                                "127.0.0.1",
                                "--save",
                                "",
                                "--appendonly",
                                "no",
                                NULL };
    server->pid = throwaway_spawn(server, run);
    THROWAWAY_MUST(throwaway_listens(server), "Redis does not start");
}

#endif
