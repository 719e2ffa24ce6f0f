#!/usr/bin/perl
# Each directive at each level: http, server, location, if; inherited, overridden, out of bounds.
use strict;
use warnings;

use Prodorder::Gateway;

# A document with one operation: POST /any... and GET /any..., each path of the tests under one name.
my $document = <<'END';
{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/{level}":{
"parameters":[{"name":"level","in":"path","required":true,"schema":{"type":"string"}}],
"get":{"operationId":"read","parameters":[{"name":"n","in":"query","schema":{"type":"integer"}},
{"name":"x","in":"query","schema":{"type":"string"}},
{"name":"a","in":"query","schema":{"type":"integer"}},{"name":"b","in":"query","schema":{"type":"integer"}},
{"name":"c","in":"query","schema":{"type":"integer"}},{"name":"d","in":"query","schema":{"type":"integer"}}],
"responses":{"200":{"description":"d"}}},
"post":{"operationId":"write","parameters":[{"name":"x","in":"query","schema":{"type":"string"}}],
"requestBody":{"required":true,"content":{"application/json":{"schema":
{"type":"object"}}}},"responses":{"201":{"description":"d"}}}}}}
END

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(user_files => ">>> d.json\n$document") if !defined $block->user_files;
});

run_tests();

__DATA__

=== TEST 1: prodorder_gateway: inherited from http, off and on again below
--- config
default_type application/json;
location /http { return 200 '{}'; }
location /location { prodorder_gateway off; return 200 '{}';
    location /location/on { prodorder_gateway on; return 200 '{}'; } }
location /if { if ($arg_x = off) { prodorder_gateway off; return 200 '{}'; } return 200 '{}'; }
--- more_headers
X-Request-Id: me
--- pipelined_requests eval
["GET /http", "GET /location", "GET /location/on", "GET /if", "GET /if?x=off"]
--- error_code eval
[200, 200, 200, 200, 200]
--- response_headers eval
["X-Request-Id: me", "! X-Request-Id", "X-Request-Id: me", "X-Request-Id: me", "! X-Request-Id"]
--- response_body_like eval
[qr/statusCode/, qr/\A\{\}\z/, qr/statusCode/, qr/statusCode/, qr/\A\{\}\z/]


=== TEST 2: prodorder_gateway: a server that is off, with a location that is on
--- config
prodorder_gateway off;
default_type application/json;
location /server { return 200 '{}'; }
location /location { prodorder_gateway on; return 200 '{}'; }
location /if { if ($arg_x = on) { prodorder_gateway on; return 200 '{}'; } return 200 '{}'; }
--- pipelined_requests eval
["GET /server", "GET /location", "GET /if", "GET /if?x=on"]
--- error_code eval
[200, 200, 200, 200]
--- response_body_like eval
[qr/\A\{\}\z/, qr/statusCode/, qr/\A\{\}\z/, qr/statusCode/]


=== TEST 3: prodorder_gateway takes on or off
--- config
location / { prodorder_gateway yes; }
--- must_die
--- error_log
invalid value "yes" in "prodorder_gateway" directive, it must be "on" or "off"


=== TEST 4: prodorder_openapi: of http, inherited by server, location and if
--- http_config
prodorder_openapi html/d.json;
--- config
default_type application/json;
location /location { return 204; }
location /if { if ($arg_x) { return 204; } return 204; }
location /off { prodorder_openapi off; return 204; }
location /both { return 204; location /both/deep { prodorder_openapi off; alias html/d.json; } }
--- pipelined_requests eval
["GET /location?n=a", "GET /a/b", "GET /off/b", "GET /both/deep"]
--- error_code eval
[204, 404, 204, 200]


