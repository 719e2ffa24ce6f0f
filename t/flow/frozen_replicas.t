#!/usr/bin/perl
# Two replicas of a service, one of them frozen (SIGSTOP) for longer than everything, in the middle of what it does, and
# thawed: what it was answered for is in the database, told and decided once, whoever has done it meanwhile.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

# So that "longer than everything" is short: the deadlines are 2 s, 4 s for a request of PostgreSQL, 8 s for a transaction
# that does nothing; the broker gives up after 2 to 3 s.
# What waits for a lock goes on waiting.
local @ENV{qw(RECONCILE_INTERVAL_MS RECONCILE_AFTER_MS DB_DEADLINE_MS DB_LOCK_TIMEOUT_MS REQUEST_DEADLINE_MS RABBITMQ_HEARTBEAT_S)}
    = (200, 1000, 2000, 60_000, 2000, 1);

use constant { FROZEN_S => 9, RATE_PER_S => 150, LONG_S => 30 };

Prodorder::Stack::start(qw(product-service order-service));

# Orders through one door, over and over.
sub load_at {
    my ($url, @products) = @_;
    return Prodorder::Load->start(url => $url, connections => 8, rate_per_s => RATE_PER_S, timeout_s => LONG_S,
        requests => sub { [POST => '/orders', order_body($products[$_[0] % @products], 1)] });
}

sub ids {
    my (@products) = @_;
    return join ',', map { $_->{id} } @products;
}

sub highest_order {
    return sql_value(order => 'SELECT max(id) FROM orders');
}

