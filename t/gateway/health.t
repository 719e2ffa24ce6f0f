#!/usr/bin/perl
# prodorder_health: the gateway lives; it is ready when everything behind it is.
use strict;
use warnings;

use Prodorder::Gateway;

run_tests();

__DATA__

=== TEST 1: the gateway lives
--- config
location = /livez { prodorder_health; }
--- request
GET /livez
--- response_body_like: \A\{"statusCode":200,"data":\{"status":"alive"\},"timestamp"


=== TEST 2: HEAD, and a method that is not allowed
--- config
location = /livez { prodorder_health; }
--- pipelined_requests eval
["HEAD /livez", "POST /livez\nx=1", "GET /livez"]
--- error_code eval
[200, 405, 200]


=== TEST 3: everything is ready
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 200 '{"status":"ready","components":{"database":"up"}}'; }
    location /two { return 200 'not JSON'; }
}
--- config
location = /readyz { prodorder_health one=/-/one two=/-/two; }
location = /-/one { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/one; }
location = /-/two { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/two; }
--- request
GET /readyz
--- response_body_like: "data":\{"status":"ready","components":\{"one":\{"status":"ready","components":\{"database":"up"\}\},"two":\{"status":"ready"\}\}\},


=== TEST 4: one is not ready, another refuses, a third is slow
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 200 '{"status":"ready"}'; }
    location /two { return 503 '{"status":"unavailable","components":{"database":"down"}}'; }
}
--- config
location = /readyz { prodorder_health one=/-/one two=/-/two three=/-/three four=/-/four; }
location = /-/one { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/one; }
location = /-/two { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/two; }
location = /-/three { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9/; }
location = /-/four { internal; proxy_read_timeout 100ms; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.5
--- tcp_reply eval: ["", "late"]
--- request
GET /readyz
--- error_code: 503
--- response_headers
Retry-After: 1
--- response_body_like: \A\{"statusCode":503,"data":null,"message":"not ready","components":\{"one":\{"status":"ready"\},"two":\{"status":"unavailable","components":\{"database":"down"\}\},"three":\{"status":"unreachable"\},"four":\{"status":"unreachable"\}\},"timestamp"


=== TEST 5: HEAD of the same, then a request on the same connection
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 200 '{"status":"ready"}'; }
}
--- config
location = /readyz { prodorder_health one=/-/one two=/-/two; }
location = /-/one { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/one; }
location = /-/two { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9/two; }
--- pipelined_requests eval
["HEAD /readyz", "GET /readyz", "GET /readyz"]
--- error_code eval
[503, 503, 503]


=== TEST 6: over HTTP/2
--- http2
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 200 '{"status":"ready"}'; }
}
--- config
location = /readyz { prodorder_health one=/-/one two=/-/one; }
location = /-/one { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/one; }
--- request
GET /readyz
--- response_body_like: "two":\{"status":"ready"\}


=== TEST 7: a report that is too large to hold is no harm
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location / { root html; }
}
--- user_files eval
">>> large.json\n{\"status\":\"ready\",\"x\":\"" . ("x" x 20000) . "\"}"
--- config
location = /readyz { prodorder_health one=/-/one; }
location = /-/one { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/large.json; }
--- request
GET /readyz
--- response_body_like: "components":\{"one":\{"status":"ready"\}\}


