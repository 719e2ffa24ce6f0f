#!/usr/bin/perl
# Request id and W3C trace context: kept, replaced, forwarded, logged.
use strict;
use warnings;

use Prodorder::Gateway;

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(config => <<'END') if !defined $block->config;
        location / {
            proxy_set_header X-Request-Id $prodorder_request_id;
            proxy_set_header traceparent $prodorder_traceparent;
            proxy_set_header tracestate $prodorder_tracestate;
            proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        }
END
    if (!defined $block->tcp_listen) {
        $block->set_value(tcp_listen => '$TEST_NGINX_RAND_PORT_1');
        $block->set_value(tcp_reply => "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}");
    }
});

run_tests();

__DATA__

=== TEST 1: a well-formed id is kept, echoed, forwarded
--- request
GET /t
--- more_headers
X-Request-Id: AZaz09._:-
--- tcp_query eval: qr/^X-Request-Id: AZaz09\._:-\r$/m
--- response_headers
X-Request-Id: AZaz09._:-
--- response_body_like: "requestId":"AZaz09\._:-"\}\z


=== TEST 2: none given: a new UUID, version 4, the same everywhere
--- request
GET /t
--- more_headers
X: y
--- tcp_query eval: qr/^X-Request-Id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\r$/m
--- raw_response_headers_like: X-Request-Id: [0-9a-f]{8}-


=== TEST 3: 128 characters are kept
--- request
GET /t
--- more_headers eval: "X-Request-Id: " . ("a" x 128)
--- response_headers eval: "X-Request-Id: " . ("a" x 128)


=== TEST 4: 129 are not
--- request
GET /t
--- more_headers eval: "X-Request-Id: " . ("a" x 129)
--- raw_response_headers_like: X-Request-Id: [0-9a-f-]{36}\r


=== TEST 5: other characters
--- request
GET /t
--- more_headers
X-Request-Id: a/b
--- raw_response_headers_like: X-Request-Id: [0-9a-f-]{36}\r


=== TEST 6: two ids
--- request
GET /t
--- more_headers
X-Request-Id: a
X-Request-Id: b
--- raw_response_headers_like: X-Request-Id: [0-9a-f-]{36}\r


=== TEST 7: an empty id
--- request
GET /t
--- more_headers eval: "X-Request-Id: "
--- raw_response_headers_like: X-Request-Id: [0-9a-f-]{36}\r


=== TEST 8: prodorder_request_id generate trusts nobody
--- config
prodorder_request_id generate;
location / { default_type application/json; return 200 '{}'; }
--- request
GET /t
--- more_headers
X-Request-Id: mine
--- raw_response_headers_like: X-Request-Id: [0-9a-f-]{36}\r


=== TEST 9: the id on a response that is not JSON
--- config
location / { default_type text/plain; return 200 'x'; }
--- request
GET /t
--- more_headers
X-Request-Id: mine
--- response_headers
X-Request-Id: mine


=== TEST 10: the trace is continued under a new parent
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: a=1,b@c=2
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01\r$/m,
 qr/^tracestate: a=1,b\@c=2\r$/m]


=== TEST 11: not sampled stays not sampled, flags that are not known are dropped
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe
--- tcp_query eval: qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00\r$/m


=== TEST 12: a later version is read as far as it is known
--- request
GET /t
--- more_headers
traceparent: cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-will-be
--- tcp_query eval: qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01\r$/m


=== TEST 13: a later version of the same length
--- request
GET /t
--- more_headers
traceparent: 01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00
--- tcp_query eval: qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00\r$/m


=== TEST 14: no traceparent: a trace is started, a tracestate alone goes nowhere
--- request
GET /t
--- more_headers
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 15: several tracestate fields are one list
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: a=1
tracestate: b=2, ,c=3
--- tcp_query eval: qr/^tracestate: a=1,b=2,c=3\r$/m


=== TEST 16: the same trace id in the variables
--- config
location / {
    default_type text/plain;
    return 200 "$prodorder_trace_id $prodorder_traceparent";
}
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
--- response_body_like: \A0af7651916cd43dd8448eb211c80319c 00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01\z


