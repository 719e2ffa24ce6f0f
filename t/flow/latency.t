#!/usr/bin/perl
# How long a client of an idle stack waits: for the answer, and for its order to be done.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Prodorder::Flow;

use constant { ORDERS => 100, WARM_UP => 10, ANSWER_LIMIT_MS => 10, DONE_LIMIT_MS => 250 };

my $product = new_product(qty => 1_000_000);
check_rest();

sub place {
    my $begin = time;
    my $answer = gateway(POST => '/orders', order_body($product, 1));
    my $answered = time;
    die "order refused: $answer->{status} $answer->{body}\n" if $answer->{status} != 201;
    my $id = $answer->{json}{data}{id};
    while (gateway(GET => "/orders/$id")->{json}{data}{status} eq 'waiting') {
        die "order $id still waits after 10 s\n" if time - $begin > 10;
        sleep 0.001;
    }
    return (1000 * ($answered - $begin), 1000 * (time - $begin));
}

place() for 1 .. WARM_UP;
my (@answer_ms, @done_ms);
for (1 .. ORDERS) {
    my ($answer_ms, $done_ms) = place();
    push @answer_ms, $answer_ms;
    push @done_ms, $done_ms;
}

sub figures {
    my (@sorted) = sort { $a <=> $b } @_;
    return sprintf 'p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms', @sorted[@sorted * 0.5, @sorted * 0.9, @sorted * 0.99, -1];
}

diag('POST /orders to its answer: ', figures(@answer_ms));
diag('POST /orders to done:       ', figures(@done_ms));
cmp_ok(median(@answer_ms), '<', ANSWER_LIMIT_MS, 'half of the orders are answered within 10 ms');
cmp_ok(median(@done_ms), '<', DONE_LIMIT_MS, 'half of the orders are done within 250 ms');
check_rest();
flow_done();
