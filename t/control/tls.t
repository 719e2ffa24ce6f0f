# ./prodorder with PRODORDER_TLS_CERT and PRODORDER_TLS_KEY: the gateway over TLS with HTTP/2, and what is
# wrong with the two files is said before anything is built or started.
use strict;
use warnings;

use Prodorder::Control;

my $dir = scratch();
my $home = $ENV{PRODORDER_HOME} = "$dir/home";
my $offset = $ENV{PRODORDER_PORT_OFFSET} = free_offset(4000, 4443);
my ($plain, $tls) = map { $_ + $offset } 4000, 4443;

# with([CERT, KEY], COMMAND...): run with these in the environment; none with [].
sub with {
    my ($files, @command) = @_;
    local %ENV = %ENV;
    @ENV{qw(PRODORDER_TLS_CERT PRODORDER_TLS_KEY)} = @$files if @$files;
    return run(@command);
}

sub get {
    my ($url, @options) = @_;
    return run('curl', '-sS', '-m', '10', '--cacert', "$dir/localhost.pem", '-w', "\n%{http_version} %{http_code}", @options, $url);
}

my @good = certificate($dir, 'localhost');
certificate($dir, 'other');
write_file("$dir/with space.pem", 'x');
write_file("$dir/a&b.pem", 'x');

for my $case (
    [[$good[0], ''],           qr/PRODORDER_TLS_CERT and PRODORDER_TLS_KEY belong together/, 'a certificate without a key'],
    [['', $good[1]],           qr/belong together/,                                          'a key without a certificate'],
    [["$dir/none", $good[1]],  qr{PRODORDER_TLS_CERT: there is no file \Q$dir\E/none},       'a certificate that is not there'],
    [[$good[0], $dir],         qr{PRODORDER_TLS_KEY: there is no file},                      'a key that is a directory'],
    [["$dir/with space.pem", $good[1]], qr/has a space, quote/,                              'a path with a space'],
    [["$dir/a&b.pem", $good[1]], qr/has a space, quote/, 'an ampersand'],
) {
    my ($files, $message, $what) = @$case;
    my $up = with($files, './prodorder', 'up', 'gateway');
    is($up->{status}, 1, "$what: exit 1");
    like($up->{err}, $message, "$what: says so");
    unlike($up->{err} . $up->{out}, qr/\bbuild\b.*(?:done|up to date)/, "$what: before the build");
}

my $up = with(\@good, './prodorder', 'up', 'gateway');
is($up->{status}, 0, 'up gateway with a certificate') or do {
    diag $up->{out}, $up->{err};
    done_testing();
    run('./prodorder', 'clean');
    exit 1;
};
my $answer = get("https://localhost:$tls/livez", '--resolve', "localhost:$tls:127.0.0.1", '-D', "$dir/head");
unlike(read_file("$dir/head"), qr/^strict-transport-security/mi, 'as localhost it asks for nothing else');
get("https://127.0.0.1:$tls/livez", '-D', "$dir/head");
like($answer->{out}, qr/"status":"alive".*\n2 200$/s, 'it answers over TLS with HTTP/2') or diag $answer->{err};
like(read_file("$dir/head"), qr/^strict-transport-security: max-age=31536000\r$/mi, 'and asks to be called so again by its other names');
like(get("http://127.0.0.1:$plain/livez")->{out}, qr/\n1\.1 200$/, 'the plain port still answers');
like(get("http://127.0.0.1:$tls/livez")->{out}, qr/^\{"statusCode":400,"data":null,.*\n1\.1 400$/s,
    'a plain request at the TLS port is 400, in JSON');
is(run('./prodorder', 'status')->{out} =~ /^gateway .* healthy/m, 1, 'status: healthy');

is(run('./prodorder', 'restart', 'gateway')->{status}, 0, 'restart without the variables');
like(get("https://127.0.0.1:$tls/livez")->{out}, qr/\n2 200$/, 'TLS is remembered');

# How the listening line is written depends on nginx's version.
for my $case ([qw(1.22.1 1)], [qw(1.25.0 1)], [qw(1.25.1 0)], [qw(1.26.3 0)], [qw(2.0.0 0)]) {
    my ($version, $status) = @$case;
    is(run('bash', '-c', ". scripts/lib/tls.sh && tls_has_http2_directive $version")->{status}, $status,
        "nginx $version has " . ($status ? 'no' : 'a') . ' directive http2');
}

# A renewed certificate, read on reload, by nginx's own means.
run('cp', "$dir/other.pem", $good[0]);
run('cp', "$dir/other.key", $good[1]);
my ($pid) = read_file("$home/run/gateway.pid") =~ /^(\d+)/;
kill HUP => $pid;
my $subject = '';
for (1 .. 100) {
    ($subject) = get("https://127.0.0.1:$tls/livez", '-k', '-v')->{err} =~ /subject: CN=(\w+)/;
    last if ($subject // '') eq 'other';
    select undef, undef, undef, 0.05;
}
is($subject, 'other', 'kill -HUP reads a renewed certificate');

# A key of another certificate is nginx's to refuse.
my $mixed = with(["$dir/localhost.pem", "$dir/localhost.key"], './prodorder', 'restart', 'gateway');
is($mixed->{status}, 0, 'the renewed pair fits');
certificate($dir, 'localhost');
$mixed = with([$good[0], "$dir/other.key"], './prodorder', 'restart', 'gateway');
is($mixed->{status}, 1, 'a key that does not fit: exit 1');
like($mixed->{err}, qr/key values mismatch/, 'nginx says why');

my $off = with(['', ''], './prodorder', 'up', 'gateway');
is($off->{status}, 0, 'set to nothing, the variables switch it off') or diag $off->{err};
isnt(get("https://127.0.0.1:$tls/livez", '-k')->{status}, 0, 'nothing listens at the TLS port');
like(get("http://127.0.0.1:$plain/livez")->{out}, qr/\n1\.1 200$/, 'the plain port answers');
is(run('./prodorder', 'down')->{status}, 0, 'down');
is(run('./prodorder', 'clean')->{status}, 0, 'clean');

done_testing();
