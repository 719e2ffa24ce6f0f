#!/usr/bin/perl
# The envelope of a JSON success: byte for byte, with an exact length, while it streams.
use strict;
use warnings;

use Prodorder::Gateway;

run_tests();

__DATA__

=== TEST 1: a JSON success is wrapped
--- config
location = /t { default_type application/json; return 200 '{"a":1}'; }
--- request
GET /t?x=%20y
--- more_headers
X-Request-Id: id.1
--- response_headers
Content-Type: application/json
X-Request-Id: id.1
! Server
--- response_body_like: \A\{"statusCode":200,"data":\{"a":1\},"timestamp":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","path":"/t\?x=%20y","requestId":"id\.1"\}\z


=== TEST 2: what is not JSON passes as it is
--- config
location = /t { default_type text/plain; return 200 'plain'; }
--- request
GET /t
--- response_headers
Content-Type: text/plain
Content-Length: 5
--- response_body chomp
plain


=== TEST 3: trap: HEAD has the headers of GET and no body
--- config
location = /t { default_type application/json; return 200 '{"a":1}'; }
--- request
HEAD /t
--- more_headers
X-Request-Id: x
--- response_headers
Content-Type: application/json
Content-Length: 100
--- response_body chomp


=== TEST 4: GET has the length that HEAD announced
--- config
location = /t { default_type application/json; return 200 '{"a":1}'; }
--- request
GET /t
--- more_headers
X-Request-Id: x
--- response_headers
Content-Length: 100


=== TEST 5: trap: the bytes of data are the upstream's: odd white space, number forms, an empty array
--- config
location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
my $body = qq( {"x":[ ],\n "n":1.50e+01,"u":"\xc3\xa9\\u00e9"}\r\n);
"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: "
    . length($body) . "\r\n\r\n$body"
--- response_headers
Content-Type: application/json
--- response_body_like eval
my $data = qq( {"x":[ ],\n "n":1.50e+01,"u":"\xc3\xa9\\u00e9"}\r\n);
qr/\A\{"statusCode":200,"data":\Q$data\E,"timestamp"/


=== TEST 6: trap: an upstream of unknown length that drips is wrapped in chunks
--- config
location = /t {
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.05
--- tcp_reply eval
["HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
 "3\r\n[1,\r\n", "2\r\n2,\r\n", "2\r\n3]\r\n", "0\r\n\r\n"]
--- response_headers
Transfer-Encoding: chunked
! Content-Length
--- response_body_like: \A\{"statusCode":200,"data":\[1,2,3\],"timestamp":"[^"]+","path":"/t","requestId":"[^"]+"\}\z


=== TEST 7: the same with buffering, over a connection that ends the body
--- config
location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.05
--- tcp_reply eval
["HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n", "[1,", "2,", "3]"]
--- response_body_like: \A\{"statusCode":200,"data":\[1,2,3\],"timestamp"


=== TEST 8: trap: Content-Length: 0 from an upstream becomes data null
--- config
location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
--- response_body_like: \A\{"statusCode":200,"data":null,"timestamp"


=== TEST 9: an empty body of unknown length becomes data null
--- config
location = /t {
    proxy_http_version 1.1;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
--- response_body_like: \A\{"statusCode":200,"data":null,"timestamp"


=== TEST 10: trap: a short body is not passed off as a whole one
--- config
location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1,2"
--- broken_response
--- response_body_like: \A\{"statusCode":200,"data":\[1,2\z
--- error_log
upstream prematurely closed connection


=== TEST 11: chunks that break off are not closed by us
--- config
location = /t {
    proxy_http_version 1.1;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1,2\r\n"
--- broken_response


=== TEST 12: trap: 204 has no envelope and no body
--- config
location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
DELETE /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n"
--- error_code: 204
--- response_body chomp


=== TEST 13: a strong ETag is weakened, Last-Modified and Accept-Ranges go
--- config
location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"7\"\r\nAccept-Ranges: bytes\r\n"
    . "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}"
--- response_headers
ETag: W/"7"
! Last-Modified
! Accept-Ranges


=== TEST 14: trap: 304 passes with the validator that the 200 had
--- config
location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- more_headers
If-None-Match: W/"7"
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\n\r\n"
--- tcp_query eval: qr/If-None-Match: W\/"7"\r\n/
--- error_code: 304
--- response_headers
ETag: W/"7"
--- response_body chomp


=== TEST 15: a Range request gets the whole envelope
--- config
location = /t { default_type application/json; return 200 '{"a":1}'; }
--- request
GET /t
--- more_headers
Range: bytes=0-3
--- response_headers
! Content-Range
--- response_body_like: \A\{"statusCode":200,"data":\{"a":1\},


=== TEST 16: a static file is wrapped, and 304 is decided before
--- config
location / { types { application/json json; } }
--- user_files
>>> f.json
[1,2]
--- request
GET /f.json
--- response_body_like: "data":\[1,2\]\n,"timestamp"


=== TEST 17: gzip follows the envelope
--- config
location = /t {
    gzip on; gzip_types application/json; gzip_min_length 1;
    default_type application/json;
    return 200 '{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}';
}
--- request
GET /t
--- more_headers
Accept-Encoding: gzip
--- response_headers
Content-Encoding: gzip
! Content-Length
--- response_body_like eval: qr/\A\x1f\x8b/


=== TEST 18: trap: what an upstream compressed passes as it is
--- config
location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"
--- response_headers
Content-Encoding: gzip
Content-Length: 3
--- response_body eval: "\x1f\x8b\x08"


=== TEST 19: an upstream's own X-Request-Id does not appear beside ours
--- config
location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- more_headers
X-Request-Id: mine
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: other\r\nServer: x/1.0\r\nContent-Length: 2\r\n\r\n{}"
--- response_headers
X-Request-Id: mine
! Server


=== TEST 20: a path with quotes and bytes that are not UTF-8 stays valid JSON
--- config
location / { default_type application/json; return 200 '{}'; }
--- raw_request eval
"GET /a\"b\\c\xc3\xa9\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
--- response_body_like eval: qr/"path":"\/a\\"b\\\\c\xc3\xa9%FF"/


=== TEST 21: trap: pipelined requests keep their order and ids
--- config
location /t { default_type application/json; return 200 '{}'; }
--- pipelined_requests eval
["GET /t1", "HEAD /t2", "GET /t3"]
--- response_body_like eval
[qr{"path":"/t1"}, qr{\A\z}, qr{"path":"/t3"}]
--- error_code eval
[200, 200, 200]


=== TEST 22: trap: prodorder_envelope off leaves JSON alone, in an if block too
--- config
location /t {
    default_type application/json;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    if ($arg_raw) { prodorder_envelope off; }
}
--- request
GET /t?raw=1
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"7\"\r\nContent-Length: 2\r\n\r\n{}"
--- response_headers
ETag: "7"
--- response_body chomp
{}


=== TEST 23: the envelope is on in an if block that does not say otherwise
--- config
location /t {
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    if ($arg_raw) { set $x 1; }
}
--- request
GET /t?raw=1
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- response_body_like: \A\{"statusCode":200,"data":\{\},


=== TEST 24: a large body streams through many buffers
--- config
location = /t {
    proxy_buffer_size 4k; proxy_buffers 4 4k; proxy_busy_buffers_size 8k; proxy_max_temp_file_size 0;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
my $body = '"' . ('0123456789' x 50000) . '"';
["HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n", $body]
--- response_body_like eval: qr/\A\{"statusCode":200,"data":"(?:0123456789){50000}","timestamp":/


=== TEST 25: a large body that nginx keeps in a file
--- config
location = /t {
    proxy_buffer_size 4k; proxy_buffers 2 4k; proxy_busy_buffers_size 4k;
    limit_rate 200k; limit_rate_after 1k; sendfile on;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- request
GET /t
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
my $body = '"' . ('0123456789' x 20000) . '"';
["HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n", $body]
--- response_body_like eval: qr/\A\{"statusCode":200,"data":"(?:0123456789){20000}","timestamp":/


=== TEST 26: HTTP/2
--- http2
--- config
location = /t { default_type application/json; return 200 '{"a":1}'; }
--- request
GET /t
--- response_headers
content-type: application/json
! server
--- response_body_like: \A\{"statusCode":200,"data":\{"a":1\},


=== TEST 27: add_header still works
--- config
location = /t { add_header X-More yes; default_type application/json; return 200 '{}'; }
--- request
GET /t
--- response_headers
X-More: yes


=== TEST 28: a client that goes away in the middle does no harm
--- config
location = /t { proxy_buffering off; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- timeout: 0.05
--- abort
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.1
--- tcp_reply eval
["HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n", "[1,", "2,", "3]"]


=== TEST 29: and the next request is served
--- config
location = /t { default_type application/json; return 200 '{}'; }
--- request
GET /t


=== TEST 30: a 304 has the weak tag of the 200, whatever the client asked with
--- config
location /a { types { } default_type application/json; root html; }
location /b { types { } default_type text/plain; root html; }
--- user_files
>>> a.json
[1]
>>> b.txt
1
--- pipelined_requests eval
["GET /a.json", "GET /b.txt"]
--- more_headers
If-None-Match: *
--- error_code eval
[304, 304]
--- raw_response_headers_like eval
[qr/^ETag: W\/"[^"]+"\r$/m, qr/^ETag: "[^"]+"\r$/m]


=== TEST 31: and Last-Modified only if the 200 has it
--- config
location /a { types { } default_type application/json; root html; }
location /b { types { } default_type text/plain; root html; }
--- user_files
>>> a.json
[1]
>>> b.txt
1
--- pipelined_requests eval
["GET /a.json", "GET /b.txt"]
--- more_headers
If-None-Match: *
--- error_code eval
[304, 304]
--- raw_response_headers_like eval
[qr/\A(?!.*Last-Modified)/s, qr/^Last-Modified: /m]


=== TEST 32: an upstream's 304 has the weak tag, too
--- config
location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- more_headers
If-None-Match: "6", "7"
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\n\r\n"
--- error_code: 304
--- response_headers
ETag: W/"7"


=== TEST 33: unless it says that it is no JSON
--- config
location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- more_headers
If-None-Match: "7"
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 304 Not Modified\r\nContent-Type: text/css\r\nETag: \"7\"\r\n\r\n"
--- error_code: 304
--- response_headers
ETag: "7"


=== TEST 34: a target without a path has the path /
--- config
location / { default_type application/json; return 200 '{}'; }
--- raw_request eval
"GET http://x?" . ('"' x 100) . " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
--- response_body_like eval: qr/"path":"\/\?(?:\\"){100}","requestId":"[^"]+"\}\z/


=== TEST 35: a long target does not take six times its size
--- config
location / {
    error_log logs/error.log debug;
    default_type application/json;
    return 200 '{}';
}
--- request eval
"GET /?" . 'x' x 8000
--- response_body_like eval: qr/"path":"\/\?x{8000}","requestId":"[^"]+"\}\z/
--- no_error_log eval
qr/malloc: [0-9A-F]+:[2-9]\d{4}\b/


=== TEST 36: targets of the lengths where the room for them is reckoned otherwise
--- config
location / { default_type application/json; return 200 '{}'; }
--- pipelined_requests eval
[map { "GET /?" . "\xff" x ($_ - 2) } 511 .. 513]
--- response_body_like eval
[map { my $n = $_ - 2; qr/"path":"\/\?(?:%FF){$n}","requestId":"[^"]+"\}\z/ } 511 .. 513]
--- error_code eval
[200, 200, 200]
