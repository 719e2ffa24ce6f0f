#!/usr/bin/perl
# A PostgreSQL killed, stopped or frozen: what cannot be done is a clear 503 in bounded time, the rest goes on, and nobody has to restart anything.
use strict;
use warnings;

use Time::HiRes qw(sleep);

use Prodorder::Flow;
use Prodorder::Load;

use constant BOUND_S => 9;

# All of these requests, sent at once, fail clearly and soon.
sub unavailable_ok {
    my ($door, $how, %requests) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @names = sort keys %requests;
    my $answers = Prodorder::Load::run(
        url => Prodorder::Stack::url($door), connections => scalar @names,
        requests => sub { $_[0] < @names ? $requests{ $names[$_[0]] } : undef });
    for my $answer (sort { $a->{n} <=> $b->{n} } @$answers) {
        my $what = "$names[$answer->{n}] at $door";
        is($answer->{status}, 503, "$what is 503 ($how)");
        like($answer->{headers}{'retry-after'} // '', qr/^[1-9]\d*$/, "with Retry-After ($what)");
        cmp_ok($answer->{seconds}, '<', BOUND_S, "in bounded time ($what)");
        like($answer->{body}, qr/"message":"[^"]+"/, "and a message ($what)");
    }
    return;
}

sub load_on {
    my ($product) = @_;
    return Prodorder::Load->start(
        url => Prodorder::Stack::url('gateway'), connections => 8, rate_per_s => 150,
        requests => sub { [POST => '/orders', order_body($product, 1)] });
}

for my $how (qw(killed stopped frozen)) {
    subtest "order-db $how" => sub {
        my $product = new_product(qty => 200);
        my $order = order_ok($product, 1);
        finished($order);
        my $load = load_on($product);
        sleep 0.5;
        my $back = Prodorder::Stack::away('order-db', $how);
        for my $door (qw(gateway order)) {
            unavailable_ok($door, $how,
                'POST /orders' => [POST => '/orders', order_body($product, 1)],
                'POST /orders with a key' => [POST => '/orders', order_body($product, 1), { 'Idempotency-Key' => "db-$$-$how-$door" }],
                'GET /orders/{id}' => [GET => "/orders/$order->{id}"],
                'GET of a later page' => [GET => "/orders/product/$product->{id}?limit=7"]);
        }
        is(gateway(GET => "/products/$product->{id}")->{status}, 200, 'products are served');
        is(gateway(POST => '/products', '{"name":"Meanwhile","price":1,"qty":1}')->{status}, 201, 'and created');
        is(order_service(GET => '/livez')->{status}, 200, 'the order service lives');
        ok(wait_until('it is not ready', 20, sub { order_service(GET => '/readyz')->{status} == 503 }), 'but is not ready');
        $back->();
        ok(wait_until('an order is accepted', 20, sub { gateway(POST => '/orders', order_body($product, 1))->{status} == 201 }),
            'orders are accepted again by themselves');
        sleep 0.5;
        my $answers = $load->stop;
        my $statuses = Prodorder::Load::statuses($answers);
        diag('statuses: ', join ', ', map { "$_: $statuses->{$_}" } sort keys %$statuses);
        is(join(' ', grep { $_ !~ /^(?:201|503)$/ } keys %$statuses), '', 'every request is answered with 201 or 503');
        check_rest(90);
        check_orders($product, [$order->{id}, Prodorder::Load::accepted($answers)]);
        check_caches($product);
    };

    subtest "product-db $how" => sub {
        my $product = new_product(qty => 200, price => '3.00');
        my $order = finished(order_ok($product, 1));
        product_service(GET => "/products/$product->{id}");
        my $load = load_on($product);
        sleep 0.5;
        my $back = Prodorder::Stack::away('product-db', $how);
        my $waiting = order_ok($product, 1);
        is($waiting->{status}, 'waiting', 'orders are accepted');
        my $cold = 1_000_000 + $product->{id};
        for my $door (qw(gateway product)) {
            unavailable_ok($door, $how,
                'GET of a product that is in no cache' => [GET => "/products/$cold"],
                'POST /products' => [POST => '/products', '{"name":"Never","price":1,"qty":1}'],
                'PATCH /products/{id}' => [PATCH => "/products/$product->{id}", '{"price":2}'],
                'GET /products' => [GET => '/products']);
        }
        unavailable_ok(gateway => $how, 'an order for a product that is in no cache' => [POST => '/orders', order_body($cold, 1)]);
        is(gateway(GET => "/products/$product->{id}")->{status}, 200, 'a product in the cache is served');
        is(product_service(GET => '/livez')->{status}, 200, 'the product service lives');
        ok(wait_until('it is not ready', 20, sub { product_service(GET => '/readyz')->{status} == 503 }), 'but is not ready');
        is(gateway(GET => "/orders/$waiting->{id}")->{json}{data}{status}, 'waiting', 'the order waits');
        $back->();
        like(finished($waiting)->{status}, qr/^(?:done|rejected)$/, 'and is decided when the database is back');
        ok(wait_until('a product is created', 20, sub {
            product_service(POST => '/products', '{"name":"Again","price":1,"qty":1}')->{status} == 201 }),
            'products are created again by themselves');
        my $answers = $load->stop;
        is_deeply(Prodorder::Load::statuses($answers), { 201 => scalar @$answers }, 'every order was accepted meanwhile');
        check_rest(90);
        check_orders($product, [map({ $_->{id} } $order, $waiting), Prodorder::Load::accepted($answers)]);
        check_caches($product);
    };
}

flow_done();
