/*
 * What our HTTP costs by itself: `micro_http parser` prints nanoseconds per request; `micro_http
 * server PORT` answers GET /products/{id} on 127.0.0.1 with a constant, until it is ended.
 *
 *   make micro
 *   build/bench/micro_http parser
 *   build/bench/micro_http server 18080 & wrk -t1 -c64 -d5 http://127.0.0.1:18080/products/7
 */
#include "base/clock.h"
#include "runtime/http/http.h"
#include "runtime/http/parser.h"
#include "runtime/http/server.h"
#include "runtime/telemetry/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 2000000 };

static const char GET[] = "GET /products/1234567 HTTP/1.1\r\nHost: product_service\r\n"
                          "X-Request-Id: 0123456789abcdef0123456789abcdef\r\n"
                          "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                          "User-Agent: load/1.0\r\nAccept: */*\r\n\r\n";
static const char POST[] =
    "POST /orders HTTP/1.1\r\nHost: order_service\r\n"
    "X-Request-Id: 0123456789abcdef0123456789abcdef\r\nContent-Type: application/json\r\n"
    "Content-Length: 30\r\nAccept: */*\r\n\r\n{\"productId\":1,\"quantity\": 10}";

static void measure_parser(const char *name, const char *request, size_t length) {
    static const struct http_limits limits = { 8192, 16384, 65536 };
    struct http_parser parser;
    char bytes[512];
    size_t done = 0;
    memcpy(bytes, request, length);
    uint64_t start_us = clock_monotonic_us();
    for (size_t i = 0; i < ROUNDS; i++) {
        enum http_parse_result result;
        http_parser_init_request(&parser, &limits);
        while ((result = http_parser_run(&parser, bytes, length)) == HTTP_PARSE_HEADERS) {
        }
        done += result == HTTP_PARSE_DONE;
    }
    double ns = (double)(clock_monotonic_us() - start_us) * 1000 / ROUNDS;
    printf("%s, %zu bytes: %.0f ns (%zu of %d parsed)\n", name, length, ns, done, ROUNDS);
}

static void answer(struct http_exchange *exchange, void *ctx) {
    static const char body[] = "{\"id\":7,\"name\":\"Teapot\",\"price\":12.50,\"qty\":100}";
    (void)ctx;
    http_reply(exchange, &(struct http_reply){
                             .status = 200, .body = body, .body_length = sizeof(body) - 1 });
}

static int serve(uint16_t port) {
    static const struct http_route routes[] = { { "GET", "/products/{id}", "get_product", answer,
                                                  NULL } };
    struct http_server_options options = {
        .address = "127.0.0.1",
        .port = port,
        .routes = routes,
        .route_count = 1,
        .connections_max = 1024,
        .header_bytes_max = 16384,
        .body_bytes_max = 65536,
        .idle_timeout_ms = 60000,
        .request_timeout_ms = 10000,
        .write_timeout_ms = 10000,
    };
    struct http_server *server;
    struct loop *loop;
    log_init("bench", LOG_INFO, 2);
    if (loop_create(&loop) != ERR_OK || http_server_open(loop, &options, &server) != ERR_OK) {
        return EXIT_FAILURE;
    }
    loop_run(loop);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "parser") == 0) {
        measure_parser("GET", GET, sizeof(GET) - 1);
        measure_parser("POST", POST, sizeof(POST) - 1);
        return EXIT_SUCCESS;
    }
    if (argc == 3 && strcmp(argv[1], "server") == 0) {
        return serve((uint16_t)strtoul(argv[2], NULL, 10));
    }
    fprintf(stderr, "usage: micro_http parser | micro_http server PORT\n");
    return 2;
}
