#!/usr/bin/perl
# SIGHUP again and again while clients send orders, over kept-alive, pipelined and slow connections:
# each order reaches the service once, each answer is the right one. A new document takes effect, a
# bad one does not and the old one stays; a worker that dies takes nobody else along; SIGQUIT drains.
use strict;
use warnings;

use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

my $slow = $ENV{TEST_NGINX_USE_VALGRIND} ? 4 : 1;
my $SECONDS = 2.5 * $slow;    # of load
my $nginx = Prodorder::Gateway::Nginx->new;
my $prefix = $nginx->prefix;
my $port = Prodorder::Gateway::Nginx::free_port();
my $document = <<'END';
{"openapi":"3.1.0","info":{"title":"orders","version":"1"},
 "paths":{"/orders":{"post":{
    "requestBody":{"required":true,"content":{"application/json":{"schema":{
        "type":"object","required":["productId","quantity"],"additionalProperties":false,
        "properties":{"productId":{"type":"integer","minimum":1},
                      "quantity":{"type":"integer","minimum":1,"maximum":9}}}}}},
    "responses":{"201":{"description":"the order"}}}}}}
END

sub write_document {
    my ($text) = @_;
    open my $out, '>', "$prefix/openapi.json.new" or die "openapi.json: $!\n";
    print {$out} $text;
    close $out;
    rename "$prefix/openapi.json.new", "$prefix/openapi.json" or die "rename: $!\n";
    return;
}

sub answer {
    my ($request) = @_;
    my ($id) = $request =~ /^X-Request-Id: (\S+)\r$/m;
    my ($number) = $request =~ /"productId":(\d+)/;
    my $reply = encode_json({ id => $id, productId => $number + 0 });
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " . length($reply) . "\r\n\r\n$reply";
}

sub start {
    write_document($document);
    $nginx->write_conf(main => '', http2 => 0, workers => 2, http => <<"END", server => <<'END');
    keepalive_requests 1000000;
    upstream service { server 127.0.0.1:$port; keepalive 16; }
    prodorder_openapi openapi.json;
END
        location / {
            client_body_buffer_size 1k;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Request-Id $prodorder_request_id;
            proxy_next_upstream off;
            proxy_pass http://service;
        }
        location = /metrics { prodorder_validate off; prodorder_metrics; }
END
    my $said = $nginx->start;
    BAIL_OUT("nginx does not start: $said") if defined $said;
    return;
}

# ---- clients ------------------------------------------------------------------------------------

my $next_order = 1;

