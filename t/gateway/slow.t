#!/usr/bin/perl
# Clients that read slowly, leave, or never read, and upstreams that die meanwhile: every byte arrives
# once and in order, a worker that waits does nothing, and holds neither memory nor sockets afterwards.
use strict;
use warnings;

use IO::Socket::INET;
use IO::Uncompress::Gunzip qw(gunzip);
use Socket qw(SOL_SOCKET SO_RCVBUF SO_LINGER);
use Test::More;
use Time::HiRes qw(sleep time);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

my $is_instrumented = $ENV{TEST_NGINX_USE_VALGRIND} || $ENV{PRODORDER_TEST_PRELOAD};
my $nginx = Prodorder::Gateway::Nginx->new;
my $upstream = Prodorder::Gateway::Nginx::free_port();
my $endless = Prodorder::Gateway::Nginx::free_port();

# JSON whose every line says where it is, so that a buffer that is used twice shows.
my %body = map { $_ => '[' . join(",\n", map { sprintf '"%08d %s"', $_, 'x' x 40 } 1 .. $_) . ']' } 2000, 40_000;

sub chunks {
    my ($text) = @_;
    return map { sprintf("%x\r\n", length) . "$_\r\n" } unpack '(a30000)*', $text;
}

sub answer {
    my ($request) = @_;
    my ($kind, $lines) = $request =~ m{\A\S+ /\w+/(\w+)/(\d+)} or return "HTTP/1.0 404 No\r\n\r\n";
    my $head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    my $body = $body{$lines};
    return "${head}Content-Length: " . length($body) . "\r\n\r\n$body" if $kind eq 'length';
    return join '', "${head}Transfer-Encoding: chunked\r\n\r\n", chunks($body), "0\r\n\r\n" if $kind eq 'chunks';
    return ["${head}Content-Length: " . length($body) . "\r\n\r\n", substr($body, 0, length($body) / 2), \'reset']
        if $kind eq 'reset';
    return ["HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body"]
        if $kind eq 'error';
    return "HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: " . length($body) . "\r\n\r\n$body"
        if $kind eq 'html';
    return "${head}\r\n$body";
}

