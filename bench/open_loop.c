/*
 * POST /orders at a constant rate, for products 1 to 5 in turn; one line of JSON with what it took.
 *
 * Each request is due at its time, whatever became of those before it (open loop), and its latency
 * counts from then, not from when it could be sent: a system that stands still for a second has a
 * second of late answers, which a client that waits for the answer before it goes on would not
 * see. A free connection is taken, the last used first; when none is free, one more is opened, up
 * to CONNECTIONS_MAX; beyond, requests wait here, and that time counts, too.
 *
 * An answer is right when it is 201 and has the id of an order.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 512,
    ANSWER_BYTES_MAX = 8192,
    PRODUCTS = 5,
    INTERVALS_MAX = 1440,
    EVENTS_MAX = 64,
    PRIORITY = -10,
    STATUS = 201,
    RATE_MAX = 1000000,
    SECONDS_MAX = 86400,
};
static const uint64_t SECOND_NS = 1000000000;
static const uint64_t REQUEST_NS_MAX = 10 * SECOND_NS; /* without an answer it has failed */
static const uint64_t IDLE_NS_MAX = 30 * SECOND_NS;    /* sooner than the gateway closes it */
static const uint64_t LOOK_NS = SECOND_NS / 10;        /* how often both are looked for */

/* ---- a histogram: 64 steps for each power of two: a value is at most 1.6 % too high ---- */

enum {
    STEP_BITS = 6,
    STEPS = 1 << STEP_BITS,
    VALUE_BITS = 31,
    BUCKETS = STEPS * (VALUE_BITS + 1 - STEP_BITS)
};

struct histogram {
    uint64_t count, max_us;
    uint32_t buckets[BUCKETS];
};

static void histogram_add(struct histogram *histogram, uint64_t ns) {
    uint64_t most = (UINT64_C(1) << VALUE_BITS) - 1, us = ns / 1000 < most ? ns / 1000 : most;
    int shift = us < 2 * STEPS ? 0 : 63 - __builtin_clzll(us) - STEP_BITS;
    histogram->buckets[(uint64_t)shift * STEPS + (us >> shift)]++;
    histogram->count++;
    histogram->max_us = us > histogram->max_us ? us : histogram->max_us;
}

/* The highest value of the bucket in which that share (0 to 1) ends, in milliseconds. */
static double histogram_ms(const struct histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.999999), seen = 0;
    for (uint64_t i = 0; i < BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0) {
            uint64_t shift = i < 2 * STEPS ? 0 : i / STEPS - 1;
            uint64_t us = ((i - shift * STEPS + 1) << shift) - 1;
            return (double)(us < histogram->max_us ? us : histogram->max_us) / 1000;
        }
    }
    return 0;
}

/* ---- state: one thread, so it lies here ---- */

struct connection {
    int fd;    /* -1: closed */
    bool busy; /* an answer is awaited, for the request that was due at due_ns */
    uint64_t due_ns, used_ns;
    size_t length; /* of what has come of the answer */
    char answer[ANSWER_BYTES_MAX + 1];
};

struct interval {
    uint64_t errors;
    struct histogram latency;
};

static struct connection connections[CONNECTIONS_MAX];
static int idle[CONNECTIONS_MAX], idle_count; /* a stack of indexes */
static struct interval total, intervals[INTERVALS_MAX];
static struct histogram late;
static struct sockaddr_in address;
static char requests[PRODUCTS][1024];
static int poll_fd;
static uint64_t begin_ns, next, ended, requests_total, rate, seconds = 10, interval_s = 60;
static uint64_t id_min = UINT64_MAX, id_max;
static char first_error[256];

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static uint64_t due_ns(uint64_t n) {
    return begin_ns + n / rate * SECOND_NS + n % rate * SECOND_NS / rate;
}

/* The request that was due then is over: error is NULL, or why it counts as failed. */
static void end_request(uint64_t due, const char *error, bool timed) {
    struct interval *interval = &intervals[(due - begin_ns) / SECOND_NS / interval_s];
    uint64_t ns = now_ns() - due;
    ended++;
    if (error != NULL) {
        interval->errors++;
        total.errors++;
        if (first_error[0] == '\0') {
            snprintf(first_error, sizeof(first_error), "%s", error);
        }
    }
    if (error == NULL || timed) {
        histogram_add(&interval->latency, ns);
        histogram_add(&total.latency, ns);
    }
}

/* ---- connections ---- */

