#!/usr/bin/perl
# A flash sale: more orders at once than there is stock. Nothing is sold that is not there, nothing stays unsold.
use strict;
use warnings;

use Prodorder::Flow;
use Prodorder::Load;

sub sale {
    my ($product, $orders, $connections, $quantity, $door) = @_;
    my $answers = Prodorder::Load::run(
        url => Prodorder::Stack::url($door), connections => $connections,
        requests => sub { $_[0] < $orders ? [POST => '/orders', order_body($product, $quantity->($_[0]))] : undef });
    is_deeply(Prodorder::Load::statuses($answers), { ($door eq 'gateway' ? 201 : 200) => $orders },
        "all $orders orders are accepted ($connections at once, $door)");
    check_rest();
    return Prodorder::Load::accepted($answers);
}

sub outcomes {
    my ($product) = @_;
    return { map { ($_->[0] => $_->[1]) } @{ sql(order => "SELECT status || coalesce(' ' || reason, ''), count(*) "
        . "FROM orders WHERE product_id = $product->{id} GROUP BY 1") } };
}

for my $door (qw(gateway order)) {
    my $product = new_product(qty => 300);
    my @accepted = sale($product, 1000, 64, sub { 1 }, $door);
    is_deeply(outcomes($product), { done => 300, 'rejected out_of_stock' => 700 },
        'of 1000 orders for a stock of 300 exactly 300 are done');
    is(product_now($product)->{qty}, 0, 'and nothing is left');
    check_orders($product, \@accepted);
    check_caches($product);
}

# Mixed quantities: the sum of what is done never exceeds the stock, and a rejected order did not fit.
my $product = new_product(qty => 500);
my @accepted = sale($product, 600, 32, sub { 1 + $_[0] % 5 }, 'gateway');
my $left = product_now($product)->{qty};
check_orders($product, \@accepted);
is($left, 0, 'with orders of 1 among them, everything is sold');
my $smallest = sql_value(order => "SELECT min(quantity) FROM orders WHERE product_id = $product->{id} AND status = 'rejected'");
ok($smallest > $left, "the smallest rejected order ($smallest) is larger than what is left ($left)");

# Restocked in the middle of a sale: what comes in is sold as well.
$product = new_product(qty => 100);
my $load = Prodorder::Load->start(
    url => Prodorder::Stack::url('gateway'), connections => 16, rate_per_s => 300,
    requests => sub { [POST => '/orders', order_body($product, 1)] });
for my $part (1 .. 5) {
    wait_until("sale $part", 20, sub { product_now($product)->{qty} == 0 });
    gateway(POST => "/products/$product->{id}/restock", '{"quantity":20}');
}
wait_until('the last are sold', 20, sub { product_now($product)->{qty} == 0 });
@accepted = Prodorder::Load::accepted($load->stop);
check_rest();
is(outcomes($product)->{done}, 200, 'a stock of 100, restocked by 5 times 20, sells exactly 200');
check_orders($product, \@accepted, restocked => 100);
check_caches($product);

flow_done();