sub start {
    my $pass = "proxy_pass http://127.0.0.1:$upstream;";
    $nginx->write_conf(main => '', http2 => 0, http => 'proxy_cache_path cache keys_zone=cache:1m;', server => <<"END");
    proxy_http_version 1.1;
    proxy_buffer_size 4k; proxy_buffers 4 4k; proxy_busy_buffers_size 8k;
    gzip_types application/json; gzip_proxied any;
    location /memory/ { proxy_max_temp_file_size 0; $pass }
    location /file/ { $pass }
    location /direct/ { proxy_buffering off; $pass }
    location /gzip/ { gzip on; proxy_max_temp_file_size 0; $pass }
    location /cached/ { proxy_cache cache; proxy_cache_key \$uri; proxy_cache_valid any 1m; $pass
        if (\$http_x_raw) { prodorder_gateway off; add_header X-Cache \$upstream_cache_status always; } }
    location /endless { proxy_pass http://127.0.0.1:$endless; }
    location /endless/direct { proxy_buffering off; proxy_pass http://127.0.0.1:$endless; }
    location /rate/ { limit_rate 400k; proxy_max_temp_file_size 0; $pass }
END
    my $said = $nginx->start;
    BAIL_OUT("nginx does not start: $said") if defined $said;
    return;
}

# A connection with a small receive buffer, and a request on it.
sub slow_client {
    my ($path, @headers) = @_;
    my $socket = IO::Socket::INET->new(Proto => 'tcp') // die "socket: $!\n";
    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, 4096;
    connect $socket, Socket::pack_sockaddr_in($nginx->port, Socket::inet_aton('127.0.0.1')) or die "connect: $!\n";
    syswrite $socket, join "\r\n", "GET $path HTTP/1.1", 'Host: x', 'Connection: close', @headers, '', '';
    return $socket;
}

sub read_all {
    my ($socket, $pause) = @_;
    my $text = '';
    while (sysread $socket, $text, 20_000, length $text) {
        sleep $pause if $pause;
    }
    return $text;
}

sub without_chunks {
    my ($text) = @_;
    my ($head, $rest) = split /\r\n\r\n/, $text, 2;
    return $rest if $head !~ /^Transfer-Encoding: chunked/mi;
    my $body = '';
    while ($rest =~ s/\A([0-9a-f]+)\r\n//) {
        my $length = hex $1;
        return $body if $length == 0;
        $body .= substr $rest, 0, $length, '';
        $rest =~ s/\A\r\n//;
    }
    return "$body (the chunks do not end)";
}

sub memory_kb {
    my ($pid) = $nginx->workers;
    open my $in, '<', "/proc/$pid/status" or return 0;
    return (join '', <$in>) =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}

sub sockets {
    my ($pid) = $nginx->workers;
    return scalar grep { (readlink($_) // '') =~ /^socket:/ } glob "/proc/$pid/fd/*";
}

sub settles_at {
    my ($wanted, $code) = @_;
    my $got;
    for (1 .. 250) {
        $got = $code->();
        return $got if $got <= $wanted;
        sleep 0.02;
    }
    return $got;
}

my $mock = Prodorder::Gateway::Mock->start($upstream, $nginx->prefix . '/mock.txt', reply => \&answer);
start();
read_all(slow_client('/memory/length/2000'));
my $sockets = sockets();

for my $where (qw(memory file direct)) {
    for my $kind (qw(length chunks close)) {
        my $text = read_all(slow_client("/$where/$kind/2000"), 0.0005);
        my $got = without_chunks($text);
        my ($length) = $text =~ /^Content-Length: (\d+)/mi;
        is(length $got, $length, "$where, $kind: as long as it says") if $kind eq 'length';
        ok($got =~ /\A\{"statusCode":200,"data":(.*),"timestamp":"[^"]+","path":"[^"]+","requestId":"[^"]+"\}\z/s
            && $1 eq $body{2000}, "trap: busy buffers: $where, $kind: every byte, once");
    }
}

for my $kind (qw(length chunks)) {
    my $packed = without_chunks(read_all(slow_client("/gzip/$kind/2000", 'Accept-Encoding: gzip'), 0.001));
    gunzip(\$packed => \my $plain);
    my ($data) = $plain =~ /\A\{"statusCode":200,"data":(.*),"timestamp".*\}\z/s;
    is($data, $body{2000}, "trap: lost tail: gzip, $kind");
}

# ---- nobody reads -------------------------------------------------------------------------------

{
    my $before = memory_kb();
    my @clients = map { slow_client("/$_/40000") }
        ('memory/length', 'memory/chunks', 'memory/close', 'direct/length', 'gzip/length', 'rate/length');
    sleep 0.5;
    my $cpu = $nginx->cpu_seconds;
    sleep 0.7;
    cmp_ok($nginx->cpu_seconds - $cpu, '<', 0.15, 'trap: spinning: a worker whose clients do not read is idle');
    my $grown = memory_kb() - $before;
    cmp_ok($grown, '<', $is_instrumented ? 60_000 : 3000, "and holds $grown kB for six bodies of 2 MB");
    my $text = read_all(shift @clients);
    ok(index($text, $body{40_000}) > 0 && $text =~ /"\}\z/, 'then one reads, and gets all');
    setsockopt $_, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 for @clients[0 .. 2];
    close $_ for @clients;
    is(settles_at($sockets, \&sockets), $sockets, 'the others leave, and their sockets and upstreams go');
}

# ---- the upstream dies --------------------------------------------------------------------------

for my $where (qw(memory file direct rate)) {
    my $text = read_all(slow_client("/$where/reset/2000"), 0.0005);
    my $got = without_chunks($text);
    my ($length) = $text =~ /^Content-Length: (\d+)/mi;
    cmp_ok(length $got, '<', $length, "trap: short body: $where: it is short");
    my ($data) = $got =~ /\A\{"statusCode":200,"data":(.*)\z/s;
    is($data // 'none', substr($body{2000}, 0, length($data // '')), 'and nothing but what the upstream sent');
}

# An error of 2 MB is read for its message as far as it is read, and the rest is dropped.
{
    my $text = read_all(slow_client('/memory/error/40000'));
    like($text, qr/\r\n\r\n\{"statusCode":500,"data":null,"message":"[^"]+","timestamp"[^}]+\}\z/, 'a large error');
    is(settles_at($sockets, \&sockets), $sockets, 'leaves no socket');
}

# But what nginx caches is whole.
for my $kind (qw(error html)) {
    like(read_all(slow_client("/cached/$kind/40000")), qr/\AHTTP\S+ 500 .*\r\n\r\n\{"statusCode":500/s, "cached: $kind");
    my $text = read_all(slow_client("/cached/$kind/40000", 'X-Raw: 1'));
    like($text, qr/^X-Cache: HIT\r$/m, "cached: $kind: a hit");
    is(length +(split /\r\n\r\n/, $text, 2)[1], length $body{40_000}, "cached: $kind: the whole body");
}

# An error whose body goes on for ten seconds, or does not begin: our answer is whole before.
sub drip {
    my ($request) = @_;
    my $head = "HTTP/1.1 500 Oops\r\nContent-Type: " . ($request =~ /json/ ? 'application/json' : 'text/html') . "\r\n";
    $head .= "Transfer-Encoding: chunked\r\n" if $request =~ /chunks/;
    return ["$head\r\n", ('') x 50] if $request =~ /nothing/;
    my $piece = 'x' x ($request =~ /json/ ? 70_000 : 100);
    $piece = sprintf "%x\r\n%s\r\n", length $piece, $piece if $request =~ /chunks/;
    return ["$head\r\n$piece", ($piece) x 50];
}

{
    my $drip = Prodorder::Gateway::Mock->start($endless, $nginx->prefix . '/drip.txt', reply => \&drip, delay => 0.2);
    for my $path (qw(html html/chunks direct/html direct/chunks json json/chunks direct/json nothing)) {
        my $client = Prodorder::Gateway::Http->new($nginx->port, 5);
        my $since = time;
        $client->send_pieces(0, "GET /endless/$path HTTP/1.1\r\nHost: x\r\n\r\n");
        my $response = $client->read_response('GET');
        is($response->{problem} // $response->{status}, 500, "an endless error, $path: a whole answer");
        $client->send_pieces(0, "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        my $next = $client->read_response('GET') // {};
        is($next->{status}, 404, 'and the next on the connection');
        cmp_ok(time - $since, '<', 3, 'soon');
        $client->close;
        is(settles_at($sockets, \&sockets), $sockets, 'no socket is left');
    }
    $drip->stop;
}

$mock->stop;
is($nginx->stop, 0, 'nginx stopped gracefully');
is(join("\n", $nginx->findings), '', 'the error log is clean');
done_testing();
