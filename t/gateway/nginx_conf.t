#!/usr/bin/perl
# The repository's own nginx.conf and openapi.json, with other ports, in front of mock services.
use strict;
use warnings;

use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Shipped;

my $gateway = Prodorder::Gateway::Shipped->new;
my $dir = $gateway->dir;

sub json_reply {
    my ($status, $body, @headers) = @_;
    return join("\r\n", "HTTP/1.1 $status", 'Content-Type: application/json',
        'Content-Length: ' . length $body, @headers, '', $body);
}

sub answer_order {
    my ($request) = @_;
    return json_reply('200 OK', '{"status":"ready"}') if $request =~ m{\AGET /readyz };
    return json_reply('200 OK', '[]', 'Link: </orders/product/1?cursor=x>; rel="next"')
        if $request =~ /\AGET/;
    return json_reply('200 OK', '{"id":5}', 'Location: /orders/5');
}

my $order = Prodorder::Gateway::Mock->start($gateway->port(3002), "$dir/order.txt",
    reply => \&answer_order, keepalive => 1);
$gateway->start;

my $response = $gateway->ask("POST /orders\n{\"productId\":1,\"quantity\":1}", 'X-Request-Id: conf-1',
    'Accept-Encoding: gzip');
is($response->{status}, 201, 'an order is 201');
is(decode_json($response->{body})->{data}{id}, 5, 'with the service\'s data');
is($gateway->header($response, 'Location'), '/orders/5',
    'and where it is');
my $received = $order->received;
like($received, qr/^X-Request-Id: conf-1\r$/m, 'the request id goes on');
like($received, qr/^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, 'and the trace');
unlike($received, qr/^Accept-Encoding:/mi, 'but not Accept-Encoding');
unlike($received, qr/^Connection: close/mi, 'and the connection is kept');

$response = $gateway->ask('GET /orders/product/1?limit=1');
is($response->{status}, 200, 'a page of orders');
is($gateway->header($response, 'Link'),
    '</orders/product/1?cursor=x>; rel="next"', 'with the link to the next, unchanged');

# HTTP/0.9 has no header, knows only GET, and is what a broken request line is taken for.
for my $line ('HEAD /products/1', 'POST /orders', 'GET /nothing') {
    my $client = $gateway->client;
    $client->send_pieces(0, "$line\r\n");
    like($client->rest, qr/\A\{"statusCode":40[04],"data":null,"message":"[^<]+\}\z/, "$line - JSON, not HTML");
    $client->close;
}

is($gateway->ask("POST /orders\n{}")->{status}, 400, 'an invalid order');
is($gateway->ask('GET /products/1')->{status}, 502, 'the product service is down');
is($gateway->ask('GET /nothing')->{status}, 404, 'an unknown route');
is($gateway->ask('GET /ordersx')->{status}, 404, 'one that begins like a known one');
is($gateway->ask('GET /-/ready/order')->{status}, 404, 'an internal location');

$response = $gateway->ask("POST /livez\n{}");
is($response->{status}, 405, 'a known route, another method');
is($gateway->header($response, 'Allow'), 'GET, HEAD', 'and Allow');
is($gateway->ask('GET /livez')->{status}, 200, 'the gateway lives');

$response = $gateway->ask('GET /readyz');
is($response->{status}, 503, 'but is not ready');
is_deeply(decode_json($response->{body})->{components},
    { 'product-service' => { status => 'unreachable' }, 'order-service' => { status => 'ready' } },
    'and says why');

for my $file (qw(openapi.json asyncapi.json)) {
    $response = $gateway->ask("GET /$file");
    is($response->{status}, 200, $file);
    is($response->{body}, $gateway->read($file), 'as it is in the repository');
    is($gateway->header($response, 'Content-Type'), 'application/json', 'as JSON');
}

is($gateway->ask("POST /orders\n{\"productId\":1," . (' ' x (1024 * 1024)) . '"quantity":1}')->{status}, 413,
    'a body over 1 MiB');

my @log;
for (1 .. 100) {
    @log = grep { length } split /\n/, $gateway->read('access.log');
    last if grep { /"conf-1"/ } @log;
    sleep 0.02;
}
# Each worker writes its lines when its buffer is due: their order is not that of the requests.
my ($first) = grep { $_->{requestId} eq 'conf-1' } map { decode_json($_) } @log;
ok($first, 'the access log: request id');
is($first->{operation}, 'createOrder', 'operation');
is($first->{validation}, 'valid', 'validation');
is($first->{status}, 201, 'status');
like($first->{traceId}, qr/\A[0-9a-f]{32}\z/, 'trace id');
like($first->{ts}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/, 'time');
is(scalar(grep { !eval { decode_json($_) } } @log), 0, 'every line is JSON');

# The service closes its kept connection while it reads the next order: that is not sent twice.
$order->stop;
my $posts = 0;
$order = Prodorder::Gateway::Mock->start($gateway->port(3002), "$dir/order2.txt", reply => '');
is($gateway->ask("POST /orders\n{\"productId\":1,\"quantity\":1}")->{status}, 502, 'an order whose service dies');
$posts = () = $order->received =~ /^POST/mg;
is($posts, 1, 'was sent once');
$order->stop;

# Requests in flight outlive a reload, and the end of the gateway.
$order = Prodorder::Gateway::Mock->start($gateway->port(3002), "$dir/order3.txt", keepalive => 1,
    reply => sub { [json_reply('200 OK', '{"id":6}') =~ /\A(.*\r\n\r\n)(.*)\z/s] }, delay => 1);
for my $signal (qw(HUP QUIT)) {
    my @clients = map { $gateway->client } 1 .. 3;
    my $body = '{"productId":1,"quantity":1}';
    $_->send_pieces(0, join("\r\n", 'POST /orders HTTP/1.1', 'Host: x', 'Content-Type: application/json',
        'Content-Length: ' . length $body, '', $body)) for @clients;
    sleep 0.5;
    $gateway->signal($signal);
    sleep 0.5;
    if ($signal eq 'HUP') {
        is($gateway->ask('GET /livez')->{status}, 200, 'HUP: the new workers answer');
    }
    is_deeply([map { my $got = $_->read_response('POST'); $got && $got->{status} } @clients], [201, 201, 201],
        "$signal: what was begun is answered");
    $_->close for @clients;
}
$gateway->ended;
$order->stop;

$gateway->done;
