#!/usr/bin/perl
# What the caches hold: readable JSON under the keys of the contract, with their times to live, never behind the databases.
use strict;
use warnings;

use Prodorder::Flow;
use Prodorder::Load;

my $product = new_product(qty => 100, price => '7.10', name => 'Cached');
my $id = $product->{id};

sub cached {
    my ($side, $key) = @_;
    return wait_until("$side-redis has $key", 10, sub { redis($side, GET => $key) });
}

subtest 'the product service' => sub {
    my $answer = product_service(GET => "/products/$id");
    is(cached(product => "product:$id"), $answer->{body}, 'product:{id} is the JSON that GET /products/{id} answers');
    my $ttl = redis(product => TTL => "product:$id");
    ok($ttl > 590 && $ttl <= 600, 'it lives 600 s') or diag("TTL $ttl");
};

subtest "the order service's copy" => sub {
    like(cached(order => "product:$id"), qr/^\{"id":$id,"name":"Cached","price":7\.10,"qty":100,"version":1,/,
        'product:{id} is the product with its version');
    my $ttl = redis(order => TTL => "product:$id");
    ok($ttl > 280 && $ttl <= 300, 'it lives 300 s') or diag("TTL $ttl");
};

subtest 'a change of the price' => sub {
    gateway(PATCH => "/products/$id", '{"price":8.2}');
    like(redis(product => GET => "product:$id"), qr/"price":8\.20,/, 'is in product-redis when it is answered');
    wait_until('the copy is refreshed', 10, sub { redis(order => GET => "product:$id") =~ /"price":8\.20,.*"version":2,/ });
    pass('is in order-redis soon');
    my $order = order_ok($product, 1);
    is($order->{unitPrice}, 8.2, 'and is the price of the next order');
    finished($order);
    check_rest();
    check_caches($product);
};

subtest 'values that are gone' => sub {
    redis($_, DEL => "product:$id") for qw(product order);
    my $order = order_ok($product, 1);
    is($order->{unitPrice}, 8.2, 'an order finds its product without a copy');
    finished($order);
    check_rest();
    is(product_now($product)->{qty}, 98, 'the product is read from the database');
    isnt(redis(product => GET => "product:$id"), '', 'and is cached again');
    isnt(cached(order => "product:$id"), '', 'so is the copy');
    check_caches($product);
};

subtest 'values that are garbage' => sub {
    for my $garbage ('not JSON', '{"id":1}', '[]') {
        redis(order => SET => "product:$id", $garbage);
        my $answer = gateway(POST => '/orders', order_body($product, 1));
        is($answer->{status}, 201, "a copy that cannot be read is a miss: $garbage");
        is($answer->{json}{data}{unitPrice}, 8.2, 'and is read anew');
        finished($answer->{json}{data});
    }
    check_rest();
};

# Readers fill the caches while orders and changes empty them: the classical race of stale fills.
subtest 'under load' => sub {
    my @products = map { new_product(qty => 10_000) } 1 .. 3;
    my @accepted = map { [] } @products;
    my %stock;
    my @went_back;
    Prodorder::Load::run(
        url => Prodorder::Stack::url('gateway'), connections => 24,
        requests => sub {
            my ($n) = @_;
            return if $n >= 3000;
            my $one = $products[$n % 3];
            my $kind = int($n / 3) % 8;
            return $kind < 3 ? [POST => '/orders', order_body($one, 1)]
                : $kind == 3 ? [PATCH => "/products/$one->{id}", '{"price":' . ($n % 100) . '.5}']
                : $kind < 6 ? [GET => "/orders/product/$one->{id}"]
                : [GET => "/products/$one->{id}"];
        },
        after => sub {
            my ($answer, $n) = @_;
            my ($method, $target) = @{ $answer->{request} };
            push @{ $accepted[$n % 3] }, Prodorder::Load::accepted([$answer]) if $target eq '/orders';
            if ($method eq 'GET' && $target =~ m{^/products/} && $answer->{body} =~ /"qty":(\d+)/) {
                push @{ $stock{$target} }, [$answer->{sent}, $answer->{sent} + $answer->{seconds}, $1];
            }
            return;
        });
    for my $target (sort keys %stock) {
        my @seen = @{ $stock{$target} };
        for my $later (@seen) { # stock only falls here: what was read after another answer had come is not more
            push @went_back, $target if grep { $_->[1] < $later->[0] && $_->[2] < $later->[2] } @seen;
        }
    }
    is_deeply(\@went_back, [], 'no reader sees a version older than one that was served before');
    is(scalar(map { @$_ } @accepted), 1125, 'all orders are accepted');
    check_rest();
    for my $i (0 .. 2) {
        check_orders($products[$i], $accepted[$i]);
        check_caches($products[$i]);
        order_service(GET => "/orders/product/$products[$i]{id}");
        product_service(GET => "/products/$products[$i]{id}");
        check_caches($products[$i]);
    }
};

flow_done();