=== TEST 5: prodorder_openapi: of a server, of a location
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
--- config
prodorder_openapi html/d.json;
default_type application/json;
location / { alias html/; }
location /orders { prodorder_openapi $TEST_NGINX_ROOT/openapi.json; alias html/; }
--- pipelined_requests eval
["GET /d.json", "GET /d.json?n=x", "GET /orders/0"]
--- error_code eval
[200, 400, 400]
--- response_body_like eval
[qr/openapi/, qr{query/n}, qr{path/id}]


=== TEST 6: prodorder_openapi is refused in an if block: validation comes before the content
--- config
location / { if ($arg_x) { prodorder_openapi html/d.json; } }
--- must_die
--- error_log
"prodorder_openapi" directive is not allowed here


=== TEST 7: prodorder_validate: off at http, on below
--- http_config
prodorder_openapi html/d.json;
prodorder_validate off;
--- config
location /http { alias html/d.json; }
location /location { prodorder_validate on; alias html/d.json; }
location /if { alias html/d.json; if ($arg_x = on) { prodorder_validate on; } }
--- pipelined_requests eval
["GET /http?n=a", "GET /location?n=a", "GET /if?n=a", "GET /if?x=on&n=a", "GET /if?x=on&n=1"]
--- error_code eval
[200, 400, 200, 400, 200]


=== TEST 8: prodorder_validate: on by default, off in a server, on in its location
--- http_config
prodorder_openapi html/d.json;
--- config
prodorder_validate off;
location /server { alias html/d.json; }
location /location { prodorder_validate on; alias html/d.json; }
location /if { prodorder_validate on; alias html/d.json; if ($arg_x = off) { prodorder_validate off; } }
--- pipelined_requests eval
["GET /server?n=a", "GET /location?n=a", "GET /if?n=a", "GET /if?x=off&n=a"]
--- error_code eval
[200, 400, 400, 200]


=== TEST 9: prodorder_validate log: the outcome is noted, nothing is refused
--- http_config
prodorder_openapi html/d.json;
--- config
prodorder_validate log;
location /a { alias html/d.json; add_header V $prodorder_validation always; }
location /a/b { alias html/d.json; add_header V $prodorder_validation always; }
--- pipelined_requests eval
["GET /a?n=1", "GET /a?n=x", "GET /a/b"]
--- error_code eval
[200, 200, 200]
--- response_headers eval
["V: valid", "V: invalid", "V: invalid"]
--- error_log
client sent an invalid request: 1 error(s), the first at "query/n": "must be
instead of being answered with 400
instead of being answered with 404


=== TEST 10: prodorder_validate log: bodies of every kind arrive at the upstream
--- http_config
prodorder_openapi html/d.json;
--- config
prodorder_validate log;
prodorder_body_limit 10;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; add_header V $prodorder_validation always; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
["POST /a\n{}", "POST /a\n{]", "POST /a\n{\"abc\":\"defghi\"}", "PUT /a\nlast"]
--- error_code eval
[200, 200, 200, 200]
--- response_headers eval
["V: valid", "V: invalid", "V: invalid", "V: invalid"]
--- tcp_query eval: qr/\{\}POST.*\{\]POST.*"defghi"\}PUT.*last\z/s
--- error_log
the first at "": "malformed JSON at line 1, column 2
instead of being answered with 400
instead of being answered with 413
instead of being answered with 405


=== TEST 11: prodorder_validate log: a media type that the document does not have
--- http_config
prodorder_openapi html/d.json;
--- config
prodorder_validate log;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; add_header V $prodorder_validation always; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
--- more_headers
Content-Type: text/plain
--- request
POST /a
text
--- response_headers
V: invalid
--- tcp_query eval: qr/\r\n\r\ntext\z/
--- error_log
instead of being answered with 415


=== TEST 12: prodorder_validate log: a chunked body over the limit
--- http_config
prodorder_openapi html/d.json;
--- config
prodorder_validate log;
prodorder_body_limit 3;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; add_header V $prodorder_validation always; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
--- raw_request eval
"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
. "4\r\n{  }\r\n0\r\n\r\n"
--- response_headers
V: invalid
--- tcp_query eval: qr/\r\n\r\n\{  \}\z/
--- error_log
instead of being answered with 413


