#!/usr/bin/env perl
# One order at a time through the gateway; how long until the answer, and until the order is done (asked
# every 2 ms). One line of JSON.
use strict;
use warnings;
use IO::Socket::INET;
use JSON::PP qw(decode_json encode_json);
use Time::HiRes qw(time sleep);

if (@ARGV && $ARGV[0] =~ /^(?:-h|--help)$/) {
    print "Usage: latency.pl http://HOST:PORT COUNT\n\n",
        "One order at a time through the gateway; one line of JSON with what it took.\n";
    exit 0;
}
my ($url, $count) = @ARGV;
die "usage: latency.pl http://HOST:PORT COUNT\n"
    unless $url && $url =~ m{^http://([^/:]+):(\d+)$} && $count && $count > 0;
my ($host, $port) = ($1, $2);
my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 5)
    or die "$url: $@\n";

# One request in one write (a client that writes head and body apart measures Nagle's algorithm and
# delayed acknowledgements, 40 ms, instead), one response by its Content-Length.
sub exchange {
    my ($method, $target, $body) = @_;
    my $request = "$method $target HTTP/1.1\r\nHost: $host:$port\r\n";
    $request .= "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n"
        if defined $body;
    syswrite $socket, $request . "\r\n" . ($body // '') or die "write: $!\n";
    my $response = '';
    until ($response =~ /\r\n\r\n/) {
        sysread $socket, $response, 65536, length $response or die "connection closed\n";
    }
    my ($head, $content) = split /\r\n\r\n/, $response, 2;
    my ($status) = $head =~ m{^HTTP/1\.1 (\d+)} or die "not HTTP: $head\n";
    my ($length) = $head =~ /^Content-Length: (\d+)/im or die "no length: $head\n";
    while (length $content < $length) {
        sysread $socket, $content, 65536, length $content or die "connection closed\n";
    }
    return ($status, decode_json($content)->{data});
}

sub percentile {
    my ($p, @sorted) = @_;
    return sprintf('%.2f', $sorted[int($p / 100 * $#sorted + 0.5)]) + 0;
}

my (@answers, @fulfilled);
for my $n (1 .. $count) {
    my $body    = encode_json({ productId => $n % 5 + 1, quantity => 1 });
    my $started = time;
    my ($status, $order) = exchange('POST', '/orders', $body);
    die "POST /orders: $status\n" unless $status == 201;
    push @answers, (time - $started) * 1000;
    my $id = $order->{id};
    while (1) {
        (undef, $order) = exchange('GET', "/orders/$id");
        last if $order->{status} ne 'waiting';
        die "order $id still waits after 10 s\n" if time - $started > 10;
        sleep 0.002;
    }
    push @fulfilled, (time - $started) * 1000;
}
@answers   = sort { $a <=> $b } @answers;
@fulfilled = sort { $a <=> $b } @fulfilled;
printf qq({"requests":%d,"p50_ms":%s,"p99_ms":%s,"done_p50_ms":%s,"done_p99_ms":%s,"errors":0}\n),
    $count, percentile(50, @answers), percentile(99, @answers), percentile(50, @fulfilled),
    percentile(99, @fulfilled);
