#!/usr/bin/perl
# POST /orders/{id}/cancel: an order that is done gives its stock back, once; one that waits never takes any, whichever of its
# two events comes first; what was answered 200 stays so, whoever dies.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

use constant LOAD_S => 12;

sub cancel {
    my ($order) = @_;
    my $id = ref $order ? $order->{id} : $order;
    return gateway(POST => "/orders/$id/cancel");
}

sub ledger {
    my ($order) = @_;
    return sql_value(product => "SELECT status FROM stock_ledger WHERE order_id = $order->{id}");
}

sub settled {
    my ($order) = @_;
    return wait_until("order $order->{id} is settled", 30, sub {
        sql_value(order => "SELECT count(*) FROM cancellations WHERE order_id = $order->{id} AND settled_at IS NOT NULL") });
}

subtest 'an order that is done' => sub {
    my $product = new_product(qty => 10);
    my $order = order_ok($product, 3);
    finished($order);
    is(product_now($product)->{qty}, 7, 'its stock is taken');
    my $answer = cancel($order);
    is($answer->{status}, 200, 'it can be cancelled');
    is($answer->{json}{data}{status}, 'cancelled', 'it is');
    is($answer->{json}{data}{reason}, undef, 'without a reason');
    is(gateway(GET => "/orders/$order->{id}")->{json}{data}{status}, 'cancelled', 'for whoever reads it');
    settled($order);
    is(product_now($product)->{qty}, 10, 'its stock is back');
    is(ledger($order), 'returned', 'the ledger knows');
    my $again = cancel($order);
    is($again->{status}, 200, 'asked again: the same');
    is_deeply($again->{json}{data}, $answer->{json}{data}, 'answer');
    check_rest();
    is(product_now($product)->{qty}, 10, 'and no more stock');
    is(gateway(GET => "/orders/product/$product->{id}")->{json}{data}[0]{status}, 'cancelled', 'its list shows it');
    check_orders($product, [$order->{id}]);
    check_caches($product);
};

subtest 'orders that cannot be cancelled' => sub {
    my $product = new_product(qty => 1);
    my $order = order_ok($product, 2);
    finished($order);
    my $answer = cancel($order);
    is($answer->{status}, 409, 'one that was rejected');
    like($answer->{json}{message}, qr/rejected/, 'says so');
    is(gateway(GET => "/orders/$order->{id}")->{json}{data}{status}, 'rejected', 'and stays rejected');
    is(cancel(900_000_000_000)->{status}, 404, 'one that is not there');
    is(cancel('x')->{status}, 400, 'one that is none');
    is(order_service(POST => '/orders/0/cancel')->{status}, 400, 'at the service, too');
};

subtest 'an order that waits' => sub {
    my $product = new_product(qty => 11);
    finished(order_ok($product, 1));    # the order-service knows its price now
    Prodorder::Stack::stop('product-service');
    my $order = order_ok($product, 4);
    my $answer = cancel($order);
    is($answer->{status}, 200, 'it can be cancelled');
    is($answer->{json}{data}{status}, 'cancelled', 'it is, at once');
    Prodorder::Stack::start('product-service');
    settled($order);
    check_rest();
    is(product_now($product)->{qty}, 10, 'its stock is whole');
    like(ledger($order), qr/^(?:cancelled|returned)$/, 'the ledger knows: whichever event came first');
    is(gateway(GET => "/orders/$order->{id}")->{json}{data}{status}, 'cancelled', 'and it stays cancelled');
    check_orders($product, [$order->{id}]);
};

# What nobody can see from outside: order.cancelled overtakes order.created.
subtest 'the cancellation comes first' => sub {
    my $product = new_product(qty => 10);
    my $id = 5_000_000_000_000 + time * 100 % 1_000_000_000;
    my %event = (orderId => $id + 0, productId => $product->{id}, quantity => 6, createdAt => '2026-11-22T17:16:32.000Z');
    my $send = sub {
        my ($type, %more) = @_;
        my $body = JSON::PP->new->encode({ %event, %more });
        return rabbitmq(POST => '/exchanges/%2F/events/publish', { routing_key => $type, properties => { delivery_mode => 2 },
            payload => $body, payload_encoding => 'string' })->{routed};
    };
    my $row = sub { return sql_value(product => "SELECT status FROM stock_ledger WHERE order_id = $id") };
    expect_errors(qr/an outcome of an order that is not here/);
    ok($send->('order.cancelled', cancelledAt => '2026-11-22T17:16:33.000Z'), 'an order is cancelled that nobody has heard of');
    is(wait_until('its row', 20, $row), 'cancelled', 'the ledger keeps it from taking stock');
    ok($send->('order.created', status => 'waiting'), 'then it comes');
    ok($send->('order.cancelled', cancelledAt => '2026-11-22T17:16:33.000Z'), 'and its cancellation again');
    check_rest();
    is($row->(), 'cancelled', 'it has taken nothing');
    is(product_now($product)->{qty}, 10, 'the stock is whole');
};

