# ./prodorder on real PostgreSQL and RabbitMQ: loopback only, secrets kept, kill -9 survived, nothing left.
use strict;
use warnings;

use Prodorder::Control;

my $home = $ENV{PRODORDER_HOME} = scratch() . '/home';
my %base = (database => 5433, amqp => 5673, management => 15672, distribution => 15673, epmd => 15674);
my $offset = free_offset(values %base);
$ENV{PRODORDER_PORT_OFFSET} = $offset;
my %port = map { $_ => $base{$_} + $offset } keys %base;

# Addresses, as /proc/net shows them, on which PORT is listened on.
sub addresses {
    my ($port) = @_;
    my $hex = sprintf '%04X', $port;
    my $all = read_file('/proc/net/tcp') . read_file('/proc/net/tcp6');
    my @found = $all =~ /^\s*\d+: ([0-9A-F]+):$hex [0-9A-F]+:0000 0A /mg;
    return @found;
}

sub pid {
    my ($name) = @_;
    my ($pid) = read_file("$home/run/$name.pid") =~ /^(\d+)/;
    return $pid;
}

# Without servers the rest would only repeat that there are none.
sub give_up {
    diag @_;
    done_testing();
    run('./prodorder', 'clean');
    exit 1;
}

sub sql { return run('./prodorder', 'psql', 'product', '-qAtc', @_) }

my $up = run('./prodorder', 'up', 'product-db', 'rabbitmq');
is($up->{status}, 0, 'up product-db rabbitmq') or give_up("the servers do not start: $up->{err}");

is(scalar(grep { /FATAL/ } split /\n/, read_file("$home/log/product-db.log")), 0,
    'no FATAL line of our own making in the log of a fresh database');

my %loopback = map { $_ => 1 } '0100007F', '00000000000000000000000001000000';
for my $name (sort keys %port) {
    my @addresses = addresses($port{$name});
    ok(scalar @addresses, "$name listens");
    is_deeply([grep { !$loopback{$_} } @addresses], [], "$name listens on loopback only");
}

for my $secret (glob "$home/secrets/*") {
    is(sprintf('%04o', (stat $secret)[2] & 07777), '0600', "$secret: only for its owner");
    my $password = read_file($secret);
    cmp_ok(length $password, '>=', 32, 'a long password');
    is(scalar(grep { index(read_file($_), $password) >= 0 } glob "$home/log/*"), 0, 'which is in no log');
}
isnt(read_file("$home/secrets/product-db"), read_file("$home/secrets/product-db-admin"), 'passwords differ');
{
    my ($password) = run('./prodorder', 'env', 'product-service')->{out} =~ /^DB_PASSWORD=(.*)$/m;
    is($password, read_file("$home/secrets/product-db"), 'the service is given the password');
    local $ENV{PGPASSWORD} = 'wrong';
    my $wrong = run('psql', '-X', '-h', '127.0.0.1', '-p', $port{database}, '-U', 'product', '-c', 'SELECT 1');
    isnt($wrong->{status}, 0, 'a wrong password does not get in');
}

is(sql('SHOW fsync')->{out},              "on\n", 'fsync is on');
is(sql('SHOW synchronous_commit')->{out}, "on\n", 'synchronous_commit is on');
is(sql('SHOW data_checksums')->{out},     "on\n", 'checksums are on');
is(sql('SELECT rolsuper FROM pg_roles WHERE rolname = current_user')->{out}, "f\n", 'the service is no superuser');
like(run('curl', '-s', '-u', 'guest:guest', "http://127.0.0.1:$port{management}/api/overview")->{out},
    qr/"rabbitmq_version"/, 'the management UI answers guest');

# kill -9 of the server, with a session open; and of Erlang's port mapper.
is(sql('CREATE TABLE kept AS SELECT 42 AS answer')->{status}, 0, 'write something');
my $session = fork // die;
if (!$session) {
    open STDERR, '>', '/dev/null';
    exec './prodorder', 'psql', 'product', '-c', 'SELECT pg_sleep(60)' or die;
}
select undef, undef, undef, 0.3;
my ($database, $epmd) = (pid('product-db'), pid('rabbitmq-epmd'));
ok($database && $epmd && kill(9, $database, $epmd) == 2, 'kill -9');
waitpid $session, 0;
my $again = run('./prodorder', 'up', 'product-db', 'rabbitmq');
is($again->{status}, 0, 'up after kill -9') or diag $again->{err};
isnt(pid('product-db'),    $database, 'another database server');
isnt(pid('rabbitmq-epmd'), $epmd,     'another port mapper');
is(sql('SELECT answer FROM kept')->{out}, "42\n", 'what was committed is there');

# A server that does not start: what it says now, and nothing of what it said before.
my $version = read_file("$home/product-db/data/PG_VERSION");
is(run('./prodorder', 'down', 'product-db')->{status}, 0, 'down product-db');
unlink "$home/product-db/data/PG_VERSION" or die;
my $failed = run('./prodorder', 'up', 'product-db');
is($failed->{status}, 1, 'up with broken data: exit 1');
like($failed->{err}, qr/product-db ended while it was starting\n.*log since it was started:\n    .*not a valid data directory/s,
    'it says which process, and its last lines');
unlike($failed->{err}, qr/ready to accept connections|\.sh: line/, 'only those of this start');
like($failed->{err}, qr/To try: \.\/prodorder logs product-db/, 'and what to try');
write_file("$home/product-db/data/PG_VERSION", $version);
chown((stat "$home/product-db/data")[4, 5], "$home/product-db/data/PG_VERSION");

# Passwords of a database that is there cannot be made again.
is(rename("$home/secrets/product-db-admin", "$home/kept"), 1, 'a password is lost');
my $lost = run('./prodorder', 'up', 'product-db');
is($lost->{status}, 1, 'up without it: exit 1');
like($lost->{err}, qr/the password for product-db-admin is gone: \S+\n  Restore that file, or start anew, without the data: \.\/prodorder clean/,
    'it says what is gone, and what to do');
rename "$home/kept", "$home/secrets/product-db-admin" or die;

is(run('./prodorder', 'down')->{status}, 0, 'down');
is(scalar(addresses($port{$_})), 0, "down: $_ does not listen") for sort keys %port;
is(scalar(grep { (readlink($_) // '') =~ m{^\Q$home\E/} } glob '/proc/[0-9]*/cwd'), 0, 'no process is left');
is(run('./prodorder', 'clean')->{status}, 0, 'clean');
ok(!-e $home, 'clean leaves nothing');

done_testing();
