#!/usr/bin/perl
# Redis stopped, killed or frozen: costs speed, never an answer, and nothing stale comes out of it afterwards.
use strict;
use warnings;

use Time::HiRes qw(time);

use Prodorder::Flow;

my $price = 1;

# One round: change, order, and look at each right after its 2xx, when it must show. Returns what was wrong.
sub round_trip {
    my ($product, $accepted) = @_;
    my $id = $product->{id};
    my @wrong;
    $price++;
    my $answer = gateway(PATCH => "/products/$id", qq({"price":$price}));
    push @wrong, "PATCH: $answer->{status} " . ($answer->{error} // '') if $answer->{status} != 200;
    $answer = gateway(GET => "/products/$id");
    push @wrong, "GET product: $answer->{status}, price " . ($answer->{json}{data}{price} // '-') . " instead of $price"
        if $answer->{status} != 200 || $answer->{json}{data}{price} != $price;
    $answer = gateway(POST => '/orders', order_body($product, 1));
    my $order = $answer->{json}{data} // {};
    push @wrong, "POST order: $answer->{status} " . ($answer->{error} // '') if $answer->{status} != 201;
    push @$accepted, $order->{id} if $order->{id};
    $answer = gateway(GET => "/orders/product/$id");
    push @wrong, "GET list: $answer->{status}, without the order"
        if $answer->{status} != 200 || !grep { $_->{id} == ($order->{id} // 0) } @{ $answer->{json}{data} };
    return @wrong;
}

# As many rounds as fit into some seconds, or until the condition holds.
sub rounds {
    my ($product, $accepted, $seconds, $until) = @_;
    my ($deadline, @wrong, $slowest) = (time + $seconds);
    while (time < $deadline && !($until && $until->())) {
        my $begin = time;
        push @wrong, round_trip($product, $accepted);
        $slowest = time - $begin if !$slowest || time - $begin > $slowest;
    }
    return (\@wrong, $slowest);
}


for my $name (qw(product-redis order-redis)) {
    for my $how (qw(killed stopped frozen)) {
        subtest "$name $how" => sub {
            my $product = new_product(qty => 100_000);
            my @accepted;
            is_deeply((rounds($product, \@accepted, 0.5))[0], [], 'before: every 2xx shows in the next answer');
            my $back = Prodorder::Stack::away($name, $how);
            my ($wrong, $slowest) = rounds($product, \@accepted, 3);
            is_deeply($wrong, [], 'meanwhile: every request is answered, and every 2xx shows in the next answer');
            cmp_ok($slowest // 99, '<', 6, 'and none hangs') or diag("slowest round: $slowest s");
            is(product_service(GET => '/livez')->{status}, 200, 'the product service lives');
            is(order_service(GET => '/livez')->{status}, 200, 'the order service lives');

            my $pid = Prodorder::Stack::in_background($back);
            ($wrong) = rounds($product, \@accepted, 3);
            waitpid $pid, 0;
            is_deeply($wrong, [], 'while it comes back: every 2xx shows in the next answer');
            wait_until("$name is used again", 20, sub {
                gateway(GET => $_) for "/products/$product->{id}", "/orders/product/$product->{id}"; # fills it
                redis($name =~ /^order/ ? ('order', GET => "orders:product:$product->{id}")
                    : ('product', GET => "product:$product->{id}")) ne '';
            });
            pass('it is used again');
            check_rest();
            check_orders($product, \@accepted);
            check_caches($product);
        };
    }
}

subtest 'both at once' => sub {
    my $product = new_product(qty => 100_000);
    my @accepted;
    Prodorder::Stack::kill_hard($_) for qw(product-redis order-redis);
    is_deeply((rounds($product, \@accepted, 2))[0], [], 'every request is answered without any Redis');
    my $last = finished($accepted[-1]);
    is($last->{status}, 'done', 'and orders become done');
    Prodorder::Stack::start(qw(product-redis order-redis));
    is_deeply((rounds($product, \@accepted, 1))[0], [], 'and still when they are back');
    check_rest();
    check_orders($product, \@accepted);
    check_caches($product);
};

flow_done();