=== TEST 13: prodorder_validate takes three words
--- config
prodorder_validate maybe;
--- must_die
--- error_log
invalid value "maybe"


=== TEST 14: prodorder_envelope: off at http, on below
--- http_config
prodorder_envelope off;
--- config
default_type application/json;
location /http { return 200 '{}'; }
location /location { prodorder_envelope on; return 200 '{}'; }
location /if { if ($arg_x = on) { prodorder_envelope on; return 200 '{}'; } return 200 '{}'; }
--- pipelined_requests eval
["GET /http", "GET /location", "GET /if", "GET /if?x=on"]
--- error_code eval
[200, 200, 200, 200]
--- response_body_like eval
[qr/\A\{\}\z/, qr/statusCode/, qr/\A\{\}\z/, qr/statusCode/]


=== TEST 15: prodorder_envelope: off in a server, on in its location, off in its if
--- config
prodorder_envelope off;
default_type application/json;
location /server { return 200 '{}'; }
location /location { prodorder_envelope on; return 200 '{}'; }
location /if { prodorder_envelope on; if ($arg_x = off) { prodorder_envelope off; return 200 '{}'; } return 200 '{}'; }
--- pipelined_requests eval
["GET /server", "GET /location", "GET /if", "GET /if?x=off"]
--- error_code eval
[200, 200, 200, 200]
--- response_body_like eval
[qr/\A\{\}\z/, qr/statusCode/, qr/statusCode/, qr/\A\{\}\z/]


=== TEST 16: prodorder_error_format: each level
--- http_config
prodorder_error_format problem;
--- config
location /http { return 403; }
location /location { prodorder_error_format envelope; return 403; }
location /if { if ($arg_x) { prodorder_error_format envelope; return 403; } return 403; }
location /auto { prodorder_error_format auto; return 403; }
--- pipelined_requests eval
["GET /http", "GET /location", "GET /if", "GET /if?x=1", "GET /auto"]
--- error_code eval
[403, 403, 403, 403, 403]
--- response_headers eval
["Content-Type: application/problem+json", "Content-Type: application/json",
 "Content-Type: application/problem+json", "Content-Type: application/json",
 "Content-Type: application/json"]


=== TEST 17: prodorder_error_format: of a server
--- http_config
prodorder_error_format problem;
--- config
prodorder_error_format envelope;
location / { return 403; }
--- more_headers
Accept: application/problem+json
--- request
GET /
--- error_code: 403
--- response_headers
Content-Type: application/json


=== TEST 18: prodorder_max_errors: each level
--- http_config
prodorder_openapi html/d.json;
prodorder_max_errors 1;
--- config
location /http { alias html/d.json; }
location /location { prodorder_max_errors 2; alias html/d.json; }
location /if { prodorder_max_errors 3; alias html/d.json; if ($arg_x) { prodorder_max_errors 4; } }
--- pipelined_requests eval
[map { "GET /$_" } "http?a=A&b=B&c=C&d=D", "location?a=A&b=B&c=C&d=D", "if?a=A&b=B&c=C&d=D",
 "if?x=1&a=A&b=B&c=C&d=D"]
--- error_code eval
[400, 400, 400, 400]
--- response_body_like eval
[map { qr/"errors":\[(?:\{[^{}]*\},?){$_}\]/ } 1 .. 4]


=== TEST 19: prodorder_max_errors: of a server; the upper bound is in
--- http_config
prodorder_openapi html/d.json;
prodorder_max_errors 1000;
--- config
prodorder_max_errors 2;
location / { alias html/d.json; }
--- request
GET /a?a=A&b=B&c=C&d=D
--- error_code: 400
--- response_body_like: "errors":\[(?:\{[^{}]*\},?){2}\]