static void close_connection(struct connection *connection, const char *error, bool timed) {
    close(connection->fd);
    connection->fd = -1;
    if (connection->busy) {
        connection->busy = false;
        end_request(connection->due_ns, error, timed);
        return;
    }
    for (int i = 0; i < idle_count; i++) {
        if (&connections[idle[i]] == connection) {
            memmove(&idle[i], &idle[i + 1], (size_t)(--idle_count - i) * sizeof(idle[0]));
            return;
        }
    }
}

/* Loopback: a connection is made, or refused, at once. -1: refused. */
static int open_socket(void) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* The connection for the next request, or NULL; *refused says that there could have been one. */
static struct connection *take_connection(bool *refused) {
    *refused = false;
    if (idle_count > 0) {
        return &connections[idle[--idle_count]];
    }
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &connections[i];
        if (connection->fd != -1) {
            continue;
        }
        struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
        connection->fd = open_socket();
        if (connection->fd == -1) {
            *refused = true;
            return NULL;
        }
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, connection->fd, &event);
        return connection;
    }
    return NULL;
}

/* All that is due, as long as there are connections. */
static void send_due(void) {
    for (uint64_t now = now_ns(); next < requests_total && due_ns(next) <= now; next++) {
        bool refused;
        struct connection *connection = take_connection(&refused);
        uint64_t due = due_ns(next);
        if (connection == NULL && !refused) {
            return;
        }
        if (refused) {
            end_request(due, "a connection was refused", false);
            continue;
        }
        const char *request = requests[next % PRODUCTS];
        size_t length = strlen(request);
        connection->busy = true;
        connection->due_ns = due;
        connection->length = 0;
        now = connection->used_ns = now_ns();
        histogram_add(&late, now - due);
        if (write(connection->fd, request, length) != (ssize_t)length) {
            close_connection(connection, "a request could not be written", false);
        }
    }
}

/* ---- answers ---- */

/* What is wrong with a whole answer, or NULL. */
static const char *judge(const char *answer, const char *body) {
    static char text[128];
    const char *id = strstr(body, "\"id\":");
    long status = strncmp(answer, "HTTP/1.1 ", 9) == 0 ? strtol(answer + 9, NULL, 10) : 0;
    if (status != STATUS) {
        snprintf(text, sizeof(text), "status %ld instead of %d", status, STATUS);
        return text;
    }
    uint64_t number = id == NULL ? 0 : strtoull(id + strlen("\"id\":"), NULL, 10);
    id_min = number > 0 && number < id_min ? number : id_min;
    id_max = number > id_max ? number : id_max;
    return number > 0 ? NULL : "an answer without an id";
}

static void read_answer(struct connection *connection) {
    char *answer = connection->answer;
    ssize_t got =
        read(connection->fd, answer + connection->length, ANSWER_BYTES_MAX - connection->length);
    if (got <= 0 || !connection->busy) { /* epoll said that there is something */
        close_connection(connection, "a connection was closed, or its answer is too long", false);
        return;
    }
    answer[connection->length += (size_t)got] = '\0';
    char *body = strstr(answer, "\r\n\r\n");
    if (body == NULL) {
        return;
    }
    *body = '\0'; /* the head alone, for the search */
    const char *length = strcasestr(answer, "\r\nContent-Length:");
    bool closes = strcasestr(answer, "\r\nConnection: close") != NULL;
    *body = '\r';
    body += 4;
    if (length == NULL) {
        close_connection(connection, "an answer without Content-Length", false);
        return;
    }
    if (strlen(body) < strtoull(length + strlen("\r\nContent-Length:"), NULL, 10)) {
        return;
    }
    end_request(connection->due_ns, judge(answer, body), true);
    connection->busy = false;
    connection->used_ns = now_ns();
    idle[idle_count++] = (int)(connection - connections);
    if (closes) {
        close_connection(connection, NULL, false);
    }
}

static void look_for_old_ones(uint64_t now) {
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &connections[i];
        if (connection->fd == -1) {
            continue;
        }
        if (connection->busy && now - connection->due_ns > REQUEST_NS_MAX) {
            close_connection(connection, "no answer within 10 s", true);
        } else if (!connection->busy && now - connection->used_ns > IDLE_NS_MAX) {
            close_connection(connection, NULL, false);
        }
    }
}

