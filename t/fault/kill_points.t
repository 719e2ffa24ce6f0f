#!/usr/bin/perl
# kill -9 of anything between any two steps of an order and of its cancellation, under load: nothing is lost, nothing happens
# twice, nothing is stuck.
#
# A build of its own (make kill-points) stops a service at a named point. What is to die there is killed, the service
# goes on unless it was that, what was killed is started again, and when all has come to rest everything is counted.
#
# Usually each point is tried once, each with another victim. Environment:
#   PRODORDER_TEST_KILLS=N      every point with every victim, N times: 3 takes about an hour
#   PRODORDER_TEST_ONLY=REGEX   only those whose name matches, "POINT of SERVICE: VICTIM"
#   PRODORDER_TEST_SEED=N       other moments, and other victims; its default is 1
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

use constant { RATE_PER_S => 200, RATE_MEANWHILE_PER_S => 40, RATE_CANCEL_PER_S => 30, LATEST => 60, PASSES => 12, STOP_LIMIT_S => 20, BACK_LIMIT_S => 30, NAME_BYTES => 60 };

# The points, in the order of an order. A step lies between any two of them.
my @POINTS = (
    ['order-service',   'order/taken'],             # the request
    ['order-service',   'sent/order_insert'],
    ['order-service',   'order/stored'],            # committed
    ['order-service',   'order/told'],              # handed to the publisher
    ['order-service',   'message/written'],         # to RabbitMQ's socket
    ['order-service',   'message/confirmed'],
    ['product-service', 'taken/order_created'],
    ['product-service', 'sent/product_lock'],
    ['product-service', 'order/decided'],
    ['product-service', 'sent/ledger_insert'],      # with its COMMIT
    ['product-service', 'order/committed'],
    ['product-service', 'outcome/told'],
    ['product-service', 'message/written'],
    ['product-service', 'message/confirmed'],
    ['product-service', 'delivery/acknowledged'],
    ['order-service',   'taken/order_updated'],
    ['order-service',   'sent/order_finish'],
    ['order-service',   'order/finished'],
    ['order-service',   'delivery/acknowledged'],
    ['order-service',   'sent/order_cancel'],
    ['order-service',   'order/cancelled'],         # committed
    ['product-service', 'taken/order_cancelled'],
    ['product-service', 'cancellation/decided'],
    ['product-service', 'cancellation/committed'],
);

my @SERVICES = qw(product-service order-service);
my @VICTIMS = (@SERVICES, qw(order-db product-db rabbitmq), 'rabbitmq with its data');

my $seed = $ENV{PRODORDER_TEST_SEED} // 1;
my $rounds = $ENV{PRODORDER_TEST_KILLS};
my $only = $ENV{PRODORDER_TEST_ONLY} // '';
my $build = $ENV{PRODORDER_BUILD} // 'build';
my $home = abs_path(Prodorder::Stack::home());

# ---- the services that can be stopped ----

# What would make a lost message wait for a minute is shortened.
my %SETTINGS = (RECONCILE_AFTER_MS => 1000, RECONCILE_INTERVAL_MS => 300, OUTBOX_SWEEP_MS => 300);

sub start {
    my ($name) = @_;
    local %ENV = (%ENV, %SETTINGS, PRODORDER_BUILD => "$build/kill-points", KILL_POINT_FILE => "$home/run/$name.kill-point");
    Prodorder::Stack::start($name);
    return;
}

# The PASSth time that the service comes to the point, it stops.
sub arm {
    my ($service, $point, $pass) = @_;
    open my $file, '+<:raw', "$home/run/$service.kill-point" or die "$service has no kill points: $!\n";
    sysread $file, my $before, NAME_BYTES + 4;
    die "it is armed already\n" if $pass && unpack 'x' . NAME_BYTES . 'L', $before;
    sysseek $file, 0, 0;
    syswrite $file, pack 'a' . NAME_BYTES, $point;
    syswrite $file, pack 'L', $pass;
    close $file;
    return;
}

sub is_stopped {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/stat" or die "the service died: $!\n";
    return <$in> =~ /\) T /;
}

# ---- one run ----

sub kill_victim {
    my ($victim) = @_;
    my ($name) = $victim =~ /^(\S+)/;
    Prodorder::Stack::kill_tree($name);
    if ($victim =~ /data/) {
        remove_tree(abs_path("$home/rabbitmq/mnesia"), { safe => 1 });
    }
    return $name;
}

# Everybody says that it has all it needs.
sub wait_until_back {
    wait_until('everything is back', BACK_LIMIT_S, sub {
        my $ready = eval { gateway(GET => '/readyz') } or return;
        return $ready->{status} == 200 && $ready->{json}{data}{status} eq 'ready';
    });
    return;
}

# Stop the service at the point, kill the victim there; returns the victim's name.
sub strike {
    my ($service, $point, $victim) = @_;
    my $pid = Prodorder::Stack::pid($service);
    my $pass = 1 + int rand PASSES;
    arm($service, $point, $pass);
    my $stopped = eval { wait_until("$service stops at $point", STOP_LIMIT_S, sub { is_stopped($pid) }) };
    ok($stopped, "$service stops, at pass $pass") or arm($service, $point, 0);
    my $name = kill_victim($victim);
    sleep rand 0.05;
    kill CONT => $pid if $name ne $service;
    return $name;
}