=== TEST 20: prodorder_max_errors: over its bound
--- config
location / { prodorder_max_errors 1001; }
--- must_die
--- error_log
"prodorder_max_errors" directive must be from 1 to 1000


=== TEST 21: prodorder_max_errors: not a number
--- config
prodorder_max_errors many;
--- must_die
--- error_log
"prodorder_max_errors" directive invalid number


=== TEST 22: prodorder_body_limit: each level, at its edge
--- http_config
prodorder_openapi html/d.json;
prodorder_body_limit 10;
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /location { prodorder_body_limit 11; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /if { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    if ($arg_x) { prodorder_body_limit 12; } }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
[map { "POST /$_->[0]\n{" . (" " x ($_->[1] - 2)) . "}" } ["h", 10], ["h", 11], ["location", 11], ["location", 12],
 ["if", 11], ["if?x=1", 12], ["if?x=1", 13]]
--- error_code eval
[201, 413, 201, 413, 413, 201, 413]


=== TEST 23: prodorder_body_limit: of a server
--- http_config
prodorder_openapi html/d.json;
prodorder_body_limit 10;
--- config
prodorder_body_limit 1k;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
[map { "POST /a\n{" . (" " x ($_ - 2)) . "}" } 1024, 1025]
--- error_code eval
[201, 413]


=== TEST 24: prodorder_body_limit: 0 does not mean any size
--- config
prodorder_body_limit 0;
--- must_die
--- error_log
"prodorder_body_limit" directive must be from 1 to 1g; bodies of any size: "prodorder_validate off"


=== TEST 25: prodorder_body_limit: over what a JSON text may have
--- config
prodorder_body_limit 1025m;
--- must_die
--- error_log
"prodorder_body_limit" directive must be from 1 to 1g


=== TEST 26: prodorder_body_limit: not a size
--- config
prodorder_body_limit large;
--- must_die
--- error_log
"prodorder_body_limit" directive invalid value


=== TEST 27: prodorder_request_id: each level, with and without a header's name
--- http_config
prodorder_request_id inbound header=X-Correlation-Id;
--- config
default_type text/plain;
location /http { return 200 $prodorder_request_id; }
location /location { prodorder_request_id generate; return 200 $prodorder_request_id; }
location /named { prodorder_request_id generate header=Call; return 200 $prodorder_request_id; }
location /if { if ($arg_x) { prodorder_request_id inbound; return 200 $prodorder_request_id; }
    return 200 $prodorder_request_id; }
--- more_headers
X-Correlation-Id: one
X-Request-Id: two
Call: three
--- pipelined_requests eval
["GET /http", "GET /location", "GET /named", "GET /if", "GET /if?x=1"]
--- error_code eval
[200, 200, 200, 200, 200]
--- response_body_like eval
[qr/\Aone\z/, qr/\A[0-9a-f-]{36}\z/, qr/\A[0-9a-f-]{36}\z/, qr/\Aone\z/, qr/\Atwo\z/]
--- response_headers eval
["X-Correlation-Id: one\n! X-Request-Id\n! Call", "! X-Correlation-Id\n! Call",
 "! X-Correlation-Id\n! X-Request-Id", "X-Correlation-Id: one\n! X-Request-Id", "X-Request-Id: two"]


=== TEST 28: prodorder_request_id: of a server; a name is compared without case
--- http_config
prodorder_request_id generate;
--- config
prodorder_request_id inbound header=x-amzn-trace;
location / { default_type text/plain; return 200 $prodorder_request_id; }
--- more_headers
X-Amzn-Trace: here
--- request
GET /
--- response_body_like: \Ahere\z
--- response_headers
x-amzn-trace: here


=== TEST 29: prodorder_request_id: another word
--- config
prodorder_request_id trust;
--- must_die
--- error_log
invalid value "trust" of "prodorder_request_id": expected "inbound" or "generate"


=== TEST 30: prodorder_request_id: a name that is none
--- config
prodorder_request_id inbound "header=X Id";
--- must_die
--- error_log
invalid parameter "header=X Id" of "prodorder_request_id": expected header=NAME with the name of a header field


=== TEST 31: prodorder_request_id: an empty name
--- config
prodorder_request_id inbound header=;
--- must_die
--- error_log
invalid parameter "header=" of "prodorder_request_id"


=== TEST 32: prodorder_request_id: the same directive twice
--- config
prodorder_request_id inbound;
prodorder_request_id generate;
--- must_die
--- error_log
"prodorder_request_id" directive is duplicate


=== TEST 33: prodorder_trace: each level
--- http_config
prodorder_trace generate sampled=off;
--- config
default_type text/plain;
location /http { return 200 "$prodorder_traceparent $prodorder_tracestate"; }
location /location { prodorder_trace inbound; return 200 "$prodorder_traceparent $prodorder_tracestate"; }
location /off { prodorder_trace off;
    return 200 "$prodorder_traceparent $prodorder_tracestate [$prodorder_trace_id$prodorder_span_id]"; }
location /if { if ($arg_x) { prodorder_trace generate sampled=on;
    return 200 "$prodorder_traceparent $prodorder_tracestate"; }
    return 200 "$prodorder_traceparent $prodorder_tracestate"; }
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03
tracestate: a=1
--- pipelined_requests eval
["GET /http", "GET /location", "GET /off", "GET /if", "GET /if?x=1"]
--- error_code eval
[200, 200, 200, 200, 200]
--- response_body_like eval
[qr/\A00-(?!0af76519)[0-9a-f]{32}-[0-9a-f]{16}-00 \z/,
 qr/\A00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b71)[0-9a-f]{16}-0[13] a=1\z/,
 qr/\A00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03 a=1 \[\]\z/,
 qr/\A00-(?!0af76519)[0-9a-f]{32}-[0-9a-f]{16}-00 \z/,
 qr/\A00-(?!0af76519)[0-9a-f]{32}-[0-9a-f]{16}-0[13] \z/]


