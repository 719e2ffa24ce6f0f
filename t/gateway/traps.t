#!/usr/bin/perl
# What goes wrong in modules like this one, each as a test named "trap: ...". Where the traps are:
#
#   body in a temporary file skips validation              validate.t
#   write_event_handler not restored                       no test: see below
#   main->count wrong, double finalize                     here (and every file's clean error log)
#   body read and subrequest hang on HTTP/2                http2.t, validate.t
#   context allocated but not set                          here
#   C-string use of ngx_str_t                              here
#   busy buffer reused as free                             slow.t, http2.t (small windows)
#   zero size buf in writer                                here (and every file's clean error log)
#   lost tail, spinning between filters                    slow.t, http2.t
#   NGX_ERROR from a body filter on HTTP/2                 http2.t (resets)
#   upstream's Content-Length: 0                           envelope.t, here
#   short body and stale heap                              envelope.t, slow.t
#   chunked body escaping client_max_body_size             validate.t, errors.t, errors_html.t
#   gzip upstream                                          envelope.t, errors.t, here
#   response without headers                               errors.t, errors_html.t
#   dead worker holding the zone's lock                    reload.t
#   Expect: 100-continue with early close                  here, validate.t
#   early 400, 414, 494, 497 pages                         errors_html.t, errors.t
#   filter configuration lost inside if                    envelope.t, here
#   data in several chunks                                 envelope.t, http2.t
#   HEAD, 204, 304                                         envelope.t, errors.t, here
#   pipelined requests                                     here, envelope.t, validate.t, reload.t
#   [] turned into {} by re-encoding                       here, envelope.t
#   inbound request ids altered by one digit               here, trace.t
#   traceparent with a future version refused              trace.t
#
# write_event_handler: the validator sets it when it has read a body, as nginx's own mirror does. Without
# that line every test passes: each of nginx's later handlers (proxy, mirror, static files with threads,
# the delays of limit_rate) sets its own before it waits. It is for a module of somebody else's whose
# handler waits in a later phase. Tests 1 and 2 say only that bodies in pieces and delays work.
use strict;
use warnings;

use Prodorder::Gateway;

# A block that only says what an upstream replies gets an upstream, and a location in front of it.
add_block_preprocessor(sub {
    my ($block) = @_;
    return if !defined $block->tcp_reply || defined $block->tcp_listen;
    $block->set_value(tcp_listen => '$TEST_NGINX_RAND_PORT_1');
    $block->set_value(config => <<'END') if !defined $block->config;
        proxy_http_version 1.1;
        location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
END
});

run_tests();

__DATA__

=== TEST 1: a body in pieces, a mirror, a file by threads
--- config
location = /orders {
    prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
    mirror /mirror;
    error_page 405 =200 /f.json;
}
location = /mirror { internal; default_type application/json; return 200 '{}'; }
location = /f.json { types { application/json json; } aio threads; root html; }
--- user_files eval
">>> f.json\n[\"" . ("x" x 60000) . "\"]\n>>> orders\nx"
--- raw_request_middle_delay: 0.03
--- raw_request eval
["POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n{\"prod",
 "uctId\":1,\"qua", "ntity\":1}"]
