# ./prodorder up, down, status, restart on one real process (product-redis, the quickest to start).
use strict;
use warnings;

use Prodorder::Control;

my $home   = $ENV{PRODORDER_HOME} = scratch() . '/home';
my $offset = free_offset(6381);
my $port   = 6381 + $offset;
$ENV{PRODORDER_PORT_OFFSET} = $offset;

# Without a server the rest would only repeat that there is none.
sub give_up {
    diag @_;
    done_testing();
    run('./prodorder', 'clean');
    exit 1;
}

sub up   { return run('./prodorder', 'up',   'product-redis', @_) }
sub down { return run('./prodorder', 'down') }

sub pid {
    my ($pid) = read_file("$home/run/product-redis.pid") =~ /^(\d+)/;
    return $pid;
}

sub listening { return !listen_somewhere($port) }

# A taken port: the error names the port, who holds it, and the variable.
{
    my $socket = listen_somewhere($port) or die;
    my $result = up();
    is($result->{status}, 1, 'port taken: exit 1');
    like($result->{err}, qr/port $port, needed for product-redis/, 'port taken: names it');
    like($result->{err}, qr/\(pid $$, user/, 'port taken: names who holds it');
    like($result->{err}, qr/PRODORDER_PORT_OFFSET=/, 'port taken: names the variable');
    ok(!-e "$home/run/product-redis.pid", 'port taken: nothing was started');
}

my $first = up();
is($first->{status}, 0, 'up') or give_up("product-redis does not start: $first->{err}");
ok(listening(), 'it listens');
my $pid = pid();
{
    local $ENV{PRODORDER_PORTOFFSET} = 3;
    my $again = up();
    is($again->{status}, 0, 'up again');
    like($again->{err}, qr/there is no variable PRODORDER_PORTOFFSET/, 'a misspelt variable is named');
}
is(pid(), $pid, 'up again: the same process');
like(run('./prodorder', 'status')->{out}, qr/^product-redis\s+$pid\s+$port\s+healthy\s+0:\d\d\s+\d+ MiB$/m, 'status');
is(run('./prodorder', 'redis', 'product', 'PING')->{out}, "PONG\n", 'redis product PING');
like(run('./prodorder', 'logs', 'product-redis')->{out}, qr/Ready to accept connections/, 'logs');
like(run('./prodorder', 'env', 'product-redis')->{out}, qr/^REDIS_PORT=$port$/m, 'env');

ok($pid && kill(9, $pid), 'kill -9');
ok(eventually(5, sub { !listening() }), 'killed');
is(run('./prodorder', 'status')->{status}, 1, 'status: exit 1');
is(up()->{status}, 0, 'up after kill -9');
isnt(pid(), $pid, 'up after kill -9: another process');

$pid = pid();
is(run('./prodorder', 'restart', 'product-redis')->{status}, 0, 'restart');
isnt(pid(), $pid, 'restart: another process');

# Other settings while it runs would lose sight of it.
{
    local $ENV{PRODORDER_PORT_OFFSET} = $offset + 1;
    my $result = up();
    is($result->{status}, 1, 'up with another offset while it runs: refused');
    like($result->{err}, qr/down first/, 'up with another offset: says what to do');
    for my $args (['status'], ['redis', 'product', 'PING'], ['env', 'product-redis'], ['restart', 'product-redis']) {
        my $other = run('./prodorder', @$args);
        is($other->{status}, 1, "@$args with another offset: exit 1");
        like($other->{err}, qr/runs with port offset and address '$offset 127\.0\.0\.1'/, "@$args: says which it has");
    }
}
{
    local $ENV{PRODORDER_PORT_OFFSET};
    delete $ENV{PRODORDER_PORT_OFFSET};
    like(run('./prodorder', 'status')->{out}, qr/^product-redis\s+\d+\s+$port\s+healthy/m,
        'without the variable, commands find the stack that runs');
}

# Nothing of ours is held open by what we start: a pipe ends, a lock is free.
is(down()->{status}, 0, 'down');
ok(!listening(), 'down: nothing listens');
my $piped = run('timeout', '20', 'bash', '-c', './prodorder up product-redis | cat');
is($piped->{status}, 0, 'up | cat ends');
is(scalar(grep { (readlink($_) // '') eq "$home/lock" } glob '/proc/' . (pid() // 'none') . '/fd/*'), 0,
    'the server does not have the lock open');

# Two at once: one process.
down();
my @children = map {
    my $child = fork // die;
    if (!$child) { exit up()->{status} }
    $child;
} 1 .. 3;
my @statuses = map { waitpid $_, 0; $? >> 8 } @children;
is("@statuses", '0 0 0', 'three ups at once all succeed');
my @servers = grep { read_file("/proc/$_/cmdline") =~ /^redis-server .*:$port/ }
    map { m{/proc/(\d+)} } glob '/proc/[0-9]*';
is(scalar @servers, 1, 'and there is one server');

# Ctrl-C, which reaches its children too, and TERM while it waits for a server that never becomes ready.
down();
for my $case ([INT => 130], [TERM => 143, '--foreground']) {
    my ($signal, $status, @alone) = @$case;
    my $wrapper = scratch();
    program("$wrapper/redis-server", "exec sleep 60");
    local $ENV{PATH} = "$wrapper:$ENV{PATH}";
    my $result = run('timeout', @alone, '--preserve-status', '-s', $signal, '4',
        './prodorder', 'up', 'product-redis');
    is($result->{status}, $status, "SIG$signal: exit $status");
    is($result->{err}, 'prodorder: interrupted. What was started keeps running: '
        . "./prodorder up continues, ./prodorder down stops it\n", "SIG$signal: says only that");
    like(run('./prodorder', 'down')->{out}, qr/product-redis\s+stopped/, "SIG$signal: what was started keeps running");
}

# A pid file whose pid has been given to another process: that one is left alone.
down();
my $bystander = fork // die;
if (!$bystander) { exec 'sleep', '60' or die }
write_file("$home/run/product-redis.pid", "$bystander 12345\n");
like(run('./prodorder', 'status')->{out}, qr/^product-redis\s+-\s+$port\s+down/m, 'a recycled pid is not ours');
down();
ok(kill(0, $bystander), 'a recycled pid is not killed');
kill 9, $bystander;
waitpid $bystander, 0;

# What fails shows its log.
up();
down();
write_file("$home/log/product-redis.log", '');
{
    # A configuration that Redis refuses, through a directory that cannot be written.
    my $wrapper = scratch();
    program("$wrapper/redis-server", "echo 'fatal: out of cheese' >&2\nexit 1");
    local $ENV{PATH} = "$wrapper:$ENV{PATH}";
    my $result = up();
    is($result->{status}, 1, 'a server that dies at start: exit 1');
    like($result->{err}, qr/product-redis ended while it was starting/, 'says which');
    like($result->{err}, qr/out of cheese/, 'shows the end of its log');
    like($result->{err}, qr/\.\/prodorder logs product-redis/, 'says what to try');
}

is(run('./prodorder', 'clean')->{status}, 0, 'clean');
ok(!-e $home, 'clean leaves nothing');

done_testing();