=== TEST 34: prodorder_trace: of a server; sampled=off keeps the flag of an inbound trace
--- http_config
prodorder_trace off;
--- config
prodorder_trace inbound sampled=off;
location / { default_type text/plain; return 200 "$prodorder_traceparent"; }
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
--- request
GET /
--- response_body_like: \A00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01\z


=== TEST 35: prodorder_trace: sampled=off without an inbound trace
--- config
prodorder_trace inbound sampled=off;
location / { default_type text/plain; return 200 "$prodorder_traceparent"; }
--- request
GET /
--- response_body_like: \A00-[0-9a-f]{32}-[0-9a-f]{16}-00\z


=== TEST 36: prodorder_trace: another word
--- config
prodorder_trace on;
--- must_die
--- error_log
invalid value "on" of "prodorder_trace": expected "inbound", "generate" or "off"


=== TEST 37: prodorder_trace: a parameter that is none
--- config
prodorder_trace inbound sampled=10%;
--- must_die
--- error_log
invalid parameter "sampled=10%" of "prodorder_trace": expected "sampled=on" or "sampled=off"


=== TEST 38: prodorder_trace: the same directive twice
--- config
prodorder_trace off;
prodorder_trace off;
--- must_die
--- error_log
"prodorder_trace" directive is duplicate


=== TEST 39: prodorder_retry_after: each level
--- http_config
prodorder_retry_after 2s;
--- config
location /http { return 503; }
location /location { prodorder_retry_after 3m; return 503; }
location /if { if ($arg_x) { prodorder_retry_after 0; return 503; } return 429; }
--- pipelined_requests eval
["GET /http", "GET /location", "GET /if", "GET /if?x=1"]
--- error_code eval
[503, 503, 429, 503]
--- response_headers eval
["Retry-After: 2", "Retry-After: 180", "Retry-After: 2", "Retry-After: 0"]