--- error_code: 201
--- response_body_like: \A\{"statusCode":201,"data":\["x{60000}"\]\n,"timestamp"


=== TEST 2: a delay by limit_req before the body
--- http_config
limit_req_zone $server_name zone=one:1m rate=20r/s;
--- config
limit_req zone=one burst=10;
location = /orders {
    prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
["POST /orders\n{\"productId\":1,\"quantity\":1}", "POST /orders\n{\"productId\":1,\"quantity\":0}",
 "POST /orders\n{\"productId\":1,\"quantity\":1}"]
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- error_code eval
[201, 400, 201]


=== TEST 3: trap: main->count: a refused body between served ones, on one connection
--- config
location = /orders {
    prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
    client_body_buffer_size 1k;
    mirror /mirror;
    auth_request /ask;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
location = /mirror { internal; return 204; }
location = /ask { internal; return 204; }
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
my $large = "POST /orders\n{\"productId\":1," . (" " x 5000) . "\"quantity\":";
["${large}1}", "${large}0}", "POST /orders\n{", "POST /orders", "${large}1}"]
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- error_code eval
[201, 400, 400, 400, 201]


=== TEST 4: trap: context allocated but not set: found again after internal redirects
--- config
location /t { prodorder_envelope on; try_files /none @one; }
location @one { error_page 404 = @two; return 404; }
location @two { rewrite ^ /three last; }
location /three { default_type application/json; return 200 '{"id":"$prodorder_request_id"}'; }
--- request
GET /t?a=1
--- more_headers
X-Request-Id: same
--- response_headers
X-Request-Id: same
--- response_body_like: \A\{"statusCode":200,"data":\{"id":"same"\},"timestamp":"[^"]+","path":"/t\?a=1","requestId":"same"\}\z


=== TEST 5: trap: context: a generated id is the same for upstream, log, header and body after a redirect
--- config
location /t { set $before $prodorder_request_id; error_page 418 = @one; return 418; }
location @one { default_type application/json; return 200 '["$before","$prodorder_request_id"]'; }
--- request
GET /t
--- response_body_like: "data":\["([0-9a-f-]{36})","\1"\],.*"requestId":"\1"\}


=== TEST 6: trap: C-string use: values that no zero byte ends
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
--- pipelined_requests eval
["GET /orders/product/5?limit=10&cursor=100000", "GET /orders/product/7?limit=1000", "GET /products/7?x",
 "GET /orders/product/1?cursor=1&limit=1"]
--- tcp_keepalive
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- error_code eval
[200, 200, 200, 200]
--- response_body_like eval
[qr{"path":"/orders/product/5\?limit=10&cursor=100000",}, qr{"path":"/orders/product/7\?limit=1000",},
 qr{"path":"/products/7\?x",}, qr{"path":"/orders/product/1\?cursor=1&limit=1",}]


=== TEST 7: trap: C-string use: a zero byte in a body is refused, one in an upstream's error ends nothing
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
--- more_headers
Content-Type: application/json
--- request eval
"POST /products\n{\"name\":\"a\0b\",\"price\":1,\"qty\":1}"
--- tcp_reply: never asked
--- error_code: 400
--- response_body_like: malformed JSON at line 1, column 11


=== TEST 8: trap: C-string use: an escaped zero in an upstream's message is passed on as an escape
--- request
GET /t
--- tcp_reply eval
"HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\n\r\n{\"message\":\"a\\u0000b\"}"
--- error_code: 409
--- response_body_like: "message":"a\\u0000b","timestamp"


=== TEST 9: trap: zero size buf: flushes, an empty body, compression, all at once
--- config
gzip on; gzip_types application/json application/problem+json; gzip_min_length 0; gzip_proxied any;
proxy_http_version 1.1;
location / { proxy_buffering off; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- more_headers
Accept-Encoding: gzip
--- tcp_reply_delay: 0.03
--- tcp_reply eval
["HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n"]
--- response_headers
Content-Encoding: gzip
--- response_body_like eval: qr/\A\x1f\x8b.{20}/s


=== TEST 10: trap: zero size buf: the same with a body in drips, and for an error
--- config
gzip on; gzip_types application/json; gzip_min_length 0; gzip_proxied any;
proxy_http_version 1.1;
location / { proxy_buffering off; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- more_headers
Accept-Encoding: gzip
--- tcp_reply_delay: 0.03
--- tcp_reply eval
["HTTP/1.1 404 No\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\n{}\r\n", "0\r\n\r\n"]
--- error_code: 404
--- response_headers
Content-Encoding: gzip


=== TEST 11: trap: upstream's Content-Length: 0, compressed for the client and not buffered
--- config
gzip on; gzip_types application/json; gzip_min_length 0;
proxy_http_version 1.1;
location / { proxy_buffering off; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- pipelined_requests eval
["GET /a", "HEAD /b", "GET /c"]
--- tcp_keepalive
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
--- response_body_like eval
[qr/"data":null,/, qr/\A\z/, qr/"data":null,/]
--- error_code eval
[200, 200, 200]


=== TEST 12: trap: Expect: 100-continue, refused by nginx itself: nobody knows whether the body comes
--- config
lingering_close off;
location / { deny all; }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 28\r\n\r\n"
--- error_code: 403
--- response_headers
Connection: close


=== TEST 13: trap: Expect: 100-continue with a body that is at once there
--- config
location = /orders {
    prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- more_headers
Content-Type: application/json
Expect: 100-continue
--- pipelined_requests eval
["POST /orders\n{\"productId\":1,\"quantity\":0}", "POST /orders\n{\"productId\":1,\"quantity\":1}"]
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- error_code eval
[400, 201]


=== TEST 14: trap: configuration in if: the error's format, the envelope, the limit
--- config
location / {
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    if ($arg_format) { prodorder_error_format problem; }
    if ($arg_off) { prodorder_gateway off; }
}
--- pipelined_requests eval
["GET /a", "GET /b?format=1", "GET /c?off=1"]
--- tcp_reply eval
"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
--- error_code eval
[404, 404, 404]
--- response_body_like eval
[qr/\A\{"statusCode":404,/, qr/\A\{"type":"about:blank",/, qr/\A<html>\z/]


=== TEST 15: trap: 204 and 304 with a length and a type, then the next answer on the connection
--- config
proxy_http_version 1.1;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /n { default_type application/json; return 200 '[]'; }
--- pipelined_requests eval
["DELETE /t", "GET /n", "HEAD /t", "GET /n"]
--- tcp_reply eval
"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- error_code eval
[204, 200, 204, 200]
--- response_body_like eval
[qr/\A\z/, qr/"data":\[\],/, qr/\A\z/, qr/"data":\[\],/]


=== TEST 16: trap: a 304 names the tag that the 200 in its envelope has: the weak one
--- request
GET /t
--- more_headers
If-None-Match: "6", W/"7"
--- tcp_reply eval
"HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\n\r\n"
--- error_code: 304
--- response_headers
ETag: W/"7"


=== TEST 17: trap: also when the client asks with the strong one
--- request
GET /t
--- more_headers
If-None-Match: "7"
--- tcp_reply eval
"HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\n\r\n"
--- error_code: 304
--- response_headers
ETag: W/"7"


=== TEST 18: trap: HEAD whose upstream sends a body all the same
--- config
proxy_http_version 1.1;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /n { default_type application/json; return 200 '[]'; }
--- pipelined_requests eval
["HEAD /t", "GET /n"]
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- error_code eval
[200, 200]
--- response_body_like eval
[qr/\A\z/, qr/"data":\[\],/]


=== TEST 19: trap: pipelined: successes, errors, bodies, each with its own answer
--- config
location = /orders {
    prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
location /n { default_type application/json; return 200 '{"a":[]}'; }
location /d { deny all; }
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
["POST /orders\n{\"productId\":1,\"quantity\":1}", "GET /d/1", "POST /orders\n[]", "HEAD /n/2", "GET /n/3", "POST /d/4\nbody",
 "GET /n/5"]
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- error_code eval
[201, 403, 400, 200, 200, 403, 200]
--- response_body_like eval
[qr{"data":\{\},.*"path":"/orders"}, qr{403.*"path":"/d/1"}, qr{400.*"path":"/orders"}, qr{\A\z},
 qr{"data":\{"a":\[\]\},.*"path":"/n/3"}, qr{403.*"path":"/d/4"}, qr{"path":"/n/5"}]


=== TEST 20: trap: [] stays [], and what else re-encoding would change
--- request
GET /t
--- tcp_reply eval
my $body = '[[],{},{"a":[],"b":{}},1.0,-0,1E5,12345678901234567890,"\u002F/\ud83d\ude00","",null,{"a":1,"a":2}]';
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body"
--- response_body_like eval
my $body = '[[],{},{"a":[],"b":{}},1.0,-0,1E5,12345678901234567890,"\u002F/\ud83d\ude00","",null,{"a":1,"a":2}]';
qr/\A\{"statusCode":200,"data":\Q$body\E,"timestamp"/


=== TEST 21: trap: what an upstream compresses in spite of all passes whole, and the log says so
--- request
GET /t
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc"
--- response_headers
Content-Encoding: br
--- response_body chomp
abc
--- error_log
the response is "br" encoded and passes without an envelope


=== TEST 22: nginx's own redirect has no HTML
--- config
location / { root html/..; absolute_redirect off; }
location = /r { return 302 /x?y; }
--- pipelined_requests eval
["GET /html", "HEAD /html", "GET /r"]
--- error_code eval
[301, 301, 302]
--- response_headers
Content-Length: 0
! Content-Type
--- raw_response_headers_like eval
[qr{\nLocation: /html/\r\n}, qr{\nLocation: /html/\r\n}, qr{\nLocation: http://localhost\S*/x\?y\r\n}]
--- response_body_like eval
[qr/\A\z/, qr/\A\z/, qr/\A\z/]


=== TEST 23: error_page that redirects elsewhere
--- config
location / { error_page 404 http://example.org/; return 404; }
--- request
GET /t
--- error_code: 302
--- response_headers
Location: http://example.org/
Content-Length: 0
--- response_body chomp


=== TEST 24: an upstream's redirect is its own
--- request
GET /t
--- tcp_reply eval
"HTTP/1.1 303 See Other\r\nLocation: /orders/1\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<a/>"
--- error_code: 303
--- response_headers
Content-Type: text/html
--- response_body chomp
<a/>


=== TEST 25: an error keeps the Vary that the upstream sent
--- request
GET /t
--- tcp_reply eval
"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nVary: Origin, Accept-Encoding\r\nContent-Length: 1\r\n\r\nx"
--- error_code: 404
--- raw_response_headers_like: \nVary: Origin, Accept-Encoding\r\n(?:.*\r\n)?Vary: Accept\r\n


=== TEST 26: and does not say Accept twice
--- request
GET /t
--- tcp_reply eval
"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nVary: Origin\r\nVary: X , accept\r\nContent-Length: 1\r\n\r\nx"
--- error_code: 404
--- raw_response_headers_unlike: Vary: Accept\r\n


=== TEST 27: an error that has one format only does not vary
--- config
location / { prodorder_error_format envelope; return 404; }
--- request
GET /t
--- error_code: 404
--- response_headers
! Vary


=== TEST 28: a digest of other bytes is no digest
--- pipelined_requests eval
["GET /t", "HEAD /t"]
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-MD5: x\r\nContent-Digest: sha-256=:x:\r\nDigest: x\r\nRepr-Digest: x\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\n{}"
--- response_headers
! Content-MD5
! Content-Digest
! Digest
! Repr-Digest
X-Kept: 1
--- error_code eval
[200, 200]


=== TEST 29: an error drops what described the body and the software
--- request
GET /t
--- tcp_reply eval
"HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Disposition: attachment\r\nContent-Language: de\r\nX-Powered-By: Things/1.2\r\nWWW-Authenticate: Bearer\r\nContent-Length: 1\r\n\r\nx"
--- error_code: 500
--- response_headers
! Content-Disposition
! Content-Language
! X-Powered-By
WWW-Authenticate: Bearer


=== TEST 30: X-Accel-Redirect to a JSON file: in the envelope, with the path that was asked for
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location = /f.json { internal; types { application/json json; } root html; }
--- user_files
>>> f.json
[1]
--- request
GET /t
--- more_headers
X-Request-Id: accel
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /f.json\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- response_body_like: \A\{"statusCode":200,"data":\[1\]\n,"timestamp":"[^"]+","path":"/t","requestId":"accel"\}\z


=== TEST 31: an included subrequest is not wrapped
--- config
location = /page { ssi on; default_type text/html; return 200 'a<!--# include virtual="/part" -->b'; }
location = /part { default_type application/json; return 200 '[1]'; }
--- request
GET /page
--- response_body chomp
a[1]b


=== TEST 32: an included subrequest that fails does not change the page's status
--- config
location = /page { ssi on; default_type text/html; return 200 'a<!--# include virtual="/part" -->b'; }
location = /part { default_type application/json; return 200 '[1]'; deny all; }
--- request
GET /page
--- error_code: 200


=== TEST 33: auth_request sees no envelope, and what it sets goes on
--- config
location / {
    auth_request /ask;
    auth_request_set $user $upstream_http_x_user;
    default_type application/json;
    proxy_set_header X-User $user;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
location = /ask { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_connections: 2
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nX-User: me\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
--- tcp_query eval: qr/X-User: me\r\n/
--- response_body_like: \A\{"statusCode":200,"data":\[\],"timestamp"


=== TEST 34: an upstream's partial content passes as it is
--- request
GET /t
--- more_headers
Range: bytes=0-1
--- tcp_reply eval
"HTTP/1.1 206 Partial Content\r\nContent-Type: application/json\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\n{\""
--- error_code: 206
--- response_headers
Content-Range: bytes 0-1/9
--- response_body chomp
{"


=== TEST 35: ranges that nginx would cut are not cut out of an envelope
--- config
location / { proxy_force_ranges on; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- more_headers
Range: bytes=0-1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- response_headers
! Content-Range
! Accept-Ranges
--- response_body_like: \A\{"statusCode":200,"data":\{\},


=== TEST 36: but out of what has no envelope
--- config
location / { prodorder_envelope off; types { application/json json; } root html; }
--- user_files
>>> f.json
[12345]
--- request
GET /f.json
--- more_headers
Range: bytes=1-5
--- error_code: 206
--- response_body chomp
12345


=== TEST 37: If-Range, If-None-Match: * and If-Modified-Since on a file in an envelope
--- config
location / { types { application/json json; } root html; }
--- user_files
>>> f.json
[1]
--- more_headers
If-None-Match: *
Range: bytes=0-0
--- request
GET /f.json
--- error_code: 304
--- response_body chomp


=== TEST 38: error_page with JSON of the user's own: its message is ours
--- config
error_page 404 /sorry.json;
location / { types { application/json json; } sendfile on; root html; }
--- user_files
>>> sorry.json
{"message":"we looked everywhere","other":1}
--- request
GET /none
--- error_code: 404
--- response_body_like: \A\{"statusCode":404,"data":null,"message":"we looked everywhere","timestamp"


=== TEST 39: error_page that turns an error into a success
--- config
location / { error_page 502 504 =200 /fallback; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
location = /fallback { default_type application/json; return 200 '{"fallback":true}'; }
--- request
GET /t
--- response_body_like: \A\{"statusCode":200,"data":\{"fallback":true\},"timestamp":"[^"]+","path":"/t"


=== TEST 40: proxy_intercept_errors hands an error to another upstream, whose word counts
--- config
location / {
    proxy_intercept_errors on; error_page 500 = /other;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
location = /other { proxy_intercept_errors off; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_connections: 2
--- tcp_reply eval
"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"message\":\"down\"}"
--- error_code: 500
--- response_body_like: \A\{"statusCode":500,"data":null,"message":"down",


=== TEST 41: an early error leaves nothing behind for a later success
--- config
error_page 403 = @other;
location / { deny all; }
location @other { default_type application/json; return 200 '{"other":1}'; }
--- more_headers
X-Request-Id: e-1
--- request
GET /t
--- response_headers
! Vary
! Retry-After
--- response_body_like: \A\{"statusCode":200,"data":\{"other":1\},


=== TEST 42: HTTP/1.0 with a body of unknown length: the connection ends it
--- request
GET /t HTTP/1.0
--- more_headers
Connection: keep-alive
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
--- response_headers
Connection: close
! Transfer-Encoding
--- response_body_like: \A\{"statusCode":200,"data":\[\],.*\}\z


=== TEST 43: sub_filter and add_header work on the envelope
--- config
location / {
    sub_filter_types application/json; sub_filter '"a"' '"b"'; add_header X-More "$sent_http_etag";
    default_type application/json; return 200 '{"a":1}';
}
--- request
GET /t
--- response_body_like: \A\{"statusCode":200,"data":\{"b":1\},


=== TEST 44: an upstream that resets the connection in the middle of a body
--- request
GET /t
--- tcp_reset
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1,2\r\n"
--- broken_response
--- response_body_unlike: requestId


=== TEST 45: and one that falls silent in the middle of a body
--- config
proxy_http_version 1.1; proxy_read_timeout 100ms;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- tcp_reply_delay: 0.5
--- tcp_reply eval
["HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1,2\r\n", "1\r\n]\r\n0\r\n\r\n"]
--- broken_response
--- response_body_unlike: requestId
--- error_log
upstream timed out


=== TEST 46: a service that compresses its error is not understood, but its status is passed on
--- request
GET /t
--- tcp_reply eval
"HTTP/1.1 422 No\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\nContent-Length: 17\r\n\r\n{\"message\":\"no\"}"
--- error_code: 422
--- response_headers
! Content-Encoding
--- response_body_like: \A\{"statusCode":422,"data":null,"message":"[^"]{5,}"


=== TEST 47: 405 of an upstream keeps its Allow
--- request
POST /t
x
--- tcp_reply eval
"HTTP/1.1 405 No\r\nAllow: GET, PURGE\r\nContent-Length: 0\r\n\r\n"
--- error_code: 405
--- response_headers
Allow: GET, PURGE


=== TEST 48: a body that nginx wants in one buffer, in a file, or not at all
--- config
location = /orders { prodorder_openapi $TEST_NGINX_ROOT/openapi.json; client_body_in_single_buffer on;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location = /products { prodorder_openapi $TEST_NGINX_ROOT/openapi.json; client_body_in_file_only clean;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location = /products/1/restock { prodorder_openapi $TEST_NGINX_ROOT/openapi.json; proxy_request_buffering off;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
["POST /orders\n{\"productId\":1,\"quantity\":0}", "POST /products\n{\"name\":\"\",\"price\":1,\"qty\":1}",
 "POST /products/1/restock\n{\"quantity\":0}", "POST /orders\n{\"productId\":1,\"quantity\":1}",
 "POST /products\n{\"name\":\"n\",\"price\":1,\"qty\":1}", "POST /products/1/restock\n{\"quantity\":1}"]
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- error_code eval
[400, 400, 400, 201, 201, 200]
--- tcp_query eval
[qr/"quantity":1\}POST \/products /, qr/"qty":1\}POST .*"quantity":1\}\z/s]


=== TEST 49: trap: an inbound id altered by a digit: 128 characters of every kind, digit by digit
--- config
location / { proxy_set_header X-Request-Id $prodorder_request_id; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request
GET /t
--- more_headers eval
"X-Request-Id: " . CORE::join("", "a" .. "z", "A" .. "Z", 0 .. 9, "._:-", "9" x 62)
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- tcp_query eval
my $id = CORE::join("", "a" .. "z", "A" .. "Z", 0 .. 9, "._:-", "9" x 62);
qr/^X-Request-Id: \Q$id\E\r$/m
--- response_headers eval
"X-Request-Id: " . CORE::join("", "a" .. "z", "A" .. "Z", 0 .. 9, "._:-", "9" x 62)
--- response_body_like eval
my $id = CORE::join("", "a" .. "z", "A" .. "Z", 0 .. 9, "._:-", "9" x 62);
qr/"requestId":"\Q$id\E"\}\z/


=== TEST 50: a body in a file is there for a post_action, too, when the response has been sent
--- config
location = /orders {
    prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
    client_body_buffer_size 1k;
    post_action /after;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
location = /after { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- more_headers
Content-Type: application/json
--- request eval
"POST /orders\n{\"productId\":1," . (" " x 5000) . "\"quantity\":1}"
--- tcp_connections: 2
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- error_code: 201
--- tcp_query eval: qr/\APOST \/orders .*"quantity":1\}POST \/after .* {5000}"quantity":1\}\z/s
