#!/usr/bin/perl
# $prodorder_log at its limits: whatever is asked, a line has at most 4096 bytes and is JSON, each value is cut
# between two characters, and what several workers write to one pipe at the same time stays whole lines.
use strict;
use warnings;

use Encode ();
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep time);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Nginx;

my $LINE_BYTES_MAX = 4096;    # with the line feed

my $nginx = Prodorder::Gateway::Nginx->new;
my $dead_port = Prodorder::Gateway::Nginx::free_port();
my $prefix = $nginx->prefix;

my $long_id = 'o' x 255 . "\xc3\xbc";
$nginx->write_file('d.json', <<"END");
{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{
"/long/{id}":{"post":{"operationId":"$long_id","parameters":[{"name":"id","in":"path","required":true,
"schema":{"type":"string"}}],"requestBody":{"required":true,"content":{"application/json":
{"schema":{"type":"object","additionalProperties":false}}}},"responses":{"201":{"description":"d"}}}}}}
END

# the longest address that there is: a path of 107 bytes
my $socket = "$prefix/" . 's' x (107 - length "$prefix/");
IO::Socket::UNIX->new(Local => $socket, Listen => 1) or die "$socket: $!";    # and nobody listens any more
my $tries = sub { my ($n, $server) = @_; return join "\n", map { "server $server max_fails=0;" } 1 .. $n };

