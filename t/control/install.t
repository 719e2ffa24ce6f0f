# make install: what is installed works where it is, without the repository.
use strict;
use warnings;

use IO::Socket::INET;

use Prodorder::Control;

my $build = $ENV{PRODORDER_BUILD} || 'build';
my $dir = scratch();
my $installed = run('make', 'install', "BUILD=$build", "PREFIX=$dir/usr");
is($installed->{status}, 0, 'make install') or diag $installed->{out}, $installed->{err};

my $staged = run('make', 'install', "BUILD=$build", 'PREFIX=/opt/prodorder', "DESTDIR=$dir/stage");
is($staged->{status}, 0, 'make install with DESTDIR') or diag $staged->{err};
like(read_file("$dir/stage/opt/prodorder/share/prodorder/nginx.conf"),
    qr{^load_module /opt/prodorder/lib/nginx/modules/\S+;$}m, 'which is in no path');

for my $program (qw(product-service order-service openapi-check schema-check)) {
    is(run("$dir/usr/bin/$program", '--help')->{status}, 0, "$program --help");
}

# The installed nginx.conf with a port of ours, as a directory where nginx may write needs to be named.
my $share = "$dir/usr/share/prodorder";
my $port = do {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die $!;
    $socket->sockport;
};
my $conf = read_file("$share/nginx.conf");
$conf =~ s/127\.0\.0\.1:4000\b/127.0.0.1:$port/g;
$conf =~ s{^(load_module .*)$}{"$1\n" . ($> == 0 ? 'user root;' : '')}me;
write_file("$share/nginx.conf", $conf);
write_file("$dir/run/$_/.keep", '') for qw(logs temp);

my $check = run('nginx', '-t', '-q', '-e', 'stderr', '-p', "$dir/run/", '-c', "$share/nginx.conf");
is($check->{status}, 0, 'nginx takes the installed configuration') or diag $check->{err};

my $pid = fork // die "fork: $!";
if ($pid == 0) {
    open STDOUT, '>', "$dir/run/out";
    open STDERR, '>', "$dir/run/err";
    exec 'nginx', '-p', "$dir/run/", '-e', 'stderr', '-c', "$share/nginx.conf" or exit 127;
}
for (1 .. 100) {
    last if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
    select undef, undef, undef, 0.05;
}
for my $target (qw(/livez /openapi.json /asyncapi.json /docs/ /docs/docs.css)) {
    is(run('curl', '-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', "http://127.0.0.1:$port$target")->{out}, 200,
        "GET $target");
}
kill QUIT => $pid;
waitpid $pid, 0;
is($?, 0, 'it stops gracefully');
done_testing();
