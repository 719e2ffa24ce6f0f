#!/usr/bin/perl
# The repository's own nginx.conf and openapi.json, with other ports, in front of mock services.
use strict;
use warnings;

use Cwd qw(getcwd);
use File::Temp ();
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

my $dir = File::Temp->newdir('prodorder-conf-XXXXXX', TMPDIR => 1);
my %port = map { $_ => Prodorder::Gateway::Nginx::free_port() } 4000, 3001, 3002;
my $pid;

sub read_file {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

# What ./prodorder does, too: the stack's own addresses in the place of the default ones.
sub start_nginx {
    my $conf = read_file('nginx.conf');
    $conf =~ s/127\.0\.0\.1:(4000|3001|3002)\b/127.0.0.1:$port{$1}/g;
    my $module = Prodorder::Gateway::Nginx::module_path();
    $conf =~ s/^load_module .*$/load_module $module;/m;
    $conf = "user root;\n$conf" if $> == 0;
    mkdir "$dir/$_" for qw(logs temp);
    open my $out, '>', "$dir/nginx.conf" or die "nginx.conf: $!\n";
    print {$out} $conf;
    close $out;
    symlink getcwd() . '/openapi.json', "$dir/openapi.json";
    $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        open STDOUT, '>>', "$dir/access.log";
        open STDERR, '>>', "$dir/error.log";
        $ENV{LD_PRELOAD} = $ENV{PRODORDER_TEST_PRELOAD} if $ENV{PRODORDER_TEST_PRELOAD};
        $ENV{ASAN_OPTIONS} //= 'detect_leaks=0';
        exec $ENV{TEST_NGINX_BINARY} // 'nginx', '-p', "$dir/", '-e', 'stderr', '-c', 'nginx.conf' or POSIX::_exit(127);
    }
    for (1 .. 200) {
        return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port{4000});
        sleep 0.02;
    }
    die "nginx does not listen:\n" . read_file("$dir/error.log");
}

sub ask {
    my ($request, @headers) = @_;
    my ($line, $body) = split /\n/, $request, 2;
    push @headers, 'Host: localhost', 'Connection: close';
    push @headers, 'Content-Type: application/json', 'Content-Length: ' . length $body if defined $body;
    my $client = Prodorder::Gateway::Http->new($port{4000}, 10);
    $client->send_pieces(0, CORE::join("\r\n", "$line HTTP/1.1", @headers, '', '') . ($body // ''));
    my $response = $client->read_response($line =~ /\A(\S+)/);
    $client->close;
    is($response->{problem}, undef, "$line - the framing is right");
    return $response;
}

sub json_reply {
    my ($status, $body, @headers) = @_;
    return CORE::join("\r\n", "HTTP/1.1 $status", 'Content-Type: application/json',
        'Content-Length: ' . length $body, @headers, '', $body);
}

sub answer_order {
    my ($request) = @_;
    return json_reply('200 OK', '{"status":"ready"}') if $request =~ m{\AGET /readyz };
    return json_reply('200 OK', '[]', 'Link: </orders/product/1?cursor=x>; rel="next"')
        if $request =~ /\AGET/;
    return json_reply('200 OK', '{"id":5}', 'Location: /orders/5');
}

my $order = Prodorder::Gateway::Mock->start($port{3002}, "$dir/order.txt",
    reply => \&answer_order, keepalive => 1);
start_nginx();

my $response = ask("POST /orders\n{\"productId\":1,\"quantity\":1}", 'X-Request-Id: conf-1',
    'Accept-Encoding: gzip');
is($response->{status}, 201, 'an order is 201');
is(decode_json($response->{body})->{data}{id}, 5, 'with the service\'s data');
is(CORE::join(' ', Prodorder::Gateway::Http::values_of($response, 'Location')), '/orders/5',
    'and where it is');
my $received = $order->received;
like($received, qr/^X-Request-Id: conf-1\r$/m, 'the request id goes on');
like($received, qr/^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r$/m, 'and the trace');
unlike($received, qr/^Accept-Encoding:/mi, 'but not Accept-Encoding');
unlike($received, qr/^Connection: close/mi, 'and the connection is kept');

$response = ask('GET /orders/product/1?limit=1');
is($response->{status}, 200, 'a page of orders');
is(CORE::join(' ', Prodorder::Gateway::Http::values_of($response, 'Link')),
    '</orders/product/1?cursor=x>; rel="next"', 'with the link to the next, unchanged');

# HTTP/0.9 has no header, knows only GET, and is what a broken request line is taken for.
for my $line ('HEAD /products/1', 'POST /orders', 'GET /nothing') {
    my $client = Prodorder::Gateway::Http->new($port{4000}, 10);
    $client->send_pieces(0, "$line\r\n");
    like($client->rest, qr/\A\{"statusCode":40[04],"data":null,"message":"[^<]+\}\z/, "$line - JSON, not HTML");
    $client->close;
}

is(ask("POST /orders\n{}")->{status}, 400, 'an invalid order');
is(ask('GET /products/1')->{status}, 502, 'the product service is down');
is(ask('GET /nothing')->{status}, 404, 'an unknown route');
is(ask('GET /ordersx')->{status}, 404, 'one that begins like a known one');
is(ask('GET /-/ready/order')->{status}, 404, 'an internal location');

$response = ask("POST /livez\n{}");
is($response->{status}, 405, 'a known route, another method');
is(CORE::join(' ', Prodorder::Gateway::Http::values_of($response, 'Allow')), 'GET, HEAD', 'and Allow');
is(ask('GET /livez')->{status}, 200, 'the gateway lives');

$response = ask('GET /readyz');
is($response->{status}, 503, 'but is not ready');
is_deeply(decode_json($response->{body})->{components},
    { 'product-service' => { status => 'unreachable' }, 'order-service' => { status => 'ready' } },
    'and says why');

$response = ask('GET /openapi.json');
is($response->{status}, 200, 'the contract');
is($response->{body}, read_file('openapi.json'), 'as it is in the repository');

is(ask("POST /orders\n{\"productId\":1," . (' ' x (1024 * 1024)) . '"quantity":1}')->{status}, 413,
    'a body over 1 MiB');

my @log;
for (1 .. 100) {
    @log = grep { length } split /\n/, read_file("$dir/access.log");
    last if @log >= 10;
    sleep 0.02;
}
my ($first) = map { decode_json($_) } @log;
is($first->{requestId}, 'conf-1', 'the access log: request id');
is($first->{operation}, 'createOrder', 'operation');
is($first->{validation}, 'valid', 'validation');
is($first->{status}, 201, 'status');
like($first->{traceId}, qr/\A[0-9a-f]{32}\z/, 'trace id');
like($first->{ts}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/, 'time');
is(scalar(grep { !eval { decode_json($_) } } @log), 0, 'every line is JSON');

# The service closes its kept connection while it reads the next order: that is not sent twice.
$order->stop;
my $posts = 0;
$order = Prodorder::Gateway::Mock->start($port{3002}, "$dir/order2.txt", reply => '');
is(ask("POST /orders\n{\"productId\":1,\"quantity\":1}")->{status}, 502, 'an order whose service dies');
$posts = () = $order->received =~ /^POST/mg;
is($posts, 1, 'was sent once');
$order->stop;

kill 'QUIT', $pid;
waitpid $pid, 0;
is($?, 0, 'nginx stopped gracefully');
unlike(read_file("$dir/error.log"), qr/\[(?:alert|crit|emerg)\]|Sanitizer|runtime error/,
    'the error log is clean');
done_testing();
