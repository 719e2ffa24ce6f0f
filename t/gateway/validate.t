#!/usr/bin/perl
# Requests against the real openapi.json: what is refused, how, and that what is valid goes through.
use strict;
use warnings;

use Prodorder::Gateway;

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => 'prodorder_openapi $TEST_NGINX_ROOT/openapi.json;')
        if !defined $block->http_config;
    $block->set_value(config => <<'END') if !defined $block->config;
        client_body_buffer_size 1k;
        location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
END
    if (!defined $block->tcp_listen) {
        $block->set_value(tcp_listen => '$TEST_NGINX_RAND_PORT_1');
        $block->set_value(tcp_reply =>
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"id\":1}");
    }
    if (!defined $block->more_headers && !defined $block->raw_request) {
        $block->set_value(more_headers => 'Content-Type: application/json');
    }
});

run_tests();

__DATA__

=== TEST 1: a valid order reaches the service byte for byte, and 200 becomes 201
--- request
POST /orders
{"productId": 1.0,  "quantity":2e0}
--- tcp_query eval
qr/\APOST \/orders HTTP\/1\.[01]\r\n.*\r\n\r\n\{"productId": 1\.0,  "quantity":2e0\}\z/s
--- error_code: 201
--- raw_response_headers_like: \AHTTP/1\.1 201 Created\r\n
--- response_body_like: \A\{"statusCode":201,"data":\{"id":1\},


=== TEST 2: a status that the document declares stays
--- request
POST /products/7/restock
{"quantity":1}
--- error_code: 200


=== TEST 3: every error, with its JSON Pointer
--- request
POST /orders
{"productId":"x","quantity":0,"extra/~name":1}
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"/productId","keyword":"type","message":"must be integer"\},\{"path":"/quantity","keyword":"minimum","message":"must be >= 1"\},\{"path":"/extra~1~0name","keyword":"additionalProperties","message":"[^"]+"\}\],"timestamp"


=== TEST 4: missing members
--- request
POST /products
{}
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"","keyword":"required","message":"must have required property 'name'"\},\{"path":"","keyword":"required","message":"must have required property 'price'"\},\{"path":"","keyword":"required","message":"must have required property 'qty'"\}\]


=== TEST 5: the same as a problem
--- more_headers
Content-Type: application/json
Accept: application/problem+json
--- request
POST /orders
{"productId":1,"quantity":0}
--- error_code: 400
--- response_body_like: \A\{"type":"about:blank","title":"Bad Request","status":400,"detail":"the request is not valid","instance":"/orders","errors":\[\{"path":"/quantity","keyword":"minimum","message":"must be >= 1"\}\],


=== TEST 6: malformed JSON, with line and column
--- request eval
"POST /orders\n{\"productId\":1,\n  \"quantity\":01}"
--- error_code: 400
--- response_body_like: "message":"malformed JSON at line 2, column 15: a number must not begin with 0","errors":\[\{"path":"","keyword":"json","message":"malformed JSON at line 2, column 15: a number must not begin with 0"


=== TEST 7: a member given twice
--- request
POST /orders
{"productId":1,"quantity":1,"quantity":2}
--- error_code: 400
--- response_body_like: duplicate member name


=== TEST 8: text that is not UTF-8
--- request eval
"POST /products\n{\"name\":\"a\xff\",\"price\":1,\"qty\":1}"
--- error_code: 400
--- response_body_like: not valid UTF-8


=== TEST 9: nested too deeply
--- request eval
"POST /orders\n" . ("[" x 100) . ("]" x 100)
--- error_code: 400
--- response_body_like: nested too deeply


=== TEST 10: no body
--- request
POST /orders
--- error_code: 400
--- response_body_like: "path":"","keyword":"required","message":"a request body is required"


=== TEST 11: another media type
--- more_headers
Content-Type: text/plain
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 415


=== TEST 12: no media type
--- more_headers
X: y
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 415


=== TEST 13: parameters and letter case of the media type do not matter
--- more_headers
Content-Type: Application/JSON ; charset="UTF-8"
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 201


=== TEST 14: another charset does
--- more_headers
Content-Type: application/json; charset=utf-16
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 415


=== TEST 15: a compressed body
--- more_headers
Content-Type: application/json
Content-Encoding: gzip
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 415


=== TEST 16: an unknown route
--- request
GET /nothing
--- error_code: 404


=== TEST 17: a known route, another method
--- request
DELETE /products/1
--- error_code: 405
--- response_headers
Allow: GET, HEAD, PATCH


=== TEST 18: a method that nobody knows
--- request
BREW /orders
--- error_code: 405
--- response_headers
Allow: POST, GET, HEAD


=== TEST 19: HEAD is answered where GET is
--- request
HEAD /products/1
--- tcp_query eval: qr/\AHEAD \/products\/1 /
--- error_code: 200


=== TEST 20: path parameters
--- request
GET /products/x1
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"path/id","keyword":"type","message":"must be integer"\}\]


=== TEST 21: a path parameter of 0, of 1.0, with a sign, with leading zeros
--- pipelined_requests eval
["GET /products/0", "GET /products/1.0", "GET /products/+1", "GET /products/01", "GET /products/%31%"]
--- error_code eval
[400, 400, 400, 400, 400]
--- response_body_like eval
["path/id\",\"keyword\":\"minimum", "path/id\",\"keyword\":\"type", "path/id\",\"keyword\":\"type",
 "path/id\",\"keyword\":\"type", "\\A\\{\"statusCode\":400"]


=== TEST 22: query parameters, with a body's errors none are lost
--- request
GET /orders/product/0?limit=1001&cursor=
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"path/productId","keyword":"minimum","message":"must be >= 1"\},\{"path":"query/limit","keyword":"maximum","message":"must be <= 1000"\},\{"path":"query/cursor","keyword":"minLength","message":"must have at least 1 character"\}\]


