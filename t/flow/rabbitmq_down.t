#!/usr/bin/perl
# RabbitMQ killed, stopped or frozen while orders come in: all are accepted, and decided exactly once when it is back.
use strict;
use warnings;

use Time::HiRes qw(sleep);

use Prodorder::Flow;
use Prodorder::Load;

use constant RATE_PER_S => 150;

for my $how (qw(killed stopped frozen)) {
    subtest "RabbitMQ $how" => sub {
        my @products = map { new_product(qty => 400) } 1 .. 2;
        my $load = Prodorder::Load->start(
            url => Prodorder::Stack::url('gateway'), connections => 8, rate_per_s => RATE_PER_S,
            requests => sub { [POST => '/orders', order_body($products[$_[0] % 2], 1)] });
        sleep 1;
        my $back = Prodorder::Stack::away('rabbitmq', $how);
        sleep 2;
        my $meanwhile = gateway(POST => '/orders', order_body($products[0], 1));
        is($meanwhile->{status}, 201, 'an order is accepted without RabbitMQ');
        sleep 1;
        is(gateway(GET => "/orders/$meanwhile->{json}{data}{id}")->{json}{data}{status}, 'waiting', 'it waits');
        my $bare = gateway(PATCH => "/products/$products[1]{id}", '{"price":5}');
        is($bare->{status}, 200, 'a product can be changed');
        is(gateway(POST => '/products', '{"name":"Meanwhile","price":1,"qty":1}')->{status}, 201, 'and created');
        $back->();
        sleep 1;
        my $answers = $load->stop;
        my $sent = @$answers;
        is_deeply(Prodorder::Load::statuses($answers), { 201 => $sent }, "all $sent orders are accepted");
        cmp_ok((sort { $b <=> $a } map { $_->{seconds} } @$answers)[0], '<', 2, 'none has to wait long for its answer');
        check_rest(90);
        my @ids = Prodorder::Load::accepted($answers);
        my %of = map { $_->[0] => $_->[1] } @{ sql(order => 'SELECT id, product_id FROM orders WHERE product_id IN ('
            . join(',', map { $_->{id} } @products) . ')') };
        is(scalar(grep { !$of{$_} } @ids), 0, 'all of them are in the database');
        for my $product (@products) {
            check_orders($product, [grep { ($of{$_} // 0) == $product->{id} } @ids, $meanwhile->{json}{data}{id}]);
            check_caches($product);
        }
        isnt(finished($meanwhile->{json}{data})->{status}, 'waiting', 'the order that waited is decided');
    };
}

subtest 'both services started without RabbitMQ' => sub {
    Prodorder::Stack::stop('rabbitmq');
    my $product = new_product(qty => 10);
    my $order = order_ok($product, 3);
    Prodorder::Stack::kill_hard($_) for qw(order-service product-service);
    # It waits until they are ready, which may need the broker.
    my $starting = Prodorder::Stack::in_background(sub { Prodorder::Stack::start(qw(product-service order-service)) });
    my $second = wait_until('an order is accepted', 20, sub {
        my $answer = gateway(POST => '/orders', order_body($product, 4));
        $answer->{status} == 201 && $answer->{json}{data};
    });
    ok($second, 'orders are accepted by services that have never seen it');
    wait_until('the services are up', 60, sub { waitpid($starting, 1) != 0 });
    my $status = `./prodorder status`;
    like($status, qr/^\Q$_\E +\d+ +\d+ +degraded /m, "status: $_ is degraded") for qw(product-service order-service);
    my $ready = gateway(GET => '/readyz');
    is("$ready->{status} $ready->{json}{data}{status}", '200 degraded', 'and so is the gateway, which serves');
    is($ready->{json}{data}{components}{$_}{status}, 'degraded', "as $_ says") for qw(product-service order-service);
    Prodorder::Stack::start('rabbitmq');
    is(finished($_)->{status}, 'done', 'an order is done when it is there') for $order, $second;
    check_rest();
    check_orders($product, [map { $_->{id} } $order, $second]);
};

flow_done();
