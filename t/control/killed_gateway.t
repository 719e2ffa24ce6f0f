# kill -9 of the gateway's master leaves workers that hold its port: every command heals that.
use strict;
use warnings;

use Prodorder::Control;

my $home = $ENV{PRODORDER_HOME} = scratch() . '/home';
my $offset = $ENV{PRODORDER_PORT_OFFSET} = free_offset(4000);
my $port = 4000 + $offset;

sub listening { return !listen_somewhere($port) }

sub pid_file { return read_file("$home/run/gateway.pid") }

sub pid {
    my ($pid) = pid_file() =~ /^(\d+)/;
    return $pid;
}

# The pids of a process group's members.
sub group {
    my ($group) = @_;
    my @found;
    for my $stat (glob '/proc/[0-9]*/stat') {
        my ($pid, $state, $pgrp) = read_file($stat) =~ /^(\d+) \(.*\) (\S) \d+ (\d+) /s or next;
        push @found, $pid if $pgrp == $group && $state ne 'Z';
    }
    return @found;
}

# Kill the master; returns its pid once only workers are left.
sub kill_master {
    my $master = pid() or return fail('the gateway has a pid file');
    kill 9, $master;
    ok(eventually(5, sub { !grep { $_ == $master } group($master) }), 'the master is killed');
    ok(scalar group($master), 'its workers stay');
    ok(listening(), 'and listen');
    return $master;
}

my $up = run('./prodorder', 'up', 'gateway');
if (!is($up->{status}, 0, 'up gateway')) {
    diag $up->{err};
    run('./prodorder', 'clean');
    done_testing();
    exit 1;
}

my $master = kill_master();
is(run('./prodorder', 'status')->{status}, 1, 'status: exit 1');
my $healed = run('./prodorder', 'up', 'gateway');
is($healed->{status}, 0, 'up') or diag $healed->{err};
isnt(pid(), $master, 'up: another master');
is(scalar group($master), 0, 'up: the old workers are gone');

$master = kill_master();
is(run('./prodorder', 'restart', 'gateway')->{status}, 0, 'restart');
is(scalar group($master), 0, 'restart: the old workers are gone');

# Not taken for ours: another executable, a start before the recorded one, a pid that is in use again.
$master = kill_master();
my $recorded = pid_file();
my ($started, $program) = $recorded =~ /^\d+ (\d+) (\S+)$/ or fail('the pid file tells start and executable');
for my $case (
    ['another executable',     "$master $started /usr/bin/true\n"],
    ['started before',         "$master " . ($started + 1000 * 1000) . " $program\n"],
    ['the pid is in use again', "$$ $started $program\n"],
) {
    my ($name, $text) = @$case;
    write_file("$home/run/gateway.pid", $text);
    like(run('./prodorder', 'down', 'gateway')->{out}, qr/gateway\s+does not run/, "$name: not ours");
    ok(scalar group($master), "$name: left alone");
}

write_file("$home/run/gateway.pid", $recorded);
is(run('./prodorder', 'down')->{status}, 0, 'down');
is(scalar group($master), 0, 'down: the old workers are gone');
ok(!listening(), 'down: nothing listens');

is(run('./prodorder', 'up', 'gateway')->{status}, 0, 'up once more');
$master = kill_master();
is(run('./prodorder', 'clean')->{status}, 0, 'clean');
is(scalar group($master), 0, 'clean: the old workers are gone');
ok(!-e $home, 'clean leaves nothing');

done_testing();
