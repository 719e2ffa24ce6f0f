#!/usr/bin/perl
# A route with the module off is nginx's alone: events and binary data pass at once and unchanged. With
# the module on, what is no JSON passes, too, and JSON is wrapped while it streams.
use strict;
use warnings;

use IO::Select;
use Test::More;
use Time::HiRes qw(time);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

my $nginx = Prodorder::Gateway::Nginx->new;
my $mock_port = Prodorder::Gateway::Nginx::free_port();
my $DELAY = 0.4;

# every byte there is, many times, in no order that a text would have
my $BINARY = join '', map { chr(($_ * 167 + ($_ >> 8)) % 256) } 0 .. 99_999;

$nginx->write_conf(
    main => '', http2 => 0,
    http => '',
    server => <<"END",
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_buffering off;
location /off/ { prodorder_gateway off; proxy_pass http://127.0.0.1:$mock_port; }
location /on/ { proxy_pass http://127.0.0.1:$mock_port; }
location /validated/ { prodorder_openapi d.json; proxy_pass http://127.0.0.1:$mock_port; }
END
);
$nginx->write_file('d.json', '{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/validated/events":{"get":'
    . '{"responses":{"200":{"description":"d"}}}}}}');
is($nginx->start, undef, 'nginx starts');

my $EVENTS = ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"];
my $mock = Prodorder::Gateway::Mock->start($mock_port, $nginx->prefix . '/mock.txt', delay => $DELAY, reply => sub {
    my ($request) = @_;
    my ($kind) = $request =~ m{\A\S+ /\w+/(\w+)};
    my $head = "HTTP/1.1 200 OK\r\n";
    return [$head . "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n$EVENTS->[0]",
        @$EVENTS[1, 2]] if $kind eq 'events';
    return ["${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n",
        "2\r\n2]\r\n0\r\n\r\n"] if $kind eq 'json';
    return $head . "Content-Type: application/octet-stream\r\nContent-Length: " . length($BINARY) . "\r\n\r\n$BINARY"
        if $kind eq 'binary';
    return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
});

# What has come of a response, with the time at which it came: [seconds, bytes]...
sub arrivals {
    my ($target) = @_;
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    my $socket = $client->{socket};
    my $start = time;
    $client->send_pieces(0, "GET $target HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    my @arrivals;
    while (IO::Select->new($socket)->can_read(10)) {
        my $n = sysread $socket, my $bytes, 65536;
        last if !$n;
        push @arrivals, [time - $start, $bytes];
    }
    $client->close;
    return @arrivals;
}

sub time_of {
    my ($arrivals, $text) = @_;
    my $all = '';
    for my $one (@$arrivals) {
        $all .= $one->[1];
        return $one->[0] if index($all, $text) >= 0;
    }
    return;
}

for my $where ('off', 'on', 'validated') {
    my @arrivals = arrivals("/$where/events");
    my $text = join '', map { $_->[1] } @arrivals;
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    like($head, qr{^Content-Type: text/event-stream\r?$}m, "$where: an event stream");
    $body =~ s/\r\n//g, $body =~ s/^[0-9a-f]+(?=data:)//gm, $body =~ s/0\z// if $head =~ /chunked/;
    is($body, join('', @$EVENTS), "$where: its events, unchanged");
    my @times = map { time_of(\@arrivals, "data: $_") } 1 .. 3;
    cmp_ok($times[0], '<', $DELAY, "$where: the first comes before the second is made");
    cmp_ok($times[1], '<', 2 * $DELAY, "$where: the second before the third");
    cmp_ok($times[2], '>=', 1.9 * $DELAY, "$where: which was made that late");
    is($head =~ /X-Request-Id/ ? 1 : 0, $where eq 'off' ? 0 : 1, "$where: the request id's header");
}

for my $where ('off', 'on') {
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    $client->send_pieces(0, "GET /$where/binary HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    my $response = $client->read_response('GET');
    is($response->{problem}, undef, "$where: binary data, framed");
    ok($response->{body} eq $BINARY, "$where: byte for byte");
    $client->close;
}

my @json = arrivals('/off/json');
my $text = join '', map { $_->[1] } @json;
like($text, qr/\r\n\r\n3\r\n\[1,\r\n2\r\n2\]\r\n0\r\n\r\n\z/, 'off: JSON is not wrapped');
@json = arrivals('/on/json');
$text = join '', map { $_->[1] } @json;
like($text, qr/\{"statusCode":200,"data":.*\[1,.*2\].*,"timestamp":/s, 'on: it is');
cmp_ok(time_of(\@json, '[1,'), '<', $DELAY, 'and its first part comes before the second is made');

$mock->stop;
is($nginx->stop, 0, 'nginx stopped gracefully');
is(join("\n", $nginx->findings), '', 'the error log is clean');

done_testing();