static void run(void) {
    struct epoll_event events[EVENTS_MAX];
    uint64_t look_ns = 0;
    begin_ns = now_ns() + SECOND_NS / 100;
    while (ended < requests_total) {
        send_due();
        uint64_t now = now_ns(), wait_ns = LOOK_NS;
        if (now - look_ns > LOOK_NS) {
            look_for_old_ones(now);
            look_ns = now;
        }
        if (next < requests_total && (due_ns(next) <= now || due_ns(next) - now < wait_ns)) {
            wait_ns = due_ns(next) <= now ? 0 : due_ns(next) - now;
        }
        struct timespec wait = { .tv_nsec = (long)wait_ns };
        int count = epoll_pwait2(poll_fd, events, EVENTS_MAX, &wait, NULL);
        for (int i = 0; i < count; i++) {
            struct connection *connection = &connections[events[i].data.u32];
            if (connection->fd != -1) {
                read_answer(connection);
            }
        }
    }
}

/* ---- the command line, and what is printed ---- */

static void print_interval(const struct interval *interval) {
    const struct histogram *latency = &interval->latency;
    printf("\"answers\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"p50_ms\":%.3f,\"p95_ms\":%.3f,"
           "\"p99_ms\":%.3f,\"max_ms\":%.3f",
           latency->count, interval->errors, histogram_ms(latency, 0.5),
           histogram_ms(latency, 0.95), histogram_ms(latency, 0.99),
           (double)latency->max_us / 1000);
}

static void print_result(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    printf("{\"requests\":%" PRIu64 ",\"rate\":%" PRIu64 ",\"seconds\":%.3f,", requests_total, rate,
           (double)(now_ns() - begin_ns) / (double)SECOND_NS);
    print_interval(&total);
    printf(",\"late_p99_ms\":%.3f,\"generator_us\":%.1f,\"id_min\":%" PRIu64 ",\"id_max\":%" PRIu64
           ",\"first_error\":\"%s\",\"intervals\":[",
           histogram_ms(&late, 0.99), us / (double)requests_total, id_max == 0 ? 0 : id_min, id_max,
           first_error);
    for (uint64_t i = 0; i * interval_s < seconds; i++) {
        printf("%s{\"from_s\":%" PRIu64 ",", i > 0 ? "," : "", i * interval_s);
        print_interval(&intervals[i]);
        printf("}");
    }
    printf("]}\n");
}

static void usage(FILE *out) {
    fputs("Usage: open_loop -r RATE [-d SECONDS] [-i SECONDS] http://ADDRESS:PORT/PATH\n\n"
          "Sends RATE orders a second (-d, 10 s) to an IPv4 address, whether they are answered\n"
          "or not. The figures are also given for each interval (-i, 60 s).\n",
          out);
}

static uint64_t number(const char *text, uint64_t max) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < 1 || value > max) {
        fprintf(stderr, "open_loop: '%s' is not a whole number from 1 to %" PRIu64 "\n", text, max);
        exit(2);
    }
    return value;
}

static void read_url(const char *url) {
    char host[64], path[256];
    unsigned port;
    if (sscanf(url, "http://%63[0-9.]:%u%255s", host, &port, path) != 3 || port > UINT16_MAX ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "open_loop: '%s' is not like http://127.0.0.1:4000/orders\n", url);
        exit(2);
    }
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    for (int i = 0; i < PRODUCTS; i++) {
        char body[64];
        int length = snprintf(body, sizeof(body), "{\"productId\":%d,\"quantity\":1}", i + 1);
        snprintf(requests[i], sizeof(requests[i]),
                 "POST %s HTTP/1.1\r\nHost: %s:%u\r\nContent-Type: application/json\r\n"
                 "Content-Length: %d\r\n\r\n%s",
                 path, host, port, length, body);
    }
}

int main(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "r:d:i:h")) != -1;) {
        switch (option) {
        case 'r': rate = number(optarg, RATE_MAX); break;
        case 'd': seconds = number(optarg, SECONDS_MAX); break;
        case 'i': interval_s = number(optarg, SECONDS_MAX); break;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (rate == 0 || argc - optind != 1 || (seconds - 1) / interval_s >= INTERVALS_MAX) {
        usage(stderr);
        return 2;
    }
    read_url(argv[optind]);
    requests_total = rate * seconds;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        connections[i].fd = -1;
    }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    prctl(PR_SET_TIMERSLACK, 1UL); /* else a wait may be 50 us longer than it should */
    /* It stands for other machines, which would not wait for a processor of this one. Where that
       is not allowed, late_p99_ms says how long it waited. */
    setpriority(PRIO_PROCESS, 0, PRIORITY);
    run();
    print_result();
    return 0;
}
