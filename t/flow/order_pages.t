#!/usr/bin/perl
# GET /orders/product/{id}: newest first, whole and without duplicates, cached, and never behind a 2xx.
use strict;
use warnings;

use Prodorder::Flow;
use Prodorder::Load;

use constant { ORDERS => 230, WRITERS => 8, READ_BACK => 400 };

my $product = new_product(qty => 1_000_000);
my $answers = Prodorder::Load::run(
    url => Prodorder::Stack::url('gateway'), connections => 8,
    requests => sub { $_[0] < ORDERS ? [POST => '/orders', order_body($product, 1)] : undef });
my @ids = Prodorder::Load::accepted($answers);
is(scalar @ids, ORDERS, 'all orders are accepted');
check_rest();

sub walk {
    my ($request, $target) = @_;
    my (@orders, @sizes);
    while ($target) {
        my $answer = $request->(GET => $target);
        return ["$target: $answer->{status}"] if $answer->{status} != 200;
        my $page = ref $answer->{json} eq 'HASH' ? $answer->{json}{data} : $answer->{json};
        push @orders, @$page;
        push @sizes, scalar @$page;
        ($target) = ($answer->{headers}{link} // '') =~ /^<([^>]+)>; rel="next"$/;
    }
    return (\@orders, \@sizes);
}

for my $door ([gateway => \&gateway], ['order-service' => \&order_service]) {
    my ($name, $request) = @$door;
    my $list = "/orders/product/$product->{id}";
    my %pages = ('' => '100 100 30', '?limit=100' => '100 100 30', '?limit=115' => '115 115', '?limit=229' => '229 1',
        '?limit=230' => '230', '?limit=1000' => '230', '?limit=7' => join ' ', (7) x 32, 6);
    for my $query (sort keys %pages) {
        my ($orders, $sizes) = walk($request, $list . $query);
        is(join(' ', @{ $sizes // [] }), $pages{$query}, "pages of '$query' have the right sizes ($name)");
        is(join(' ', sort { $a <=> $b } map { $_->{id} } @$orders), join(' ', sort { $a <=> $b } @ids),
            "and hold every order once ($name)");
        my @newest = sort { $b->{createdAt} cmp $a->{createdAt} || $b->{id} <=> $a->{id} } @$orders;
        is(join(' ', map { $_->{id} } @$orders), join(' ', map { $_->{id} } @newest), "newest first ($name)");
    }
    is(scalar @{ (walk($request, "$list?limit=1"))[0] }, ORDERS, "limit=1 walks through all of them ($name)");

    for my $bad (qw(limit=0 limit=1001 limit=-1 limit=abc limit= limit=1.5 cursor=abc cursor=)) {
        is($request->(GET => "$list?$bad")->{status}, 400, "$bad is 400 ($name)");
    }
    my ($cursor) = $request->(GET => $list)->{headers}{link} =~ /cursor=(\w+)/;
    is($request->(GET => "$list?cursor=$cursor")->{status}, 200, "a cursor works without a limit ($name)");
    my $other = new_product();
    is($request->(GET => "/orders/product/$other->{id}?cursor=$cursor")->{status}, 400,
        "a cursor of another product is 400 ($name)");
    is($request->(GET => '/products?cursor=' . $cursor)->{status}, 400, 'a cursor of the orders is 400 for products')
        if $name eq 'gateway';
    my $answer = $request->(GET => "/orders/product/$other->{id}");
    like($answer->{body}, qr/^\[\]$|"data":\[\]/, "a product without orders has an empty list ($name)");
    is($answer->{headers}{link}, undef, "without a next page ($name)");
}

subtest 'the cached first page' => sub {
    my $answer = order_service(GET => "/orders/product/$product->{id}");
    my $key = "orders:product:$product->{id}";
    my $cached = wait_until('the first page is cached', 5, sub {
        order_service(GET => "/orders/product/$product->{id}");
        redis(order => GET => $key);
    });
    $cached =~ s/\n\z//;
    is($cached, $answer->{body}, 'GET on its key shows the same JSON array');
    my $ttl = redis(order => TTL => $key);
    ok($ttl > 590 && $ttl <= 600, 'it lives 600 s') or diag("TTL $ttl");
    is(order_service(GET => "/orders/product/$product->{id}")->{body}, $answer->{body}, 'the next answer is the same');
    is_deeply(order_service(GET => "/orders/product/$product->{id}")->{headers}{link}, $answer->{headers}{link},
        'and so is its next page');
    check_caches($product);
};

# Each writer reads the list right after its order was accepted, while the others write and the orders are being decided.
sub read_back {
    my ($name, $url) = @_;
    my $written = new_product(qty => READ_BACK / 2);
    my $list = "/orders/product/$written->{id}";
    my (@missing, @accepted, $lists);
    Prodorder::Load::run(
        url => $url, connections => WRITERS,
        requests => sub { $_[0] < READ_BACK ? [POST => '/orders', order_body($written, 1)] : undef },
        after => sub {
            my ($answer) = @_;
            my ($method, $target, undef, $headers) = @{ $answer->{request} };
            if ($method eq 'POST') {
                my ($id) = Prodorder::Load::accepted([$answer]) or return;
                push @accepted, $id;
                return [GET => $list, undef, { 'X-Request-Id' => "wrote-$id" }];
            }
            $lists++;
            my ($id) = $headers->{'X-Request-Id'} =~ /(\d+)/;
            push @missing, $id if $answer->{body} !~ /"id":$id,/;
            return;
        });
    is(scalar @accepted, READ_BACK, "all orders are accepted ($name)");
    is($lists, READ_BACK, "each is followed by a look at the list ($name)");
    is_deeply(\@missing, [], "which always has the order that was just accepted ($name)");
    check_rest();
    check_orders($written, \@accepted);
    check_caches($written);
    return;
}

subtest 'read your own write' => sub {
    read_back(gateway => Prodorder::Stack::url('gateway'));
    read_back('order-service' => Prodorder::Stack::url('order'));
};

check_orders($product, \@ids);
flow_done();
