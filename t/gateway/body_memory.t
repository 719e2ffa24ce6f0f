#!/usr/bin/perl
# Large bodies cost memory while they are checked, not while an upstream takes its time with them.
use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);

use Cwd qw(getcwd);
use Prodorder::Gateway::Http;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

plan skip_all => 'instrumented memory does not tell' if $ENV{TEST_NGINX_USE_VALGRIND} || $ENV{PRODORDER_TEST_PRELOAD};

my $REQUESTS = 40;
my $BODY_BYTES = 1024 * 1024;

my $nginx = Prodorder::Gateway::Nginx->new;
my $port = Prodorder::Gateway::Nginx::free_port();
my $root = getcwd();
$nginx->write_conf(main => '', http2 => 0, http => "prodorder_openapi $root/openapi.json;",
    server => "location / { client_body_buffer_size 16k; proxy_pass http://127.0.0.1:$port; }");
is($nginx->start, undef, 'nginx starts');
my $mock = Prodorder::Gateway::Mock->start($port, $nginx->prefix . '/mock.txt', reply => sub {
    sleep 60;
    return '';
});

# Anonymous memory of the worker that is in use, in bytes.
sub memory {
    my ($worker) = $nginx->workers;
    open my $in, '<', "/proc/$worker/status" or die "worker $worker: $!";
    my ($kib) = join('', <$in>) =~ /^RssAnon:\s+(\d+) kB/m;
    return 1024 * $kib;
}

sub post {
    my ($body) = @_;
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    $client->send_pieces(0, "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body");
    return $client;
}

my $head = '{"productId":1,"quantity":1';
my $valid = $head . ' ' x ($BODY_BYTES - length("$head}")) . '}';
my @clients = post($valid);
sleep 0.5;
my $before = memory();
push @clients, post($valid) for 1 .. $REQUESTS;
my $validated = 0;
for (1 .. 200) {
    # nginx has removed the files' names already
    $validated = grep { (readlink // '') =~ m{/client_body/} } glob '/proc/' . ($nginx->workers)[0] . '/fd/*';
    last if $validated == $REQUESTS + 1;
    sleep 0.02;
}
is($validated, $REQUESTS + 1, 'every body is in a file, and waits for the upstream');
sleep 0.5;
my $each = (memory() - $before) / $REQUESTS;
cmp_ok($each, '<', $BODY_BYTES / 4, sprintf 'a waiting request holds %.0f KiB', $each / 1024);

# ---- what is refused has texts of the body in its report, after the body's memory was freed

my $name = 'n' x 1000;
my $invalid = qq({"productId":"x","$name":1) . ' ' x 200_000 . '}';
my $response = post($invalid)->read_response('POST');
is($response->{status}, 400, 'an invalid body is refused');
like($response->{body}, qr{"path":"/productId",.*"path":"/$name",}, 'with what it held');

$_->close for @clients;
$mock->stop;
is($nginx->stop, 0, 'nginx stopped gracefully');
is(join("\n", $nginx->findings), '', 'the error log is clean');

done_testing();
