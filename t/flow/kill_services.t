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
check_load(\@products, $answers, rest_s => REST_S, restocked => { $products[2]{id} =>
    sql_value(product => "SELECT coalesce(sum(quantity), 0) FROM restocks WHERE product_id = $products[2]{id}") });

flow_done();
