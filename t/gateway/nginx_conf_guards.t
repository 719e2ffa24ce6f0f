#!/usr/bin/perl
# What the repository's own nginx.conf guards: headers of every answer, the docs page, who sees the
# metrics, the limits for each address, TLS and HTTP/2.
use strict;
use warnings;

use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Shipped;

my $gateway = Prodorder::Gateway::Shipped->new;
my $dir = $gateway->dir;
my $response;

sub answer_order {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
}

$gateway->write('build/docs/index.html', '<!doctype html><title>docs</title>');
$gateway->write('build/docs/docs.js', '"use strict";' . "\n" x 2000);

# ---- headers of every answer ----

my $api_policy = "default-src 'none'; frame-ancestors 'none'";
my $docs_policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    . "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

sub check_headers {
    my ($what, $got, $policy) = @_;
    is($gateway->header($got, 'X-Content-Type-Options'), 'nosniff', "$what: X-Content-Type-Options");
    is($gateway->header($got, 'Referrer-Policy'), 'no-referrer', "$what: Referrer-Policy");
    is($gateway->header($got, 'Content-Security-Policy'), $policy, "$what: Content-Security-Policy");
    is($gateway->header($got, 'Strict-Transport-Security'), '', "$what: no Strict-Transport-Security without TLS");
    is($gateway->header($got, 'Server'), '', "$what: no Server");
    return;
}

# Requests come from here; a header says from where they seem to come, as behind a proxy.
$gateway->start("set_real_ip_from 127.0.0.1;\nreal_ip_header X-Test-Client;\n");
my @public = ('X-Test-Client: 203.0.113.7');
my $order = Prodorder::Gateway::Mock->start($gateway->port(3002), "$dir/order.txt",
    reply => \&answer_order, keepalive => 1);

for my $case (
    ['GET /livez', 200, $api_policy], ['GET /orders/product/1', 200, $api_policy],
    ["POST /orders\n{}", 400, $api_policy], ['GET /nothing', 404, $api_policy],
    ['DELETE /orders/1', 405, $api_policy], ['GET /products/1', 502, $api_policy],
    ['GET /openapi.json', 200, $api_policy], ['GET /asyncapi.json', 200, $api_policy],
    ['GET /docs', 308, $api_policy],
    ['GET /docs/', 200, $docs_policy], ['GET /docs/docs.js', 200, $docs_policy],
    ['GET /docs/none.js', 404, $docs_policy],
) {
    my ($request, $status, $policy) = @$case;
    $response = $gateway->ask($request);
    is($response->{status}, $status, "$request: $status");
    check_headers($request, $response, $policy);
}
{
    my $client = $gateway->client;
    $client->send_pieces(0, "BROKEN\r\n\r\n");
    $response = $client->read_response('GET');
    is($response->{status}, 400, 'a broken request line');
    check_headers('a broken request line', $response, $api_policy);
    $client->close;
}

# ---- the docs page, the contract, compression ----

is($gateway->header($gateway->ask('GET /docs'), 'Location'), '/docs/', '/docs leads to /docs/');
$response = $gateway->ask('GET /docs/');
is($response->{body}, '<!doctype html><title>docs</title>', 'the page as it is, without the envelope');
like($gateway->header($response, 'Content-Type'), qr{\Atext/html}, 'as HTML');
is($gateway->header($response, 'Cache-Control'), 'no-cache', 'a browser asks for it again');
my $etag = $gateway->header($response, 'ETag');
is($gateway->ask('GET /docs/', "If-None-Match: $etag")->{status}, 304, 'and is told that it is the same');
is($gateway->header($gateway->ask('GET /docs/docs.js'), 'Content-Type'), 'text/javascript', 'a script is a script, and nothing else');
$response = $gateway->ask("POST /docs/docs.js\n{}");
is($response->{status}, 405, 'a file cannot be posted to');
is($gateway->header($response, 'Allow'), 'GET, HEAD', 'and says what it allows');
is($gateway->ask('GET /docs/../nginx.conf')->{status}, 404, 'nothing above it is served');
is($gateway->ask('GET /docs/%2e%2e/%2e%2e/nginx.conf')->{status}, 400, 'however it is written');

