#!/usr/bin/perl
# prodorder_metrics: what is counted, under which names, and that it survives a reload.
use strict;
use warnings;

use Prodorder::Gateway;

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => 'prodorder_openapi $TEST_NGINX_ROOT/openapi.json;')
        if !defined $block->http_config;
});

run_tests();

__DATA__

=== TEST 1: a scrape
--- config
location = /metrics { prodorder_validate off; prodorder_metrics; }
location / { prodorder_validate off; default_type application/json; return 200 '{}'; }
--- pipelined_requests eval
["GET /orders/1", "GET /metrics"]
--- error_code eval
[200,200]
