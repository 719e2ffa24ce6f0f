#!/usr/bin/perl
# One error shape for every origin: nginx itself, an upstream with and without JSON, one that is
# down, slow, broken.
use strict;
use warnings;

use Prodorder::Gateway;

run_tests();

__DATA__

=== TEST 1: nginx's own 404
--- config
location / { root html; }
--- request
GET /none?a="b"
--- more_headers
X-Request-Id: e-1
--- error_code: 404
--- response_headers
Content-Type: application/json
X-Request-Id: e-1
Vary: Accept
! Server
--- response_body_like: \A\{"statusCode":404,"data":null,"message":"[^"]+","timestamp":"20[^"]+Z","path":"/none\?a=\\"b\\"","requestId":"e-1"\}\z


=== TEST 2: the same as application/problem+json, by Accept
--- config
location / { root html; }
--- request
GET /none
--- more_headers
X-Request-Id: e-1
Accept: application/problem+json
--- error_code: 404
--- response_headers
Content-Type: application/problem+json
--- response_body_like: \A\{"type":"about:blank","title":"Not Found","status":404,"detail":"[^"]+","instance":"/none","timestamp":"20[^"]+Z","requestId":"e-1"\}\z


=== TEST 3: problem+json among others, with more weight than JSON
--- config
location / { root html; }
--- request
GET /none
--- more_headers
Accept: text/html;q=0.9, application/json;q=0.5, Application/Problem+JSON ; Q=0.8
--- error_code: 404
--- response_headers
Content-Type: application/problem+json


=== TEST 4: problem+json with less weight than JSON, with none, and as another type's start
--- config
location / { root html; }
--- pipelined_requests eval
["GET /a", "GET /b"]
--- more_headers
Accept: application/json, application/problem+json;q=0.5, application/problem+jsonx
--- error_code eval
[404, 404]
--- response_headers
Content-Type: application/json


=== TEST 5: problem+json refused with q=0
--- config
location / { root html; }
--- request
GET /none
--- more_headers
Accept: application/problem+json;q=0
--- error_code: 404
--- response_headers
Content-Type: application/json


=== TEST 6: prodorder_error_format problem does not ask
--- config
prodorder_error_format problem;
location / { root html; }
--- request
GET /none
--- error_code: 404
--- response_headers
Content-Type: application/problem+json


=== TEST 7: prodorder_error_format envelope does not ask either
--- config
prodorder_error_format envelope;
location / { root html; }
--- request
GET /none
--- more_headers
Accept: application/problem+json
--- error_code: 404
--- response_headers
Content-Type: application/json


=== TEST 8: trap: HEAD of an error has its length and no body
--- config
location / { root html; }
--- request
HEAD /none
--- more_headers
X-Request-Id: e-1
--- error_code: 404
--- response_headers
Content-Length: 140
--- response_body chomp


=== TEST 9: GET has that length
--- config
location / { root html; }
--- request
GET /none
--- more_headers
X-Request-Id: e-1
--- error_code: 404
--- response_headers
Content-Length: 140


=== TEST 10: an upstream's JSON error keeps its message and errors
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
my $body = '{"statusCode":422,"message":"no \"x\" \u00e9","errors":[{"path":"/a","keyword":"k","message":"m"}],"stack":"at x.c:1"}';
"HTTP/1.1 422 Nope\r\nContent-Type: application/json\r\nETag: \"1\"\r\nX-Kept: 1\r\nContent-Length: "
    . length($body) . "\r\n\r\n$body"
--- error_code: 422
--- response_headers
X-Kept: 1
! ETag
--- raw_response_headers_like: \AHTTP/1.1 422 Unprocessable Content\r\n
--- response_body_like eval
qr/\A\{"statusCode":422,"data":null,"message":"no \\"x\\" \xc3\xa9","errors":\[\{"path":"\/a","keyword":"k","message":"m"\}\],"timestamp":"[^"]+","path":"\/t","requestId":"[^"]+"\}\z/