# All that were accepted: right, and none below the mark that still waits, or will.
sub check_all {
    my ($answers, @products) = @_;
    check_rest(LONG_S);
    my %of = map { $_->[0] => $_->[1] } @{ sql(order => 'SELECT id, product_id FROM orders WHERE product_id IN (' . ids(@products) . ')') };
    my @accepted = Prodorder::Load::accepted($answers);
    cmp_ok(scalar @accepted, '>', FROZEN_S * RATE_PER_S / 2, scalar(@accepted) . ' orders were accepted');
    is_deeply([grep { !$of{$_} } @accepted], [], 'all of them are in the database');
    for my $product (@products) {
        check_orders($product, [grep { ($of{$_} // 0) == $product->{id} } @accepted]);
        check_caches($product);
    }
    my $last = highest_order();
    ok(wait_until('the mark reaches the last order', LONG_S, sub { sql_value(order => 'SELECT low_id FROM order_mark') >= $last }),
        'the mark moves on to the last of them');
    return;
}

sub statuses_are {
    my ($answers, $statuses, $what) = @_;
    my $seen = Prodorder::Load::statuses($answers);
    diag("$what: ", join ', ', map { "$_: $seen->{$_}" } sort keys %$seen);
    is(join(' ', grep { $_ !~ $statuses } sort keys %$seen), '', "$what: every request is accepted, or clearly not");
    return;
}

subtest 'an order-service in the middle of its inserts' => sub {
    my @products = (new_product(qty => 1_000_000), new_product(qty => 300));
    # The statement that it is frozen in must last until this test has looked at it.
    my $replica = Prodorder::Stack::replica('order-service', { DB_DEADLINE_MS => 1000 * (FROZEN_S - 1) });
    my @loads = map { load_at($_, @products) } Prodorder::Stack::url('order'), $replica->{url};
    sleep 1;

    # The statement that stores this order has its number and its ids, and waits for somebody else's key.
    my $key = "frozen-$$";
    my $holder = Prodorder::Stack::hold(order => "INSERT INTO idempotency_keys VALUES ('$key', 1, 1, 1, now())");
    my $mine = Prodorder::Load->start(url => $replica->{url}, connections => 1, timeout_s => LONG_S, requests => sub {
        $_[0] ? undef : [POST => '/orders', order_body($products[0], 3), { 'Idempotency-Key' => $key }] });
    my $is_inserting = sub { sql_value(order => "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%order_numbers%'") };
    wait_until('the insert waits', 5, $is_inserting);
    kill STOP => $replica->{pid};
    my $begin = time;
    my $before = highest_order();
    ok($is_inserting->(), 'it is frozen in the middle of a statement');
    ok(wait_until('there are orders behind it', 5, sub { highest_order() > $before + 20 }), 'the other one goes on');
    my $mark = sql_value(order => 'SELECT low_id FROM order_mark');
    $holder->();
    my $stored = wait_until('the insert goes on without the frozen one', 5, sub {
        sql_value(order => "SELECT order_id FROM idempotency_keys WHERE key = '$key'") });
    cmp_ok($stored, '>', $mark, 'the mark has not passed the order that was not there yet');
    cmp_ok($stored, '<', highest_order(), 'though later ones are');
    is(finished($stored)->{status}, 'done', 'it is done, though who stored it is frozen');
    ok(wait_until('the others, too', LONG_S, sub {
        !sql_value(order => "SELECT count(*) FROM orders WHERE status = 'waiting' AND id <= $before") }), 'so are all that were there before');
    my $left_s = FROZEN_S - (time - $begin);
    sleep $left_s if $left_s > 0;
    kill CONT => $replica->{pid};
    ok(wait_until('it answers', 20, sub { Prodorder::Client->new($replica->{url})->request(GET => '/readyz')->{status} == 200 }), 'thawed, it serves');
    sleep 1;
    my @answers = map { $_->stop } @loads, $mine;
    statuses_are($answers[0], qr/^200$/, 'the one that was not frozen');
    statuses_are($answers[1], qr/^(?:200|503)$/, 'the one that was');
    my $answer = $answers[2][0];
    like($answer->{status}, qr/^(?:200|503)$/, "the one in the middle is answered: $answer->{status}");
    my $again = order_service(POST => '/orders', order_body($products[0], 3), { 'Idempotency-Key' => $key });
    is($again->{json}{id}, $stored, 'asked again, it is the order that was stored');
    check_all([map { @$_ } @answers], @products);
    is(Prodorder::Stack::ended($replica->{pid}), 0, 'the replica ends as it should');
};

subtest 'a product-service with deliveries in hand' => sub {
    my @products = (new_product(qty => 1_000_000), new_product(qty => 300));
    my $replica = Prodorder::Stack::replica('product-service');
    my $load = load_at(Prodorder::Stack::url('order'), @products);
    sleep 1;

    # Both have deliveries in hand that wait for this row, and hold others.
    my $holder = Prodorder::Stack::hold(product => 'SELECT FROM products WHERE id = ' . $products[1]{id} . ' FOR UPDATE');
    my $waiting = "SELECT count(DISTINCT client_port) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'product-service'";
    wait_until('both wait for the row', 10, sub { sql_value(product => $waiting) >= 2 });
    kill STOP => $replica->{pid};
    my $begin = time;
    my $before = highest_order();
    $holder->();
    ok(wait_until('what was accepted before is decided', LONG_S, sub {
        !sql_value(order => "SELECT count(*) FROM orders WHERE status = 'waiting' AND id <= $before") }),
        'all that was accepted before is decided without the frozen one');
    diag(sprintf 'after %.1f s', time - $begin);
    my $left_s = FROZEN_S - (time - $begin);
    sleep $left_s if $left_s > 0;
    kill CONT => $replica->{pid};
    ok(wait_until('it answers', 20, sub { Prodorder::Client->new($replica->{url})->request(GET => '/readyz')->{status} == 200 }), 'thawed, it serves');
    sleep 1;
    my $answers = $load->stop;
    statuses_are($answers, qr/^200$/, 'the order-service');
    check_all($answers, @products);
    is(Prodorder::Stack::ended($replica->{pid}), 0, 'the replica ends as it should');
};

delete @ENV{qw(RECONCILE_INTERVAL_MS RECONCILE_AFTER_MS DB_DEADLINE_MS DB_LOCK_TIMEOUT_MS REQUEST_DEADLINE_MS RABBITMQ_HEARTBEAT_S)};
Prodorder::Stack::start(qw(product-service order-service));

flow_done();