=== TEST 8: a client that goes away while we ask
--- config
location = /readyz { prodorder_health four=/-/four; }
location = /-/four { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.2
--- tcp_reply eval: ["", "late"]
--- request
GET /readyz
--- timeout: 0.05
--- abort


=== TEST 9: a parameter that is none
--- config
location = /readyz { prodorder_health one; }
--- must_die
--- error_log
invalid parameter "one": expected NAME=/URI


=== TEST 10: in an if block, as the location that holds it
--- config
location = /livez { prodorder_health; if ($arg_x) { set $y 1; } }
location = /readyz { prodorder_health one=/-/one; if ($arg_x) { set $y 1; } }
location = /-/one { internal; default_type application/json; return 200 '{"status":"ready"}'; }
--- pipelined_requests eval
["GET /livez?x=1", "GET /readyz?x=1"]
--- response_body_like eval
[qr/"data":\{"status":"alive"\}/, qr/"components":\{"one":\{"status":"ready"\}\}/]
--- error_code eval
[200, 200]


=== TEST 11: and in limit_except
--- config
location = /livez { prodorder_health; limit_except GET { allow all; } }
--- pipelined_requests eval
["GET /livez", "POST /livez\nx=1"]
--- error_code eval
[200, 405]


=== TEST 12: a report of {}, one without a status, one that is an array
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 200 '{}'; }
    location /two { return 200 ' { "version":1, "components":{"database":"up"} } '; }
    location /three { return 200 '["ready"]'; }
    location /four { return 204; }
    location /five { return 200; }
}
--- config
location = /readyz { prodorder_health one=/-/one two=/-/two three=/-/three five=/-/five; }
location = /content { prodorder_health four=/-/four; }
location /-/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/; }
--- pipelined_requests eval
["GET /readyz", "GET /content"]
--- error_code eval
[200, 503]
--- response_body_like eval
[qr/"components":\{"one":\{"status":"ready"\},"two":\{"status":"ready","version":1,"components":\{"database":"up"\}\},"three":\{"status":"ready"\},"five":\{"status":"ready"\}\}\}/,
 qr/"components":\{"four":\{"status":"unavailable"\}\},/]


=== TEST 13: who answers, but not with 200, is unavailable; who does not is unreachable
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 500 '{}'; }
    location /two { return 404 'not JSON'; }
    location /three { return 503 '{"since":7}'; }
}
--- config
location = /readyz { prodorder_health one=/-/one two=/-/two three=/-/three four=/dead five=/unknown; }
location /-/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/; }
location /dead { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
location / { return 404; }
--- request
GET /readyz
--- error_code: 503
--- response_body_like: "components":\{"one":\{"status":"unavailable"\},"two":\{"status":"unavailable"\},"three":\{"status":"unavailable","since":7\},"four":\{"status":"unreachable"\},"five":\{"status":"unreachable"\}\},


=== TEST 14: where the gateway is off, the report stands alone
--- config
prodorder_gateway off;
location = /readyz { prodorder_health one=/-/one; }
location = /unready { prodorder_health one=/-/one two=/-/two; }
location = /-/one { internal; default_type application/json; return 200 '{"status":"ready"}'; }
location = /-/two { internal; return 500; }
--- pipelined_requests eval
["GET /readyz", "GET /unready", "HEAD /unready", "GET /readyz"]
--- error_code eval
[200, 503, 503, 200]
--- response_body eval
["{\"status\":\"ready\",\"components\":{\"one\":{\"status\":\"ready\"}}}",
 "{\"status\":\"unavailable\",\"components\":{\"one\":{\"status\":\"ready\"},\"two\":{\"status\":\"unreachable\"}}}",
 "", "{\"status\":\"ready\",\"components\":{\"one\":{\"status\":\"ready\"}}}"]


=== TEST 15: two of them in one page by server-side includes, each with its own state
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 200 '{"status":"ready","n":1}'; }
    location /two { return 503 '{"status":"unavailable","n":2}'; }
}
--- config
ssi on;
location = /page.html { default_type text/html; alias html/page.html; }
location = /a { prodorder_health one=/-/one; }
location = /b { prodorder_health one=/-/one two=/-/two three=/-/three; }
location = /c { prodorder_health; }
location /-/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/; }
--- user_files
>>> page.html
1 <!--# include virtual="/a" -->
2 <!--# include virtual="/b" -->
3 <!--# include virtual="/c" -->
4 <!--# include virtual="/a" -->
end
--- pipelined_requests eval
["GET /page.html", "GET /a", "GET /page.html"]
--- error_code eval
[200, 200, 200]
--- response_body_like eval
my $a = qr/\{"status":"ready","components":\{"one":\{"status":"ready","n":1\}\}\}/;
my $b = qr/\{"status":"unavailable","components":\{"one":\{"status":"ready","n":1\},"two":\{"status":"unavailable","n":2\},"three":\{"status":"unavailable"\}\}\}/;
my $page = qr/\A1 $a\n2 $b\n3 \{"status":"alive"\}\n4 $a\nend\n\z/;
[$page, qr/"data":$a,/, $page]