for my $file (qw(openapi.json asyncapi.json)) {
    $response = $gateway->ask("GET /$file", 'Range: bytes=0-9');
    is($response->{status}, 200, "no ranges of $file");
    is($gateway->header($response, 'Cache-Control'), 'no-cache', 'it is asked for again');
    $etag = $gateway->header($response, 'ETag');
    is($gateway->ask("GET /$file", "If-None-Match: $etag")->{status}, 304, 'and has not changed');
    $response = $gateway->ask("GET /$file", 'Accept-Encoding: gzip');
    is($gateway->header($response, 'Content-Encoding'), 'gzip', "$file compressed");
    cmp_ok(length $response->{body}, '<', (-s $file) / 4, 'to a fraction');
    like($gateway->header($response, 'Vary'), qr/Accept-Encoding/, 'which depends on Accept-Encoding');
}
$response = $gateway->ask('GET /livez', 'Accept-Encoding: gzip');
is($gateway->header($response, 'Content-Encoding'), '', 'what is small is not compressed');

# ---- ids of which nothing is refused ----

for my $bad ("X-Request-Id: \xff\xfe", "X-Request-Id: a\r\nX-Request-Id: b", 'X-Request-Id: ' . 'x' x 129,
    "traceparent: \xff", "tracestate: a=1\r\ntracestate: \xff") {
    $response = $gateway->ask('GET /orders/product/1', $bad);
    is($response->{status}, 200, 'a strange header is no reason to refuse: ' . substr($bad =~ s/[^ -~]/?/gr, 0, 30));
    like($gateway->header($response, 'X-Request-Id'), qr/\A[0-9a-f]{8}-[0-9a-f-]{27}\z/, 'a new id takes its place');
}

# ---- metrics: this machine and private networks ----

for my $client ('127.0.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.254', '192.168.1.1', '::1', 'fd00::1', 'fe80::1') {
    $response = $gateway->ask('GET /metrics', "X-Test-Client: $client");
    is($response->{status}, 200, "metrics for $client");
    like($gateway->header($response, 'Content-Type'), qr{\Atext/plain; version=0\.0\.4}, 'as text for Prometheus');
}
for my $client ('203.0.113.7', '172.32.0.1', '172.15.255.255', '192.169.0.1', '11.0.0.1', '2001:db8::1') {
    $response = $gateway->ask('GET /metrics', "X-Test-Client: $client");
    is($response->{status}, 403, "no metrics for $client");
    is(decode_json($response->{body})->{statusCode}, 403, 'in JSON');
}

# ---- limits for each address ----

