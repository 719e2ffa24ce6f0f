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
