#!/usr/bin/perl
# prodorder_metrics: what is counted, under which names and labels; the format; reloads and crashes.
use strict;
use warnings;

use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

my $nginx = Prodorder::Gateway::Nginx->new;
my $upstream = Prodorder::Gateway::Nginx::free_port();
my $mock_port = Prodorder::Gateway::Nginx::free_port();
my $dead_port = Prodorder::Gateway::Nginx::free_port();

my $DOCUMENT = <<'END';
{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{
"/things/{id}":{"get":{"operationId":"readThing","parameters":[{"name":"id","in":"path","required":true,
"schema":{"type":"integer"}}],"responses":{"200":{"description":"d"}}}},
"/things":{"post":{"operationId":"make \"thing\" \\","requestBody":{"required":true,"content":{"application/json":
{"schema":{"type":"object"}}}},"responses":{"201":{"description":"d"}}}}EXTRA}}
END

sub write_document {
    my ($extra) = @_;
    $nginx->write_file('d.json', $DOCUMENT =~ s/EXTRA/$extra/r);
    return;
}

# One request on a connection of its own; its status, head and body.
sub get {
    my ($method, $target, $body, @more) = @_;
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    my $length = defined $body ? "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n" : '';
    $client->send_pieces(0, join '', "$method $target HTTP/1.1\r\nHost: a\r\nConnection: close\r\n",
        (map { "$_\r\n" } @more), "$length\r\n", $body // '');
    my $response = $client->read_response($method);
    $client->close;
    return $response;
}

# The series of a scrape: { 'name{labels}' => value }, after its form was checked line by line.
sub scrape {
    my $text = get('GET', '/metrics')->{body};
    return parse($text);
}

my $VALUE = qr/[0-9]+(?:\.[0-9]+)?/;
my $LABELS = qr/\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\}/;
my @problems;

