#!/usr/bin/perl
# Orders that come faster than they are fulfilled: they are held back, not refused, while they are being fulfilled; accepted
# without delay while nobody can fulfil them; and refused, with a clear answer, when ORDERS_WAITING_MAX of them wait.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

use constant { CONNECTIONS => 32, LOAD_S => 6, RUN_S => 0.01, STOP_S => 0.19, SHARE_MIN => 0.9, LIMIT => 1500 };

sub metric {
    my ($name) = @_;
    my ($value) = order_service(GET => '/metrics')->{body} =~ /^\Q$name\E (\S+)$/m;
    return $value // die "no metric $name\n";
}

# What Prodorder::Load needs to place orders of a product for so long.
sub load_of {
    my ($product, $seconds) = @_;
    my $until = time + $seconds;
    return (url => Prodorder::Stack::url('gateway'), connections => CONNECTIONS,
        requests => sub { time < $until ? [POST => '/orders', order_body($product, 1)] : undef });
}

sub seconds_of {
    my ($answers) = @_;
    return sort { $a <=> $b } map { $_->{seconds} } @$answers;
}

# A product-service that runs a twentieth of the time.
sub slowed {
    my $pid = Prodorder::Stack::pid('product-service');
    my $child = Prodorder::Stack::in_background(sub {
        my $parent = getppid;
        while (getppid == $parent) {
            kill STOP => $pid;
            sleep STOP_S;
            kill CONT => $pid;
            sleep RUN_S;
        }
    });
    return sub { kill KILL => $child; waitpid $child, 0; kill CONT => $pid; return };
}

subtest 'a product-service that is too slow' => sub {
    my $product = new_product(qty => 1_000_000);
    my @ids = finished(order_ok($product, 1))->{id};
    my $restore = slowed();
    my $load = Prodorder::Load->start(load_of($product, LOAD_S));
    sleep LOAD_S - 0.5;
    my $waiting = sql_value(order => "SELECT count(*) FROM orders WHERE status = 'waiting'");
    my $answers = $load->stop;
    $restore->();
    is_deeply(Prodorder::Load::statuses($answers), { 201 => scalar @$answers }, scalar(@$answers) . ' orders: none is refused');
    cmp_ok($waiting, '<', @$answers * (1 - SHARE_MIN), "$waiting of them wait");
    cmp_ok((seconds_of($answers))[-1], '<', 5, 'none is held back for long');
    cmp_ok(metric('prodorder_order_hold_seconds_sum'), '>', 0.5, 'they were held back');
    check_rest(30);
    check_orders($product, [@ids, Prodorder::Load::accepted($answers)]);
};

# Right after it was busy, so that how fast it was is known.
subtest 'a product-service that is frozen' => sub {
    my $product = new_product(qty => 1_000_000);
    my @ids = finished(order_ok($product, 1))->{id};
    my $back = Prodorder::Stack::away('product-service', 'frozen');
    my $first = Prodorder::Load::run(load_of($product, 1.5));
    my $held = metric('prodorder_order_hold_seconds_sum');
    my $answers = Prodorder::Load::run(load_of($product, 1));
    is_deeply(Prodorder::Load::statuses($answers), { 201 => scalar @$answers }, scalar(@$answers) . ' orders are accepted');
    is(metric('prodorder_order_hold_seconds_sum'), $held, 'and none is held back');
    $back->();
    check_rest(60);
    check_orders($product, [@ids, Prodorder::Load::accepted($first), Prodorder::Load::accepted($answers)]);
};

subtest 'without RabbitMQ, until as many wait as may' => sub {
    local @ENV{qw(ORDERS_WAITING_MAX RECONCILE_INTERVAL_MS)} = (LIMIT, 3_600_000);    # counted at the start, and when it is full
    Prodorder::Stack::start('order-service');
    my $product = new_product(qty => 1_000_000);
    my %key = ('Idempotency-Key' => "backlog-$$");
    my $early = gateway(POST => '/orders', order_body($product, 1), \%key);
    is($early->{status}, 201, 'an order with a key');
    finished($early->{json}{data});
    my $back = Prodorder::Stack::away('rabbitmq', 'killed');
    my $is_refused;
    my %load = load_of($product, 20);
    my $answers = Prodorder::Load::run(%load,
        requests => sub { $is_refused ? undef : $load{requests}->() },
        after => sub { $is_refused ||= $_[0]{status} == 503; return });
    my @ids = ($early->{json}{data}{id}, Prodorder::Load::accepted($answers));
    is(join(' ', sort keys %{ Prodorder::Load::statuses($answers) }), '201 503', 'orders are accepted, then refused');
    cmp_ok(abs(@ids - 1 - LIMIT - CONNECTIONS / 2), '<=', CONNECTIONS / 2, @ids - 1 . ' of them, the limit and what was under way');
    is(metric('prodorder_order_hold_seconds_sum'), 0, 'none is held back');
    my $refused = gateway(POST => '/orders', order_body($product, 1));
    is("$refused->{status} $refused->{json}{message}", '503 Too many orders wait to be fulfilled, try again later', 'what is said then');
    is($refused->{headers}{'retry-after'}, 1, 'and when to come again');
    # What was under way while they were counted comes in with the next count, a second later.
    ok(wait_until('the metric', 10, sub { metric('prodorder_orders_waiting') == @ids - 1 }), 'the metric');
    is(gateway(POST => '/orders', order_body($product, 1), \%key)->{json}{data}{id}, $ids[0], 'an order that was made before is answered');
    is(gateway(GET => "/orders/product/$product->{id}")->{status}, 200, 'and so is everything else');

    local $ENV{RECONCILE_INTERVAL_MS} = 500;
    Prodorder::Stack::kill_hard('order-service');
    my $starting = Prodorder::Stack::in_background(sub { Prodorder::Stack::start('order-service') });
    my $order = sub {
        my $answer = gateway(POST => '/orders', order_body($product, 1));
        push @ids, $answer->{json}{data}{id} if $answer->{status} == 201;
        return $answer;
    };
    ok(wait_until('they are counted', 20, sub { ($order->()->{json}{message} // '') =~ /^Too many orders/ }),
        'a new process knows how many wait');
    $back->();
    waitpid $starting, 0;
    ok(wait_until('an order is accepted', 30, sub { $order->()->{status} == 201 }), 'when they are fulfilled orders are accepted again');
    check_rest(60);
    check_orders($product, \@ids);
    ok(wait_until('it says so', 5, sub { metric('prodorder_orders_waiting') == 0 }), 'and nobody waits');
};

flow_done();