sub order_text {
    my ($id, $number, $padding) = @_;
    my $body = "{\"productId\":$number,\"quantity\":1" . ' ' x ($padding // 0) . '}';
    return "POST /orders HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: $id\r\nContent-Type: application/json\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
}

# What is wrong with the answer to order ID, or undef.
sub fault {
    my ($id, $number, $response) = @_;
    return "$id: $response->{problem}" if $response->{problem};
    return "$id: status $response->{status}: $response->{body}" if $response->{status} != 201;
    my $json = eval { decode_json($response->{body}) } or return "$id: no JSON";
    return "$id: the answer to $json->{requestId}, $json->{data}{id}, $json->{data}{productId}"
        if "$json->{requestId} $json->{data}{id} $json->{data}{productId}" ne "$id $id $number";
    return;
}

# A client in a process of its own sends orders, DEPTH at once, until TIME is over. One that was not
# answered because the connection ended before is sent again, as any client would, under a new id.
# Writes "answered ID", "unanswered ID" and "fault TEXT" lines.
sub client {
    my ($name, $until, $depth, $pause) = @_;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    open my $out, '>', "$prefix/client-$name" or POSIX::_exit(1);
    my $count = 0;
    my $http;
    while (time < $until) {
        $http //= Prodorder::Gateway::Http->new($nginx->port, 10 * $slow);
        my @orders = map { $count++; ["$name-$count", $count] } 1 .. $depth;
        my @pieces = map { order_text(@$_, $pause ? 3000 : 0) } @orders;
        @pieces = map { unpack '(a600)*', $_ } @pieces if $pause;
        @pieces = (join '', @pieces) if !$pause;
        $http->send_pieces($pause, @pieces);
        my $ended;
        for my $order (@orders) {
            my $response = $ended ? undef : $http->read_response('POST');
            my $fault = $response ? fault(@$order, $response) : undef;
            print {$out} !$response ? "unanswered $order->[0]\n" : $fault ? "fault $fault\n" : "answered $order->[0]\n";
            $ended ||= !$response
                || grep { lc eq 'close' } Prodorder::Gateway::Http::values_of($response, 'Connection');
        }
        undef $http if $ended;
    }
    close $out;
    POSIX::_exit(0);
}

sub lines_of {
    my ($word) = @_;
    my @found;
    for my $file (glob "$prefix/client-*") {
        open my $in, '<', $file or die "$file: $!\n";
        push @found, map { /^\Q$word\E (.*)$/ ? $1 : () } <$in>;
    }
    return @found;
}

sub ask {
    my ($text) = @_;
    my $http = Prodorder::Gateway::Http->new($nginx->port, 10 * $slow);
    $http->send_pieces(0, $text);
    my $response = $http->read_response('POST');
    $http->close;
    return $response;
}

sub wait_until {
    my ($seconds, $code) = @_;
    my $deadline = time + $seconds * $slow;
    while (time < $deadline) {
        return 1 if $code->();
        sleep 0.02;
    }
    return 0;
}

# ---- reload under load --------------------------------------------------------------------------

my $mock = Prodorder::Gateway::Mock->start($port, "$prefix/mock.txt", reply => \&answer, keepalive => 1);
start();

my $until = time + $SECONDS;
my %client = map { $_->[0] => client($_->[0], $until, @$_[1, 2]) }
    (['kept', 1, 0], ['pipelined', 8, 0], ['slow', 1, 0.03], ['slow-pipelined', 2, 0.02]);
my @first = $nginx->workers;
my $reloads = 0;
while (time < $until - 0.5 * $slow) {
    sleep 0.15 * $slow;
    $reloads++ if $nginx->reload;
}
waitpid $_, 0 for values %client;

my %sent;
$sent{$_}++ for $mock->received =~ /^X-Request-Id: (\S+)\r$/mg;
my @answered = lines_of('answered');
my @unanswered = lines_of('unanswered');
cmp_ok($reloads, '>=', 5, "$reloads reloads, " . @answered . ' orders answered, ' . @unanswered
    . ' refused by a closed connection');
for my $name (sort keys %client) {
    cmp_ok(scalar(grep { /^$name-\d/ } @answered), '>=', 5, "the $name client was served");
}
is(join("\n", lines_of('fault')), '', 'every answer is the right one, whole, 201');
is(join(' ', grep { ($sent{$_} // 0) != 1 } @answered), '', 'every order that was answered reached the service once');
is(join(' ', grep { $sent{$_} } @unanswered), '', 'no order that was not answered reached the service');
is(scalar(keys %sent), scalar(@answered), 'and there are no others');
is(scalar(grep { $_ > 1 } values %sent), 0, 'none twice');
ok(wait_until(10, sub { !kill 0, @first }), 'the first workers ended');
ok(wait_until(10, sub { $nginx->workers == 2 }), 'there are as many as configured');

# ---- documents ----------------------------------------------------------------------------------

my $changed = $document =~ s/"maximum":9/"maximum":5/r;
my $large = order_text('doc', 1) =~ s/"quantity":1/"quantity":6/r;
is(ask($large)->{status}, 201, 'an order of 6');
write_document($changed);
is(ask($large)->{status}, 201, 'a document that is only written changes nothing');
ok($nginx->reload, 'reload');
is(ask($large)->{status}, 400, 'a document that is loaded does');

my $log = length $nginx->error_log;
my @before = $nginx->workers;
for my $bad ($document =~ s/"openapi"/"openapi/r, $document =~ s/"minimum"/"minimun"/r, '') {
    write_document($bad);
    kill 'HUP', $nginx->pid;
    ok(wait_until(5, sub { substr($nginx->error_log, $log) =~ /\[emerg\].*openapi\.json: \S+/ }), 'a bad document is refused in the log');
    $log = length $nginx->error_log;
    is(ask($large)->{status}, 400, 'and the old one goes on');
    is(ask(order_text('bad', 1))->{status}, 201, 'for valid orders, too');
}
is(join(' ', $nginx->workers), "@before", 'by the same workers');
write_document($document);
ok($nginx->reload, 'a good one');
is(ask($large)->{status}, 201, 'takes effect again');

# ---- a worker dies ------------------------------------------------------------------------------

$until = time + 1.2 * $slow;
unlink glob "$prefix/client-*";
%client = map { $_ => client($_, $until, 1, 0) } qw(die-a die-b die-c);
for (1 .. 4) {
    sleep 0.2 * $slow;
    my ($victim) = $nginx->workers;
    kill 'KILL', $victim;
    ok(wait_until(5, sub { my @now = $nginx->workers; @now == 2 && !grep { $_ == $victim } @now }), 'trap: a killed worker is replaced');
}
waitpid $_, 0 for values %client;
is(join("\n", grep { !/the body|is cut|do not end|does not end/ } lines_of('fault')), '', 'and no answer was a wrong one');
cmp_ok(scalar(lines_of('answered')), '>', 20, 'orders were answered all the time');
is(ask(order_text('after', 1))->{status}, 201, 'and are after');
is(ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")->{status}, 200, 'trap: nobody holds the lock of the shared zone');

# ---- SIGQUIT ------------------------------------------------------------------------------------

my $http = Prodorder::Gateway::Http->new($nginx->port, 10 * $slow);
my @pieces = unpack '(a200)*', order_text('drain', 7, 1000);
$http->send_pieces(0, shift @pieces);
sleep 0.1;
kill 'QUIT', $nginx->pid;
ok(wait_until(5, sub { !IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->port) }), 'SIGQUIT: nothing new is accepted');
$http->send_pieces(0.05, @pieces);
my $response = $http->read_response('POST');
is($response ? fault('drain', 7, $response) : 'no answer', undef, 'what has begun is answered');
is(join(' ', Prodorder::Gateway::Http::values_of($response, 'Connection')), 'close', 'and told to go');
is($nginx->stop, 0, 'nginx ends with 0');
$mock->stop;

# what is expected: the refused documents, and the workers that were killed
my @findings = grep { !/\[emerg\].*openapi\.json|worker process \d+ exited on signal 9/ } $nginx->findings;
is(join("\n", @findings), '', 'the error log is clean');
done_testing();
