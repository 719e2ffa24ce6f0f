#!/usr/bin/perl
# RabbitMQ at its limits: a memory alarm with a full queue ends, and a row that stays locked for longer than RabbitMQ waits
# for an acknowledgement (consumer_timeout) costs no connection, and holds up nothing else.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

use constant { WATERMARK => '1GB', LOCKED_S => 15, TIMEOUT_MS => 4000, OTHERS_MAX_S => 2 };

sub metric {
    my ($name) = @_;
    my ($value) = product_service(GET => '/metrics')->{body} =~ /^\Q$name\E (\S+)$/m;
    return $value // die "no metric $name\n";
}

subtest 'a memory alarm with a full queue' => sub {
    local @ENV{qw(RECONCILE_INTERVAL_MS RECONCILE_AFTER_MS)} = (300, 2000);
    Prodorder::Stack::start('order-service');
    my $product = new_product(qty => 100_000);
    my @ids = finished(order_ok($product, 1))->{id};    # the product is known
    Prodorder::Stack::stop('product-service');
    my $load = Prodorder::Load::run(
        url => Prodorder::Stack::url('gateway'), connections => 8,
        requests => sub { $_[0] < 3000 ? [POST => '/orders', order_body($product, 1)] : undef });
    push @ids, Prodorder::Load::accepted($load);
    is(scalar @ids, 3001, 'orders wait in the queue');
    Prodorder::Stack::rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1MB');
    wait_until('alarm', 10, sub { Prodorder::Stack::rabbitmqctl('list_connections', 'user', 'state') =~ /block/ });
    Prodorder::Stack::start('product-service');
    my $decided = wait_until('the queue is consumed', 30, sub {
        sql_value(product => "SELECT count(*) FROM stock_ledger WHERE product_id = $product->{id}") == @ids;
    });
    ok($decided, 'while publishers are blocked, all of them are decided');
    ok(wait_until('the queue is empty', 20, sub { !Prodorder::Stack::queued()->{'order.created.product-service'} }),
        'and acknowledged, or the alarm would never end');
    cmp_ok(sql_value(order => "SELECT count(*) FROM orders WHERE status = 'waiting'"), '>', 2000, 'their answers are not told');
    push @ids, order_ok($product, 1)->{id};
    Prodorder::Stack::rabbitmqctl('set_vm_memory_high_watermark', 'absolute', WATERMARK);
    check_rest(60);
    check_orders($product, \@ids);
};
Prodorder::Stack::start('order-service');

subtest 'a row locked for longer than consumer_timeout' => sub {
    Prodorder::Stack::rabbitmqctl('eval', "application:set_env(rabbit, $_->[0], $_->[1]).")
        for ['consumer_timeout', TIMEOUT_MS], ['channel_tick_interval', 500];
    Prodorder::Stack::start('product-service');
    my ($locked, @others) = map { new_product(qty => 10_000) } 1 .. 4;
    my $reconnects = metric('prodorder_broker_reconnects_total{connection="consumer"}');
    my $count = 0;
    my $load = Prodorder::Load->start(
        url => Prodorder::Stack::url('gateway'), connections => 4, rate_per_s => 100,
        requests => sub { [POST => '/orders', order_body($_[0] % 4 ? $others[$_[0] % 3] : $locked, 1)] });
    my $unlock = Prodorder::Stack::hold(product => "SELECT FROM products WHERE id = $locked->{id} FOR UPDATE");
    my ($end, $slowest, $tried) = (time + LOCKED_S, 0, 0);
    while (time < $end) {
        my $from = time;
        finished(order_ok($others[rand @others], 1));
        $slowest = time - $from if time - $from > $slowest;
        $tried++;
        sleep 0.05;
    }
    cmp_ok($slowest, '<', OTHERS_MAX_S, "orders of other products go on (the slowest of $tried took $slowest s)");
    my $waiting = sql_value(order => "SELECT count(*) FROM orders WHERE status = 'waiting' AND product_id = $locked->{id}");
    cmp_ok($waiting, '>', 10 * LOCKED_S, "those of the locked one wait ($waiting)");
    $unlock->();
    my $answers = $load->stop;
    my $statuses = Prodorder::Load::statuses($answers);
    is_deeply($statuses, { 201 => scalar @$answers }, 'all orders were accepted');
    check_rest(20);
    my %of = map { $_->[0] => $_->[1] } @{ sql(order => 'SELECT id, product_id FROM orders WHERE product_id IN ('
        . join(',', map { $_->{id} } $locked, @others) . ')') };
    for my $product ($locked, @others) {
        check_orders($product, [grep { $of{$_} == $product->{id} } keys %of]);
    }
    is(metric('prodorder_broker_reconnects_total{connection="consumer"}'), $reconnects, 'no connection was lost');
    cmp_ok(metric('prodorder_broker_set_aside_total'), '>', 0, 'events were set aside');
    is(metric('prodorder_broker_parked_total'), 0, 'and none parked');
    Prodorder::Stack::rabbitmqctl('eval', "application:set_env(rabbit, $_->[0], $_->[1]).")
        for ['consumer_timeout', 1_800_000], ['channel_tick_interval', 60_000];
};
Prodorder::Stack::start('product-service');

subtest 'a locked order' => sub {
    my $product = new_product(qty => 1000);
    finished(order_ok($product, 1));
    Prodorder::Stack::stop('product-service');
    my ($locked, @others) = map { order_ok($product, 1) } 1 .. 20;
    my $unlock = Prodorder::Stack::hold(order => "SELECT FROM orders WHERE id = $locked->{id} FOR UPDATE");
    Prodorder::Stack::start('product-service');
    my $from = time;
    finished($_) for @others;
    cmp_ok(time - $from, '<', 2 * OTHERS_MAX_S, 'its neighbours are done');
    wait_until('it is set aside', 10, sub { Prodorder::Stack::queued()->{'order.updated.order-service.retry'} });
    sleep 1;
    is(gateway(GET => "/orders/$locked->{id}")->{json}{data}{status}, 'waiting', 'it waits');
    $unlock->();
    is(finished($locked)->{status}, 'done', 'and is done when it is free');
    check_rest();
    check_orders($product, [map { $_->{id} } $locked, @others]);
};

flow_done();