=== TEST 16: the same over HTTP/2
--- http2
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 200 '{"status":"ready","n":1}'; }
}
--- config
ssi on;
location = /page.html { default_type text/html; alias html/page.html; }
location = /a { prodorder_health one=/-/one two=/-/one; }
location /-/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/; }
--- user_files
>>> page.html
<!--# include virtual="/a" -->, <!--# include virtual="/a" -->
--- request
GET /page.html
--- response_body_like: \A(\{"status":"ready","components":\{"one":\{"status":"ready","n":1\},"two":\{"status":"ready","n":1\}\}\}), \1$


=== TEST 17: one that asks itself, two that ask each other
--- config
location = /self { prodorder_health self=/self; }
location = /one { prodorder_health two=/two; }
location = /two { prodorder_health one=/one; }
location = /alive { prodorder_health; }
location = /outer { prodorder_health alive=/alive; }
--- pipelined_requests eval
["GET /self", "GET /one", "GET /outer"]
--- error_code eval
[503, 503, 200]
--- response_body_like eval
[qr/"components":\{"self":\{"status":"unreachable"\}\}/, qr/"components":\{"two":\{"status":"unreachable"\}\}/,
 qr/"components":\{"alive":\{"status":"alive"\}\}/]
--- error_log
prodorder_health asks "/self", which is a prodorder_health with components itself


=== TEST 18: a huge answer, at its limit and beyond, in many buffers
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location / { root html; }
}
--- user_files eval
my $at = sub { my ($n) = @_; "{\"status\":\"ready\",\"x\":\"" . ("x" x ($n - 25)) . "\"}" };
">>> at.json\n" . $at->(16384 - 1) . "\n>>> beyond.json\n" . $at->(16384) . "\n>>> huge.json\n" . $at->(3_000_000)
--- config
location = /at { prodorder_health one=/-/at.json; }
location = /beyond { prodorder_health one=/-/beyond.json; }
location = /huge { prodorder_health one=/-/huge.json two=/-/huge.json; }
location /-/ { internal; proxy_buffers 4 4k; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/; }
--- pipelined_requests eval
["GET /at", "GET /beyond", "GET /huge"]
--- error_code eval
[200, 200, 200]
--- response_body_like eval
[qr/"one":\{"status":"ready","x":"x{16358}"\}/, qr/"one":\{"status":"ready"\}\}/,
 qr/"one":\{"status":"ready"\},"two":\{"status":"ready"\}\}/]


