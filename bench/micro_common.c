/*
 * Micro benchmark of base/ and services/runtime: nanoseconds per call of what every order pays for.
 *
 * Usage: micro_common [ROUNDS]      (prints one line per operation: the best of five runs)
 */
#include "base/clock.h"
#include "base/json_write.h"
#include "base/random.h"
#include "runtime/json/json.h"
#include "runtime/telemetry/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 5, ROUNDS_DEFAULT = 200000, LINES_PER_FLUSH = 20 };

static struct arena arena;
static struct buf out;

static void parse_order(void) {
    static const char TEXT[] = "{\"productId\":1,\"quantity\":2}";
    struct json_object *value;
    int64_t product_id, quantity;
    if (json_parse(&arena, TEXT, sizeof(TEXT) - 1, &value, NULL) != ERR_OK ||
        json_get_decimal(value, "productId", 0, &product_id) != ERR_OK ||
        json_get_decimal(value, "quantity", 0, &quantity) != ERR_OK) {
        abort();
    }
    arena_reset(&arena);
}

static void write_order(void) {
    struct json_writer writer;
    buf_clear(&out);
    json_write_init(&writer, &out);
    json_write_begin_object(&writer, NULL);
    json_write_int(&writer, "id", 123456789);
    json_write_int(&writer, "productId", 42);
    json_write_int(&writer, "quantity", 2);
    json_write_decimal(&writer, "unitPrice", 1250, 2, 2);
    json_write_decimal(&writer, "totalPrice", 2500, 2, 2);
    json_write_str(&writer, "status", "waiting");
    json_write_str(&writer, "reason", NULL);
    json_write_time(&writer, "createdAt", 1795367792123);
    json_write_time(&writer, "updatedAt", 1795367792123);
    json_write_str(&writer, "requestId", "0b5f2d9e-6a40-4c1b-9f0e-2d8f0f5b7a11");
    json_write_end_object(&writer);
}

static void log_line(void) {
    static unsigned lines;
    log_info("order stored", LOG_STR("requestId", "0b5f2d9e-6a40-4c1b-9f0e-2d8f0f5b7a11"),
             LOG_INT("orderId", 123456789), LOG_INT("productId", 42), LOG_INT("ms", 3));
    if (++lines % LINES_PER_FLUSH == 0) { /* as the end of a tick does */
        log_flush();
    }
}

static void make_uuid(void) {
    char uuid[RANDOM_UUID_BYTES];
    random_uuid(uuid);
}

static void measure(const char *name, void (*fn)(void), long rounds) {
    uint64_t best_us = UINT64_MAX;
    for (int run = 0; run < RUNS; run++) {
        uint64_t start_us = clock_monotonic_us();
        for (long i = 0; i < rounds; i++) {
            fn();
        }
        uint64_t us = clock_monotonic_us() - start_us;
        best_us = us < best_us ? us : best_us;
    }
    printf("%-34s %8.0f ns\n", name, (double)best_us * 1000 / (double)rounds);
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (rounds < 1 || fd < 0) {
        fprintf(stderr, "usage: micro_common [ROUNDS]\n");
        return 2;
    }
    arena_init(&arena, 1 << 20);
    buf_init(&out, 0);
    log_init("order-service", LOG_INFO, fd);
    measure("parse an order request, read it", parse_order, rounds);
    measure("write an order", write_order, rounds);
    measure("log a line, 1 flush in 20", log_line, rounds);
    measure("make a UUID", make_uuid, rounds);
    log_close();
    buf_free(&out);
    arena_done(&arena);
    return 0;
}