# burst(N, HEADER...): statuses of N requests, 200 at a time on one connection, with the last answer of
# each; stops early when all of 200 were refused.
sub burst {
    my ($n, @headers) = @_;
    my $client = $gateway->client;
    my (%statuses, %last);
    for (1 .. $n / 200) {
        my $before = $statuses{200} // 0;
        $client->send_pieces(0, join("\r\n", 'GET /livez HTTP/1.1', 'Host: x', @headers, '', '') x 200);
        for (1 .. 200) {
            my $got = $client->read_response('GET') or last;
            $statuses{ $got->{status} }++;
            $last{ $got->{status} } = $got;
        }
        last if ($statuses{200} // 0) == $before;
    }
    $client->close;
    return \%statuses, \%last;
}

# On a slow machine the rate allows some more while they are sent.
my $begin = time;
my ($statuses, $last) = burst(4000, 'X-Test-Client: 203.0.113.8');
my $seconds = time - $begin;
cmp_ok($statuses->{200}, '>=', 201, 'a public address may send 200 requests ahead of its rate');
cmp_ok($statuses->{200}, '<=', 205 + 100 * $seconds, 'and 100 for each second');
cmp_ok($statuses->{429} // 0, '>=', 1, 'and is told to wait then');
is_deeply([sort keys %$statuses], [200, 429], 'nothing else happens to it');
$response = $last->{429};
is($gateway->header($response, 'Retry-After'), 1, '429 says when to come back');
is($gateway->header($response, 'Content-Type'), 'application/json', 'in JSON');
is_deeply([@{ decode_json($response->{body}) }{qw(statusCode data path)}], [429, undef, '/livez'], 'in the envelope of errors');
check_headers('429', $response, $api_policy);
is($gateway->ask('GET /livez', @public)->{status}, 200, 'another address is not concerned');
(undef, $last) = burst(4000, 'X-Test-Client: 203.0.113.8', 'Accept: application/problem+json');
burst(2000, 'X-Test-Client: 2001:db8:1:2::3');
($statuses) = burst(300, 'X-Test-Client: 2001:db8:1:2:ffff::4');
cmp_ok($statuses->{429} // 0, '>=', 1, 'the addresses of one IPv6 network are one client');
is($gateway->ask('GET /livez', 'X-Test-Client: 2001:db8:1:3::3')->{status}, 200, 'those of another are not');
is($gateway->header($last->{429}, 'Content-Type'), 'application/problem+json', 'as problem+json for who wants it');
for my $client ('127.0.0.1', '10.1.2.3', '172.20.0.1', '192.168.1.1', '::1', 'fd00::1') {
    ($statuses) = burst(400, "X-Test-Client: $client");
    is_deeply($statuses, { 200 => 400 }, "$client is not limited");
}

# 100 requests of which the body has not come yet; one more is too many. All are under way before it is asked: one that came
# while it was would be refused in its place.
{
    my @clients = map { $gateway->client } 1 .. 100;
    my @here = 'X-Test-Client: 203.0.113.9';
    $_->send_pieces(0, join("\r\n", 'POST /orders HTTP/1.1', 'Host: x', @here, 'Content-Type: application/json',
        'Content-Length: 30', 'Expect: 100-continue', '', '')) for @clients;
    is_deeply([grep { ($_->read_continue // 'nothing') ne 'HTTP/1.1 100 Continue' } @clients], [], '100 requests at a time are taken');
    $response = $gateway->ask('GET /livez', @here);
    is($response->{status}, 429, 'more requests at a time than an address may have');
    is($gateway->header($response, 'Retry-After'), 1, 'says when to come back');
    is($gateway->ask('GET /livez', 'X-Test-Client: 203.0.113.10')->{status}, 200, 'another address may');
    $_->close for @clients;
}
unlike($gateway->read('error.log'), qr/limiting (?:requests|connections)/, 'a flood does not fill the error log');

$order->stop;
$gateway->stop;

# ---- TLS: conf/tls.conf.example as it is, but for ports and certificate ----

my $tls = $gateway->shipped('conf/tls.conf.example');
system('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost '
    . "-addext subjectAltName=IP:127.0.0.1 -keyout $dir/conf/privkey.pem -out $dir/conf/fullchain.pem 2> $dir/openssl.txt") == 0
    or die $gateway->read('openssl.txt');
$tls =~ s{^(ssl_certificate(?:_key)?) }{$1 conf/}mg;
$gateway->write('conf/tls.conf', $tls);
$gateway->start;

sub curl {
    my (@arguments) = @_;
    open my $out, '-|', 'curl', '-sS', '-m', '10', '--cacert', "$dir/conf/fullchain.pem", '-D', "$dir/head.txt",
        '-w', "\n%{http_version} %{http_code}", @arguments or die "curl: $!\n";
    my $said = do { local $/; <$out> };
    close $out;
    return $said;
}

my ($plain, $tls_port) = map { '127.0.0.1:' . $gateway->port($_) } 4000, 4443;
my $secure = "https://$tls_port";
like(curl("$secure/livez"), qr/"status":"alive".*\n2 200\z/s, 'HTTP/2 over TLS');
my $head = $gateway->read('head.txt');
like($head, qr/^strict-transport-security: max-age=31536000\r$/mi, 'with Strict-Transport-Security');
like($head, qr/^content-security-policy: \Q$api_policy\E\r$/mi, 'and the other headers');
unlike($head, qr/^server:/mi, 'and no Server');
like(curl('--http1.1', "$secure/livez"), qr/\n1\.1 200\z/, 'HTTP/1.1 over TLS');
like(curl("$secure/nothing"), qr/"statusCode":404,.*\n2 404\z/s, 'an error over HTTP/2');
like(curl('-d', '{}', '-H', 'Content-Type: application/json', "$secure/orders"), qr/"keyword":"required".*\n2 400\z/s,
    'a refused body over HTTP/2');
like(curl('--tls-max', '1.2', "$secure/livez"), qr/ 200\z/, 'TLS 1.2 will do');
unlike(curl('--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0', "$secure/livez", '--stderr', '/dev/null'), qr/ 200\z/, 'TLS 1.1 will not');
unlike(curl('--tls-max', '1.2', '--ciphers', 'AES128-SHA', "$secure/livez", '--stderr', '/dev/null'), qr/ 200\z/,
    'nor a cipher without forward secrecy');
like(curl("http://$tls_port/livez"), qr/\A\{"statusCode":400,"data":null,"message":"[^<]+\}\n1\.1 400\z/,
    'a plain request at the TLS port: 400, in JSON');
unlike($gateway->read('head.txt'), qr/^server:/mi, 'without Server');
like(curl("http://$plain/livez"), qr/\n1\.1 200\z/, 'the plain port answers as before');
unlike($gateway->read('head.txt'), qr/^strict-transport/mi, 'without Strict-Transport-Security');
$gateway->done;