=== TEST 19: a probe that breaks off in the middle of its answer
--- config
location = /readyz { prodorder_health one=/-/one; }
location = /-/one { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"status\":"
--- request
GET /readyz
--- error_code: 503
--- response_body_like: "components":\{"one":\{"status":"unreachable"\}\}


=== TEST 20: with auth_request
--- config
location = /page { auth_request /readyz; default_type text/plain; alias html/page.txt; }
location = /readyz { prodorder_health one=/-/one; }
location = /-/one { internal; default_type application/json; return 200 '{"status":"ready"}'; }
--- user_files
>>> page.txt
page
--- request
GET /page
--- response_body
page


=== TEST 21: what is true of this moment does not depend on conditions
--- config
location = /livez { prodorder_health; }
location = /readyz { prodorder_health one=/-/one; }
location = /-/one { internal; default_type application/json; return 200 '{"status":"ready"}'; }
location = /off { prodorder_gateway off; prodorder_health one=/-/one; }
location = /unready { prodorder_health one=/-/two; }
--- more_headers
If-None-Match: *
--- pipelined_requests eval
["GET /livez", "GET /readyz", "GET /off", "GET /unready", "HEAD /livez"]
--- error_code eval
[200, 200, 200, 503, 200]
--- response_body_like eval
[qr/\{"status":"alive"\}/, qr/"one":\{"status":"ready"\}/, qr/"one":\{"status":"ready"\}/, qr/"unreachable"/, qr/\A\z/]


=== TEST 22: on one that fails
--- config
location = /livez { prodorder_health; }
location = /readyz { prodorder_health one=/-/one; }
location = /-/one { internal; default_type application/json; return 200 '{"status":"ready"}'; }
location = /off { prodorder_gateway off; prodorder_health one=/-/one; }
location = /unready { prodorder_health one=/-/two; }
--- more_headers
If-Match: "x"
--- pipelined_requests eval
["GET /livez", "GET /readyz", "GET /off", "GET /unready", "HEAD /livez"]
--- error_code eval
[200, 200, 200, 503, 200]
--- response_body_like eval
[qr/\{"status":"alive"\}/, qr/"one":\{"status":"ready"\}/, qr/"one":\{"status":"ready"\}/, qr/"unreachable"/, qr/\A\z/]


=== TEST 23: on dates
--- config
location = /livez { prodorder_health; }
location = /readyz { prodorder_health one=/-/one; }
location = /-/one { internal; default_type application/json; return 200 '{"status":"ready"}'; }
location = /off { prodorder_gateway off; prodorder_health one=/-/one; }
location = /unready { prodorder_health one=/-/two; }
--- more_headers
If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT
If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT
--- pipelined_requests eval
["GET /livez", "GET /readyz", "GET /off", "GET /unready", "HEAD /livez"]
--- error_code eval
[200, 200, 200, 503, 200]
--- response_body_like eval
[qr/\{"status":"alive"\}/, qr/"one":\{"status":"ready"\}/, qr/"one":\{"status":"ready"\}/, qr/"unreachable"/, qr/\A\z/]


=== TEST 24: and has no parts
--- config
location = /livez { prodorder_health; }
location = /readyz { prodorder_health one=/-/one; }
location = /-/one { internal; default_type application/json; return 200 '{"status":"ready"}'; }
location = /off { prodorder_gateway off; prodorder_health one=/-/one; }
location = /unready { prodorder_health one=/-/two; }
--- more_headers
Range: bytes=0-1
--- pipelined_requests eval
["GET /livez", "GET /readyz", "GET /off", "GET /unready", "HEAD /livez"]
--- error_code eval
[200, 200, 200, 503, 200]
--- response_body_like eval
[qr/\{"status":"alive"\}/, qr/"one":\{"status":"ready"\}/, qr/"one":\{"status":"ready"\}/, qr/"unreachable"/, qr/\A\z/]


=== TEST 25: two components of one name
--- config
location = /readyz { prodorder_health one=/-/one two=/-/two one=/-/three; }
--- must_die
--- error_log
invalid parameter "one=/-/three": there is a component of the name "one" already


=== TEST 26: names that only begin alike
--- config
location = /readyz { prodorder_health one=/-/1 on=/-/1 one2=/-/1; }
location /-/ { internal; default_type application/json; alias html/; try_files /r.json =404; }
--- user_files
>>> r.json
{}
--- request
GET /readyz
--- response_body_like: "components":\{"one":\{"status":"ready"\},"on":\{"status":"ready"\},"one2":\{"status":"ready"\}\}


=== TEST 27: a name without a URI
--- config
location = /readyz { prodorder_health one=; }
--- must_die
--- error_log
invalid parameter "one=": expected NAME=/URI


=== TEST 28: arguments of a component's URI
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location / { return 200 '{"status":"ready","target":"$request_uri"}'; }
}
--- config
location = /readyz { prodorder_health one=/-/one?a=b=c&d two=/-/two? three=/-/three; }
location /-/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/; }
--- request
GET /readyz?e
--- response_body_like: "one":\{"status":"ready","target":"/one\?a=b=c&d"\},"two":\{"status":"ready","target":"/two"\},"three":\{"status":"ready","target":"/three"\}


=== TEST 29: as many components as there may be
--- config eval
"location = /readyz { prodorder_health " . CORE::join(" ", map { "c$_=/-/one" } 1 .. 50) . "; }
location = /-/one { internal; default_type application/json; return 200 '{\"status\":\"ready\"}'; }"
--- pipelined_requests eval
["GET /readyz", "GET /readyz"]
--- error_code eval
[200, 200]
--- response_body_like eval
[(qr/"c1":\{"status":"ready"\},.*"c50":\{"status":"ready"\}\}\}/) x 2]


=== TEST 30: and one more
--- config eval
"location = /readyz { prodorder_health " . CORE::join(" ", map { "c$_=/-/one" } 1 .. 51) . "; }"
--- must_die
--- error_log
51 components of "prodorder_health": at most 50 are possible


