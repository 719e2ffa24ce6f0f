#!/usr/bin/perl
# The access log is JSON for every request, whatever was sent; $prodorder_log and the single variables
# agree, in subrequests, after internal redirects and for early errors.
use strict;
use warnings;

use Encode ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

my $nginx = Prodorder::Gateway::Nginx->new;
my $mock_port = Prodorder::Gateway::Nginx::free_port();
my $dead_port = Prodorder::Gateway::Nginx::free_port();

my $TRACE = '0af7651916cd43dd8448eb211c80319c';

$nginx->write_file('html/page.html', '<!--# include virtual="/part" -->');
$nginx->write_file('html/error.html');
$nginx->write_file('d.json', <<'END');
{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{
"/things/{id}":{"get":{"operationId":"read \"thing\" \\ ü","parameters":[{"name":"id","in":"path","required":true,
"schema":{"type":"string"}},{"name":"n","in":"query","schema":{"type":"integer"}}],"responses":{"200":{"description":"d"}}}},
"/things":{"post":{"requestBody":{"required":true,"content":{"application/json":
{"schema":{"type":"object"}}}},"responses":{"201":{"description":"d"}}}}}}
END

$nginx->write_conf(
    main => '', http2 => 0,
    http => <<'END',
log_format one escape=none $prodorder_log;
log_format many escape=json '{"ts":"$prodorder_time","requestId":"$prodorder_request_id",'
    '"traceId":"$prodorder_trace_id","spanId":"$prodorder_span_id","operation":"$prodorder_operation",'
    '"validation":"$prodorder_validation","method":"$request_method","target":"$prodorder_target",'
    '"status":$prodorder_status,"durationS":$request_time,"requestBytes":$request_length,'
    '"responseBytes":$bytes_sent,"remote":"$remote_addr","upstream":"$upstream_addr",'
    '"upstreamStatus":"$upstream_status","upstreamS":"$upstream_response_time"}';
large_client_header_buffers 2 1k;
client_header_timeout 300ms;
prodorder_openapi d.json;
END
    server => <<"END",
access_log logs/one.log one;
access_log logs/many.log many;
log_subrequest on;
ssi on;
location /things { proxy_pass http://127.0.0.1:$mock_port; }
location /things/dead { proxy_pass http://127.0.0.1:$dead_port; }
location /things/moved { rewrite ^ /things/dead; }
location /files { prodorder_validate off; rewrite ^/files/(.*) /\$1 break; root html; default_type text/html; }
location = /part { return 200 part; }
location = /paged { prodorder_validate off; error_page 404 /files/error.html; return 404; }
location = /closed { prodorder_validate off; return 444; }
location = /off { prodorder_gateway off; return 200 off; }
END
);
is($nginx->start, undef, 'nginx starts');

my $mock = Prodorder::Gateway::Mock->start($mock_port, $nginx->prefix . '/mock.txt', reply => sub {
    my ($request) = @_;
    sleep 0.3 if $request =~ /slow/;
    return 'what is no HTTP' if $request =~ /garbage/;
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{" if $request =~ /cut/;
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
});

sub lines {
    my ($name) = @_;
    open my $in, '<', $nginx->prefix . "/logs/$name.log" or die "$name.log: $!";
    return <$in>;
}

my $seen = 0;

# The lines of one exchange, decoded, after both logs were compared.
sub new_lines {
    my ($what, $count) = @_;
    my (@one, @many);
    for (1 .. 100) {
        @one = lines('one');
        @many = lines('many');
        last if @one >= $seen + $count && @many == @one;
        sleep 0.02;
    }
    splice @one, 0, $seen;
    splice @many, 0, $seen;
    $seen += @one;
    is(scalar @one, $count, "$what: lines") or diag(@one);
    my @objects;
    for my $i (0 .. $#one) {
        my ($one, $many) = map { decode($_, $what) } $one[$i], $many[$i];
        push @objects, $one;
        is($one->{level}, 'info', "$what: level");
        is($one->{service}, 'gateway', "$what: service");
        delete $one->{$_} for qw(level service msg);
        delete $_->{ts} for $one, $many;
        my %shared = %$one;
        delete $shared{reason};    # there is no variable for it
        is_deeply(\%shared, $many, "$what: \$prodorder_log says what the variables say");
    }
    return @objects;
}

sub decode {
    my ($line, $what) = @_;
    my $text = eval { Encode::decode('UTF-8', $line, Encode::FB_CROAK | Encode::LEAVE_SRC) };
    ok(defined $text, "$what: UTF-8") or diag($line);
    my $object = eval { JSON::PP->new->decode($text // '{}') };
    ok(defined $object, "$what: JSON") or diag("$line$@");
    is(ref \$object->{status}, 'SCALAR', "$what: a status");
    like($line, qr/"status":[1-9][0-9]{2},/, "$what: which is a number of three digits");
    return $object // {};
}

sub talk {
    my ($text, %option) = @_;
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    $client->send_pieces(0, $text);
    if ($option{leave}) {
        sleep 0.05;
    }
    else {
        $client->read_response($option{method} // 'GET') for 1 .. $option{responses} // 1;
    }
    $client->close;
    return;
}

sub request {
    my ($line, @headers) = @_;
    my $body = @headers && ref $headers[-1] ? ${ pop @headers } : undef;
    push @headers, 'Content-Type: application/json', 'Content-Length: ' . length $body if defined $body;
    return join("\r\n", "$line HTTP/1.1", 'Host: a', 'Connection: close', @headers, '', '') . ($body // '');
}

sub one {
    my ($what, $text, $expected, %option) = @_;
    talk($text, %option);
    my ($line) = new_lines($what, 1);
    for my $name (sort keys %$expected) {
        my $value = $expected->{$name};
        ref $value eq 'Regexp' ? like($line->{$name}, $value, "$what: $name") : is($line->{$name}, $value, "$what: $name");
    }
    return $line;
}

my $READ = "read \"thing\" \\ \x{fc}";
my $UUID = qr/\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/;

# ---- what is well-formed

one('a success', request('GET /things/1?n=2', 'X-Request-Id: me', "traceparent: 00-$TRACE-b7ad6b7169203331-01"), {
    requestId => 'me', traceId => $TRACE, spanId => qr/\A(?!b7ad6b7169203331)[0-9a-f]{16}\z/,
    operation => $READ, validation => 'valid', method => 'GET', target => '/things/1?n=2', status => 200,
    remote => '127.0.0.1', upstream => "127.0.0.1:$mock_port", upstreamStatus => 200, upstreamS => qr/\A0\.\d{3}\z/,
    requestBytes => length(request('GET /things/1?n=2', 'X-Request-Id: me', "traceparent: 00-$TRACE-b7ad6b7169203331-01")),
});
one('ids of our own', request('GET /things/1'), { requestId => $UUID, traceId => qr/\A[0-9a-f]{32}\z/, status => 200 });
one('HEAD', request('HEAD /things/1'), { method => 'HEAD', status => 200, operation => $READ }, method => 'HEAD');
one('a body', request('POST /things', \'{}'), { operation => 'POST /things', validation => 'valid', status => 201 });
one('invalid', request('GET /things/1?n=x'), { validation => 'invalid', status => 400, upstream => '', operation => $READ,
    reason => 'query/n: must be integer' });
is(one('a success again', request('GET /things/1'), {})->{reason}, undef, 'a success has no reason');
one('a malformed body', request('POST /things', \'{"a":}'), { reason => qr/\Amalformed JSON at line 1, column 6: / });
one('no path', request('GET /nothing'), { validation => 'invalid', status => 404, operation => '' });
one('no method', request('PUT /things'), { validation => 'invalid', status => 405, operation => '' });
one('no validation', request('GET /files/none'), { validation => 'none', status => 404, operation => '' });
one('the gateway off', request('GET /off'), { validation => 'none', status => 200 });

# ---- what a target may hold

one('quotes, a backslash', request('GET /things/"a\\b"'), { target => '/things/"a\\b"', status => 200 });
one('UTF-8', request("GET /things/\xc3\xbc\xe2\x82\xac"), { target => "/things/\x{fc}\x{20ac}" });
one('what is not UTF-8', request("GET /things/\xff\xc3\xe2\x82z\xed\xa0\x80"),
    { target => '/things/%FF%C3%E2%82z%ED%A0%80' });
one('percent-encoded', request('GET /things/%01%ff%22'), { target => '/things/%01%ff%22' });
one('a zero byte, encoded', request('GET /things/%00'), { status => 400 });
one('a name that is not UTF-8', request("GET /things/1", "X-\xff: \xff", "User-Agent: \"\xff"), { status => 200 });
one('an absolute target', request('GET http://a/things/1'), { operation => $READ });
one('an asterisk', request('OPTIONS *'), { status => 400 });

# ---- what cannot be read

one('no request', "\x01\x02\"\\\r\n\r\n", { status => 400, target => '', operation => '', requestId => $UUID });
one('a method that is none', "get \"x\" HTTP/1.1\r\n\r\n", { status => 400, target => '' });
one('a version to come', "GET /things/1 HTTP/9.9\r\n\r\n", { status => 505 });
one('no Host', "GET /things/1 HTTP/1.1\r\n\r\n", { status => 400 });
one('two Hosts', request('GET /things/1', 'Host: b'), { status => 400 });
one('a long target', request('GET /' . ('a' x 3000)), { status => 414 });
one('a long field', request('GET /things/1', 'A: ' . ('a' x 3000)), { status => 400 });
one('many fields', request('GET /things/1', map { "A$_: " . ('a' x 500) } 1 .. 10), { status => 400 });
one('a length that is none', request('POST /things', 'Content-Length: x'), { status => 400 });
one('HTTP/0.9', "GET /files/error.html\r\n", { status => 200, method => 'GET' });
one('a header that does not end', "GET /things/1 HTTP/1.1\r\nHost: a\r\n", { status => 408 });

# ---- clients that go away

one('during the header', "GET /things/1 HTTP/1.1\r\nHos", { status => 400 }, leave => 1);
one('during the body', request('POST /things', 'Content-Type: application/json', 'Content-Length: 9') . '{',
    { status => 400, validation => 'none' }, leave => 1);
one('during the answer', request('GET /things/slow'), { status => 499, upstreamStatus => '-' }, leave => 1);
one('return 444', request('GET /closed'), { status => 444 });

# ---- upstreams

one('unreachable', request('GET /things/dead'), { status => 502, upstream => "127.0.0.1:$dead_port", upstreamStatus => 502 });
one('what is no HTTP', request('GET /things/garbage'), { status => 502 });
one('cut off', request('GET /things/cut'), { status => 200, upstreamStatus => 200 });

# ---- internal redirects, error pages, subrequests: one request, one id, one operation

one('rewritten', request('GET /things/moved', 'X-Request-Id: me'), { requestId => 'me', operation => $READ,
    target => '/things/moved', status => 502, validation => 'valid' });
one('an error page', request('GET /paged', 'X-Request-Id: me'), { requestId => 'me', target => '/paged', status => 404 });

talk(request('GET /files/page.html', 'X-Request-Id: me'));
my ($part, $page) = new_lines('subrequests', 2);
is($_->{requestId}, 'me', 'subrequests: the same id') for $part, $page;
is($part->{traceId}, $page->{traceId}, 'subrequests: the same trace');
is($part->{spanId}, $page->{spanId}, 'subrequests: and span');
is($_->{target}, '/files/page.html', 'subrequests: what the client asked for') for $part, $page;

# ---- many in one connection: each its own

talk(join('', map { "GET /things/$_ HTTP/1.1\r\nHost: a\r\nX-Request-Id: id-$_\r\n\r\n" } 1 .. 5)
    . request('GET /things/6', 'X-Request-Id: id-6'), responses => 6);
my @pipelined = new_lines('pipelined', 6);
is(join(' ', map { "$_->{requestId}$_->{target}" } @pipelined), join(' ', map { "id-$_/things/$_" } 1 .. 6),
    'pipelined: each has its own id and target');
my %traces = map { $_->{traceId} => 1 } @pipelined;
is(scalar keys %traces, 6, 'and trace');

$mock->stop;
is($nginx->stop, 0, 'nginx stopped gracefully');
is(join("\n", $nginx->findings), '', 'the error log is clean');

done_testing();