sub write_conf {
    my ($log, $workers) = @_;
    $nginx->write_conf(main => '', http2 => 0, workers => $workers,
        http => <<"END",
log_format one escape=none \$prodorder_log;
large_client_header_buffers 4 8k;
prodorder_openapi d.json;
upstream eight { @{[$tries->(8, "127.0.0.1:$dead_port")]} }
upstream nine { @{[$tries->(9, "127.0.0.1:$dead_port")]} }
upstream far { @{[$tries->(12, "unix:$socket")]} }
END
        server => <<"END",
access_log $log one buffer=4k flush=100ms;
location / { prodorder_validate off; root html; }
location /eight { prodorder_validate off; proxy_pass http://eight; }
location /nine { prodorder_validate off; proxy_pass http://nine; }
location /long { prodorder_validate log; proxy_next_upstream error timeout non_idempotent; proxy_pass http://far; }
location /refused { rewrite ^/refused(.*) /long\$1; }
END
    );
    return;
}

sub talk {
    my ($text) = @_;
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    $client->send_pieces(0, $text);
    my $response = $client->read_response('GET');
    $client->close;
    return $response;
}

sub request {
    my ($line, @headers) = @_;
    return join "\r\n", "$line HTTP/1.1", 'Host: a', 'Connection: close', @headers, '', '';
}

my $seen = 0;
my $longest = 0;

# The line that the request is logged as, decoded.
sub logged {
    my ($what, $text) = @_;
    talk($text);
    my @lines;
    for (1 .. 150) {
        open my $in, '<', "$prefix/logs/one.log" or die "one.log: $!";
        @lines = <$in>;
        last if @lines > $seen;
        sleep 0.02;
    }
    is(scalar @lines, $seen + 1, "$what: one line") or return {};
    $seen = @lines;
    my $line = $lines[-1];
    cmp_ok(length $line, '<=', $LINE_BYTES_MAX, "$what: of at most $LINE_BYTES_MAX bytes");
    $longest = length $line if length $line > $longest;
    my $object = eval { JSON::PP->new->decode(Encode::decode('UTF-8', $line, Encode::FB_CROAK)) };
    ok(defined $object, "$what: JSON in UTF-8") or diag($line);
    return $object // {};
}

sub target {
    my ($what, $sent, $written, $bytes) = @_;
    my $line = logged($what, request("GET $sent"));
    ok($line->{target} eq $written, "$what: target") or diag('length ' . length $line->{target});
    is($line->{targetBytes}, $bytes, "$what: targetBytes");
    return;
}

write_conf('logs/one.log', 1);
is($nginx->start, undef, 'nginx starts');
$seen = 0;

# ---- the target: 1024 bytes of JSON text

my $a = sub { return '/' . 'a' x ($_[0] - 1) };
target('1024 bytes', $a->(1024), $a->(1024), undef);
target('1025 bytes', $a->(1025), $a->(1024), 1025);
target('7500 bytes', $a->(7500), $a->(1024), 7500);
target('a quote that fits', $a->(1022) . '"', $a->(1022) . '"', undef);
target('a quote that does not', $a->(1023) . '"', $a->(1023), 1024);
target('quotes', '/' . '\\"' x 3000, '/' . substr('\\"' x 512, 0, 511), 6001);
target('a character of two bytes that fits', $a->(1022) . "\xc3\xbc", $a->(1022) . "\x{fc}", undef);
target('that does not', $a->(1023) . "\xc3\xbc", $a->(1023), 1025);
target('of three', $a->(1022) . "\xe2\x82\xac", $a->(1022), 1025);
target('of four', $a->(1021) . "\xf0\x9f\x98\x80", $a->(1021), 1025);
target('of four, whole', $a->(1020) . "\xf0\x9f\x98\x80" . 'a', $a->(1020) . "\x{1f600}", 1025);
target('no UTF-8 that fits', $a->(1021) . "\xff", $a->(1021) . '%FF', undef);
target('no UTF-8 that does not', $a->(1022) . "\xff", $a->(1022), 1023);
target('no UTF-8 at all', '/' . "\xff" x 5000, '/' . '%FF' x 341, 5001);
target('half a character at the end', $a->(1023) . "\xc3", $a->(1023), 1024);

# ---- the method: 32

is(logged('a method of 32', request('M' x 32 . ' /'))->{method}, 'M' x 32, 'a method of 32 is whole');
is(logged('a method of 33', request('M' x 33 . ' /'))->{method}, 'M' x 32, 'a method of 33 is cut');

# ---- tries: the last 8

my $line = logged('eight tries', request('GET /eight'));
is($line->{upstream}, join(', ', ("127.0.0.1:$dead_port") x 8), 'eight tries are written');
is($line->{upstreamTries}, undef, 'and nothing about their number');
$line = logged('nine tries', request('GET /nine'));
is($line->{upstream}, join(', ', ("127.0.0.1:$dead_port") x 8), 'of nine tries the last eight are written');
is($line->{upstreamStatus}, join(', ', (502) x 8), 'with their status');
is(scalar(split /, /, $line->{upstreamS}), 8, 'and seconds');
is($line->{upstreamTries}, 9, 'and how many there were');

# ---- the reason: 512 bytes, 256 of them for the place; the rest at the same time

sub posted {
    my ($what, $body, $target, @headers) = @_;
    return logged($what, request("POST $target", 'Content-Type: application/json', 'Content-Length: ' . length $body, @headers)
        . $body);
}

my $message = qr/must NOT have additional property '/;
like(posted('a name of 255', '{"' . 'n' x 255 . '":1}', '/long/1')->{reason}, qr{\A/n{255}: $message}, 'a place of 256 is whole');
like(posted('a name of 256', '{"' . 'n' x 256 . '":1}', '/long/1')->{reason}, qr{\A/n{255}: $message}, 'a place of 257 is cut');
like(posted('a wide name', '{"' . 'n' x 254 . "\xc3\xbc" . '":1}', '/long/1')->{reason}, qr{\A/n{254}: $message},
    'cut before a wide character');
$line = posted('control characters', '{"' . '\\u0001' x 300 . '":1}', '/long/1');
like($line->{reason}, qr{\A/\x01{42}: $message\x01+}, 'escapes count as they are written');
cmp_ok(length JSON::PP->new->ascii->encode([$line->{reason}]), '<=', 512 + length '[""]', 'a reason has at most 512 bytes');
cmp_ok(length JSON::PP->new->ascii->encode([$line->{reason}]), '>', 506 + length '[""]', 'and makes use of them');

$line = posted('all at once', '{"' . '\\u0001' x 300 . '":1}', '/long/' . "\xff" x 7000, 'X-Request-Id: ' . 'i' x 128);
is($line->{upstream}, join(', ', ("unix:$socket") x 8), 'all at once: 8 of 12 tries');
is($line->{upstreamTries}, 12, 'all at once: the number of tries');
is($line->{operation}, 'o' x 255, 'all at once: the operation, cut before a wide character');
is($line->{requestId}, 'i' x 128, 'all at once: the whole request id');
is($line->{targetBytes}, 7006, 'all at once: the target is cut');
cmp_ok($longest, '>', 2800, "the longest line of all: $longest bytes");
is($nginx->stop, 0, 'nginx stopped gracefully');

# ---- two workers, one pipe

mkfifo("$prefix/logs/pipe", 0600) or die "mkfifo: $!";
open my $pipe, '+<', "$prefix/logs/pipe" or die "pipe: $!";    # not the end of it when nginx reopens
write_conf('logs/pipe', 2);
my $rounds = 150;
my $text = join '', map { "GET /$_" . 'a' x 7500 . " HTTP/1.1\r\nHost: a\r\n\r\n" } 1 .. $rounds;
my @clients;
is($nginx->start, undef, 'nginx starts with a pipe as its log');
for my $i (1 .. 4) {
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        my $client = Prodorder::Gateway::Http->new($nginx->port, 20);
        for my $request (split /(?<=\r\n\r\n)/, $text) {
            $client->send_pieces(0, $request);
            $client->read_response('GET');
        }
        POSIX::_exit(0);
    }
    push @clients, $pid;
}
my ($got, $deadline) = ('', time + 60);
while (time < $deadline && ($got =~ tr/\n//) < 4 * $rounds) {
    my $bits = '';
    vec($bits, fileno $pipe, 1) = 1;
    next if !select $bits, undef, undef, 0.2;
    sysread $pipe, $got, 5000, length $got or last;
}
waitpid $_, 0 for @clients;
my @got = split /\n/, $got;
is(scalar @got, 4 * $rounds, 'every request has a line in the pipe');
my @broken = grep { !eval { JSON::PP->new->decode($_); 1 } } @got;
is(scalar @broken, 0, 'and every line is whole');
my %of = map { $_ => 1 } map { /"target":"\/(\d+)a/ ? $1 : () } @got;
is(scalar keys %of, $rounds, 'of every request');
is($nginx->stop, 0, 'nginx stopped gracefully');
is(join("\n", $nginx->findings), '', 'the error log is clean');

done_testing();
