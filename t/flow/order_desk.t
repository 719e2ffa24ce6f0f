#!/usr/bin/perl
# What an order desk expects: orders by status and time, a page at a time; corrections of a stock, with a reason; an answer that comes
# when the order is decided.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Prodorder::Flow;

# ---- POST /products/{id}/adjust ----

sub adjust {
    my ($product, $body) = @_;
    return gateway(POST => "/products/$product->{id}/adjust", $body);
}

subtest 'adjusting a stock' => sub {
    my $product = new_product(qty => 10);
    is(adjust($product, '{"delta":-3,"reason":"damaged"}')->{json}{data}{qty}, 7, 'down');
    is(adjust($product, '{"delta":5,"reason":"found, behind the shelf: größer"}')->{json}{data}{qty}, 12, 'up');
    my $refused = adjust($product, '{"delta":-13,"reason":"too many"}');
    is($refused->{status}, 409, 'not below zero');
    like($refused->{json}{message}, qr/below zero/, 'which it says');
    is(adjust($product, '{"delta":-12,"reason":"all"}')->{json}{data}{qty}, 0, 'to zero');
    is(adjust($product, '{"delta":2147483647,"reason":"to the brim"}')->{json}{data}{qty}, 2147483647, 'to the highest');
    is(adjust($product, '{"delta":1,"reason":"over it"}')->{status}, 400, 'not above');
    is(adjust({ id => 900_000_000 }, '{"delta":1,"reason":"none"}')->{status}, 404, 'of no product');
    for my $body ('{"delta":0,"reason":"x"}', '{"delta":1}', '{"reason":"x"}', '{"delta":1.5,"reason":"x"}', '{"delta":1,"reason":""}',
        '{"delta":1,"reason":"  "}', '{"delta":1,"reason":"' . 'x' x 201 . '"}', '{"delta":2147483648,"reason":"x"}', '{"delta":1,"reason":"x","why":1}') {
        for my $door (\&gateway, \&product_service) {
            is($door->(POST => "/products/$product->{id}/adjust", $body)->{status}, 400, "400: $body");
        }
    }
    is_deeply(sql(product => "SELECT quantity, reason FROM restocks WHERE product_id = $product->{id} ORDER BY id")->[0], [-3, 'damaged'],
        'it is on record');
    is(sql_value(product => "SELECT initial_qty + (SELECT sum(quantity) FROM restocks WHERE product_id = p.id) - qty FROM products AS p WHERE id = $product->{id}"), 0,
        'and the books balance');
    check_caches($product);
};

# ---- GET /orders ----

