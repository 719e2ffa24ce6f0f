# configure.sh: its options, what it says about a machine that lacks something, and config.mk.
use strict;
use warnings;

use Prodorder::Control;

my $dir = scratch();

my $help = run('./configure.sh', '--help');
is($help->{status}, 0, '--help');
like($help->{out}, qr/$_/, "--help tells of $_")
    for qw(--install-deps --install-test-deps --only --prefix --sanitize --debug --kill-points --with-nginx-src);

for my $bad (
    ['--wibble',                 qr/unknown option --wibble/],
    ['--sanitize=memory',        qr/address, undefined and thread, not 'memory'/],
    ['--sanitize=thread,address', qr/thread cannot be joined/],
    ['--prefix=relative',        qr/absolute path, not 'relative'/],
    ['--with-nginx-src=/nowhere', qr{/nowhere has no src/core/nginx\.h}],
    ['--prefix',                 qr/--prefix needs a value/],
    ['--only=tests',             qr/--only knows services, gateway and docs, not 'tests'/],
) {
    my ($option, $message) = @$bad;
    my $result = run('./configure.sh', $option);
    is($result->{status}, 2, "$option: exit 2");
    like($result->{err}, $message, "$option: says why");
}

my $missing = do {
    local $ENV{PATH} = path_without('gcc', 'jq');
    run('./configure.sh', "--build-dir=$dir/missing");
};
is($missing->{status}, 1, 'no compiler: exit 1');
like($missing->{err}, qr/^\s+gcc libc6-dev\s+gcc\s+compiling$/m, 'the package and what it is for');
like($missing->{err}, qr/configure\.sh --install-deps/, 'what to run');
like($missing->{err}, qr{scripts/install-packages\.sh .*gcc.*jq}, 'what to run by hand');
unlike($missing->{err}, qr/apt-get install/, 'not what would start servers');
ok(!-e "$dir/missing/config.mk", 'and no config.mk');

# Not root: without sudo, and with one that fails. Neither is told to run what would start servers.
for my $case (
    ['no sudo', undef, '--install-deps', qr{As root, run: \./configure\.sh --install-deps$}m],
    ['no sudo', undef, '--install-test-deps', qr{As root, run: \./configure\.sh --install-test-deps$}m],
    ['a sudo that fails', 'exit 1', '--install-deps', qr{by hand, as root: scripts/install-packages\.sh .*gcc.*jq}],
) {
    my ($what, $sudo, $option, $message) = @$case;
    local $ENV{PATH} = path_without(qw(gcc jq id sudo));
    my %program = (id => 'echo 1000', defined $sudo ? (sudo => $sudo) : ());
    program("$ENV{PATH}/$_", $program{$_}) for keys %program;
    my $result = run('./configure.sh', $option, "--build-dir=$dir/missing");
    is($result->{status}, 1, "$what, $option: exit 1");
    like($result->{err}, $message, "$what, $option: what to run");
    unlike($result->{err}, qr/apt-get (?:update|install)/, "$what, $option: not what would start servers");
}

my $good = run('./configure.sh', '--quiet', "--build-dir=$dir/good", '--prefix=/opt/x', '--sanitize=address,undefined');
is($good->{status}, 0, 'everything is there') or diag $good->{err};
is($good->{out}, '', '--quiet is quiet');
my $config = read_file("$dir/good/config.mk");
like($config, qr/^SANITIZE := address,undefined$/m, 'config.mk: the sanitizers');
like($config, qr{^PREFIX \?= /opt/x$}m, 'config.mk: the prefix');
like($config, qr/^SERVICE_LIBS := .*-lpq.*-lhiredis.*-lrabbitmq.*-ljson-c/m, 'config.mk: the libraries');
like($config, qr/^CONFIGURE_OPTIONS := .*--sanitize=address,undefined/m, 'config.mk: the options, for make');

my $plain = do {
    local $ENV{PATH} = path_without('npm', 'chromium', 'docker-compose', 'faketime');
    run('./configure.sh', "--build-dir=$dir/plain");
};
is($plain->{status}, 0, 'neither npm nor a browser is needed');
like($plain->{out}, qr{^\s+npm\s+missing \(only for the page at /docs/.*Debian package: npm\)$}m, 'what is lacking without npm');
like($plain->{out}, qr/^\s+chromium\s+missing \(only for .*--install-test-deps\)$/m, 'and without a browser');
like($plain->{out}, qr/^\s+docker-compose\s+missing \(only for .*--install-test-deps\)$/m, 'and without docker-compose');
like($plain->{out}, qr/^\s+faketime\s+missing \(only for .*--install-test-deps\)$/m, 'and without faketime');

# A part of the build, as in a container image: no servers, no other part's libraries.
my $services = do {
    local $ENV{PATH} = path_without(qw(nginx redis-server redis-cli rabbitmq-server npm curl prove));
    run('./configure.sh', '--only=services', "--build-dir=$dir/services");
};
is($services->{status}, 0, '--only=services') or diag $services->{err};
unlike($services->{out}, qr/nginx|redis-|rabbitmq-server|npm|check|zlib/, 'looks for nothing else');
like(read_file("$dir/services/config.mk"), qr/^CONFIGURE_OPTIONS := .*--only=services/m, 'config.mk: the option, for make');
my $gateway = do {
    local $ENV{PATH} = path_without(qw(nginx openssl jq));
    run('./configure.sh', '--only=gateway', "--build-dir=$dir/gateway");
};
is($gateway->{status}, 0, '--only=gateway needs the library openssl, not the program') or diag $gateway->{err};
my $docs = do {
    local $ENV{PATH} = path_without(qw(pkg-config gcc nginx));
    run('./configure.sh', '--only=docs', "--build-dir=$dir/docs");
};
is($docs->{status}, 0, '--only=docs needs neither compiler nor pkg-config') or diag $docs->{err};
is($docs->{err}, '', 'and says nothing of them');
like(read_file("$dir/docs/config.mk"), qr/^SERVICE_LIBS :=\n/m, 'config.mk: libraries that are not there');

done_testing();
