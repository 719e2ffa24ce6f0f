package Prodorder::Gateway::Upstream;

# Prodorder::Gateway by the real Test::Nginx::Socket: its names go to the test file, its configuration
# gets what ours has, and what it cannot do is skipped: its mock upstream answers one connection, its
# pipelining knows no HEAD, its http2 needs nginx 1.25.

use strict;
use warnings;

use Cwd qw(getcwd);

use Prodorder::Gateway::Nginx;

BEGIN {
    $ENV{TEST_NGINX_ROOT} = getcwd();
    $ENV{TEST_NGINX_SERVROOT} //= getcwd() . '/build/test-nginx';
    $ENV{TEST_NGINX_PREFIX} = $ENV{TEST_NGINX_SERVROOT};
    $ENV{TEST_NGINX_LOAD_MODULES} //= Prodorder::Gateway::Nginx::module_path();
}

use Test::Nginx::Socket ();

my $http = "server_tokens off; prodorder_gateway on;\n";

sub import {
    my $test_file = caller;
    eval "package $test_file; Test::Nginx::Socket->import; plan('no_plan'); no_shuffle();"
        . ' no_long_string(); no_root_location(); 1' or die $@;
    Test::Nginx::Socket::add_block_preprocessor(\&_adapt);
    return;
}

# Preprocessors of the test file come later: what they fill in is looked at then, too.
sub _adapt {
    my ($block) = @_;
    $block->set_value(http_config => $http . ($block->http_config // ''));
    my $reason = _unknown($block);
    $block->set_value(SKIP => $reason) if $reason;
    $block->set_value(ignore_response => '') if defined $block->abort;
    my $requests = $block->pipelined_requests or return;
    for my $name (qw(error_code response_headers raw_response_headers_like response_body_like)) {
        my $value = $block->$name;
        $block->set_value($name => [($value) x @$requests]) if defined $value && !ref $value;
    }
    $block->set_value(error_code => [(200) x @$requests]) if !defined $block->error_code;
    return;
}

sub _unknown {
    my ($block) = @_;
    for my $section (qw(http2 broken_response tcp_reset tcp_keepalive raw_response_headers_unlike)) {
        return "Test::Nginx has no $section" if defined $block->$section;
    }
    my $requests = $block->pipelined_requests // [];
    return 'pipelined HEAD or DELETE' if grep { /\A(?:HEAD|DELETE)/ } @$requests;
    return 'one connection to an upstream'
        if defined $block->tcp_connections || @$requests && (defined $block->tcp_reply || defined $block->tcp_listen);
    return;
}

1;
