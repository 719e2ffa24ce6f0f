# ./prodorder: commands, help, and what it says to a wrong command line. Starts nothing.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Control qw(run scratch write_file);
use Test::More;

my $home = scratch() . '/home';
delete @ENV{grep { /^PRODORDER_/ } keys %ENV};
$ENV{PRODORDER_HOME} = $home;

my @commands = qw(up down clean status restart logs psql redis env test bench);

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

is(run('./prodorder')->{status}, 2, 'no command: exit 2');
my $unknown = run('./prodorder', 'wibble');
is($unknown->{status}, 2, 'unknown command: exit 2');
like($unknown->{err}, qr/there is no command 'wibble'/, 'unknown command: named');

for my $later (qw(audit trace dlq)) {
    my $result = run('./prodorder', $later);
    is($result->{status}, 2, "$later: exit 2");
    like($result->{err}, qr/'$later' is not built yet/, "$later: says that it is not built yet");
}

for my $case (
    [['up', 'wibble'],           qr/there is no process 'wibble'/],
    [['down', 'wibble'],         qr/there is no process 'wibble'/],
    [['restart'],                qr/restart needs a name/],
    [['restart', 'wibble'],      qr/there is no process 'wibble'/],
    [['logs', 'wibble'],         qr/there is no process 'wibble'/],
    [['env'],                    qr/env needs one name/],
    [['psql'],                   qr/psql product\|order/],
    [['redis', 'wibble'],        qr/redis product\|order/],
    [['status', 'extra'],        qr/status takes no arguments/],
    [['clean', 'extra'],         qr/clean takes no arguments/],
    [['test', 'wibble'],         qr/there is no test suite 'wibble'/],
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
is(run('./prodorder', 'clean')->{status}, 0, 'clean of nothing: exit 0');
for my $args (['psql', 'order'], ['redis', 'order']) {
    my $result = run('./prodorder', @$args);
    is($result->{status}, 1, "@$args without a stack: exit 1");
    like($result->{err}, qr/order-(db|redis) does not run/, "@$args without a stack: says so");
}

# Somebody else's directory is neither used nor deleted.
write_file("$home/precious", 'data');
my $foreign = run('./prodorder', 'up', 'product-redis');
is($foreign->{status}, 1, 'up in a directory that is not ours: refused');
like($foreign->{err}, qr/not empty and was not made by prodorder/, 'and says why');
run('./prodorder', 'clean');
ok(-e "$home/precious", 'clean deletes nothing there');

done_testing();
