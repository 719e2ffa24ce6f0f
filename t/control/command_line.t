# ./prodorder: commands, help, and what it says to a wrong command line. Starts nothing.
use strict;
use warnings;

use Cwd qw(getcwd);
use File::Path qw(make_path);

use Prodorder::Control;

my $home = scratch() . '/home';
$ENV{PRODORDER_HOME} = $home;

my @commands = qw(up down clean status restart logs psql redis env trace dlq test bench);

my $help = run('./prodorder', 'help');
is($help->{status}, 0, 'help');
for my $command (@commands) {
    like($help->{out}, qr/^  $command\b/m, "help lists $command");
    for my $args (['help', $command], [$command, '--help']) {
        my $result = run('./prodorder', @$args);
        is($result->{status}, 0, "@$args");
        like($result->{out}, qr/^Usage: \.\/prodorder $command\b/, "@$args: usage");
    }
}
ok(!-e $home, 'help creates nothing');
{
    my @offered = run('./prodorder', 'help', 'test')->{out} =~ /^  (\w+)   +\S/mg;
    is($offered[-1], 'all', 'help test offers all suites');
    for my $suite (@offered[0 .. $#offered - 1]) {
        my @files = map { (glob("t/$_/*.t"), glob("t/$_/*/test_*.c")) } $suite eq 'e2e' ? qw(docs e2e browser) : $suite;
        ok(scalar @files, "help test: $suite has tests");
    }
}

is(run('./prodorder')->{status}, 2, 'no command: exit 2');
my $unknown = run('./prodorder', 'wibble');
is($unknown->{status}, 2, 'unknown command: exit 2');
like($unknown->{err}, qr/there is no command 'wibble'/, 'unknown command: named');

for my $later (qw()) {
    my $result = run('./prodorder', $later);
    is($result->{status}, 2, "$later: exit 2");
    like($result->{err}, qr/'$later' is not built yet/, "$later: says that it is not built yet");
}

for my $case (
    [['up', 'wibble'],           qr/there is no process 'wibble'/],
    [['down', 'wibble'],         qr/there is no process 'wibble'/],
    [['restart'],                qr/restart needs a name/],
    [['restart', 'wibble'],      qr/there is no process 'wibble'/],
    [['logs', 'wibble'],         qr/there is no process 'wibble'\n *Names: .* gateway-errors all/],
    [['env'],                    qr/env needs one name/],
    [['psql'],                   qr/psql product\|order/],
    [['redis', 'wibble'],        qr/redis product\|order/],
    [['up', '--verbose'],        qr/there is no option '--verbose'/],
    [['status', 'extra'],        qr/status takes no arguments/],
    [['clean', 'extra'],         qr/clean takes no arguments/],
    [['test', 'wibble'],         qr/there is no test suite 'wibble'/],
    [['test', 'gateway', ''],    qr/there is no test suite ''/],
) {
    my ($args, $message) = @$case;
    my $result = run('./prodorder', @$args);
    is($result->{status}, 2, "@$args: exit 2");
    like($result->{err}, $message, "@$args: says why");
}

for my $case (
    [PRODORDER_PORT_OFFSET => 'abc',       qr/PRODORDER_PORT_OFFSET must be a number from 0 to 49861, not 'abc'/],
    [PRODORDER_PORT_OFFSET => '-1',        qr/PRODORDER_PORT_OFFSET must be a number/],
    [PRODORDER_PORT_OFFSET => '49862',     qr/PRODORDER_PORT_OFFSET must be a number from 0 to 49861/],
    [PRODORDER_LISTEN      => 'localhost', qr/PRODORDER_LISTEN must be an IPv4 address/],
    [PRODORDER_HOME        => '/tmp/a b',  qr/PRODORDER_HOME '\/tmp\/a b' has a space/],
) {
    my ($variable, $value, $message) = @$case;
    local $ENV{$variable} = $value;
    my $result = run('./prodorder', 'status');
    is($result->{status}, 1, "$variable=$value: refused");
    like($result->{err}, $message, "$variable=$value: says why");
}
{
    local $ENV{PRODORDER_PORT_OFFSET} = '49861';
    unlike(run('./prodorder', 'status')->{err}, qr/PRODORDER_PORT_OFFSET/, 'the largest offset is accepted');
}

my $status = run('./prodorder', 'status');
is($status->{status}, 1, 'status of nothing: exit 1');
like($status->{out}, qr/^$_\s+-\s+\d+\s+down/m, "status has a line for $_")
    for qw(gateway product-service order-service product-db order-db product-redis order-redis rabbitmq);
is(run('./prodorder', 'down')->{status}, 0, 'down of nothing: exit 0');
my $clean = run('./prodorder', 'clean');
is($clean->{status}, 0, 'clean of nothing: exit 0');
is($clean->{out}, "nothing to delete in $home\n", 'clean of nothing: claims nothing');
for my $args (['psql', 'order'], ['redis', 'order']) {
    my $result = run('./prodorder', @$args);
    is($result->{status}, 1, "@$args without a stack: exit 1");
    like($result->{err}, qr/order-(db|redis) does not run/, "@$args without a stack: says so");
}

# A place where nothing can be made: one message, with what to do.
{
    local $ENV{PRODORDER_HOME} = '/proc/prodorder';
    my $result = run('./prodorder', 'up');
    is($result->{status}, 1, 'up in a place where nothing can be made: exit 1');
    like($result->{err}, qr/\A(?:mkdir: .*\n)?prodorder: cannot create \/proc\/prodorder\n  Set PRODORDER_HOME to /, 'and one message');
}

# Reading makes nothing.
for my $args (['env', 'order-service'], ['env', 'product-db'], ['logs'], ['logs', 'all']) {
    is(run('./prodorder', @$args)->{status}, 1, "@$args without a stack: exit 1");
    ok(!-e $home, "@$args without a stack: creates nothing");
}
make_path("$home/run", "$home/secrets");
write_file("$home/.prodorder", '');
like(run('./prodorder', 'env', 'order-service')->{err}, qr/no password for order-db yet/, 'env without a password');
is_deeply([glob "$home/secrets/*"], [], 'env makes no password');

# A service whose database does not run cannot become ready. Beside a stack that is in use.
for my $command ('up', 'restart') {
    local $ENV{PRODORDER_PORT_OFFSET} = free_offset(3002);
    my $result = run('./prodorder', $command, 'order-service');
    is($result->{status}, 1, "$command order-service without its backends: exit 1");
    like($result->{err}, qr/not running: order-db\n\s+Start everything: \.\/prodorder up/,
        "$command order-service: says what is missing and what to do");
}

# Without names, logs are those of our own programs.
write_file("$home/log/$_.log", "from $_\n") for qw(gateway order-service product-db);
my $ours = run('./prodorder', 'logs')->{out};
like($ours, qr/from gateway/,       'logs: the gateway');
like($ours, qr/from order-service/, 'logs: the services');
unlike($ours, qr/from product-db/,  'logs: not the servers');
is($ours, "from order-service\nfrom gateway\n", 'logs into a pipe: the lines, without headings');
like(run('./prodorder', 'logs', 'all')->{out}, qr/from product-db/, 'logs all: the servers too');
is(run('./prodorder', 'logs', 'product-db')->{out}, "from product-db\n", 'logs NAME: that one');
is(run('./prodorder', 'logs', 'rabbitmq')->{status}, 1, 'logs NAME that there is not: exit 1');

SKIP: {
    skip 'only root can be somebody else', 16 if $> != 0;
    skip 'nobody cannot enter the repository', 16 if system(qw(setpriv --reuid=65534 --clear-groups test -x), getcwd() . '/prodorder');
    for my $args (['psql', 'order'], ['redis', 'order'], ['env', 'order-db'], ['logs'], ['down'], ['status']) {
        my $result = run('setpriv', '--reuid=65534', '--clear-groups', './prodorder', @$args);
        is($result->{status}, 1, "@$args as another user: exit 1");
        like($result->{err}, qr/^prodorder: \Q$home\E belongs to user root$/m, "@$args as another user: says whose it is");
    }
    # Nor root in a stack of somebody else's: it would leave files there that he cannot replace.
    chown 65534, 65534, "$home/run" or die;
    for my $args (['up'], ['down']) {
        my $result = run('./prodorder', @$args);
        is($result->{status}, 1, "@$args as root in another user's stack: exit 1");
        like($result->{err}, qr/^prodorder: \Q$home\E belongs to user nobody$/m, "@$args as root: says whose it is");
    }
    chown 0, 0, "$home/run" or die;
}
is(run('./prodorder', 'clean')->{out}, "deleted the data, logs and passwords in $home\n", 'clean: one line');
ok(!-e $home, 'clean leaves nothing');

# A repository that cannot be built where it is.
{
    my $spaced = scratch() . '/a b';
    make_path($spaced);
    is(system('cp', '-r', 'prodorder', 'configure.sh', 'scripts', $spaced), 0, 'a copy in a path with a space');
    for my $command (['./prodorder', 'up'], ['./configure.sh']) {
        my $result = run('env', '-C', $spaced, @$command);
        is($result->{status}, 1, "path with a space: @$command: exit 1");
        like($result->{err}, qr/the repository's own path '\Q$spaced\E' has a space: .*; move the clone/,
            "path with a space: @$command: says so");
    }
}

# Somebody else's directory is neither used nor deleted.
write_file("$home/precious", 'data');
my $foreign = run('./prodorder', 'up', 'product-redis');
is($foreign->{status}, 1, 'up in a directory that is not ours: refused');
like($foreign->{err}, qr/not empty and was not made by prodorder/, 'and says why');
run('./prodorder', 'clean');
ok(-e "$home/precious", 'clean deletes nothing there');

done_testing();