subtest 'while RabbitMQ is away' => sub {
    my $product = new_product(qty => 10);
    my $order = order_ok($product, 3);
    finished($order);
    Prodorder::Stack::stop('rabbitmq');
    is(cancel($order)->{json}{data}{status}, 'cancelled', 'an order is cancelled all the same');
    is(product_now($product)->{qty}, 7, 'its stock is not back yet');
    Prodorder::Stack::start('rabbitmq');
    settled($order);
    is(product_now($product)->{qty}, 10, 'it is, soon after RabbitMQ');
    check_rest();
};

# Half of all orders are cancelled, at any moment, while these die one after the other; restart(NAME) is how.
sub cancel_under_load {
    my ($restart, @names) = @_;
    $restart //= sub { Prodorder::Stack::kill_hard($_[0]); Prodorder::Stack::start($_[0]) };
    my @products = map { new_product(qty => 1_000_000) } 1 .. 3;
    my (%cancelled, @ids);
    my $load = Prodorder::Load->start(url => Prodorder::Stack::url('gateway'), connections => 8, rate_per_s => 200,
        requests => sub { [POST => '/orders', order_body($products[$_[0] % 3], 1 + $_[0] % 4), { 'Idempotency-Key' => "cancel-$$-$_[0]" }] });
    my $end = time + LOAD_S;
    my $round = 0;
    while (time < $end) {
        my $rows = eval { sql(order => 'SELECT id FROM orders WHERE product_id IN (' . join(',', map { $_->{id} } @products) . ') ORDER BY id DESC LIMIT 60') } // [];
        for my $row (@$rows) {
            next if $row->[0] % 2 || $cancelled{ $row->[0] };
            my $answer = eval { cancel($row->[0]) } or next;
            $cancelled{ $row->[0] } = 1 if $answer->{status} == 200;
        }
        $round++;
        if ($round % 8 == 0) {
            $restart->($names[$round / 8 % @names]);
        }
    }
    my $answers = $load->stop;
    check_rest(120);
    cmp_ok(scalar keys %cancelled, '>', 50, 'orders were cancelled: ' . keys %cancelled);
    my $in = join ',', keys %cancelled;
    is(sql_value(order => "SELECT count(*) FROM orders WHERE id IN ($in) AND status <> 'cancelled'"), 0, 'they are, all of them');
    is(sql_value(product => "SELECT count(*) FROM stock_ledger WHERE order_id IN ($in) AND status NOT IN ('cancelled', 'returned')"), 0,
        'and none has kept stock');
    is(sql_value(order => 'SELECT count(*) FROM orders WHERE product_id IN (' . join(',', map { $_->{id} } @products) . ") AND status = 'rejected'"), 0, 'no order was rejected');
    check_load(\@products, $answers);
    return;
}

subtest 'under load, with kill -9' => sub { cancel_under_load(undef, 'order-service', 'product-service') };
subtest 'under load, while the database of products dies' => sub { cancel_under_load(undef, 'product-db') };
subtest 'under load, while it is restarted' => sub {
    cancel_under_load(sub { Prodorder::Stack::stop($_[0]); Prodorder::Stack::start($_[0]) }, 'product-db');
};

# For a person to see, and not settled, until there is room; then it needs nobody.
subtest 'stock that has no room' => sub {
    my $product = new_product(qty => 2_147_483_647);
    my $order = order_ok($product, 3);
    finished($order);
    is(gateway(POST => "/products/$product->{id}/restock", '{"quantity":3}')->{status}, 200, 'its product is full again');
    expect_errors(qr/a cancelled order's stock cannot be given back/);
    is(cancel($order)->{status}, 200, 'it can be cancelled');
    ok(wait_until('a conflict', 30, sub { sql_value(product => "SELECT count(*) FROM ledger_conflicts WHERE order_id = $order->{id}") }), 'on record');
    is(sql_value(order => "SELECT count(*) FROM cancellations WHERE order_id = $order->{id} AND settled_at IS NULL"), 1, 'it is not settled');
    is(gateway(POST => "/products/$product->{id}/adjust", '{"delta":-3,"reason":"room"}')->{status}, 200, 'room is made');
    sql(order => "UPDATE cancellations SET next_at = now() WHERE order_id = $order->{id}");    # it is time to tell it again
    ok(settled($order), 'then it is');
    is(product_now($product)->{qty}, 2_147_483_647, 'and its stock is back');
    is(sql_value(product => "SELECT count(*) FROM ledger_conflicts WHERE order_id = $order->{id}"), 0, 'no conflict is left');
    check_rest();
};

flow_done();