=== TEST 23: a query parameter twice, and one not encoded well
--- pipelined_requests eval
["GET /products?limit=1&limit=2", "GET /products?cursor=%zz", "GET /products?li%6Dit=0"]
--- error_code eval
[400, 400, 400]
--- response_body_like eval
["must be given only once", "percent-encoded", "query/limit\",\"keyword\":\"minimum"]


=== TEST 24: the ends of the limits
--- pipelined_requests eval
["GET /products?limit=1", "GET /products?limit=1000", "GET /products?limit=0", "GET /products?limit=1e2"]
--- tcp_keepalive
--- error_code eval
[200, 200, 400, 400]


=== TEST 25: parameters and body in one report
--- request
PATCH /products/0
{"price":1.234}
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"path/id","keyword":"minimum","message":"must be >= 1"\},\{"path":"/price","keyword":"multipleOf","message":"must be a multiple of 0.01"\}\]


=== TEST 26: lengths count characters, not bytes
--- request eval
"POST /products\n{\"name\":\"" . ("\xf0\x9f\x98\x80" x 200) . "\",\"price\":9999999999.99,\"qty\":2147483647}"
--- error_code: 201


=== TEST 27: one character more
--- request eval
"POST /products\n{\"name\":\"" . ("\xf0\x9f\x98\x80" x 201) . "\",\"price\":10000000000,\"qty\":2147483648}"
--- error_code: 400
--- response_body_like: "/name","keyword":"maxLength".*"/price","keyword":"maximum".*"/qty","keyword":"maximum"


=== TEST 28: only white space, of the wide kind too
--- request eval
"POST /products\n{\"name\":\" \\t\xc2\xa0\xe3\x80\x80\",\"price\":1,\"qty\":0}"
--- error_code: 400
--- response_body_like: "/name","keyword":"pattern"


=== TEST 29: a body in several buffers
--- raw_request_middle_delay: 0.02
--- raw_request eval
["POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n{\"prod",
 "uctId\":1,\"qua", "ntity\":0}"]
--- error_code: 400
--- response_body_like: "/quantity","keyword":"minimum"


=== TEST 30: trap: a body in a temporary file is validated
--- request eval
"POST /orders\n{\"productId\":1," . (" " x 100000) . "\"quantity\":0}"
--- error_code: 400
--- response_body_like: "/quantity","keyword":"minimum"


=== TEST 31: and goes to the service from there
--- request eval
"POST /orders\n{\"productId\":1," . (" " x 60000) . "\"quantity\":1}"
--- tcp_query eval: qr/ {60000}"quantity":1\}\z/
--- error_code: 201


=== TEST 32: a chunked body
--- raw_request eval
"POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    . "10\r\n{\"productId\":1,\"\r\nc\r\nquantity\":0}\r\n0\r\n\r\n"
--- error_code: 400
--- response_body_like: "/quantity","keyword":"minimum"


=== TEST 33: a body over prodorder_body_limit, by its length
--- config
prodorder_body_limit 100;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request eval
"POST /orders\n{\"productId\":1," . (" " x 100) . "\"quantity\":1}"
--- error_code: 413


=== TEST 34: trap: and in chunks
--- config
prodorder_body_limit 100;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- raw_request eval
"POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    . "80\r\n" . (" " x 128) . "\r\n0\r\n\r\n"
--- error_code: 413


=== TEST 35: more errors than are kept
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
prodorder_max_errors 2;
--- request
POST /orders
{"a":1,"b":2,"c":3}
--- error_code: 400
--- response_body_like: "message":"the request is not valid; the first 2 errors are listed","errors":\[(?:\{[^}]*\}),(?:\{[^}]*\})\],
--- error_log
client sent an invalid request: 2 error(s) or more, the first at