=== TEST 31: one that is degraded: it serves, and so does the gateway, which says so
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 200 '{"status":"ready","components":{"broker":"up"}}'; }
    location /two { return 200 '{"status":"degraded","components":{"broker":"down"}}'; }
}
--- config
location = /first { prodorder_health two=/-/two one=/-/one; }
location = /last { prodorder_health one=/-/one two=/-/two; }
location = /only { prodorder_health two=/-/two; }
location = /off { prodorder_gateway off; prodorder_health two=/-/two; }
location = /other { prodorder_health one=/-/one; }
location /-/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/; }
--- pipelined_requests eval
["GET /first", "GET /last", "GET /only", "GET /off", "HEAD /only", "GET /other"]
--- error_code eval
[200, 200, 200, 200, 200, 200]
--- response_body_like eval
my $one = qr/"one":\{"status":"ready","components":\{"broker":"up"\}\}/;
my $two = qr/"two":\{"status":"degraded","components":\{"broker":"down"\}\}/;
[qr/"data":\{"status":"degraded","components":\{$two,$one\}\},/, qr/"data":\{"status":"degraded","components":\{$one,$two\}\},/,
 qr/"data":\{"status":"degraded","components":\{$two\}\},/, qr/\A\{"status":"degraded","components":\{$two\}\}\z/, qr/\A\z/,
 qr/"data":\{"status":"ready","components":\{$one\}\},/]


=== TEST 32: one that is degraded beside one that does not serve; one that drains
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /one { return 200 '{"status":"degraded"}'; }
    location /two { return 503 '{"status":"draining","components":{"database":"up"}}'; }
}
--- config
location = /drains { prodorder_health one=/-/one two=/-/two; }
location = /down { prodorder_health one=/-/one two=/dead; }
location = /off { prodorder_gateway off; prodorder_health two=/-/two one=/-/one; }
location /-/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/; }
location = /dead { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
--- pipelined_requests eval
["GET /drains", "GET /off", "GET /down"]
--- error_code eval
[503, 503, 503]
--- response_body_like eval
my $two = qr/"two":\{"status":"draining","components":\{"database":"up"\}\}/;
[qr/"message":"not ready","components":\{"one":\{"status":"degraded"\},$two\},/,
 qr/\A\{"status":"unavailable","components":\{$two,"one":\{"status":"degraded"\}\}\}\z/,
 qr/"components":\{"one":\{"status":"degraded"\},"two":\{"status":"unreachable"\}\},/]


=== TEST 33: a word that the status of the answer contradicts, one that is none, and one that we do not know
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_3; prodorder_gateway off; default_type application/json;
    location /draining { return 200 '{"n":1,"status":"draining"}'; }
    location /unavailable { return 200 '{"status":"unavailable"}'; }
    location /ready { return 503 '{"n":2,"status":"ready","m":[3]}'; }
    location /degraded { return 500 '{"status":"degraded"}'; }
    location /problem { return 503 '{"title":"Service Unavailable","status":503}'; }
    location /number { return 200 '{"status":200}'; }
    location /null { return 200 '{"status":null}'; }
    location /word { return 200 '{"status":"fi\\u006ee \\"\\u00e9\\""}'; }
    location /down { return 503 '{"status":"DOWN"}'; }
    location /prefix { return 200 '{"status":"degraded so to speak"}'; }
}
--- config
location = /1 { prodorder_health a=/-/draining; }
location = /2 { prodorder_health a=/-/unavailable; }
location = /3 { prodorder_health a=/-/ready b=/-/degraded c=/-/problem d=/-/down; }
location = /4 { prodorder_health a=/-/number b=/-/null c=/-/word d=/-/prefix; }
location /-/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_3/; }
--- pipelined_requests eval
["GET /1", "GET /2", "GET /3", "GET /4"]
--- error_code eval
[503, 503, 503, 200]
--- response_body_like eval
[qr/"components":\{"a":\{"status":"draining","n":1\}\},/, qr/"components":\{"a":\{"status":"unavailable"\}\},/,
 qr/"components":\{"a":\{"status":"unavailable","n":2,"m":\[3\]\},"b":\{"status":"unavailable"\},"c":\{"status":"unavailable","title":"Service Unavailable"\},"d":\{"status":"DOWN"\}\},/,
 qr/"data":\{"status":"ready","components":\{"a":\{"status":"ready"\},"b":\{"status":"ready"\},"c":\{"status":"fine \\"\x{c3}\x{a9}\\""\},"d":\{"status":"degraded so to speak"\}\}\},/]