=== TEST 17: an invalid traceparent starts anew: version ff
--- request
GET /t
--- more_headers
traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 18: an invalid traceparent starts anew: version 00 with more
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 19: an invalid traceparent starts anew: version 00 with a dash at its end
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 20: an invalid traceparent starts anew: a later version without a dash before more
--- request
GET /t
--- more_headers
traceparent: 01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 21: an invalid traceparent starts anew: upper case
--- request
GET /t
--- more_headers
traceparent: 00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 22: an invalid traceparent starts anew: a trace id of zeros
--- request
GET /t
--- more_headers
traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 23: an invalid traceparent starts anew: a parent id of zeros
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 24: an invalid traceparent starts anew: a trace id that is short
--- request
GET /t
--- more_headers
traceparent: 00-af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 25: an invalid traceparent starts anew: a version of one digit
--- request
GET /t
--- more_headers
traceparent: 0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 26: an invalid traceparent starts anew: flags of one digit
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 27: an invalid traceparent starts anew: flags that are no digits
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 28: an invalid traceparent starts anew: underscores
--- request
GET /t
--- more_headers
traceparent: 00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 29: an invalid traceparent starts anew: a digit that is none
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 30: an invalid traceparent starts anew: a version that is no number
--- request
GET /t
--- more_headers
traceparent: 0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 31: two traceparents
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
--- tcp_query eval: qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m


=== TEST 32: an invalid tracestate is dropped, the trace goes on: an upper-case key
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,A=1
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 33: an invalid tracestate is dropped, the trace goes on: no value
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,a
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 34: an invalid tracestate is dropped, the trace goes on: an empty value
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,a=
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 35: an invalid tracestate is dropped, the trace goes on: an empty key
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,=1
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 36: an invalid tracestate is dropped, the trace goes on: a key with two at signs
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,a@b@c=1
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 37: an invalid tracestate is dropped, the trace goes on: a system id that is too long
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,a@bbbbbbbbbbbbbbb=1
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 38: an invalid tracestate is dropped, the trace goes on: a key that is too long
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 39: an invalid tracestate is dropped, the trace goes on: a value that is too long
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,a=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 40: an invalid tracestate is dropped, the trace goes on: an equals sign in a value
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,a=b=c
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 41: an invalid tracestate is dropped, the trace goes on: more than 32 members
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,k1=1,k2=1,k3=1,k4=1,k5=1,k6=1,k7=1,k8=1,k9=1,k10=1,k11=1,k12=1,k13=1,k14=1,k15=1,k16=1,k17=1,k18=1,k19=1,k20=1,k21=1,k22=1,k23=1,k24=1,k25=1,k26=1,k27=1,k28=1,k29=1,k30=1,k31=1,k32=1,k33=1
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 42: an invalid tracestate is dropped, the trace goes on: a simple key that begins with a digit
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: ok=1,1a=1
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 43: a valid tracestate: 32 members
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: k1=1,k2=1,k3=1,k4=1,k5=1,k6=1,k7=1,k8=1,k9=1,k10=1,k11=1,k12=1,k13=1,k14=1,k15=1,k16=1,k17=1,k18=1,k19=1,k20=1,k21=1,k22=1,k23=1,k24=1,k25=1,k26=1,k27=1,k28=1,k29=1,k30=1,k31=1,k32=1
--- tcp_query eval: qr/^tracestate: k1\=1\,k2\=1\,k3\=1\,k4\=1\,k5\=1\,k6\=1\,k7\=1\,k8\=1\,k9\=1\,k10\=1\,k11\=1\,k12\=1\,k13\=1\,k14\=1\,k15\=1\,k16\=1\,k17\=1\,k18\=1\,k19\=1\,k20\=1\,k21\=1\,k22\=1\,k23\=1\,k24\=1\,k25\=1\,k26\=1\,k27\=1\,k28\=1\,k29\=1\,k30\=1\,k31\=1\,k32\=1\r$/m


=== TEST 44: a valid tracestate: a tenant that begins with a digit, keys with all characters
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: 1a@b=x,a_-*/9=y z
--- tcp_query eval: qr/^tracestate: 1a\@b\=x\,a_\-\*\/9\=y\ z\r$/m


=== TEST 45: a valid tracestate: a value of 256 characters
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: a=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
--- tcp_query eval: qr/^tracestate: a\=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r$/m


=== TEST 46: an invalid tracestate is dropped, the trace goes on: a tab inside of a value
--- request
GET /t
--- more_headers eval
"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ntracestate: ok=1,a=x\ty"
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 47: a valid tracestate: tabs and spaces around the members are not passed on
--- request
GET /t
--- more_headers eval
"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ntracestate: a=1 \t,\t b=2\t, ,c=3"
--- tcp_query eval: qr/^tracestate: a=1,b=2,c=3\r$/m


=== TEST 48: the field's name in another case, spaces and tabs around its value
--- request
GET /t
--- more_headers eval
"TraceParent: \t 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\t \nTRACESTATE: a=1"
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01\r$/m, qr/^tracestate: a=1\r$/m]


