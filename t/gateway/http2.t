#!/usr/bin/perl
# HTTP/2: bodies in many frames, errors before the body has come, streams that the client resets at
# the worst moment, windows of one byte, reload. Plain (prior knowledge) and over TLS.
use strict;
use warnings;

use Cwd qw(getcwd);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

use Prodorder::Gateway::Http2;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

use constant { NO_ERROR => 0, CANCEL => 8, ENHANCE_YOUR_CALM => 11 };

my $nginx = Prodorder::Gateway::Nginx->new;
my $prefix = $nginx->prefix;
my $root = getcwd();
my %port = map { $_ => Prodorder::Gateway::Nginx::free_port() } qw(tls upstream);
my $order = '{"productId":1,"quantity":1}';
my @json = (['content-type', 'application/json']);

sub answer {
    my ($request) = @_;
    my ($path) = $request =~ m{\A\S+ /(\S+)};
    my $head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    my $chunked = "${head}Transfer-Encoding: chunked\r\n\r\n";
    return [$chunked, "4\r\n[1,2\r\n", "4\r\n,3,4\r\n", "1\r\n]\r\n", "0\r\n\r\n"] if $path =~ /^drip/;
    return [$chunked, "4\r\n[1,2\r\n", "5\r\n,3,4]\r\n", \'close'] if $path eq 'cut-chunks';
    return [$chunked, "4\r\n[1,2\r\n", "5\r\n,3,4]\r\n", \'reset'] if $path eq 'reset-chunks';
    return ["${head}Content-Length: 100\r\n\r\n[1,2", \'close'] if $path eq 'cut-length';
    return ["${head}Content-Length: 100\r\n\r\n[1,2", \'reset'] if $path eq 'reset-length';
    return "${head}Content-Length: 200002\r\n\r\n\"" . 'x' x 200_000 . '"' if $path =~ /^large/;
    return ["HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        "c\r\n{\"message\":\"\r\n", "6\r\nslow\"}\r\n", "0\r\n\r\n"] if $path =~ /^drip-error|^slow-error/;
    return ["HTTP/1.1 20", "0 OK\r\nContent-Length: 0\r\n\r\n"] if $path =~ /^ask/;
    return ['', "${head}Content-Length: 2\r\n\r\n{}"] if $path =~ /^slow/;
    my ($body) = $request =~ /\r\n\r\n(.*)\z/s;
    my $reply = encode_json({ got => $body, id => $request =~ /^X-Request-Id: (\S+)\r$/m });
    return "${head}Content-Length: " . length($reply) . "\r\n\r\n$reply";
}

sub start {
    system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout $prefix/key.pem"
        . " -out $prefix/cert.pem 2> $prefix/openssl.log") == 0 or die "openssl failed\n";
    my $server = <<"END";
    proxy_http_version 1.1;
    proxy_set_header X-Request-Id \$prodorder_request_id;
    client_body_buffer_size 1k;
    location / { proxy_pass http://127.0.0.1:$port{upstream}; }
    location /unbuffered/ { proxy_buffering off; proxy_pass http://127.0.0.1:$port{upstream}/; }
    location /authorized { auth_request /ask; proxy_pass http://127.0.0.1:$port{upstream}; }
    location = /ask { internal; proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_pass http://127.0.0.1:$port{upstream}; }
    location = /mirror { internal; proxy_pass http://127.0.0.1:$port{upstream}; }
    location = /gzip { gzip on; gzip_types application/json; gzip_min_length 1;
        proxy_pass http://127.0.0.1:$port{upstream}/large; }
    location ~ ^/(?:orders|products|none) {
        prodorder_openapi $root/openapi.json;
        prodorder_body_limit 64k;
        proxy_pass http://127.0.0.1:$port{upstream};
    }
    location = /orders/mirrored { mirror /mirror; proxy_pass http://127.0.0.1:$port{upstream}; }
    location = /orders {
        prodorder_openapi $root/openapi.json;
        prodorder_body_limit 64k;
        auth_request /ask;
        mirror /mirror;
        proxy_pass http://127.0.0.1:$port{upstream};
    }
END
    $nginx->write_conf(main => '', http2 => 1, server => $server, http => <<"END");
    server { listen 127.0.0.1:$port{tls} ssl http2; server_name localhost;
        ssl_certificate cert.pem; ssl_certificate_key key.pem;
$server
    }
END
    my $said = $nginx->start;
    BAIL_OUT("nginx does not start: $said") if defined $said;
    return;
}

sub client { return Prodorder::Gateway::Http2->new($nginx->port, @_) }

# The response is whole, has this status, and its JSON is returned.
sub is_whole {
    my ($name, $response, $status) = @_;
    is($response ? $response->{problem} : 'no response', undef, "$name: whole");
    is($response ? $response->{status} : undef, $status, "$name: $status");
    my $json = $response ? eval { decode_json($response->{body}) } : undef;
    is(ref $json, 'HASH', "$name: JSON") or diag($response ? $response->{body} : 'none');
    return $json // {};
}

# The connection goes on.
sub is_alive {
    my ($name, $h2) = @_;
    is_whole("$name, the next request", $h2->response($h2->request('GET', '/echo')), 200);
    is($h2->goaway, undef, "$name: the connection stays");
    return;
}

my $mock = Prodorder::Gateway::Mock->start($port{upstream}, "$prefix/mock.txt", reply => \&answer,
    delay => 0.04, keepalive => 1);
start();

# ---- request bodies -----------------------------------------------------------------------------

{
    my $h2 = client();
    my $stream = $h2->request('POST', '/orders', headers => [@json, ['content-length', length $order]], open => 1);
    $h2->data($stream, $_, 0) for split //, $order;
    $h2->data($stream, '', 1);
    my $json = is_whole('a body of one byte a frame', $h2->response($stream), 201);
    is($json->{data}{got}, $order, 'it arrives as it was sent');

    $stream = $h2->request('POST', '/orders', headers => \@json, body => $order);
    is_whole('a body without a length', $h2->response($stream), 201);

    $stream = $h2->request('POST', '/orders', headers => \@json, open => 1);
    sleep 0.15;    # auth_request's subrequest ends first, then there is no body yet
    $h2->data($stream, substr($order, 0, 9), 0);
    sleep 0.02;
    $h2->data($stream, substr($order, 9), 1);
    is_whole('trap: a body that comes after the subrequest', $h2->response($stream), 201);

    my $large = '{"productId":1,' . ' ' x 50_000 . '"quantity":0}';
    $stream = $h2->request('POST', '/orders', headers => \@json, open => 1);
    $h2->data($stream, $_, 0) for unpack '(a5000)*', $large;
    $h2->data($stream, '', 1);
    my $refused = is_whole('a body in a temporary file', $h2->response($stream), 400);
    is($refused->{errors}[0]{path}, '/quantity', 'is validated');

    $stream = $h2->request('POST', '/orders', headers => \@json, open => 1);
    $h2->data($stream, '', 1);
    $refused = is_whole('an empty last frame', $h2->response($stream), 400);
    is($refused->{errors}[0]{keyword}, 'required', 'is no body');
    $h2->close;
}

# ---- errors before the body has come ------------------------------------------------------------

for my $case (
    ['a length over the limit', 'POST', '/products', 413, ['content-length', 100_000]],
    ['a media type', 'POST', '/products', 415, ['content-type', 'text/plain'], ['content-length', 9]],
    ['an unknown route', 'POST', '/none', 404, ['content-length', 9]],
    ['another method', 'PUT', '/products', 405, ['content-length', 9]],
) {
    my ($name, $method, $path, $status, @headers) = @$case;
    my $h2 = client();
    my $stream = $h2->request($method, $path, headers => [@headers], open => 1);
    is_whole("$name, before the body", $h2->response($stream), $status);
    $h2->frame(Prodorder::Gateway::Http2::DATA, 0, $stream, 'late');
    is_alive("$name, then the body", $h2);
    $h2->close;
}

{
    my $h2 = client();
    my $stream = $h2->request('POST', '/products', headers => \@json, open => 1);
    for (1 .. 40) {
        last if !$h2->data($stream, ' ' x 4000, 0);
        $h2->idle(0.001);
    }
    $h2->data($stream, '', 1);
    is_whole('a body over the limit, without a length', $h2->response($stream), 413);
    is_alive('a body over the limit', $h2);

    $stream = $h2->request('POST', '/products', headers => [@json, ['content-length', 2]], body => '{"name":1}');
    is_whole('a body longer than its length', $h2->response($stream), 400);
    is_alive('a body longer than its length', $h2);
    $stream = $h2->request('POST', '/products', headers => [@json, ['content-length', 20]], body => '{"name":1}');
    is_whole('a body shorter than its length', $h2->response($stream), 400);
    is_alive('a body shorter than its length', $h2);
    $h2->close;
}

for my $case (
    ['no path', [':method', 'GET'], [':scheme', 'http'], [':authority', 'x']],
    ['a path that is none', [':method', 'GET'], [':scheme', 'http'], [':path', 'x'], [':authority', 'x']],
    ['no host', [':method', 'GET'], [':scheme', 'http'], [':path', '/echo']],
) {
    my ($name, @fields) = @$case;
    my $h2 = client();
    is_whole($name, $h2->response($h2->request('GET', '/', fields => \@fields)), 400);
    $h2->close;
}

{
    my $h2 = client();
    is($h2->response($h2->request('GET', '/echo', headers => [map { ["x$_", 'x' x 7000] } 1 .. 6])), undef,
        'headers that are too large together: no page');
    is($h2->goaway->{code}, ENHANCE_YOUR_CALM, 'but the end of the connection');
    $h2->close;
}

# ---- streams that the client resets -------------------------------------------------------------

for my $case (
    ['the request body', 'POST', '/orders', sub { $_[0]->data($_[1], '{"pro', 0) }, 1],
    ['a temporary file', 'POST', '/products', sub { $_[0]->data($_[1], ' ' x 5000, 0) for 1 .. 3 }, 1],
    ['the subrequest', 'GET', '/authorized', sub { sleep 0.02 }],
    ['the wait for the upstream', 'GET', '/slow', sub { sleep 0.02 }],
    ['the response', 'GET', '/unbuffered/drip', sub { $_[0]->wait_for_body($_[1]) }],
    ['the buffered response', 'GET', '/drip', sub { sleep 0.08 }],
    ['the collection of an error', 'GET', '/unbuffered/slow-error', sub { sleep 0.08 }],
    ['a large response', 'GET', '/large', sub { $_[0]->wait_for_body($_[1], 1000) }],
    ['a compressed response', 'GET', '/gzip', sub { sleep 0.01 }],
) {
    my ($name, $method, $path, $then, $open) = @$case;
    my $h2 = client();
    my $stream = $h2->request($method, $path, headers => \@json, open => $open);
    $then->($h2, $stream);
    $h2->reset_stream($stream, CANCEL);
    is_alive("trap: reset during $name", $h2);
    $h2->close;
}

# The connection goes, with everything on it.
{
    my $h2 = client();
    $h2->request('GET', "/$_") for qw(slow unbuffered/drip large unbuffered/drip-error authorized);
    $h2->request('POST', '/orders', headers => \@json, open => 1);
    sleep 0.05;
    $h2->close;
    sleep 0.5;
    my $next = client();
    is_alive('a connection that is cut', $next);
    $next->close;
}

# ---- responses ----------------------------------------------------------------------------------

{
    my $h2 = client();
    my %length;
    for my $method ('HEAD', 'GET') {
        my $response = $h2->response($h2->request($method, '/echo', headers => [['x-request-id', 'h2']]));
        is($response->{problem}, undef, "$method: whole");
        ($length{$method}) = map { $_->[1] } grep { $_->[0] eq 'content-length' } @{ $response->{headers} };
        is(length $response->{body}, $method eq 'GET' ? $length{GET} : 0, "$method: its body");
    }
    is($length{HEAD}, $length{GET}, 'HEAD announces the length of GET');

    my $drip = is_whole('unknown length', $h2->response($h2->request('GET', '/unbuffered/drip')), 200);
    is_deeply($drip->{data}, [1, 2, 3, 4], 'unknown length: data');

    for my $path (map { ($_, "unbuffered/$_") } qw(cut-chunks cut-length reset-chunks reset-length)) {
        my $response = $h2->response($h2->request('GET', "/$path"));
        ok($response && defined $response->{reset}, "$path: the stream is reset, not ended as if it were whole");
    }
    $h2->close;
}

{
    my $h2 = client();
    my %path = map { $h2->request('GET', "/echo?$_", headers => [['x-request-id', "id-$_"]]) => $_ } 1 .. 100;
    my @wrong = grep {
        my $response = $h2->response($_);
        my $json = $response ? eval { decode_json($response->{body}) } // {} : {};
        !$response || $response->{problem} || $json->{requestId} ne "id-$path{$_}" || $json->{data}{id} ne "id-$path{$_}"
            || $json->{path} ne "/echo?$path{$_}";
    } keys %path;
    is("@wrong", '', 'a hundred streams at once, each with its own answer');
    $h2->close;
}

for my $case (['/echo', 200], ['/drip', 200], ['/unbuffered/drip', 200], ['/none', 404], ['/slow-error', 409]) {
    my ($path, $status) = @$case;
    for my $window (1, 7) {
        my $h2 = client(window => $window);
        my $response = $h2->response($h2->request('GET', $path));
        is_whole("$path, a window of $window", $response, $status);
        cmp_ok($response->{frames}, '>=', length($response->{body}) / $window, 'in as many frames');
        $h2->close;
    }
    my $h2 = client(window => 0, manual => 1);
    my $stream = $h2->request('GET', $path);
    $h2->idle(0.2);
    is($h2->{stream}{$stream}{body}, '', "$path, no window: no body");
    is($h2->{stream}{$stream}{status}, $status, "$path, no window: the header comes");
    $h2->window($stream, 5);
    $h2->idle(0.05);
    is(length $h2->{stream}{$stream}{body}, 5, "$path, five bytes");
    $h2->window($stream, 100_000);
    is_whole("$path, then all", $h2->response($stream), $status);
    $h2->close;
}

{
    my $h2 = client(window => 4000);
    my @streams = map { $h2->request('GET', "/large?$_") } 1 .. 8;
    my @lengths = map { my $json = eval { decode_json($h2->response($_)->{body}) }; length($json->{data} // '') } @streams;
    is("@lengths", join(' ', (200_000) x 8), 'eight large bodies through small windows');
    $h2->close;
    $h2 = client(window => 0, manual => 1);
    $h2->request('GET', "/$_") for qw(large echo none unbuffered/drip);
    $h2->idle(0.2);
    my $before = $nginx->cpu_seconds;
    sleep 0.5;
    cmp_ok($nginx->cpu_seconds - $before, '<', 0.1, 'trap: a worker that waits for a window does not spin');
    $h2->close;
}

# ---- TLS ----------------------------------------------------------------------------------------

sub over_tls {
    my ($path, @more) = @_;
    my $text = `curl -sik --http2 --max-time 10 @more https://localhost:$port{tls}$path`;
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($status) = $head =~ m{\AHTTP/2 (\d+)};
    return { status => $status, body => $body };
}

is(is_whole('TLS', over_tls('/echo', '-H', 'X-Request-Id:tls-1'), 200)->{requestId}, 'tls-1', 'TLS: the id');
is_whole('TLS, an order', over_tls('/orders', '-H', 'Content-Type:application/json', '-d', "'$order'"), 201);
is_whole('TLS, a large body', over_tls('/large'), 200);
is_whole('TLS, an error', over_tls('/none'), 404);
is_whole('TLS, an invalid order', over_tls('/orders', '-H', 'Content-Type:application/json', '-d', '{}'), 400);

# ---- reload -------------------------------------------------------------------------------------

{
    my $h2 = client();
    my @streams = map { $h2->request('GET', $_) } '/slow', '/unbuffered/drip', '/large';
    sleep 0.02;
    $nginx->reload;
    is_whole('a stream over a reload', $h2->response($_), 200) for @streams;
    $h2->idle(0.3);
    is($h2->goaway ? $h2->goaway->{code} : 'none', NO_ERROR, 'then GOAWAY');
    $h2->close;
    my $next = client();
    is_alive('a connection after the reload', $next);
    $next->close;
}

$mock->stop;
is($nginx->stop, 0, 'nginx stopped gracefully');
is(join("\n", $nginx->findings), '', 'the error log is clean');
done_testing();
