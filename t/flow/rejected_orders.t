#!/usr/bin/perl
# Orders that are not accepted, and orders that are accepted and then rejected: nothing else changes.
use strict;
use warnings;

use Prodorder::Flow;

my @DOORS = ([gateway => \&gateway, 201], ['order-service' => \&order_service, 200]);

my $product = new_product(qty => 5, price => '1.25');

sub orders_of {
    my ($id) = @_;
    return sql_value(order => "SELECT count(*) FROM orders WHERE product_id = $id");
}

subtest 'unknown products' => sub {
    my $unknown = 900_000_000 + $$;
    for my $door (@DOORS) {
        my ($name, $request) = @$door;
        my $answer = $request->(POST => '/orders', order_body($unknown, 1));
        is($answer->{status}, 404, "an order for an unknown product is 404 ($name)");
        is($answer->{json}{statusCode}, 404, "and its body says so ($name)");
        like($answer->{json}{message}, qr/product/i, "naming what is unknown ($name)");
    }
    is(orders_of($unknown), 0, 'no order is stored for it');
    is(gateway(GET => "/orders/product/$unknown")->{body} =~ /"data":\[\]/ ? 1 : 0, 1,
        'its list is empty, not an error');
};

my @INVALID = ('0', '-5', '1000001', '1.5', '"2"', 'null', 'true', '[1]', '1e400', '99999999999999999999',
    '0.9999999999999999999', '1.0000000000000000001');

for my $door (@DOORS) {
    my ($name, $request, $success) = @$door;
    subtest "quantities at the $name" => sub {
        my $before = orders_of($product->{id});
        for my $quantity (@INVALID) {
            my $answer = $request->(POST => '/orders', order_body($product, $quantity));
            is($answer->{status}, 400, "quantity $quantity is 400");
            is($answer->{json}{statusCode}, 400, "and its body says so ($quantity)");
            if ($name eq 'gateway') {
                my %path = map { $_->{path} => 1 } @{ $answer->{json}{errors} // [] };
                is_deeply([keys %path], ['/quantity'], "its errors point at /quantity ($quantity)");
                is($answer->{json}{data}, undef, "without data ($quantity)");
            }
        }
        my $id = $product->{id};
        my %other = (
            'no quantity' => qq({"productId":$id}),
            'no product' => '{"quantity":1}',
            'product 0' => '{"productId":0,"quantity":1}',
            'a product as text' => qq({"productId":"$id","quantity":1}),
            'an unknown member' => qq({"productId":$id,"quantity":1,"price":1}),
            'a member twice' => qq({"productId":$id,"quantity":1,"quantity":2}),
            'an array' => '[]', 'a number' => '1', 'nothing' => '', 'two documents' => order_body($product, 1) x 2,
            'a comment' => qq(/* */ {"productId":$id,"quantity":1}),
            'broken UTF-8' => qq({"productId":$id,"quantity":1,"a\xff":1}),
        );
        for my $what (sort keys %other) {
            is($request->(POST => '/orders', $other{$what})->{status}, 400, "a body with $what is 400");
        }
        is(orders_of($id), $before, 'none of them is stored');
        is(product_now($product)->{qty}, 5, 'none of them takes stock');
    };
    subtest "quantities at the edges at the $name" => sub {
        my $rich = new_product(qty => 2_000_000, price => '9999999999.99');
        for my $case (['1', 1], ['1.0', 1], ['1e0', 1], ['10e-1', 1], ['1000000', 1_000_000]) {
            my $answer = $request->(POST => '/orders', order_body($rich, $case->[0]));
            is($answer->{status}, $success, "quantity $case->[0] is accepted");
            my $order = $answer->{json}{data} // $answer->{json};
            is($order->{quantity}, $case->[1], "and is $case->[1]");
            next if !$order->{id};
            like($answer->{body}, $case->[1] == 1 ? qr/"quantity":1,.*"totalPrice":9999999999\.99,/
                : qr/"totalPrice":9999999999990000\.00,/, "with an exact total ($case->[0])");
            is(finished($order)->{status}, 'done', "and becomes done ($case->[0])");
        }
        is(product_now($rich)->{qty}, 999_996, 'the stock has fallen by exactly their sum');
    };
}

subtest 'sold out' => sub {
    my $scarce = new_product(qty => 3);
    my @orders = map { finished(order_ok($scarce, $_)) } 2, 2, 1, 1;
    is(join(' ', map { $_->{status} } @orders), 'done rejected done rejected',
        'an order that the stock does not cover is rejected, a smaller one after it is not');
    is(join(' ', map { $_->{reason} // '-' } @orders), '- out_of_stock - out_of_stock', 'because it is out of stock');
    is(product_now($scarce)->{qty}, 0, 'the stock is 0, not below');
    is(order_service(GET => "/orders/$orders[1]{id}")->{json}{reason}, 'out_of_stock', 'the reason stays');
    my $restocked = gateway(POST => "/products/$scarce->{id}/restock", '{"quantity":2}');
    is($restocked->{json}{data}{qty}, 2, 'after a restock of 2 the stock is 2');
    is(finished(order_ok($scarce, 2))->{status}, 'done', 'an order is done again');
    is(order_service(GET => "/orders/$orders[1]{id}")->{json}{status}, 'rejected', 'the rejected order stays rejected');
    check_rest();
    check_orders($scarce, [map { $_->{id} } @orders], restocked => 2);
    check_caches($scarce);
};

check_rest();
check_orders($product, []);
flow_done();