sub search {
    my ($query) = @_;
    my (@orders, $pages);
    my $target = "/orders?$query";
    while ($target) {
        my $answer = gateway(GET => $target);
        $answer->{status} == 200 or die "$target: $answer->{status} $answer->{body}\n";
        push @orders, @{ $answer->{json}{data} };
        ($target) = ($answer->{headers}{link} // '') =~ /^<([^>]+)>; rel="next"$/;
        $pages++ < 50 or last;
    }
    return @orders;
}

subtest 'orders by status and time' => sub {
    my $product = new_product(qty => 20);
    my $from = gateway(POST => '/orders', order_body($product, 1))->{json}{data}{createdAt};
    my @orders = map { order_ok($product, $_) } 2, 3, 100, 4, 200;
    finished($_) for @orders;
    gateway(POST => "/orders/$orders[1]{id}/cancel");
    check_rest();
    my $last = gateway(GET => "/orders/$orders[-1]{id}")->{json}{data};
    my %mine = map { $_->{id} => 1 } @orders;
    my $ids = sub { return [map { $_->{id} } grep { $mine{ $_->{id} } } @_] };
    is_deeply($ids->(search("from=$from")), [reverse map { $_->{id} } @orders], 'all, the newest first');
    is_deeply($ids->(search("from=$from&limit=2")), [reverse map { $_->{id} } @orders], 'in pages of two');
    is_deeply($ids->(search("from=$from&status=rejected")), [@{[map { $_->{id} } @orders]}[4, 2]], 'those that were rejected');
    is_deeply($ids->(search("from=$from&status=rejected&limit=1")), [@{[map { $_->{id} } @orders]}[4, 2]], 'one at a time');
    is_deeply($ids->(search("from=$from&status=cancelled")), [$orders[1]{id}], 'the one that was cancelled');
    is_deeply($ids->(search("from=$from&status=done")), [@{[map { $_->{id} } @orders]}[3, 0]], 'those that are done');
    is_deeply($ids->(search("from=$from&to=$orders[3]{createdAt}")), [@{[map { $_->{id} } @orders]}[2, 1, 0]], 'before a time') if $orders[3]{createdAt} ne $orders[2]{createdAt};
    is_deeply($ids->(search('to=2001-01-01T00:00:00Z')), [], 'none in the past');
    is_deeply($ids->(search('from=2999-01-01T00:00:00Z')), [], 'none in the future');
    is_deeply((grep { $_->{id} == $last->{id} } search("from=$from"))[0], $last, 'each as it is read alone');
    for my $query ('status=lost', 'from=yesterday', 'to=2026-13-01T00:00:00Z', 'limit=0', 'limit=1001', 'cursor=abc') {
        is(gateway(GET => "/orders?$query")->{status}, 400, "400: $query");
    }
    is(order_service(GET => '/orders?status=lost')->{status}, 400, 'at the service, too');
};

subtest 'orders that wait' => sub {
    my $product = new_product(qty => 20);
    finished(order_ok($product, 1));
    Prodorder::Stack::stop('product-service');
    my $order = order_ok($product, 1);
    is_deeply([grep { $_->{id} == $order->{id} } search('status=waiting')], [$order], 'one that waits');
    is_deeply([grep { $_->{id} == $order->{id} } search('status=done')], [], 'is not done');
    Prodorder::Stack::start('product-service');
    finished($order);
    check_rest();
    is_deeply([search('status=waiting')], [], 'at rest none waits');
};

# ---- Prefer: wait ----

subtest 'waiting for the outcome' => sub {
    my $product = new_product(qty => 20);
    my $answer = gateway(POST => '/orders', order_body($product, 1), { Prefer => 'wait=5' });
    is($answer->{status}, 201, 'an order is placed');
    is($answer->{json}{data}{status}, 'done', 'and answered when it is done');
    is($answer->{headers}{'preference-applied'}, 'wait=5', 'as it was asked for');
    is(gateway(POST => '/orders', order_body($product, 1), { Prefer => 'respond-async, WAIT = "3"' })->{json}{data}{status}, 'done', 'among other preferences');
    my $rejected = gateway(POST => '/orders', order_body($product, 1000), { Prefer => 'wait=5' })->{json}{data};
    is("$rejected->{status} $rejected->{reason}", 'rejected out_of_stock', 'or rejected');
    for my $prefer ('wait=0', 'wait', 'wait=x', 'handling=strict') {
        my $plain = gateway(POST => '/orders', order_body($product, 1), { Prefer => $prefer });
        is($plain->{json}{data}{status}, 'waiting', "$prefer: at once");
        is($plain->{headers}{'preference-applied'}, undef, "$prefer: not applied");
    }
    my $key = { 'Idempotency-Key' => "prefer-$$", Prefer => 'wait=5' };
    my @same = map { gateway(POST => '/orders', order_body($product, 1), $key)->{json}{data} } 1, 2;
    is_deeply($same[1], $same[0], 'repeated with its key: the same answer');
    Prodorder::Stack::stop('product-service');
    my $begin = time;
    my $slow = gateway(POST => '/orders', order_body($product, 1), { Prefer => 'wait=2' });
    my $took = time - $begin;
    is($slow->{status}, 201, 'with nobody who decides it is placed');
    is($slow->{json}{data}{status}, 'waiting', 'and waits');
    cmp_ok($took, '>=', 1.9, 'after 2 s');
    cmp_ok($took, '<', 4, "not much later: $took");
    my $reading = Prodorder::Load->start(url => Prodorder::Stack::url('gateway'), connections => 1,
        requests => sub { $_[0] == 0 ? [GET => "/orders/$slow->{json}{data}{id}", '', { Prefer => 'wait=10' }] : undef });
    sleep 1;
    Prodorder::Stack::start('product-service');
    finished($slow->{json}{data});
    sleep 0.5;
    my ($read) = @{ $reading->stop };
    is($read->{status}, 200, 'reading it waits, too');
    like($read->{body}, qr/"status":"done"/, 'until it is done');
    check_rest();
    check_caches($product);
};

flow_done();