=== TEST 36: thirty-two are the default
--- request eval
"POST /orders\n{" . CORE::join(",", map { "\"x$_\":1" } 1 .. 100) . "}"
--- error_code: 400
--- response_body_like: "message":"the request is not valid; the first 32 errors are listed","errors":\[(?:\{[^}]*\},){31}\{[^}]*\}\],


=== TEST 37: Expect: 100-continue, a body that is welcome
--- raw_request_middle_delay: 0.05
--- raw_request eval
["POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n",
 "{\"productId\":1,\"quantity\":1}"]
--- error_code: 201


=== TEST 38: trap: Expect: 100-continue, refused before the body: the connection ends
--- raw_request eval
"POST /nothing HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n"
--- error_code: 404
--- response_headers
Connection: close


=== TEST 39: an invalid request does not cost the connection
--- pipelined_requests eval
["POST /orders\n{}", "POST /nothing\n{}", "POST /orders\n{\"productId\":1,\"quantity\":1}"]
--- error_code eval
[400, 404, 201]


=== TEST 40: an escaped and a doubled slash do not slip past the routes
--- pipelined_requests eval
["GET //orders", "GET /orders/../nothing", "GET /orders%2F1", "GET /orders/", "GET /%6frders/1"]
--- error_code eval
[404, 404, 404, 404, 200]


=== TEST 41: HTTP/2, with and without an error
--- http2
--- request
POST /orders
{"productId":1,"quantity":0}
--- error_code: 400
--- response_body_like: "/quantity","keyword":"minimum"


