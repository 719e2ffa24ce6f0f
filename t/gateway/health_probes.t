#!/usr/bin/perl
# What prodorder_health sends to a component: a GET of its own. Nothing of the client's reaches it but
# Host, whatever the client sends and when; and connections stay in step on both sides.
use strict;
use warnings;

use Cwd qw(getcwd);
use Test::More;
use Time::HiRes qw(sleep);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

my $nginx = Prodorder::Gateway::Nginx->new;
my $port = Prodorder::Gateway::Nginx::free_port();

$nginx->write_conf(
    main => '', http2 => 0,
    http => "upstream component { server 127.0.0.1:$port; keepalive 4; }",
    server => <<'END' =~ s/ROOT/getcwd()/er,
location = /readyz { prodorder_health one=/-/one; }
location = /args { prodorder_health 'one=/-/one?deep=1&x=%20?'; }
location = /forwarded { prodorder_health one=/-/forwarded; }
location = /orders { prodorder_openapi ROOT/openapi.json; error_page 405 =200 /readyz; root html; }
location /-/ {
    internal;
    proxy_http_version 1.1;
    proxy_read_timeout 2s;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_pass http://component/;
    location = /-/forwarded {
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header Cookie $http_cookie;
        proxy_set_header X-User "$remote_user$cookie_a$http_x";
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Request-Id $prodorder_request_id;
        proxy_set_header Accept-Encoding $http_accept_encoding;
        proxy_pass http://component/forwarded;
    }
}
END
);
$nginx->write_file('html/orders');

is($nginx->start, undef, 'nginx starts');

my $file = $nginx->prefix . '/mock.txt';
my $mock = Prodorder::Gateway::Mock->start($port, $file, keepalive => 1,
    reply => "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"status\":\"ready\"}");

my $PROBE = "GET /one HTTP/1.1\r\nHost: a\r\n\r\n";
my $PLAIN = "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";

# Sends the pieces on one connection; every response is a success, and the component got exactly $expected.
sub probes {
    my ($what, $responses, $expected, @pieces) = @_;
    unlink $file;
    my $client = Prodorder::Gateway::Http->new($nginx->port, 5);
    $client->send_pieces(0.1, @pieces);
    for my $i (1 .. $responses) {
        my $response = $client->read_response('GET');
        like($response->{status} // '', qr/\A20[01]\z/, "$what: response $i") or diag($response->{head} // 'none', $response->{body} // '');
        is($response->{problem}, undef, "$what: framing of response $i");
        like($response->{body}, qr/"components":\{"one":\{"status":"ready"\}\}/, "$what: all is ready in response $i");
    }
    $client->close;
    is($mock->received, $expected, "$what: what the component was sent");
    return;
}

sub get {
    my (@headers) = @_;
    return join "\r\n", 'GET /readyz HTTP/1.1', 'Host: a', @headers, '', '';
}

# ---- bodies: with the header, after it, while the component answers, between two requests

my $body = "GET /smuggled HTTP/1.1\r\nHost: a\r\nX: " . ('x' x 20) . "\r\n\r\n";
my $length = length $body;

probes('no body', 2, $PROBE x 2, $PLAIN . $PLAIN);
probes('a body', 2, $PROBE x 2, get("Content-Length: $length") . $body . $PLAIN);
probes('a body that is held back', 2, $PROBE x 2, get("Content-Length: $length"), $body, $PLAIN);
probes('a body in drips', 2, $PROBE x 2, get("Content-Length: $length"), substr($body, 0, 9), substr($body, 9) . $PLAIN);
probes('a body that never comes', 1, $PROBE, get("Content-Length: $length"));
probes('and who comes after it', 1, $PROBE, $PLAIN);
my $chunk = sprintf "%x\r\n%s\r\n", $length, $body;
probes('chunks', 2, $PROBE x 2, get('Transfer-Encoding: chunked') . "${chunk}0\r\n\r\n" . $PLAIN);
probes('chunks that are held back', 2, $PROBE x 2, get('Transfer-Encoding: chunked'), $chunk, "0\r\n\r\n" . $PLAIN);
probes('chunks that never come', 1, $PROBE, get('Transfer-Encoding: chunked'));
probes('Expect', 2, $PROBE x 2, get('Expect: 100-continue', "Content-Length: $length"), $body . $PLAIN);
my $order = '{"productId":1,"quantity":1}';
probes('a body that the validator has read', 2, $PROBE x 2, "POST /orders HTTP/1.1\r\nHost: a\r\n"
    . 'Content-Type: application/json' . "\r\nContent-Length: " . length($order) . "\r\n\r\n$order$PLAIN");

# ---- headers

my @conditions = ('If-None-Match: *', 'If-Match: "x"', 'If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT',
    'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT', 'If-Range: "x"', 'Range: bytes=0-1');
probes($_, 1, $PROBE, get($_)) for @conditions;
my @personal = ('Cookie: a=1', 'Authorization: Basic bWU6bWU=', 'X-Forwarded-For: 10.0.0.1', 'User-Agent: u', 'Referer: r',
    'Via: v', 'Accept: text/html', 'Accept-Encoding: gzip', 'X: y', 'Upgrade: h2c', 'Te: trailers', 'X-Real-IP: 10.0.0.1');
probes('all of them', 1, $PROBE, get(@conditions, @personal));
probes('forwarded by name', 1,
    "GET /forwarded HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\nX-Request-Id: me\r\n\r\n",
    get(@personal, 'X-Request-Id: me') =~ s/readyz/forwarded/r);
probes('arguments', 1, $PROBE =~ s{/one}{/one?deep=1&x=%20?}r, $PLAIN =~ s/readyz/args/r);
probes('no arguments of the client', 1, $PROBE, $PLAIN =~ s/readyz/readyz?a=1/r);
probes('HTTP/1.0 without Host', 1, "GET /one HTTP/1.1\r\n\r\n", "GET /readyz HTTP/1.0\r\n\r\n");

$mock->stop;
is($nginx->stop, 0, 'nginx stopped gracefully');
is(join("\n", $nginx->findings), '', 'the error log is clean');

done_testing();