=== TEST 40: prodorder_retry_after: of a server
--- http_config
prodorder_retry_after 2s;
--- config
prodorder_retry_after 7;
location / { return 503; }
--- request
GET /
--- error_code: 503
--- response_headers
Retry-After: 7


=== TEST 41: prodorder_retry_after: not a time
--- config
prodorder_retry_after soon;
--- must_die
--- error_log
"prodorder_retry_after" directive invalid value


=== TEST 42: prodorder_health belongs into a location
--- config
prodorder_health;
--- must_die
--- error_log
"prodorder_health" directive is not allowed here


=== TEST 43: prodorder_metrics belongs into a location
--- config
prodorder_metrics;
--- must_die
--- error_log
"prodorder_metrics" directive is not allowed here


=== TEST 44: prodorder_metrics takes no parameter
--- config
location / { prodorder_metrics zone=m; }
--- must_die
--- error_log
invalid number of arguments in "prodorder_metrics" directive


=== TEST 45: the filters' configuration is not lost inside of an if that sets something else
--- http_config
prodorder_openapi html/d.json;
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location / { return 200 '{}'; }
    location /e { return 503 '{"message":"no"}'; }
}
--- config
prodorder_request_id inbound header=Id;
location /a {
    prodorder_envelope off;
    prodorder_validate off;
    if ($arg_x) { set $y 1; }
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3;
}
location /e {
    prodorder_validate off;
    prodorder_error_format problem;
    prodorder_retry_after 9;
    if ($arg_x) { set $y 1; }
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3;
}
location /v {
    prodorder_max_errors 2;
    if ($arg_x) { set $y 1; }
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3;
}
location /w {
    if ($arg_x) { set $y 1; }
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3;
}
--- more_headers
Id: me
--- pipelined_requests eval
["GET /a?x=1", "GET /e?x=1", "GET /v?x=1&a=A&b=B&c=C", "GET /w?x=1", "GET /w?x=1&a=A"]
--- error_code eval
[200, 503, 400, 200, 400]
--- response_headers eval
["Id: me", "Id: me\nContent-Type: application/problem+json\nRetry-After: 9", "Id: me", "Id: me", "Id: me"]
--- response_body_like eval
[qr/\A\{\}\z/, qr/"status":503/, qr/"errors":\[(?:\{[^{}]*\},?){2}\]/, qr/"data":\{\}/, qr/"errors":\[\{/]


=== TEST 46: nor in limit_except, a named location or a nested one
--- config
default_type application/json;
prodorder_retry_after 4;
location /a { prodorder_error_format problem; limit_except GET { deny all; } return 200 '{}'; }
location /b { prodorder_envelope off; location /b/c { return 200 '{}'; } }
location /d { prodorder_envelope off; try_files /none @named; }
location @named { prodorder_envelope on; return 200 '{}'; }
location /f { prodorder_envelope off; rewrite ^ /g last; }
location /g { return 200 '{}'; }
--- pipelined_requests eval
["GET /a", "GET /b/c", "GET /d", "GET /f"]
--- error_code eval
[200, 200, 200, 200]
--- response_body_like eval
[qr/statusCode/, qr/\A\{\}\z/, qr/statusCode/, qr/statusCode/]


=== TEST 47: prodorder_json_depth: each level, at its edge
--- http_config
prodorder_openapi html/d.json;
prodorder_json_depth 1;
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /location { prodorder_json_depth 2; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /if { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    if ($arg_x) { prodorder_json_depth 3; } }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
["POST /h\n{}", "POST /h\n{\"a\":[]}", "POST /location\n{\"a\":[]}", "POST /location\n{\"a\":[{}]}",
 "POST /if\n{\"a\":[]}", "POST /if?x=1\n{\"a\":[{}]}", "POST /if?x=1\n{\"a\":[{\"b\":[]}]}"]
--- error_code eval
[201, 400, 201, 400, 400, 201, 400]
--- response_body_like eval
[qr/201/, qr/nested too deeply: at most 1 level/, qr/201/, qr/nested too deeply: at most 2 levels/, qr/at most 1 level/, qr/201/,
 qr/at most 3 levels/]


=== TEST 48: prodorder_json_depth: of a server
--- http_config
prodorder_openapi html/d.json;
prodorder_json_depth 1;
--- config
prodorder_json_depth 128;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
[map { "POST /a\n{\"a\":" . ("[" x $_) . ("]" x $_) . "}" } 127, 128]
--- error_code eval
[201, 400]


=== TEST 49: prodorder_json_depth: over its bound
--- config
prodorder_json_depth 129;
--- must_die
--- error_log
"prodorder_json_depth" directive must be from 1 to 128


=== TEST 50: prodorder_json_depth: under its bound
--- config
prodorder_json_depth 0;
--- must_die
--- error_log
"prodorder_json_depth" directive must be from 1 to 128


=== TEST 51: prodorder_json_values: each level, at its edge
--- http_config
prodorder_openapi html/d.json;
prodorder_json_values 3;
--- config
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /location { prodorder_json_values 4; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /if { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    if ($arg_x) { prodorder_json_values 5; } }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
["POST /h\n{\"a\":[1]}", "POST /h\n{\"a\":[1,2]}", "POST /location\n{\"a\":[1,2]}", "POST /location\n{\"a\":[1,2,{}]}",
 "POST /if\n{\"a\":[1,2]}", "POST /if?x=1\n{\"a\":[1,2,{}]}", "POST /if?x=1\n{\"a\":[1,2,{},[]]}"]
--- error_code eval
[201, 400, 201, 400, 400, 201, 400]
--- response_body_like eval
[qr/201/, qr/too many values: at most 3 /, qr/201/, qr/at most 4 /, qr/at most 3 /, qr/201/, qr/at most 5 /]


=== TEST 52: prodorder_json_values: of a server; the default
--- http_config
prodorder_openapi html/d.json;
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_2; location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; } }
--- config
prodorder_json_values 10000000;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /default { proxy_set_header Content-Type application/json; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_2; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
--- more_headers
Content-Type: application/json
--- pipelined_requests eval
[map { "POST /$_->[0]\n{\"a\":[1" . (",1" x ($_->[1] - 3)) . "]}" } ["h", 65537], ["default", 65536], ["default", 65537]]
--- error_code eval
[201, 201, 400]


=== TEST 53: prodorder_json_values: out of its bounds
--- config
prodorder_json_values 10000001;
--- must_die
--- error_log
"prodorder_json_values" directive must be from 1 to 10000000


=== TEST 54: prodorder_request_id: a header that HTTP needs for itself
--- config
prodorder_request_id inbound header=content-length;
--- must_die
--- error_log
invalid parameter "header=content-length" of "prodorder_request_id": HTTP has another use for this header field


=== TEST 55: prodorder_metrics in an if block and in limit_except, as the location that holds it
--- config
location = /a { prodorder_metrics; if ($arg_x) { set $y 1; } }
location = /b { prodorder_metrics; limit_except GET { allow all; } }
location = /c { prodorder_metrics; limit_except GET { deny all; } }
--- pipelined_requests eval
["GET /a?x=1", "GET /b", "POST /b\nx=1", "POST /c\nx=1"]
--- error_code eval
[200, 200, 405, 403]
--- response_body_like eval
[qr/^prodorder_gateway_build_info/m, qr/^prodorder_gateway_build_info/m, qr/"statusCode":405/, qr/"statusCode":403/]


=== TEST 56: prodorder_metrics without a document: one row
--- config
location = /metrics { prodorder_metrics; }
location / { return 204; }
--- pipelined_requests eval
["GET /a", "GET /metrics"]
--- error_code eval
[204, 200]
--- response_body_like eval
["", qr/\A(?!.*operation="[^"]).*\nprodorder_gateway_requests_total\{operation="",status="204"\} 1\n/s]
