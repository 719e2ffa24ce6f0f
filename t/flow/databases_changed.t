#!/usr/bin/perl
# Under a running stack columns get other types, tables are away for a moment, sequences fall behind: requests and events go on, and nothing is parked.
use strict;
use warnings;

use Time::HiRes qw(sleep);

use Prodorder::Flow;
use Prodorder::Load;

# [side, table, column, its type, another one]
my @COLUMNS = (
    [order => 'orders', 'request_id', 'text', 'varchar(200)'],
    [order => 'orders', 'unit_price_cents', 'bigint', 'numeric'],
    [order => 'outbox', 'message_id', 'text', 'varchar(300)'],
    [product => 'products', 'name', 'text', 'varchar(200)'],
    [product => 'products', 'price_cents', 'bigint', 'numeric'],
    [product => 'stock_ledger', 'request_id', 'text', 'varchar(200)'],
    [product => 'outbox', 'body', 'text', 'varchar(100000)'],
);

sub load_on {
    my ($product) = @_;
    return Prodorder::Load->start(
        url => Prodorder::Stack::url('gateway'), connections => 8, rate_per_s => 150,
        requests => sub { [POST => '/orders', order_body($product, 1)] });
}

# Everything that a client can ask for, each with the status that it must have.
sub all_requests_ok {
    my ($product, $when) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $order = order_ok($product, 1);
    my $new = new_product(name => "Made $when");
    redis(product => DEL => "product:$product->{id}");
    my %status = map { join(' ', @$_[0, 1]) => gateway(@$_)->{status} } (
        [GET => "/orders/$order->{id}"], [GET => "/orders/product/$product->{id}"],
        [GET => "/orders/product/$product->{id}?limit=3"], [GET => "/products/$product->{id}"], [GET => '/products?limit=5'],
        [PATCH => "/products/$new->{id}", '{"price":2}'], [POST => "/products/$new->{id}/restock", '{"quantity":5}']);
    is_deeply([map { "$_: $status{$_}" } grep { $status{$_} >= 300 } sort keys %status], [], "everything is answered $when");
    is(finished($order)->{status}, 'done', "an order comes to its end $when");
    return $order->{id};
}

sub end_ok {
    my ($product, $load, @ids) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $answers = $load->stop;
    is_deeply(Prodorder::Load::statuses($answers), { 201 => scalar @$answers }, 'every order was accepted');
    check_rest(90);
    is_deeply([grep { /\.dlq$/ } sort keys %{ Prodorder::Stack::queued() }], [], 'nothing is parked');
    check_orders($product, [@ids, Prodorder::Load::accepted($answers)]);
    return;
}

subtest 'columns get other types' => sub {
    my $product = new_product(qty => 100_000);
    my $load = load_on($product);
    my @ids;
    push @ids, all_requests_ok($product, 'before');
    for my $to (4, 3) {
        for my $column (@COLUMNS) {
            my ($side, $table, $name, $type) = @$column[0, 1, 2, $to];
            sql($side => "ALTER TABLE $table ALTER $name TYPE $type");
            sleep 0.1;
        }
        push @ids, all_requests_ok($product, "with $COLUMNS[0][$to] and so on");
    }
    end_ok($product, $load, @ids);
};

subtest 'a table is away for a while' => sub {
    my $product = new_product(qty => 100_000);
    my $order = order_ok($product, 1);
    finished($order);
    sql(product => 'ALTER TABLE stock_ledger RENAME TO stock_ledger_away');
    my @waiting = map { order_ok($product, 1) } 1 .. 5;
    sleep 3;
    is(gateway(GET => "/orders/$waiting[0]{id}")->{json}{data}{status}, 'waiting', 'orders wait');
    sql(product => 'ALTER TABLE stock_ledger_away RENAME TO stock_ledger');
    is(finished($_)->{status}, 'done', "order $_->{id} is done when it is back") for @waiting;
    sql(order => 'ALTER TABLE idempotency_keys RENAME TO keys_away');
    my $refused = gateway(POST => '/orders', order_body($product, 1), { 'Idempotency-Key' => "away-$$" });
    is($refused->{status}, 503, 'what cannot be stored is 503');
    like($refused->{headers}{'retry-after'} // '', qr/^[1-9]\d*$/, 'with Retry-After');
    sql(order => 'ALTER TABLE keys_away RENAME TO idempotency_keys');
    my @log = Prodorder::Stack::log_lines('order-service', 0);
    ok((grep { /"database error".*"sqlstate":"42P01".*idempotency_keys/ } @log), 'the log says why');
    is(wait_until('an order is accepted', 20, sub {
        my $answer = gateway(POST => '/orders', order_body($product, 1), { 'Idempotency-Key' => "away-$$" });
        $answer->{status} == 201 && $answer;
    })->{json}{data}{status}, 'waiting', 'and it is stored when the table is back');
    check_rest(90);
    is_deeply([grep { /\.dlq$/ } sort keys %{ Prodorder::Stack::queued() }], [], 'nothing is parked');
};

sub moved {
    my ($service, $sequence, $from) = @_;
    return scalar grep { /"a sequence (?:was behind its table|goes on above the ids that were given)","sequence":"$sequence"/ } Prodorder::Stack::log_lines($service, $from);
}

subtest 'sequences fall behind' => sub {
    my $product = new_product(qty => 100_000);
    gateway(POST => "/products/$product->{id}/restock", '{"quantity":7}');
    my @from = map { Prodorder::Stack::log_size($_) } qw(order-service product-service);
    my $top = sql_value(order => 'SELECT max(id) FROM orders');
    sql(order => "SELECT setval('order_numbers', greatest(1, $top - 1500), false)");
    sql(product => "SELECT setval('product_ids', 1, false), setval('restocks_id_seq', 1, false)");
    my $load = Prodorder::Load->start(
        url => Prodorder::Stack::url('gateway'), connections => 8,
        requests => sub { [POST => '/orders', order_body($product, 1)] });
    my @names = map { new_product(name => "After $_")->{id} } 1 .. 60;
    my %different = map { $_ => 1 } @names;
    is(scalar keys %different, 60, 'each of 60 products has an id of its own');
    is(gateway(POST => "/products/$product->{id}/restock", '{"quantity":7}')->{status}, 200, 'stock comes in');
    wait_until('the order ids are used up', 60, sub { moved('order-service', 'order_numbers', $from[0]) });
    sleep 0.3;
    end_ok({ %$product, qty => 100_014 }, $load);
    is(moved('product-service', 'product_ids', $from[1]), 1, 'said once of product_ids');
    is(moved('product-service', 'restocks_id_seq', $from[1]), 1, 'said once of restocks_id_seq');
    is(moved('order-service', 'order_numbers', $from[0]), 1, 'said once of order_numbers');

    @from = map { Prodorder::Stack::log_size($_) } qw(order-service product-service);
    sql(order => "SELECT setval('order_numbers', 1, false)");
    sql(product => "SELECT setval('product_ids', 1, false)");
    for my $name (qw(order-service product-service)) {
        Prodorder::Stack::kill_hard($name);
        Prodorder::Stack::start($name);
    }
    is(moved('order-service', 'order_numbers', $from[0]), 1, 'at start, too: order_numbers');
    is(moved('product-service', 'product_ids', $from[1]), 1, 'product_ids');
    my $new = new_product(qty => 5);
    is(finished(order_ok($new, 1))->{status}, 'done', 'an order comes to its end');
};

flow_done();
