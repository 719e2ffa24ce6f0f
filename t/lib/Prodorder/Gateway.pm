package Prodorder::Gateway;

# Tests of the gateway in Test::Nginx's vocabulary.
#
#     use Prodorder::Gateway;
#     run_tests();
#     __DATA__
#     === TEST 1: a success is wrapped
#     --- config
#     location /t { default_type application/json; return 200 '{}'; }
#     --- request
#     GET /t
#     --- response_body_like: "data":\{\}
#
# Sections: main_config http_config config | request raw_request raw_request_middle_delay
# pipelined_requests more_headers http2 abort timeout | tcp_listen tcp_reply tcp_reply_delay
# tcp_keepalive tcp_reset tcp_connections tcp_query | error_code response_body response_body_like
# response_body_unlike response_headers raw_response_headers_like raw_response_headers_unlike
# broken_response error_log no_error_log must_die user_files SKIP ONLY.
#
# Where Test::Nginx knows a section, it means the same here; tcp_query also takes a qr//. Ours are
# tcp_reset (the upstream's connection ends as in a crash), tcp_connections (there will be several),
# and broken_response (the response must be cut off: otherwise its framing must be right).
# In all sections $TEST_NGINX_RAND_PORT_1 to _9 are free ports, $TEST_NGINX_PREFIX is the prefix and
# $TEST_NGINX_ROOT the repository. Every file ends on a clean error log.
#
# With PRODORDER_TEST_NGINX=upstream the blocks are run by the real Test::Nginx::Socket, if it is
# installed (it is no Debian package); what only we know is left out then.

use strict;
use warnings;

sub import {
    my $upstream = ($ENV{PRODORDER_TEST_NGINX} // '') eq 'upstream';
    my $class = $upstream ? 'Prodorder::Gateway::Upstream' : 'Prodorder::Gateway::Harness';
    eval "require $class; 1" or die $@;
    @_ = ($class);
    goto &{ $class->can('import') };
}

1;
