#!/usr/bin/perl
# The product service gone: orders for products that the order service knows are accepted, others are a clear 503; also when a
# database comes back meanwhile.
use strict;
use warnings;

use Time::HiRes qw(sleep);

use Prodorder::Flow;

for my $how (qw(killed stopped frozen)) {
    subtest "product-service $how" => sub {
        my ($warm, $cold) = map { new_product(qty => 10, price => '4.00') } 1 .. 2;
        finished(order_ok($warm, 1));
        check_rest();
        my $back = Prodorder::Stack::away('product-service', $how);
        redis(order => DEL => "product:$cold->{id}");

        my @orders = map { order_ok($warm, 2) } 1 .. 5;
        is(scalar @orders, 5, 'orders for a known product are accepted');
        is($orders[0]{unitPrice}, 4, 'at its price');
        for my $door ([gateway => \&gateway], ['order-service' => \&order_service]) {
            my ($name, $request) = @$door;
            my $answer = $request->(POST => '/orders', order_body($cold, 1));
            is($answer->{status}, 503, "an order for an unknown one is 503 ($name)");
            like($answer->{headers}{'retry-after'} // '', qr/^[1-9]\d*$/, "with Retry-After ($name)");
            cmp_ok($answer->{seconds}, '<', 5, "in bounded time ($name)");
        }
        my $expected = $how eq 'frozen' ? 504 : 502; # slow or refused
        my $answer = gateway(GET => "/products/$warm->{id}");
        is($answer->{status}, $expected, "GET /products/{id} through the gateway is $expected");
        is($answer->{json}{statusCode}, $expected, 'as JSON');
        is(gateway(GET => "/orders/$orders[0]{id}")->{json}{data}{status}, 'waiting', 'the accepted orders wait');
        is(scalar @{ gateway(GET => "/orders/product/$warm->{id}")->{json}{data} }, 6, 'and are listed');

        $back->();
        is(join(' ', map { finished($_)->{status} } @orders), 'done done done done rejected',
            'when it is back they are decided, in the order in which they came');
        ok(wait_until('the other product can be ordered', 10, sub {
            gateway(POST => '/orders', order_body($cold, 1))->{status} == 201 }), 'and the other product can be ordered');
        check_rest();
        check_orders($warm, [map { $_->{id} } @orders]);
        check_orders($cold, []);
        check_caches($_) for $warm, $cold;
    };
}

for my $name (qw(product-db order-db)) {
    subtest "$name starts again meanwhile" => sub {
        my $product = new_product(qty => 10, price => '4.00');
        my $first = finished(order_ok($product, 1));
        order_service(GET => "/orders/product/$product->{id}");    # is cached
        my $back = Prodorder::Stack::away('product-service', 'killed');
        Prodorder::Stack::away($name, 'killed')->();
        wait_until('the order service has its database', 20, sub { order_service(GET => '/readyz')->{status} == 200 });
        my @orders = map {
            sleep 0.5;    # by now it has forgotten whatever it does forget
            my $answer = gateway(POST => '/orders', order_body($product, 2));
            is($answer->{status}, 201, 'an order for a known product is accepted');
            $answer->{json}{data} // ();
        } 1 .. 3;
        is_deeply([map { $_->{unitPrice} } @orders], [4, 4, 4], 'at its price');
        is(scalar @{ gateway(GET => "/orders/product/$product->{id}")->{json}{data} }, 4, 'and listed');
        $back->();
        is(join(' ', map { finished($_)->{status} } @orders), 'done done done', 'they are decided when it is back');
        check_rest();
        check_orders($product, [map { $_->{id} } $first, @orders]);
        check_caches($product);
    };
}

flow_done();
