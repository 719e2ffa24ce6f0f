# A service that cannot start ends, with exit 1 and a line that says why: it must not hang in its
# threads. No stack needed: nothing that it would connect to is there.
use strict;
use warnings;
use Test::More;
use File::Temp;
use IO::Socket::INET;
use POSIX ':sys_wait_h';
use Time::HiRes qw(sleep time);

use constant BOUND_S => 15;

my $build = $ENV{PRODORDER_BUILD} // 'build';

for my $service (qw(product-service order-service)) {
    my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0)
        or BAIL_OUT("no port to take: $@");
    my $log = File::Temp->new;
    my $pid = fork // die "cannot fork: $!";
    if ($pid == 0) {
        %ENV = (
            %ENV,
            PORT         => $taken->sockport,
            DB_HOST      => '127.0.0.1', DB_PORT => 1, DB_USER => 'u', DB_PASSWORD => 'p', DB_NAME => 'd',
            REDIS_HOST   => '127.0.0.1', REDIS_PORT => 1,
            RABBITMQ_URL => 'amqp://guest:guest@127.0.0.1:1/',
            PRODUCT_SERVICE_URL => 'http://127.0.0.1:1',
        );
        open STDERR, '>&', $log or die $!;
        exec "$build/$service" or POSIX::_exit(127);
    }
    my $end = time + BOUND_S;
    my $ended = 0;
    sleep 0.02 until ($ended = waitpid($pid, WNOHANG)) || time > $end;
    my $status = $?;
    if (!$ended) {
        kill KILL => $pid;
        waitpid $pid, 0;
    }
    ok($ended, "$service ends when its port is taken");
    is($ended ? $status >> 8 : 'none', 1, "$service: exit 1");
    open my $in, '<', $log->filename or die $!;
    like(join('', <$in>), qr/"cannot listen".*"Address already in use"/, "$service says why");
}

done_testing;