=== TEST 42: HTTP/2, valid
--- http2
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 201
--- response_body_like: \A\{"statusCode":201,"data":\{"id":1\},


=== TEST 43: prodorder_validate off lets everything through, the envelope stays
--- config
location / { prodorder_validate off; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
POST /orders
nonsense
--- error_code: 201
--- response_body_like: \A\{"statusCode":201,"data":\{"id":1\},


=== TEST 44: after auth, which answers first
--- config
location / { deny all; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
POST /orders
nonsense
--- error_code: 403


=== TEST 45: satisfy any does not get around validation
--- config
location / { satisfy any; allow all; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
POST /orders
nonsense
--- error_code: 400


=== TEST 46: a mirror gets the body too, and the answer is one
--- config
location / { mirror /mirror; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location = /mirror { internal; return 204; }
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 201


=== TEST 47: the variables in a log
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
log_format mine '$prodorder_operation $prodorder_validation $status';
--- config
access_log logs/mine.log mine;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location = /log { access_log off; prodorder_validate off; alias $TEST_NGINX_PREFIX/logs/mine.log; }
--- pipelined_requests eval
["POST /orders\n{}", "POST /orders\n{\"productId\":1,\"quantity\":1}", "GET /nothing", "GET /products/1", "GET /log"]
--- error_code eval
[400, 201, 404, 200, 200]
--- response_body_like eval
[qr/./, qr/./, qr/./, qr/./, qr/\AcreateOrder invalid 400\ncreateOrder valid 201\n- invalid 404\ngetProduct valid 200\n\z/]


=== TEST 48: a client that goes away while it sends its body
--- raw_request_middle_delay: 0.02
--- raw_request eval
["POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", "\""]
--- abort
--- timeout: 0.05


=== TEST 49: and the next request is served
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 201


=== TEST 50: what a client sends does not begin a line of the error log
--- request
POST /orders
{"productId":1,"quantity":1,"a\n2026/01/01 00:00:00 forged":1}
--- error_code: 400
--- error_log
the first at "/a\n2026~101~101 00:00:00 forged": "must NOT
--- no_error_log eval: qr/^2026\S* \S+ forged/m


=== TEST 51: the largest id that the services know, and one more, in a path
--- pipelined_requests eval
["GET /products/9223372036854775807", "GET /products/9223372036854775808"]
--- tcp_keepalive
--- error_code eval
[200, 400]
--- response_body_like eval
[qr/"data":\{"id":1\}/, qr/"path":"path\/id","keyword":"maximum","message":"must be <= 9223372036854775807"/]


=== TEST 52: and in a body
--- pipelined_requests eval
["POST /orders\n{\"productId\":9223372036854775807,\"quantity\":1}",
 "POST /orders\n{\"productId\":9223372036854775808,\"quantity\":1}"]
--- tcp_keepalive
--- error_code eval
[201, 400]
--- response_body_like eval
[qr/"data":\{"id":1\}/, qr/"path":"\/productId","keyword":"maximum"/]


=== TEST 53: an Idempotency-Key is visible ASCII, as the service wants it
--- more_headers
Content-Type: application/json
Idempotency-Key: two words
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"header/Idempotency-Key","keyword":"pattern",


=== TEST 54: an Idempotency-Key of 255 characters, from the first visible one to the last
--- more_headers eval
"Content-Type: application/json\nIdempotency-Key: " . ("!~" x 127) . "x"
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 201


=== TEST 55: of 256
--- more_headers eval
"Content-Type: application/json\nIdempotency-Key: " . ("x" x 256)
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"header/Idempotency-Key","keyword":"maxLength",[^}]*\}\]


=== TEST 56: trap: a mirror over HTTP/2: body read and subrequest, and no hang
--- http2
--- config
location / { mirror /mirror; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location = /mirror { internal; return 204; }
--- request
POST /orders
{"productId":1,"quantity":1}
--- error_code: 201


=== TEST 57: the largest body that prodorder_body_limit allows, and one byte more
--- config
prodorder_body_limit 28;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- pipelined_requests eval
["POST /orders\n{\"productId\":1,\"quantity\":1}", "POST /orders\n {\"productId\":1,\"quantity\":1}"]
--- error_code eval
[201, 413]


=== TEST 58: the same in chunks
--- config
prodorder_body_limit 28;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- raw_request eval
"POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    . "1c\r\n{\"productId\":1,\"quantity\":1}\r\n0\r\n\r\n"
--- error_code: 201


=== TEST 59: trap: in chunks, one byte more
--- config
prodorder_body_limit 28;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- raw_request eval
"POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    . "1d\r\n {\"productId\":1,\"quantity\":1}\r\n0\r\n\r\n"
--- error_code: 413


=== TEST 60: exactly as many errors as are kept: there are no more, and nobody says so
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
prodorder_max_errors 5;
--- request
POST /orders
{"a":1,"b":2,"c":3}
--- error_code: 400
--- response_body_like: "message":"the request is not valid","errors":\[(?:\{[^}]*\},){4}\{[^}]*\}\],
--- error_log
client sent an invalid request: 5 error(s), the first at


=== TEST 61: one error of many, in the parameters already, as a problem
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
prodorder_max_errors 1;
--- more_headers
Content-Type: application/json
Accept: application/problem+json
--- request
PATCH /products/0
{"price":1.234}
--- error_code: 400
--- response_body_like: "detail":"the request is not valid; the first error is listed",.*"errors":\[\{"path":"path/id",[^}]*\}\],


=== TEST 62: one error, and room for one: JSON that is none says what it is
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
prodorder_max_errors 1;
--- pipelined_requests eval
["POST /orders\n{\"productId\":1,\"quantity\":0}", "POST /orders\n{"]
--- error_code eval
[400, 400]
--- response_body_like eval
[qr/"message":"the request is not valid","errors":\[\{[^}]*\}\]/, qr/"message":"malformed JSON at line 1, column 2/]


=== TEST 63: the error log leads to the access log
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
--- config
prodorder_validate log;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- more_headers
Content-Type: application/json
X-Request-Id: me-1
--- request
POST /orders
{"productId":1,"quantity":0}
--- error_code: 201
--- error_log eval
[qr/\[warn\].*: 1 error\(s\), the first at "\/quantity": "must be >= 1", request id "me-1",/,
 qr/\[warn\].*: invalid request is let pass instead of being answered with 400, request id "me-1",/]


=== TEST 64: the line of a refused request has its id, too
--- request
POST /orders
{"productId":1,"quantity":0}
--- more_headers
Content-Type: application/json
X-Request-Id: me-2
--- error_code: 400
--- error_log
the first at "/quantity": "must be >= 1", request id "me-2"


=== TEST 65: nginx itself refuses a body that the validator reads: the error's page is not validated
--- config
client_max_body_size 100;
error_page 413 /large.json;
location /orders { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location = /large.json { types { application/json json; } root html; }
--- user_files
>>> large.json
{"message":"that is too much for us"}
--- raw_request_middle_delay: 0.05
--- raw_request eval
["POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
 "40\r\n" . (" " x 64) . "\r\n", "40\r\n" . (" " x 64) . "\r\n0\r\n\r\n"]
--- error_code: 413
--- response_body_like: \A\{"statusCode":413,"data":null,"message":"that is too much for us",


=== TEST 66: the same when the whole body is there at once
--- config
client_max_body_size 100;
error_page 413 /large.json;
location /orders { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location = /large.json { types { application/json json; } root html; }
--- user_files
>>> large.json
{"message":"that is too much for us"}
--- raw_request eval
"POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    . "80\r\n" . (" " x 128) . "\r\n0\r\n\r\n"
--- error_code: 413
--- response_body_like: \A\{"statusCode":413,"data":null,"message":"that is too much for us",
