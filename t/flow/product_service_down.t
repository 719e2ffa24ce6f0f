#!/usr/bin/perl
# The product service gone: orders for products that the order service knows are accepted, others are a clear 503.
use strict;
use warnings;

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

flow_done();
