#!/usr/bin/perl
# Idempotency-Key: however often a request is sent, it is one order, one product, one change of a stock.
use strict;
use warnings;

use Prodorder::Flow;
use Prodorder::Load;

my $product = new_product(qty => 1000, price => '2.50');
my $serial = 0;

sub new_key {
    return "flow-$$-" . time . '-' . ++$serial;
}

sub orders_of {
    my ($one) = @_;
    return sql_value(order => "SELECT count(*) FROM orders WHERE product_id = $one->{id}");
}

# The answer as it says it, without what belongs to this request: time stamp and request id of the envelope.
sub said {
    my ($answer) = @_;
    my ($data) = $answer->{body} =~ /"data":(\{.*?\})/;
    return $answer->{status} . ' ' . ($data // $answer->{body});
}

for my $door ([gateway => \&gateway], ['order-service' => \&order_service]) {
    my ($name, $request) = @$door;
    subtest "the same again at the $name" => sub {
        my $key = new_key();
        my $before = orders_of($product);
        my $first = $request->(POST => '/orders', order_body($product, 2), { 'Idempotency-Key' => $key });
        my ($id) = Prodorder::Load::accepted([$first]);
        my $again = $request->(POST => '/orders', order_body($product, 2), { 'Idempotency-Key' => $key });
        is(said($again), said($first), 'has the same status and body');
        is($again->{headers}{location}, $first->{headers}{location}, 'and the same Location');
        finished($id);
        $again = $request->(POST => '/orders', qq({ "quantity": 2.0, "productId": $product->{id} }), { 'Idempotency-Key' => $key });
        is(said($again), said($first), 'also when the order is done, and the same payload is written otherwise');
        is(orders_of($product), $before + 1, 'it is one order');

        for my $other (order_body($product, 3), order_body($product->{id} + 1, 2)) {
            my $answer = $request->(POST => '/orders', $other, { 'Idempotency-Key' => $key });
            is($answer->{status}, 422, "another payload is 422: $other");
            ok(length $answer->{json}{message}, 'and says why');
        }
        is(orders_of($product), $before + 1, 'and stores nothing');
        isnt(said($request->(POST => '/orders', order_body($product, 2), { 'Idempotency-Key' => new_key() })), said($first),
            'another key is another order');
        is(orders_of($product), $before + 2, 'which is stored');
    };
    subtest "keys at the $name" => sub {
        for my $good ('k', 'k' x 255, '!~"#$%&') {
            my $key = substr(new_key() . $good x 255, 0, length $good > 250 ? 255 : 100);
            is($request->(POST => '/orders', order_body($product, 1), { 'Idempotency-Key' => $key })->{status},
                $name eq 'gateway' ? 201 : 200, 'a key of ' . length($key) . ' visible characters is taken');
        }
        for my $bad ('k' x 256, 'a key', '', "k\xe9") {
            is($request->(POST => '/orders', order_body($product, 1), { 'Idempotency-Key' => $bad })->{status}, 400,
                'a key of ' . length($bad) . " characters is refused: '" . substr($bad, 0, 10) . "'");
        }
    };
    subtest "a refused request at the $name" => sub {
        my $key = new_key();
        is($request->(POST => '/orders', order_body($product, 0), { 'Idempotency-Key' => $key })->{status}, 400, 'is 400');
        is($request->(POST => '/orders', order_body(987_654_321, 1), { 'Idempotency-Key' => $key })->{status}, 404, 'or 404');
        like($request->(POST => '/orders', order_body($product, 1), { 'Idempotency-Key' => $key })->{status}, qr/^20[01]$/,
            'and does not use the key up');
    };
}

subtest 'in parallel' => sub {
    my $one = new_product(qty => 1000);
    my @keys = map { new_key() } 1 .. 50;
    my $answers = Prodorder::Load::run(
        url => Prodorder::Stack::url('gateway'), connections => 32,
        requests => sub {
            my ($n) = @_;
            return $n < 800 ? [POST => '/orders', order_body($one, 1), { 'Idempotency-Key' => $keys[$n / 16] }] : undef;
        });
    my (%ids, %strange);
    for my $answer (@$answers) {
        my ($id) = Prodorder::Load::accepted([$answer]);
        $ids{ int($answer->{n} / 16) }{$id} = 1 if $id;
        $strange{ $answer->{status} }++ if $answer->{status} !~ /^(?:201|409)$/;
    }
    is_deeply(\%strange, {}, 'each request is answered with the order, or with 409 while another one is under way');
    is(scalar keys %ids, 50, 'for each key somebody got the order');
    is(scalar(grep { keys %$_ != 1 } values %ids), 0, 'and nobody got another one');
    is(orders_of($one), 50, '50 keys are 50 orders');
    diag('statuses: ', explain(Prodorder::Load::statuses($answers))) if $ENV{TEST_VERBOSE};
    check_rest();
    is(product_now($one)->{qty}, 950, 'and the stock falls by 50');
};

# What changes products: the first answer, whatever happened since; and nothing is done twice by two product-services.
subtest 'products, restocks and adjustments' => sub {
    my $one = new_product(qty => 1000);
    my @requests = (
        ['/products', '{"name":"Keyed","price":1,"qty":1}', '{"name":"Keyed","price":1,"qty":2}'],
        ["/products/$one->{id}/restock", '{"quantity":10}', '{"quantity":11}'],
        ["/products/$one->{id}/adjust", '{"delta":-3,"reason":"Damaged"}', '{"delta":-3,"reason":"Stolen"}'],
    );
    my $qty = 1000;
    for my $door ([gateway => \&gateway], ['product-service' => \&product_service]) {
        my ($name, $request) = @$door;
        for my $one_request (@requests) {
            my ($target, $body, $other) = @$one_request;
            my $key = { 'Idempotency-Key' => new_key() };
            my @same = map { $request->(POST => $target, $body, $key) } 1, 2;
            is(said($same[1]), said($same[0]), "the same again at the $name: $target");
            is($same[1]{headers}{location}, $same[0]{headers}{location}, 'and the same Location');
            is($request->(POST => $target, $other, $key)->{status}, 422, 'another payload is 422');
        }
        $qty += 10 - 3;
        is(product_now($one)->{qty}, $qty, 'each is done once');
    }

    my $replica = Prodorder::Stack::replica('product-service');
    my @keys = map { new_key() } 1 .. 300;
    my $next = sub {
        my ($n) = @_;
        return if $n >= 2 * @keys;
        my $i = int($n / 2);
        return [POST => $requests[$i % 3][0], $requests[$i % 3][1] =~ s/Keyed/$keys[$i]/r, { 'Idempotency-Key' => $keys[$i] }];
    };
    my $there = Prodorder::Load->start(url => $replica->{url}, connections => 4, requests => $next);
    my $here = Prodorder::Load::run(url => Prodorder::Stack::url('product'), connections => 4, requests => $next);
    my %statuses = %{ Prodorder::Load::statuses([@$here, @{ $there->stop }]) };
    is(join(' ', grep { !/^(?:200|201|409)$/ } keys %statuses), '', 'at two at once: done, or 409 while the other one is at it');
    diag('statuses: ', explain(\%statuses)) if $ENV{TEST_VERBOSE};
    my $again = Prodorder::Load::run(url => $replica->{url}, connections => 4, requests => $next);
    is_deeply([sort grep { !/^409$/ } keys %{ Prodorder::Load::statuses($again) }], [200, 201], 'asked again, done');
    is(Prodorder::Stack::ended($replica->{pid}), 0, 'the second one ends');
    is(product_now($one)->{qty}, $qty + 100 * (10 - 3), 'restocks and adjustments are done once each');
    is(sql_value(product => "SELECT count(*) FROM products WHERE name LIKE 'flow-$$-%'"), 100, 'and products are made once each');
    check_rest();
    check_caches($one);
};

subtest 'across a restart' => sub {
    for my $how (qw(kill_hard stop)) {
        my $key = new_key();
        my $before = orders_of($product);
        my $first = order_service(POST => '/orders', order_body($product, 4), { 'Idempotency-Key' => $key });
        Prodorder::Stack->can($how)->('order-service');
        Prodorder::Stack::start('order-service');
        my $again = order_service(POST => '/orders', order_body($product, 4), { 'Idempotency-Key' => $key });
        is(said($again), said($first), "the same again gets the same answer after a restart ($how)");
        is(order_service(POST => '/orders', order_body($product, 5), { 'Idempotency-Key' => $key })->{status}, 422,
            "another payload is 422 ($how)");
        is(orders_of($product), $before + 1, "it is one order ($how)");
    }
};

subtest 'after 24 hours' => sub {
    my $key = new_key();
    my $first = order_service(POST => '/orders', order_body($product, 1), { 'Idempotency-Key' => $key });
    sql(order => "UPDATE idempotency_keys SET created_at = created_at - interval '23 hours 59 minutes' WHERE key = '$key'");
    is(said(order_service(POST => '/orders', order_body($product, 1), { 'Idempotency-Key' => $key })), said($first),
        'a key that is nearly 24 hours old still stands for its order');
    sql(order => "UPDATE idempotency_keys SET created_at = created_at - interval '2 minutes' WHERE key = '$key'");
    my $later = order_service(POST => '/orders', order_body($product, 2), { 'Idempotency-Key' => $key });
    is($later->{status}, 200, 'an older one is free again');
    isnt($later->{json}{id}, $first->{json}{id}, 'for a new order');
    is(said(order_service(POST => '/orders', order_body($product, 2), { 'Idempotency-Key' => $key })), said($later),
        'for which it stands from now on');

    sql(order => "INSERT INTO idempotency_keys SELECT '$key-' || i, i, 1, 1, now() - interval '24 hours 1 minute'
        FROM generate_series(1, 30000) AS i");
    sql(order => "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours 1 minute' WHERE key = '$key'");
    my $ended = "SELECT count(*) FROM idempotency_keys WHERE created_at < now() - interval '24 hours'";
    wait_until('expired keys are deleted', 10, sub { sql_value(order => $ended) == 0 });
    is(sql_value(order => $ended), 0, 'expired keys are deleted, at 3,000 a second or more');
    my $third = order_service(POST => '/orders', order_body($product, 3), { 'Idempotency-Key' => $key });
    is($third->{status}, 200, 'the key is free, whatever the payload was');
    isnt($third->{json}{id}, $later->{json}{id}, 'for a new order');
};

check_rest();
check_orders($product, []);
flow_done();
