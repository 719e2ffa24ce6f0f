#!/usr/bin/perl
# A row that somebody else has locked (SELECT … FOR UPDATE in a transaction that stays open) holds up what needs it, and nothing else.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

use constant { LOCKED_S => 6, LIMIT_S => 2, USUAL_S => 0.5 };

sub locked {
    my ($side, $table, $id) = @_;
    return Prodorder::Stack::hold($side => "SELECT FROM $table WHERE id = $id FOR UPDATE");
}

# Requests through the gateway, a new one as soon as one is answered, from each of several clients.
sub stream {
    my ($connections, @requests) = @_;
    return Prodorder::Load->start(url => Prodorder::Stack::url('gateway'), connections => $connections, rate_per_s => 40,
        requests => sub { $requests[$_[0] % @requests] });
}

# None of these noticed anything.
sub not_held_up {
    my ($answers, $what, $status) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @seconds = sort { $a <=> $b } map { $_->{seconds} } @$answers;
    diag(sprintf '%s: %d, median %.3f s, longest %.3f s', $what, scalar @seconds, median(@seconds), $seconds[-1]);
    is_deeply(Prodorder::Load::statuses($answers), { $status => scalar @$answers }, "$what: all are answered $status");
    cmp_ok(scalar @seconds, '>', 10, "$what: there are some");
    cmp_ok($seconds[-1], '<', LIMIT_S, "$what: none takes " . LIMIT_S . ' s');
    cmp_ok(scalar(grep { $_ > USUAL_S } @seconds), '<=', @seconds / 20, "$what: hardly one takes " . USUAL_S . ' s');
    return;
}

# These are told to come again.
sub refused {
    my ($answers, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @longest = sort { $a <=> $b } map { $_->{seconds} } @$answers;
    diag(sprintf '%s: %d, longest %.3f s', $what, scalar @$answers, $longest[-1] // 0);
    is_deeply(Prodorder::Load::statuses($answers), { 503 => scalar @$answers }, "$what: 503");
    is(scalar(grep { ($_->{headers}{'retry-after'} // '') !~ /^\d+$/ } @$answers), 0, "$what: with Retry-After");
    is(scalar(grep { $_->{body} !~ /locked by another transaction/ } @$answers), 0, "$what: the message says why");
    cmp_ok($longest[-1] // 0, '<', LIMIT_S, "$what: within " . LIMIT_S . ' s');
    return;
}

subtest 'changes of a locked product' => sub {
    my ($locked, @others) = map { new_product(qty => 1_000_000) } 1 .. 6;
    my $release = locked(product => 'products', $locked->{id});
    my $mine = stream(4, [PATCH => "/products/$locked->{id}", '{"price":3}'], [POST => "/products/$locked->{id}/restock", '{"quantity":7}']);
    my $changes = stream(4, map { ([PATCH => "/products/$_->{id}", '{"price":2}'], [POST => "/products/$_->{id}/restock", '{"quantity":5}']) } @others);
    my $new = stream(1, [POST => '/products', '{"name":"Beside a locked one","price":1,"qty":1}']);
    my $reads = stream(1, [GET => "/products/$locked->{id}"]);
    my $orders = stream(2, map { [POST => '/orders', order_body($_, 1)] } @others);
    sleep LOCKED_S;
    my ($refused, $changed, $made, $read, $accepted) = map { $_->stop } $mine, $changes, $new, $reads, $orders;
    refused($refused, 'changes of the locked product');
    not_held_up($changed, 'changes of others', 200);
    not_held_up($made, 'new products', 201);
    not_held_up($read, 'reading the locked product', 200);
    not_held_up($accepted, 'orders of other products', 201);
    $release->();
    my $begin = time;
    my $after = gateway(PATCH => "/products/$locked->{id}", '{"price":4}');
    is($after->{status}, 200, 'released, it is changed');
    cmp_ok(time - $begin, '<', USUAL_S, 'at once');
    is(gateway(POST => "/products/$locked->{id}/restock", '{"quantity":1}')->{json}{data}{qty}, 1_000_001, 'what was refused is not done');
    check_rest();
    for my $product (@others) {
        my $restocked = 5 * grep { $_->{request}[1] eq "/products/$product->{id}/restock" } @$changed;
        my @ids = Prodorder::Load::accepted([grep { $_->{request}[2] eq order_body($product, 1) } @$accepted]);
        check_orders($product, \@ids, restocked => $restocked);
    }
    check_caches($_) for $locked, @others;
};

# Whoever has stored it has not committed.
subtest 'orders beside an idempotency key that is locked' => sub {
    my $product = new_product(qty => 1_000_000);
    my $key = "locked-$$";
    my $release = Prodorder::Stack::hold(order => "INSERT INTO idempotency_keys VALUES ('$key', 1, 1, 1, now())");
    my $mine = stream(1, [POST => '/orders', order_body($product, 2), { 'Idempotency-Key' => $key }]);
    my $number = 0;
    my $orders = stream(8, map { [POST => '/orders', order_body($product, 1), $_ % 2 ? {} : { 'Idempotency-Key' => "$key-" . ++$number }] } 1 .. 500);
    sleep LOCKED_S;
    my ($refused, $accepted) = map { $_->stop } $mine, $orders;
    refused($refused, 'the order with the locked key');
    not_held_up($accepted, 'orders with other keys and without', 201);
    $release->();
    my $answer = gateway(POST => '/orders', order_body($product, 2), { 'Idempotency-Key' => $key });
    is($answer->{status}, 201, 'released, its order is accepted');
    check_rest();
    my %ids = map { $_ => 1 } Prodorder::Load::accepted($accepted), $answer->{json}{data}{id};
    check_orders($product, [keys %ids]);
};

flow_done();
