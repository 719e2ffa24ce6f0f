#!/usr/bin/perl
# What the caches hold: readable JSON under the keys of the contract, with their times to live, never behind the databases.
use strict;
use warnings;

use Prodorder::Flow;
use Prodorder::Load;

my $product = new_product(qty => 100, price => '7.10', name => 'Cached');
my $id = $product->{id};

# Its version after so many changes.
my ($first) = product_service(GET => "/products/$id")->{headers}{etag} =~ /(\d+)/;

sub version {
    my ($changes) = @_;
    return $first + $changes;
}

sub cached {
    my ($side, $key) = @_;
    return wait_until("$side-redis has $key", 10, sub { redis($side, GET => $key) });
}

subtest 'the product service' => sub {
    ok(eval { wait_until('that', 10, sub { product_service(GET => "/products/$id")->{body} eq redis(product => GET => "product:$id") }) },
        'product:{id} is the JSON that GET /products/{id} answers');
    my $ttl = redis(product => TTL => "product:$id");
    ok($ttl > 590 && $ttl <= 600, 'it lives 600 s') or diag("TTL $ttl");
};

subtest "the order service's copy" => sub {
    is(redis(order => GET => "product:$id"), '', 'is not there before somebody has ordered');
    finished(order_ok($product, 1));
    check_rest();
    like(cached(order => "product:$id"), qr/^\{"id":$id,"name":"Cached","price":7\.10,"qty":99,"version":${\version(1)},/,
        'product:{id} is the product with its version, as events have told it since');
    my $ttl = redis(order => TTL => "product:$id");
    ok($ttl > 280 && $ttl <= 300, 'it lives 300 s') or diag("TTL $ttl");
};

subtest 'a change of the price' => sub {
    gateway(PATCH => "/products/$id", '{"price":8.2}');
    like(redis(product => GET => "product:$id"), qr/"price":8\.20,/, 'is in product-redis when it is answered');
    wait_until('the copy is refreshed', 10, sub { redis(order => GET => "product:$id") =~ /"price":8\.20,.*"version":${\version(2)},/ });
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
    is(product_now($product)->{qty}, 97, 'the product is read from the database');
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

# The price of an order, placed now.
sub price {
    my ($product) = @_;
    my $order = order_ok($product, 1);
    return $order->{unitPrice};
}

# What was told of a product long ago, and comes again: a redelivery, or from the dead letters.
sub tell_again {
    my ($type, $product, %more) = @_;
    my %event = (%$product, version => 1, %more);
    my $answer = rabbitmq(POST => '/exchanges/%2F/events/publish', { routing_key => $type, payload_encoding => 'string',
        payload => JSON::PP->new->encode({ map { $_ => /^(?:id|price|qty|version)$/ ? $event{$_} + 0 : $event{$_} } keys %event }),
        properties => { delivery_mode => 2 } });
    ok($answer->{routed}, "an old $type");
    check_rest(); # the queue is empty: it was heard
    return;
}

subtest 'an old event of a product that Redis has forgotten' => sub {
    for my $type (qw(product.updated product.created)) {
        my $forgotten = new_product(qty => 100, price => '1.00');
        gateway(PATCH => "/products/$forgotten->{id}", '{"price":2}');
        is(price($forgotten), 2, 'an order has the new price');
        check_rest();
        redis(order => DEL => "product:$forgotten->{id}", "version:product:$forgotten->{id}");
        tell_again($type, $forgotten);
        is(redis(order => GET => "product:$forgotten->{id}"), '', 'does not become the copy');
        is(price($forgotten), 2, 'nor the price of the next order');
        check_rest();
        redis(order => DEL => "version:product:$forgotten->{id}"); # the copy alone is left
        tell_again($type, $forgotten);
        is(price($forgotten), 2, 'nor when only the version was forgotten');
        check_rest();
        tell_again($type, $forgotten);
        is(price($forgotten), 2, 'nor over a copy that is newer');
        check_rest();
        check_caches($forgotten);
    }
};

subtest 'RabbitMQ away' => sub {
    my ($asked, $unasked) = map { new_product(qty => 100, price => '1.00') } 1 .. 2;
    is(price($_), 1, 'an order has the price') for $asked, $unasked;
    check_rest();
    my $back = Prodorder::Stack::away('rabbitmq', 'killed');
    my $fetches = sub { order_service(GET => '/metrics')->{body} =~ /^prodorder_order_product_fetches_total (\d+)$/m ? $1 : -1 };
    wait_until('the order service knows', 20, sub { order_service(GET => '/readyz')->{body} =~ /"broker":"down"/ });
    gateway(PATCH => "/products/$_->{id}", '{"price":2}') for $asked, $unasked;
    is(price($asked), 2, 'a change shows in the next order');
    my $before = $fetches->();
    is(price($asked), 2, 'and in the one after that');
    is($fetches->(), $before + 1, 'the product service is asked each time');
    {
        my $service_back = Prodorder::Stack::away('product-service', 'killed');
        is(price($asked), 2, 'the last known price does while it does not answer either');
        $service_back->();
    }
    wait_until('the product service is ready', 20, sub { product_service(GET => '/readyz')->{status} == 200 });
    gateway(PATCH => "/products/$unasked->{id}", '{"price":3}');
    # as if the broker had taken the event and lost it
    sql(product => "DELETE FROM outbox WHERE body LIKE '%\"id\":$unasked->{id},%'");
    is(sql_value(product => "SELECT count(*) FROM outbox WHERE body LIKE '%\"id\":$unasked->{id},%'"), 0, 'an event is lost');
    $back->();
    wait_until('the order service hears again', 30, sub { order_service(GET => '/readyz')->{body} =~ /"status":"ready"/ });
    is(price($unasked), 3, 'an event that was lost meanwhile leaves no old price behind');
    $before = $fetches->();
    is(price($unasked), 3, 'and the copy does again');
    is($fetches->(), $before, 'without the product service');
    check_rest(90);
    check_caches($_) for $asked, $unasked;
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