=== TEST 11: an upstream's JSON error in drips, chunked
--- config
location / {
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.03
--- tcp_reply eval
["HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
 "c\r\n{\"message\":\"\r\n", "5\r\nfive!\r\n", "2\r\n\"}\r\n", "0\r\n\r\n"]
--- error_code: 409
--- response_body_like: "data":null,"message":"five!","timestamp"


=== TEST 12: an upstream's HTML error is replaced
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nServer: x/1.2\r\n\r\n<html>x/1.2 stack at main.c"
--- error_code: 500
--- response_headers
Content-Type: application/json
! Server
--- response_body_unlike: html|main\.c|x/1


=== TEST 13: a JSON error that is cut off, with a length
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"message\":\"no"
--- error_code: 400
--- response_body_like: \A\{"statusCode":400,"data":null,"message":"[^"]+","timestamp"


=== TEST 14: a JSON error that is cut off, unbuffered, in chunks
--- config
location / {
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.05
--- tcp_reply eval
["HTTP/1.1 503 Busy\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
 "c\r\n{\"message\":\"\r\n"]
--- error_code: 503
--- response_body_like: \A\{"statusCode":503,"data":null,"message":"[^"]+","timestamp"


=== TEST 15: a JSON error larger than what is read of it
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
my $body = '{"message":"short","x":"' . ('x' x 70000) . '"}';
["HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\n\r\n", $body]
--- error_code: 400
--- response_body_like: \A\{"statusCode":400,"data":null,"message":"the request is malformed","timestamp"


=== TEST 16: JSON that is none, a message that is none
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\n\r\n{\"message\":{},\"errors\":\"x\"}"
--- error_code: 400
--- response_body_like: \A\{"statusCode":400,"data":null,"message":"the request is malformed","timestamp"


=== TEST 17: trap: a compressed error
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08"
--- error_code: 400
--- response_headers
! Content-Encoding
--- response_body_like: \A\{"statusCode":400,"data":null,


=== TEST 18: a message is cut at a character
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\n\r\n{\"message\":\"x" . ("\xc3\xa9" x 1000) . "\"}"
--- error_code: 400
--- response_body_like eval: qr/"message":"x(?:\xc3\xa9){511}","timestamp"/


=== TEST 19: HEAD of an upstream's error
--- config
location / { proxy_http_version 1.1; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
HEAD /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
--- error_code: 404
--- response_headers
Content-Type: application/json
! Content-Length
--- response_body chomp


=== TEST 20: trap: an upstream's empty JSON error
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
--- error_code: 404
--- response_body_like: \A\{"statusCode":404,"data":null,"message":"[^"]+"


=== TEST 21: an upstream that refuses the connection
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
--- request
GET /t
--- error_code: 502
--- response_body_like: \A\{"statusCode":502,"data":null,
--- error_log
Connection refused


=== TEST 22: an upstream that does not answer in time
--- config
location / { proxy_read_timeout 100ms; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.5
--- tcp_reply eval
["", "late"]
--- error_code: 504
--- response_body_like: \A\{"statusCode":504,"data":null,


=== TEST 23: an upstream that closes without a word
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: ""
--- error_code: 502
--- response_body_like: \A\{"statusCode":502,"data":null,


=== TEST 24: an upstream that does not speak HTTP (it counts as HTTP/0.9) in a header too large
--- config
location / { proxy_buffer_size 1k; proxy_buffers 4 1k; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nX-Large: " . ("x" x 5000) . "\r\n\r\n"
--- error_code: 502
--- response_body_like: \A\{"statusCode":502,"data":null,
--- error_log
upstream sent too big header


=== TEST 25: 503 says when to come back, an upstream's word counts
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 503 Busy\r\nRetry-After: 17\r\nContent-Type: application/json\r\n\r\n{\"message\":\"busy\"}"
--- error_code: 503
--- response_headers
Retry-After: 17
--- response_body_like: "message":"busy"


=== TEST 26: a 503 and a 429 without a word get prodorder_retry_after
--- config
prodorder_retry_after 3s;
location /a { return 503; }
location /b { return 429; }
--- pipelined_requests eval
["GET /a", "GET /b"]
--- error_code eval
[503, 429]
--- response_headers
Retry-After: 3


=== TEST 27: trap: a request line that is none
--- config
location / { root html; }
--- raw_request eval
"BAD REQUEST LINE HERE\r\n\r\n"
--- error_code: 400
--- response_body_like: \A\{"statusCode":400,"data":null,"message":"[^"]+","timestamp":"[^"]+","path":"[^"]*","requestId":"[0-9a-f-]{36}"\}\z


=== TEST 28: trap: a request target that is too long
--- config
location / { root html; }
--- raw_request eval
"GET /" . ("x" x 20000) . " HTTP/1.1\r\nHost: x\r\n\r\n"
--- error_code: 414
--- response_body_like: \A\{"statusCode":414,"data":null,


=== TEST 29: trap: a header that is too large
--- config
location / { root html; }
--- raw_request eval
"GET / HTTP/1.1\r\nHost: x\r\nX: " . ("x" x 20000) . "\r\n\r\n"
--- error_code: 400
--- response_body_like: \A\{"statusCode":400,"data":null,


=== TEST 30: no Host
--- config
location / { root html; }
--- raw_request eval
"GET /t HTTP/1.1\r\n\r\n"
--- error_code: 400
--- response_body_like: \A\{"statusCode":400,"data":null,.*"path":"/t"


=== TEST 31: TRACE
--- config
location / { root html; }
--- request
TRACE /t
--- error_code: 405
--- response_headers
Allow: GET, HEAD
--- response_body_like: \A\{"statusCode":405,"data":null,


=== TEST 32: POST to a static file
--- config
location / { root html; }
--- user_files
>>> f.txt
x
--- request
POST /f.txt
x=1
--- error_code: 405
--- response_headers
Allow: GET, HEAD


=== TEST 33: a client that is not allowed
--- config
location /a { deny all; }
location / { root html; }
--- raw_request eval
"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
--- error_code: 403
--- response_body_like: \A\{"statusCode":403,"data":null,


=== TEST 34: HTTP/3.0 in a request line
--- config
location / { root html; }
--- raw_request eval
"GET / HTTP/3.0\r\nHost: x\r\n\r\n"
--- error_code: 505
--- response_body_like: \A\{"statusCode":505,"data":null,


=== TEST 35: an unknown transfer coding
--- config
location / { root html; }
--- raw_request eval
"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"
--- error_code: 501
--- response_body_like: \A\{"statusCode":501,"data":null,


=== TEST 36: a body over client_max_body_size
--- config
location / { client_max_body_size 1k; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n"
--- error_code: 413
--- response_body_like: \A\{"statusCode":413,"data":null,


=== TEST 37: trap: the same in chunks
--- config
location / { client_max_body_size 1k; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" . ("x" x 2000) . "\r\n0\r\n\r\n"
--- error_code: 413
--- response_body_like: \A\{"statusCode":413,"data":null,


=== TEST 38: limit_req
--- http_config
limit_req_zone $server_name zone=one:1m rate=1r/m;
limit_req_status 429;
--- config
location /l { limit_req zone=one; root html; }
--- pipelined_requests eval
["GET /l/1", "GET /l/2"]
--- error_code eval
[404, 429]
--- response_body_like eval
[qr/\A\{"statusCode":404/, qr/\A\{"statusCode":429,"data":null/]


=== TEST 39: error_page with a body of its own keeps our shape and the request id
--- config
error_page 404 /sorry.html;
location / { root html; }
--- user_files
>>> sorry.html
<html>sorry</html>
--- request
GET /none
--- more_headers
X-Request-Id: kept-over-redirect
--- error_code: 404
--- response_headers
X-Request-Id: kept-over-redirect
--- response_body_like: \A\{"statusCode":404,"data":null,.*"path":"/none","requestId":"kept-over-redirect"


=== TEST 40: an error over HTTP/2
--- http2
--- config
location / { root html; }
--- request
GET /none
--- error_code: 404
--- response_body_like: \A\{"statusCode":404,"data":null,


=== TEST 41: a NUL byte in the target
--- config
location / { root html; }
--- request
GET /none%00
--- error_code: 400
--- response_body_like: \A\{"statusCode":400,"data":null,


=== TEST 42: prodorder_gateway off leaves nginx as it is
--- config
prodorder_gateway off;
location / { root html; }
--- request
GET /none
--- error_code: 404
--- response_headers
Content-Type: text/html
! X-Request-Id


=== TEST 43: errors keep the connection open, and what follows is served
--- config
location / { root html; }
--- user_files
>>> f.txt
text
--- pipelined_requests eval
["GET /none", "GET /f.txt"]
--- error_code eval
[404, 200]


=== TEST 44: trap: an upstream that does not speak HTTP: nginx would pass it on without a header
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "panic at main.c:12\nversion 1.2\n"
--- error_code: 502
--- response_body_like: \A\{"statusCode":502,"data":null,"message":"[^"]+","timestamp":"[^"]+","path":"/t",
--- error_log
upstream sent no valid HTTP/1.0 header


=== TEST 45: the same unbuffered, and the next request on the connection
--- config
location /t { proxy_buffering off; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /f { default_type application/json; return 200 '{}'; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "panic at main.c:12\nversion 1.2\n"
--- pipelined_requests eval
["GET /t", "HEAD /t", "GET /f"]
--- error_code eval
[502, 502, 200]


=== TEST 46: the same over HTTP/2
--- http2
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "panic at main.c:12\nversion 1.2\n"
--- error_code: 502
--- response_headers
! server
--- response_body_like: \A\{"statusCode":502,"data":null,


=== TEST 47: an interim status is no answer
--- config
location / { proxy_http_version 1.1; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
--- error_code: 502
--- response_body_like: \A\{"statusCode":502,"data":null,


=== TEST 48: what described the body of an upstream's error does not describe ours
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 0-1/9\r\n"
    . "Content-Location: /other\r\nContent-Length: 2\r\n\r\n{}"
--- error_code: 500
--- response_headers
! Accept-Ranges
! Content-Range
! Content-Location


=== TEST 49: but in a 416, Content-Range says how long the resource is
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 416 No\r\nContent-Type: text/html\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n"
--- error_code: 416
--- response_headers
Content-Range: bytes */9


=== TEST 50: an upstream's own Cache-Control stays
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 404 No\r\nContent-Type: text/html\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n"
--- error_code: 404
--- response_headers
Cache-Control: max-age=60


=== TEST 51: its Expires, too
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 404 No\r\nContent-Type: text/html\r\nExpires: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
--- error_code: 404
--- response_headers
! Cache-Control


=== TEST 52: a target without a path has the path /
--- config
location / { root html; }
--- raw_request eval
"GET http://x?y=\"1\" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
--- error_code: 403
--- response_body_like: "path":"/\?y=\\"1\\"","requestId"


=== TEST 53: the same in a problem
--- config
prodorder_error_format problem;
location / { root html; }
--- raw_request eval
"GET http://x?y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
--- error_code: 403
--- response_body_like: "instance":"/\?y","timestamp"


=== TEST 54: a request line that cannot be read has none
--- config
location / { root html; }
--- raw_request eval
"BAD REQUEST LINE HERE\r\n\r\n"
--- error_code: 400
--- response_body_like: "path":"","requestId"


=== TEST 55: an upstream's own 413, 415 and 501 name no limit and no cause of ours
--- config
location / { client_max_body_size 1; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
POST /t
x
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 413 Large\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"
--- error_code: 413
--- response_body_like: "message":"the request body is larger than the limit","timestamp"


=== TEST 56: a body whose limit is found while the upstream has a part of it
--- config
location / {
    client_max_body_size 1k; proxy_http_version 1.1; proxy_request_buffering off;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.5
--- tcp_reply eval: ["", "late"]
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n", "7d0\r\n" . ("x" x 2000) . "\r\n0\r\n\r\n"]
--- raw_request_middle_delay: 0.1
--- error_code: 413
--- response_body_like: "message":"the request body is larger than the limit of 1024 bytes","timestamp"
