#!/usr/bin/perl
# A PostgreSQL killed or stopped: what cannot be done is a clear 503 in bounded time, the rest goes on, and nobody has to restart anything.
use strict;
use warnings;

use Time::HiRes qw(sleep);

use Prodorder::Flow;
use Prodorder::Load;

use constant BOUND_S => 9;

my %DOWN = (killed => \&Prodorder::Stack::kill_hard, stopped => \&Prodorder::Stack::stop);

sub unavailable_ok {
    my ($answer, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($answer->{status}, 503, "$what is 503");
    like($answer->{headers}{'retry-after'} // '', qr/^[1-9]\d*$/, "with Retry-After ($what)");
    cmp_ok($answer->{seconds}, '<', BOUND_S, "in bounded time ($what)");
    ok(length($answer->{json}{message} // ''), "and a message ($what)");
    return;
}

sub load_on {
    my ($product) = @_;
    return Prodorder::Load->start(
        url => Prodorder::Stack::url('gateway'), connections => 8, rate_per_s => 150,
        requests => sub { [POST => '/orders', order_body($product, 1)] });
}

for my $how (sort keys %DOWN) {
    subtest "order-db $how" => sub {
        my $product = new_product(qty => 200);
        my $order = order_ok($product, 1);
        finished($order);
        my $load = load_on($product);
        sleep 0.5;
        $DOWN{$how}->('order-db');
        for my $door ([gateway => \&gateway], ['order-service' => \&order_service]) {
            my ($name, $request) = @$door;
            unavailable_ok($request->(POST => '/orders', order_body($product, 1)), "POST /orders at the $name");
            unavailable_ok($request->(GET => "/orders/$order->{id}"), "GET /orders/{id} at the $name");
        }
        is(gateway(GET => "/products/$product->{id}")->{status}, 200, 'products are served');
        is(gateway(POST => '/products', '{"name":"Meanwhile","price":1,"qty":1}')->{status}, 201, 'and created');
        is(order_service(GET => '/livez')->{status}, 200, 'the order service lives');
        is(order_service(GET => '/readyz')->{status}, 503, 'but is not ready');
        Prodorder::Stack::start('order-db');
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
        $DOWN{$how}->('product-db');
        my $waiting = order_ok($product, 1);
        is($waiting->{status}, 'waiting', 'orders are accepted');
        my $cold = 1_000_000 + $product->{id};
        unavailable_ok(gateway(GET => "/products/$cold"), 'GET of a product that is in no cache');
        unavailable_ok(gateway(POST => '/orders', order_body($cold, 1)), 'an order for a product that is in no cache');
        unavailable_ok(gateway(POST => '/products', '{"name":"Never","price":1,"qty":1}'), 'POST /products');
        unavailable_ok(gateway(PATCH => "/products/$product->{id}", '{"price":2}'), 'PATCH /products/{id}');
        unavailable_ok(product_service(GET => '/products'), 'GET /products');
        is(gateway(GET => "/products/$product->{id}")->{status}, 200, 'a product in the cache is served');
        is(product_service(GET => '/livez')->{status}, 200, 'the product service lives');
        is(product_service(GET => '/readyz')->{status}, 503, 'but is not ready');
        is(gateway(GET => "/orders/$waiting->{id}")->{json}{data}{status}, 'waiting', 'the order waits');
        Prodorder::Stack::start('product-db');
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