=== TEST 49: an invalid traceparent starts anew: a trace id that is long
--- request
GET /t
--- more_headers
traceparent: 00-0af7651916cd43dd8448eb211c80319c0-b7ad6b7169203331-01
tracestate: a=1
--- tcp_query eval
[qr/^traceparent: 00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, qr/\A(?!.*tracestate)/s]


=== TEST 50: an invalid traceparent starts anew: a parent id that is short, long, in upper case
--- more_headers
tracestate: a=1
--- pipelined_requests eval
["GET /a", "GET /b", "GET /c", "GET /d"]
--- config
default_type text/plain;
location /a { set $p 00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01; proxy_pass http://127.0.0.1:$ServerPort/show; proxy_set_header traceparent $p; }
location /b { set $p 00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033310-01; proxy_pass http://127.0.0.1:$ServerPort/show; proxy_set_header traceparent $p; }
location /c { set $p 00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01; proxy_pass http://127.0.0.1:$ServerPort/show; proxy_set_header traceparent $p; }
location /d { set $p 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01; proxy_pass http://127.0.0.1:$ServerPort/show; proxy_set_header traceparent $p; }
location /show { return 200 "$prodorder_trace_id [$prodorder_tracestate]"; }
--- error_code eval
[200, 200, 200, 200]
--- response_body_like eval
[(qr/\A(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32} \[\]\z/) x 3, qr/\A0af7651916cd43dd8448eb211c80319c \[a=1\]\z/]


=== TEST 51: an empty traceparent; an empty tracestate beside one with members
--- config
location / { default_type text/plain; return 200 "$prodorder_traceparent [$prodorder_tracestate]"; }
--- raw_request eval
"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\ntraceparent:\r\ntracestate: a=1\r\n\r\n"
--- response_body_like: \A00-[0-9a-f]{32}-[0-9a-f]{16}-01 \[\]\z


=== TEST 52: an empty tracestate beside one with members
--- request
GET /t
--- more_headers eval
"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ntracestate: \ntracestate: a=1"
--- tcp_query eval: qr/^tracestate: a=1\r$/m


=== TEST 53: of a list of far more than 512 characters whole members are cut off, the longest and last first
--- request
GET /t
--- more_headers eval
"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
. CORE::join "\n", "tracestate: short=1", (map { "tracestate: k$_=" . ("v" x 200) } 1 .. 30), "tracestate: last=1"
--- tcp_query eval
my $list = CORE::join ",", "short=1", (map { "k$_=" . ("v" x 200) } 1 .. 2), "last=1";
qr/^tracestate: $list\r$/m


=== TEST 54: more than 32 members in several fields
--- request
GET /t
--- more_headers eval
"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
. CORE::join "\n", map { "tracestate: k$_=v" } 1 .. 33
--- tcp_query eval
[qr/^traceparent: 00-0af7651916cd43dd8448eb211c80319c-/m, qr/\A(?!.*tracestate)/s]


=== TEST 55: prodorder_trace off passes on what came, valid or not, and starts nothing
--- config
prodorder_trace off;
location / {
    proxy_set_header traceparent $prodorder_traceparent;
    proxy_set_header tracestate $prodorder_tracestate;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- request
GET /t
--- more_headers
traceparent: of their own making
tracestate: A=1
--- tcp_query eval
[qr/^traceparent: of their own making\r$/m, qr/^tracestate: A=1\r$/m]


=== TEST 56: prodorder_trace off without an inbound trace: no header
--- config
prodorder_trace off;
location / {
    proxy_set_header traceparent $prodorder_traceparent;
    proxy_set_header tracestate $prodorder_tracestate;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- request
GET /t
--- tcp_query eval: qr/\A(?!.*trace)/is


=== TEST 57: one trace for a request and its subrequests, also after an internal redirect
--- config
ssi on;
location = /page.html { default_type text/html; rewrite ^ /real.html last; }
location = /real.html { default_type text/html; alias html/real.html; }
location = /part { default_type text/plain; return 200 "$prodorder_request_id $prodorder_traceparent"; }
--- user_files
>>> real.html
<!--# echo var="prodorder_request_id" --> <!--# echo var="prodorder_traceparent" -->|<!--# include virtual="/part" -->|<!--# include virtual="/part" -->
--- request
GET /page.html
--- response_body_like: \A([0-9a-f-]{36} 00-[0-9a-f]{32}-[0-9a-f]{16}-01)\|\1\|\1$
