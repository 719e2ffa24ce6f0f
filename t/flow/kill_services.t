#!/usr/bin/perl
# kill -9 of the services, 20 times at random moments under load: no accepted order is lost, none is applied twice.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

use constant { KILLS => 20, RATE_PER_S => 250, CONNECTIONS => 12, PRODUCTS => 3, REST_S => 120 };

my $seed = $ENV{PRODORDER_TEST_SEED} // time ^ $$;
srand $seed;
diag("PRODORDER_TEST_SEED=" . int $seed);

# One product that never sells out, one that does, one that is restocked meanwhile.
my @products = (new_product(qty => 1_000_000), new_product(qty => 500), new_product(qty => 100));
my $load = Prodorder::Load->start(
    url => Prodorder::Stack::url('gateway'), connections => CONNECTIONS, rate_per_s => RATE_PER_S,
    requests => sub {
        my ($n) = @_;
        my $quantity = 1 + $n % 4;
        return [POST => '/orders', order_body($products[$n % PRODUCTS], $quantity), { 'Idempotency-Key' => "kill-$$-$n" }];
    });

my $begin = time;
for my $kill (1 .. KILLS) {
    my $name = $kill % 2 ? 'order-service' : 'product-service';
    sleep 0.05 + rand 0.8;
    Prodorder::Stack::kill_hard($name);
    sleep rand 0.2;
    Prodorder::Stack::start($name);
    product_service(POST => "/products/$products[2]{id}/restock", '{"quantity":50}') if $name eq 'order-service';
}
sleep 0.5;
my $answers = $load->stop;
my $statuses = Prodorder::Load::statuses($answers);
diag(sprintf '%d kills in %.0f s; statuses: %s', KILLS, time - $begin,
    join ', ', map { "$_: $statuses->{$_}" } sort keys %$statuses);
cmp_ok($statuses->{201} // 0, '>', 500, 'hundreds of orders were accepted between the kills');
is(join(' ', grep { $_ !~ /^(?:201|502|503|504)$/ } keys %$statuses), '',
    'through the gateway every request was answered: accepted, or a clear failure');

# Whoever got no clear answer sends the same again, with its key: nobody ends with two orders.
my @unclear = grep { $_->{status} !~ /^2/ } @$answers;
my $again = Prodorder::Load::run(
    url => Prodorder::Stack::url('gateway'), connections => CONNECTIONS,
    requests => sub { $_[0] < @unclear ? $unclear[$_[0]]{request} : undef });
is_deeply(Prodorder::Load::statuses($again), { 201 => scalar @unclear }, scalar(@unclear) . ' requests without success are accepted when sent again')
    if @unclear;

my $rest_begin = time;
check_rest(REST_S);
diag(sprintf 'at rest after %.1f s', time - $rest_begin);

my %accepted;
for my $answer (@$answers, @$again) {
    my ($product) = $answer->{request}[2] =~ /"productId":(\d+)/;
    push @{ $accepted{$product} }, Prodorder::Load::accepted([$answer]);
}
my $restocked = sql_value(product => "SELECT coalesce(sum(quantity), 0) FROM restocks WHERE product_id = $products[2]{id}");
for my $product (@products) {
    check_orders($product, $accepted{ $product->{id} }, restocked => $product == $products[2] ? $restocked : 0);
    is(sql_value(order => "SELECT count(*) FROM orders WHERE product_id = $product->{id}"), scalar @{ $accepted{ $product->{id} } },
        "product $product->{id}: there are exactly as many orders as were asked for");
    is(sql_value(order => "SELECT count(*) FROM orders o WHERE product_id = $product->{id} AND "
        . 'NOT EXISTS (SELECT FROM idempotency_keys k WHERE k.order_id = o.id)'), 0, 'each with its key');
    check_caches($product);
}
my $short = sql_value(product => "SELECT min(quantity) FROM stock_ledger WHERE product_id = $products[1]{id} AND status = 'rejected'");
ok(!defined $short || $short > product_now($products[1])->{qty}, 'what was rejected of the product that sold out did not fit');

flow_done();