# Orders for one product that never sells out and one that does, each request with a key of its own.
sub load_on {
    my ($products, $key, %options) = @_;
    return Prodorder::Load->start(
        url => Prodorder::Stack::url('gateway'), %options,
        requests => sub {
            my ($n) = @_;
            return [POST => '/orders', order_body($products->[$n % 4 == 0], 1 + $n % 5), { 'Idempotency-Key' => "$key-$n" }];
        });
}

# Cancellations of the latest orders for the product, some of them decided, some not; of some of them twice.
sub cancel_on {
    my ($product) = @_;
    my @ids;
    return Prodorder::Load->start(
        url => Prodorder::Stack::url('gateway'), connections => 2, rate_per_s => RATE_CANCEL_PER_S,
        requests => sub {
            my ($n) = @_;
            my $query = "SELECT id FROM orders WHERE product_id = $product->{id} ORDER BY created_at DESC, id DESC LIMIT " . LATEST;
            my $rows = $n % RATE_CANCEL_PER_S == 0 || !@ids ? eval { sql(order => $query) } : undef;
            @ids = map { $_->[0] } @$rows if $rows;
            return @ids ? [POST => '/orders/' . $ids[rand @ids] . '/cancel', ''] : [GET => '/livez'];
        });
}

# What was answered 200 is so, for ever, and keeps no stock.
sub check_cancelled {
    my ($answers) = @_;
    my %cancelled = map { $_ => 1 } Prodorder::Load::accepted([grep { $_->{request}[1] =~ /cancel$/ } @$answers]);
    ok(scalar keys %cancelled, keys(%cancelled) . ' orders were cancelled');
    my $in = join ',', 0, keys %cancelled;
    is(sql_value(order => "SELECT count(*) FROM orders WHERE id IN ($in) AND status <> 'cancelled'"), 0, 'they are');
    is(sql_value(product => "SELECT count(*) FROM stock_ledger WHERE order_id IN ($in) AND status NOT IN ('cancelled', 'returned')"), 0, 'and keep no stock');
    is(sql_value(order => 'SELECT count(*) FROM cancellations WHERE settled_at IS NULL'), 0, 'all of them are settled');
    return;
}

sub run_case {
    my ($number, $service, $point, $victim) = @_;
    my $begin = time;
    srand $seed * 1_000_003 + $number;
    my @products = (new_product(qty => 1_000_000), new_product(qty => 60));
    # The second goes on until all is back.
    my $load = load_on(\@products, "kill-$$-$number-a", connections => 8, rate_per_s => RATE_PER_S);
    my $meanwhile = load_on(\@products, "kill-$$-$number-b", connections => 2, rate_per_s => RATE_MEANWHILE_PER_S);
    my $cancels = cancel_on($products[0]);
    sleep 0.1 + rand 0.2;
    my $name = strike($service, $point, $victim);
    my $killed = time;
    sleep 0.1 + rand 0.3;
    my $answers = $load->stop;
    $name =~ /-service/ ? start($name) : Prodorder::Stack::start($name);
    wait_until_back();
    my $back = time;
    sleep 0.2;
    push @$answers, @{ $meanwhile->stop };
    my $cancelled = $cancels->stop;
    check_load(\@products, $answers);
    check_cancelled($cancelled);
    my $statuses = Prodorder::Load::statuses($answers);
    diag(sprintf '%s of %s, %s: %.1f s until it is killed, %.1f until it is back, %.1f to count; %s', $point, $service, $victim,
        $killed - $begin, $back - $killed, time - $back, join ', ', map { "$_: $statuses->{$_}" } sort keys %$statuses);
    return;
}

# ---- all of them ----

# Every pair N times, or each point once; always in the same order.
sub cases {
    my @cases;
    for my $round (1 .. $rounds || 1) {
        for my $i (0 .. $#POINTS) {
            my @victims = $rounds || length $only ? @VICTIMS : $VICTIMS[($i + $seed) % @VICTIMS];
            push @cases, map { [@{ $POINTS[$i] }, $_] } @victims;
        }
    }
    return grep { "$_->[1] of $_->[0]: $_->[2]" =~ /$only/ } @cases;
}

# The points that the sources name in full are all tried.
my %named = map { $_ => 1 } map { m{KILL_POINT\("([^"]+)", "([^"]+)"\)} ? "$1/$2" : () }
    split /\n/, `grep -rh KILL_POINT services`;
my %tried = map { $_->[1] => 1 } @POINTS;
is_deeply([grep { !$tried{$_} } sort keys %named], [], 'every point that the sources name is tried');

{
    local @ENV{qw(MAKEFLAGS MAKELEVEL)};
    my $said = `make BUILD='$build' kill-points 2>&1`;
    is($?, 0, 'the services with kill points are built') or BAIL_OUT($said);
}
start($_) for @SERVICES;
diag("PRODORDER_TEST_SEED=$seed");
my $number = 0;
for my $case (cases()) {
    my ($service, $point, $victim) = @$case;
    $number++;
    subtest "$point of $service: $victim" => sub { run_case($number, $service, $point, $victim) };
}

flow_done();

# The services that were there before.
END {
    local $? = $?;
    Prodorder::Stack::start(@SERVICES);
}
