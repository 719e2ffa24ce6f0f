#!/usr/bin/perl
# The catalogue: create, read, change, restock, pages, entity tags, exact money; at the gateway and bare.
use strict;
use warnings;
use utf8;

use Prodorder::Flow;

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output);

my @DOORS = ([gateway => \&gateway], ['product-service' => \&product_service]);

sub data_of {
    my ($answer) = @_;
    return ref $answer->{json} eq 'HASH' && exists $answer->{json}{data} ? $answer->{json}{data} : $answer->{json};
}

sub create {
    my ($request, $price, $qty, $name) = @_;
    utf8::encode($name //= 'Thing');
    return $request->(POST => '/products', qq({"name":"$name","price":$price,"qty":$qty}));
}

for my $door (@DOORS) {
    my ($name, $request) = @$door;

    subtest "money at the $name" => sub {
        my %exact = ('0' => '0.00', '0.1' => '0.10', '0.3' => '0.30', '0.30000000' => '0.30', '19.99' => '19.99',
            '9999999999.99' => '9999999999.99', '4.35' => '4.35', '1e2' => '100.00', '1.005e3' => '1005.00');
        for my $price (sort keys %exact) {
            my $answer = create($request, $price, 1);
            is($answer->{status}, 201, "the price $price is accepted");
            my $id = data_of($answer)->{id} or next;
            like($answer->{body}, qr/"price":\Q$exact{$price}\E,/, "and is $exact{$price} ($price)");
            like($request->(GET => "/products/$id")->{body}, qr/"price":\Q$exact{$price}\E,/, "also when read ($price)");
        }
        for my $price (qw(0.001 19.999 10000000000 9999999999.991 -0.01 -1 "1" null 1e10 1e-3 0.30000000000000004)) {
            my $answer = create($request, $price, 1);
            is($answer->{status}, 400, "the price $price is 400");
        }
        my $product = data_of(create($request, '0.1', 10));
        for my $quantity (1, 2, 3, 7) {
            my $answer = gateway(POST => '/orders', order_body($product, $quantity));
            like($answer->{body}, qr/"unitPrice":0\.10,"totalPrice":0\.${quantity}0,/,
                "$quantity times 0.1 is exactly 0.$quantity");
            finished($answer->{json}{data});
        }
    };

    subtest "names and stock at the $name" => sub {
        for my $good ('a', 'x' x 200, 'ü' x 200, '日本' x 100, '😀' x 200, ' a ', 'quote \" and \\\\') {
            is(create($request, 1, 0, $good)->{status}, 201, 'a name of ' . length($good) . ' characters is accepted: ' . substr $good, 0, 12);
        }
        for my $bad ('', 'x' x 201, '😀' x 201, ' ', "\x{a0}\x{3000}", '\t', '\u0000') {
            is(create($request, 1, 0, $bad)->{status}, 400, 'a name of ' . length($bad) . ' characters is refused: ' . substr $bad, 0, 12);
        }
        for my $qty (0, 1, 2_147_483_647) {
            is(data_of(create($request, 1, $qty))->{qty}, $qty, "a stock of $qty is accepted");
        }
        for my $qty (qw(-1 2147483648 1.5 "1" null)) {
            is(create($request, 1, $qty)->{status}, 400, "a stock of $qty is 400");
        }
    };

    subtest "changes at the $name" => sub {
        my $product = data_of(create($request, '5.00', 4, 'Before'));
        my $target = "/products/$product->{id}";
        my $etag = $request->(GET => $target)->{headers}{etag};
        ok($etag, 'a product has an entity tag');
        is($request->(GET => $target, undef, { 'If-None-Match' => $etag })->{status}, 304, 'If-None-Match with it is 304');
        is($request->(GET => $target, undef, { 'If-None-Match' => $etag })->{body}, '', 'without a body');
        is($request->(GET => $target, undef, { 'If-None-Match' => '"other"' })->{status}, 200, 'with another it is 200');

        my $answer = $request->(PATCH => $target, '{"price":6.5}', { 'If-Match' => '"999"' });
        is($answer->{status}, 412, 'If-Match with another tag is 412');
        is(data_of($request->(GET => $target))->{price}, 5, 'and changes nothing');
        $answer = $request->(PATCH => $target, '{"price":6.5}', { 'If-Match' => $etag });
        is($answer->{status}, 200, 'If-Match with its tag is 200');
        like($answer->{body}, qr/"name":"Before","price":6\.50,"qty":4,/, 'the price is changed, and nothing else');
        isnt($answer->{headers}{etag}, $etag, 'the tag has changed');
        is($request->(PATCH => $target, '{"price":7}', { 'If-Match' => $etag })->{status}, 412, 'the old tag is 412 now');
        is($request->(GET => $target, undef, { 'If-None-Match' => $etag })->{status}, 200, 'and no longer 304');
        is($request->(GET => $target)->{headers}{etag}, $answer->{headers}{etag}, 'the next GET has the new tag');

        $answer = $request->(PATCH => $target, '{"name":"After"}');
        like($answer->{body}, qr/"name":"After","price":6\.50,/, 'the name can be changed alone');
        for my $bad ('{}', '{"qty":5}', '{"price":-1}', '{"name":""}', '{"id":7}', '[]', '{"price":1.001}') {
            is($request->(PATCH => $target, $bad)->{status}, 400, "PATCH with $bad is 400");
        }
        is($request->(PATCH => '/products/999999999', '{"price":1}')->{status}, 404, 'PATCH of an unknown product is 404');
        is(finished(order_ok($product, 1))->{quantity}, 1, 'it can be ordered');
        like(gateway(GET => "/orders/product/$product->{id}")->{body}, qr/"unitPrice":(?:5\.00|6\.50),/, 'at one of its prices');
    };

    subtest "restocks at the $name" => sub {
        my $product = data_of(create($request, 1, 0, 'Empty'));
        my $target = "/products/$product->{id}/restock";
        my $answer = $request->(POST => $target, '{"quantity":5}');
        is($answer->{status}, 200, 'a restock is 200');
        is(data_of($answer)->{qty}, 5, 'and shows the new stock');
        is(data_of($request->(GET => "/products/$product->{id}"))->{qty}, 5, 'so does the next GET');
        for my $bad (qw(0 -1 1.5 "1" null 1000001)) {
            is($request->(POST => $target, qq({"quantity":$bad}))->{status}, 400, "a restock of $bad is 400");
        }
        is($request->(POST => $target, '{"quantity":1000000}')->{status}, 200, 'a restock of 1000000 is 200');
        my $full = data_of(create($request, 1, 2_147_483_640, 'Nearly full'));
        is($request->(POST => "/products/$full->{id}/restock", '{"quantity":7}')->{status}, 200,
            'a restock up to a stock of 2147483647 is 200');
        is($request->(POST => "/products/$full->{id}/restock", '{"quantity":1}')->{status}, 400, 'one more is 400');
        is(data_of($request->(GET => "/products/$full->{id}"))->{qty}, 2_147_483_647, 'and changes nothing');
        is($request->(POST => '/products/999999999/restock', '{"quantity":1}')->{status}, 404,
            'a restock of an unknown product is 404');
        check_rest();
        check_orders({ %$product, qty => 0 }, [], restocked => 1_000_005);
        check_caches($product);
    };

    subtest "pages at the $name" => sub {
        my @new = map { data_of(create($request, $_, 1, "Page $_"))->{id} } 1 .. 7;
        my @seen;
        my $target = '/products?limit=3';
        my $cursor;
        while ($target) {
            my $answer = $request->(GET => $target);
            is($answer->{status}, 200, "$target is 200") if !@seen || $answer->{status} != 200;
            last if $answer->{status} != 200;
            my $page = data_of($answer);
            push @seen, map { $_->{id} } @$page;
            ($target) = ($answer->{headers}{link} // '') =~ /^<([^>]+)>; rel="next"$/;
            ($cursor) = $target =~ /cursor=(\w+)/ if $target;
            fail('only the last page is short') if $target && @$page != 3;
        }
        is_deeply(\@seen, [map { $_->[0] } @{ sql(product => 'SELECT id FROM products ORDER BY id') }],
            'the pages together are the catalogue, by id, each product once');
        is(scalar(grep { my $id = $_; grep { $_ == $id } @new } @seen), 7, 'the new products are there');
        is($request->(GET => "/products?limit=3&cursor=$cursor")->{status}, 200, 'a cursor can be used again');
        my $foreign = $cursor;
        substr($foreign, 20, 1) = substr($foreign, 20, 1) eq '0' ? '1' : '0';
        is($request->(GET => "/products?cursor=$foreign")->{status}, 400, 'a cursor that was changed is 400');
        for my $bad (qw(cursor=abc cursor= limit=0 limit=1001 limit=abc limit=-1 limit=1.5 limit=)) {
            is($request->(GET => "/products?$bad")->{status}, 400, "$bad is 400");
        }
        is(scalar @{ data_of($request->(GET => '/products?limit=1')) }, 1, 'limit=1 is one product');
        is($request->(GET => '/products?limit=1000')->{status}, 200, 'limit=1000 is 200');
    };
}

subtest 'changes at once' => sub {
    require Prodorder::Load;
    my $product = new_product(qty => 0);
    my $answers = Prodorder::Load::run(
        url => Prodorder::Stack::url('gateway'), connections => 16,
        requests => sub { $_[0] < 200 ? [POST => "/products/$product->{id}/restock", '{"quantity":3}'] : undef });
    is_deeply(Prodorder::Load::statuses($answers), { 200 => 200 }, '200 restocks by 16 at once are answered with 200');
    is(product_now($product)->{qty}, 600, 'and all of them count');
    check_rest();
    check_caches($product);
};

check_rest();
flow_done();