sub parse {
    my ($text) = @_;
    my (%series, %type, %help, $family);
    push @problems, 'no line feed at the end' if $text !~ /\n\z/;
    for my $line (split /\n/, $text) {
        if ($line =~ /\A# HELP ([a-z_:]+) \S/) {
            push @problems, "HELP twice: $1" if $help{$1}++;
        }
        elsif ($line =~ /\A# TYPE ([a-z_:]+) (counter|gauge|histogram)\z/) {
            push @problems, "TYPE without HELP, or twice: $1" if !$help{$1} || $type{$1};
            ($family, $type{$1}) = ($1, $2);
        }
        elsif ($line =~ /\A([a-z_:]+)($LABELS)? ($VALUE)\z/) {
            my ($name, $labels, $value) = ($1, $2 // '', $3);
            my $of = $type{$family} eq 'histogram' ? $name =~ s/_(?:bucket|sum|count)\z//r : $name;
            push @problems, "$name outside of its family" if $of ne $family;
            push @problems, "$name is a counter without _total" if $type{$family} eq 'counter' && $name !~ /_total\z/;
            push @problems, "$name$labels twice" if exists $series{"$name$labels"};
            $series{"$name$labels"} = $value;
        }
        else {
            push @problems, "line: $line";
        }
    }
    return \%series;
}

sub configure {
    my (%more) = @_;
    $nginx->write_conf(
        main => $more{main} // '', http2 => 0,
        http => <<"END",
prodorder_openapi d.json;
limit_req_zone \$server_name zone=slow:32k rate=1r/s;
limit_req_status 429;
limit_conn_zone \$server_name zone=few:32k;
server {
    listen 127.0.0.1:$upstream;
    prodorder_gateway off;
    default_type application/json;
    location /things/7 { return 404; }
    location / { return 200 '{}'; }
}
END
        server => <<"END",
location = /metrics { prodorder_validate off; prodorder_metrics; }
location /things { proxy_pass http://127.0.0.1:$upstream; }
location /things/9 { proxy_pass http://127.0.0.1:$mock_port; }
location /things/8 { proxy_pass http://127.0.0.1:$dead_port; }
location /things/6 { prodorder_validate off; limit_req zone=slow; proxy_pass http://127.0.0.1:$upstream; }
location /things/5 { prodorder_validate off; limit_req zone=slow burst=1; proxy_pass http://127.0.0.1:$upstream; }
location /things/4 { prodorder_validate off; limit_conn few 1; proxy_pass http://127.0.0.1:$mock_port; }
location /off { prodorder_gateway off; return 200 'off'; }
$more{server}
END
    );
    return;
}

my $READ = 'operation="readThing"';
my $MAKE = 'operation="make \"thing\" \\\\"';
my $NONE = 'operation=""';

sub value {
    my ($series, $name) = @_;
    return $series->{"prodorder_gateway_$name"};
}

write_document('');
configure(server => '');
is($nginx->start, undef, 'nginx starts');

# ---- before any request

my $response = get('GET', '/metrics');
is($response->{status}, 200, 'a scrape is answered');
is(join('|', Prodorder::Gateway::Http::values_of($response, 'Content-Type')),
    'text/plain; version=0.0.4; charset=utf-8', 'with the media type of the text format');
my $series = parse($response->{body});
my ($release) = do { open my $in, '<', 'Makefile' or die; local $/; <$in> } =~ /^RELEASE := (\S+)/m;
is(value($series, qq(build_info{version="$release"})), 1, 'the version is that of the release');
unlike($response->{body} . $response->{head}, qr{nginx|1\.\d\d\.\d}i, 'nothing says which server it is');
is(value($series, "requests_total{$READ,status=\"200\"}"), 0, 'an operation\'s success is there before the first');
is(value($series, "requests_total{$MAKE,status=\"201\"}"), 0, 'its name escaped as the format says');
is(value($series, "requests_total{$READ,status=\"404\"}"), undef, 'other statuses are not');
is(value($series, 'reloads_total'), 0, 'no reload yet');
cmp_ok(abs(value($series, 'start_time_seconds') - time), '<', 60, 'counting began just now');

$response = get('HEAD', '/metrics');
is($response->{status}, 200, 'HEAD');
cmp_ok((Prodorder::Gateway::Http::values_of($response, 'Content-Length'))[0], '>', 1000, 'has the length of GET');
$response = get('POST', '/metrics', '{}');
is($response->{status}, 405, 'POST is no way to ask');
for my $condition ('If-None-Match: *', 'If-Match: "x"', 'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT', 'Range: bytes=0-1') {
    is(get('GET', '/metrics', undef, $condition)->{status}, 200, "a scrape does not depend on $condition");
}

# ---- requests, validation

my $mock = Prodorder::Gateway::Mock->start($mock_port, $nginx->prefix . '/mock.txt', delay => 0.6,
    reply => ['', "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"]);
my $before = scrape();
is(get('GET', '/things/1')->{status}, 200, 'a valid request') for 1 .. 3;
is(get('GET', '/things/7')->{status}, 404, 'one that the upstream has nothing for');
is(get('GET', '/things/x')->{status}, 400, 'an invalid one');
is(get('POST', '/things', '{}')->{status}, 201, 'a body');
is(get('POST', '/things', '[]')->{status}, 400, 'a wrong body');
is(get('DELETE', '/things')->{status}, 405, 'a method that is not there');
is(get('GET', '/other')->{status}, 404, 'a path that is not there');
is(get('GET', '/off')->{status}, 200, 'where the gateway is off');
is(get('GET', '/things/8')->{status}, 502, 'an upstream that is not there');
is(get('GET', '/things/9')->{status}, 200, 'one that is slow');
my $after = scrape();

sub grown {
    my ($name, $by, $what) = @_;
    is(sprintf('%.10g', (value($after, $name) // 0) - (value($before, $name) // 0)), $by, "$what: $name");
    return;
}

grown("requests_total{$READ,status=\"200\"}", 4, 'by operation and status');
grown("requests_total{$READ,status=\"404\"}", 1, 'an upstream\'s status');
grown("requests_total{$READ,status=\"400\"}", 1, 'our own refusal');
grown("requests_total{$READ,status=\"502\"}", 1, 'nginx\'s own error');
grown("requests_total{$MAKE,status=\"201\"}", 1, 'the status that the client saw');
grown("requests_total{$MAKE,status=\"200\"}", 0, 'not the upstream\'s');
grown("requests_total{$NONE,status=\"405\"}", 1, 'no operation');
grown("requests_total{$NONE,status=\"404\"}", 1, 'no path');
grown("requests_total{$NONE,status=\"200\"}", 1, 'the scrape before, nothing where the gateway is off');
grown("validations_total{$READ,result=\"valid\"}", 6, 'valid');
grown("validations_total{$READ,result=\"invalid\"}", 1, 'invalid');
grown("validations_total{$MAKE,result=\"valid\"}", 1, 'a valid body');
grown("validations_total{$MAKE,result=\"invalid\"}", 1, 'an invalid body');
grown("validations_total{$NONE,result=\"invalid\"}", 2, 'unknown to the document');
grown("validations_total{$NONE,result=\"none\"}", 1, 'the scrape, not validated');
grown("request_seconds_count{$READ}", 7, 'requests in the histogram');
grown("request_seconds_bucket{$READ,le=\"+Inf\"}", 7, 'all of them below infinity');
grown("request_seconds_bucket{$READ,le=\"10\"}", 7, 'and below 10 s');
grown("request_seconds_bucket{$READ,le=\"0.5\"}", 6, 'the slow one is above 0.5 s');
grown("upstream_seconds_count{$READ}", 6, 'those that asked an upstream');
grown("upstream_seconds_count{$MAKE}", 1, 'and with a body');
grown("upstream_seconds_count{$NONE}", 0, 'none without an operation');
grown("upstream_seconds_bucket{$READ,le=\"0.5\"}", 5, 'the slow one is above 0.5 s');
for my $name ("request_seconds_sum{$READ}", "upstream_seconds_sum{$READ}") {
    my $sum = value($after, $name) - value($before, $name);
    cmp_ok($sum, '>=', 0.58, "$name holds the slow one");
    cmp_ok($sum, '<', 5, 'and not much else');
}

# ---- early errors, clients that go away

$before = $after;
for my $raw ("GET / HTTP/9.9\r\n\r\n", "GET /things/1 HTTP/1.1\r\n\r\n", "\x00\r\n\r\n") {
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    $client->send_pieces(0, $raw);
    $client->read_response('GET');
    $client->close;
}
my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
$client->send_pieces(0, "GET /things/9 HTTP/1.1\r\nHost: a\r\n\r\n");
sleep 0.05;
$client->close;
sleep 0.2;
$after = scrape();
grown("requests_total{$NONE,status=\"400\"}", 1, 'what is no request');
grown("requests_total{$READ,status=\"400\"}", 1, 'a request without Host');
grown("requests_total{$NONE,status=\"505\"}", 1, 'a version that is not supported');
grown("requests_total{$READ,status=\"499\"}", 1, 'a client that did not wait');

# ---- limits

$before = $after;
get('GET', '/things/6') for 1 .. 3;
$after = scrape();
grown('limited_total{limit="requests",action="rejected"}', 2, 'over the rate');
grown('limited_total{limit="requests",action="delayed"}', 0, 'none delayed');
grown("requests_total{$READ,status=\"429\"}", 2, 'and their status');
$before = $after;
get('GET', '/things/5');
$after = scrape();
grown('limited_total{limit="requests",action="delayed"}', 1, 'delayed');
$before = $after;
my @clients = map { Prodorder::Gateway::Http->new($nginx->port, 10) } 1 .. 2;
for my $one (@clients) {
    $one->send_pieces(0, "GET /things/4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    sleep 0.05;
}
is(join(' ', sort map { $_->read_response('GET')->{status} } @clients), '200 503', 'one connection too many');
$after = scrape();
grown('limited_total{limit="connections",action="rejected"}', 1, 'is counted');

# ---- connections

SKIP: {
    skip 'nginx has no connection counters', 3 if !defined value($after, 'connections_accepted_total');
    my @idle = map { Prodorder::Gateway::Http->new($nginx->port, 10) } 1 .. 3;
    for my $one (@idle) {
        $one->send_pieces(0, "GET /things/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        $one->read_response('GET');
    }
    my $now = scrape();
    cmp_ok(value($now, 'connections{state="waiting"}'), '>=', 3, 'idle connections');
    cmp_ok(value($now, 'connections{state="writing"}'), '>=', 1, 'the scrape itself is being answered');
    is(value($now, 'connections_accepted_total') - value($after, 'connections_accepted_total'),
        value($now, 'connections_handled_total') - value($after, 'connections_handled_total'), 'all were handled');
}

# ---- many at a time: nothing is lost

$before = scrape();
my @children;
for (1 .. 4) {
    my $pid = fork // die;
    if ($pid == 0) {
        my $c = Prodorder::Gateway::Http->new($nginx->port, 10);
        for (1 .. 250) {
            $c->send_pieces(0, "GET /things/1 HTTP/1.1\r\nHost: a\r\n\r\n");
            $c->read_response('GET');
        }
        POSIX::_exit(0);
    }
    push @children, $pid;
}
waitpid $_, 0 for @children;
$after = scrape();
grown("requests_total{$READ,status=\"200\"}", 1000, '1000 requests on four connections');
grown("request_seconds_count{$READ}", 1000, 'and in the histogram');

# ---- reload: the same operations, then others

sub reload {
    my $loads = () = $nginx->error_log =~ /\[notice\].*: reconfiguring/g;
    kill 'HUP', $nginx->{pid};
    for (1 .. 250) {
        sleep 0.02;
        my $log = $nginx->error_log;
        my $now = () = $log =~ /\[notice\].*: reconfiguring/g;
        my $gone = () = $log =~ /gracefully shutting down/g;
        last if $now > $loads && $gone > $loads;
    }
    sleep 0.1;
    return;
}

$before = scrape();
configure(server => 'location /new { prodorder_validate off; return 200 new; }');
reload();
is(get('GET', '/new')->{body}, 'new', 'a reload');
$after = scrape();
grown("requests_total{$READ,status=\"200\"}", 0, 'the numbers go on');
cmp_ok(value($after, "requests_total{$READ,status=\"200\"}"), '>=', 1000, 'where they were');
grown('reloads_total', 1, 'the reload is counted');
is(value($after, 'start_time_seconds'), value($before, 'start_time_seconds'), 'counting goes on');
cmp_ok(value($after, 'config_time_seconds'), '>=', value($before, 'config_time_seconds'), 'with a newer configuration');

write_document(',"/more":{"get":{"operationId":"anotherThing","responses":{"204":{"description":"d"}}}}');
reload();
$after = scrape();
is(value($after, 'requests_total{operation="anotherThing",status="204"}'), 0, 'another operation');
is(value($after, "requests_total{$READ,status=\"200\"}"), 0, 'begins a new count');
is(value($after, 'reloads_total'), 0, 'that had no reload yet');
write_document('');
configure(server => 'no_such_directive;');
kill 'HUP', $nginx->{pid};
sleep 0.3;
is(value(scrape(), 'reloads_total'), 0, 'a configuration that is refused is no reload');
configure(server => '');
my @expected = grep { /\[emerg\]/ } split /\n/, $nginx->error_log;
is(scalar @expected, 1, 'it was refused');

# ---- a worker that is killed holds nothing

get('GET', '/things/1') for 1 .. 5;
$before = scrape();
sub worker { return ($nginx->error_log =~ /start worker process (\d+)/g)[-1] }
my $worker = worker();
kill 'KILL', $worker;
for (1 .. 100) {
    sleep 0.02;
    last if worker() != $worker;
}
get('GET', '/things/1');
$after = scrape();
grown("requests_total{$READ,status=\"200\"}", 1, 'after a worker was killed the others count on');

is_deeply(\@problems, [], 'every scrape is the text format to the letter');

$mock->stop;
is($nginx->stop, 0, 'nginx stopped gracefully');
is(join("\n", grep { !/exited on signal 9|no_such_directive/ } $nginx->findings), '', 'the error log is clean');

done_testing();
