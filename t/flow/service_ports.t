#!/usr/bin/perl
# The services' own ports: the same paths as the gateway's, bare.
use strict;
use warnings;

use Prodorder::Flow;

my $answer = product_service(POST => '/products', '{"name":"Bare","price":3.5,"qty":10}');
my $product = $answer->{json};
is($answer->{status}, 201, 'POST /products is answered with 201');
is($answer->{headers}{location}, "/products/$product->{id}", 'and with Location');
is(join(' ', sort keys %$product), 'createdAt id name price qty updatedAt', 'and with the bare product');
like($answer->{body}, qr/"price":3\.50,"qty":10,/, 'its price has two decimals');

$answer = order_service(POST => '/orders', order_body($product, 2), { 'X-Request-Id' => 'bare-1' });
my $order = $answer->{json};
is($answer->{status}, 200, 'POST /orders is answered with 200, which load scripts check');
is($answer->{headers}{location}, "/orders/$order->{id}", 'and with Location');
is(join(' ', sort keys %$order),
    'createdAt id productId quantity reason requestId status totalPrice unitPrice updatedAt',
    'and with the bare order');
like($answer->{body}, qr/"unitPrice":3\.50,"totalPrice":7\.00,"status":"waiting","reason":null/,
    'which waits, with exact prices');
is($answer->{headers}{'x-request-id'}, 'bare-1', 'the request id is echoed without a gateway too');
is($order->{requestId}, 'bare-1', 'and stored');

is(finished($order)->{status}, 'done', 'the order becomes done');
$answer = order_service(GET => "/orders/$order->{id}");
is($answer->{status}, 200, 'GET /orders/{id} is answered with 200');
is(join(' ', $answer->{json}{id}, $answer->{json}{status}), "$order->{id} done", 'and the bare order');
is_deeply(gateway(GET => "/orders/$order->{id}")->{json}{data}, $answer->{json},
    'the gateway puts the same order into its envelope');
$answer = order_service(GET => "/orders/product/$product->{id}");
is(ref $answer->{json}, 'ARRAY', 'the list of a product is a bare array');
is($answer->{json}[0]{id}, $order->{id}, 'with the order');
$answer = product_service(GET => "/products/$product->{id}");
is($answer->{json}{qty}, 8, 'GET /products/{id} is the bare product with its new stock');

for my $door ([\&product_service, 'product'], [\&order_service, 'order']) {
    my ($request, $name) = @$door;
    my $plural = "${name}s";
    $answer = $request->(GET => "/$plural/999999999999");
    is($answer->{status}, 404, "an unknown $name is 404");
    is($answer->{json}{statusCode}, 404, "and says so in its body ($name)");
    is($answer->{json}{message}, "There is no such $name", "and what there is not ($name)");
    for my $id (qw(0 -1 abc 1.5 01 9223372036854775808)) {
        is($request->(GET => "/$plural/$id")->{status}, 400, "GET /$plural/$id is 400");
    }
    $answer = $request->(GET => '/nowhere');
    is($answer->{status}, 404, "an unknown path is 404 at the $name service");
    is($answer->{json}{message}, 'There is no such resource', 'and says so');
    $answer = $request->(DELETE => "/$plural/1");
    is($answer->{status}, 405, "DELETE is 405 at the $name service");
    like($answer->{headers}{allow} // '', qr/\bGET\b/, "and Allow names GET ($name)");
    is($request->(GET => '/livez')->{status}, 200, "the $name service lives");
    is($request->(GET => '/readyz')->{status}, 200, "the $name service is ready");
    $answer = $request->(GET => '/metrics');
    is($answer->{status}, 200, "the $name service has metrics");
    like($answer->{body}, qr/^# TYPE prodorder_\w+ (?:counter|gauge|histogram)$/m, "in Prometheus' text format ($name)");
    is($request->(POST => "/$plural", '{"productId":1', {})->{status}, 400, "malformed JSON is 400 at the $name service");
    is($request->(POST => "/$plural", 'x', { 'Content-Type' => 'text/plain' })->{status}, 415,
        "text is 415 at the $name service");
    is($request->(POST => "/$plural", '{"x":"' . 'y' x (1024 * 1024) . '"}')->{status}, 413,
        "more than 1 MiB is 413 at the $name service");
}

# RFC 3986, 6.2.2.2: an encoded unreserved character is the character; nothing else is.
for my $case (
    [\&product_service, "/products/$product->{id}", 'the product service'],
    [\&order_service, "/orders/$order->{id}", 'the order service'],
    [\&gateway, "/products/$product->{id}", 'the gateway'],
    [\&gateway, "/orders/$order->{id}", 'the gateway'],
) {
    my ($request, $path, $where) = @$case;
    my $encoded = $path =~ s{([a-z0-9])}{sprintf '%%%02x', ord $1}egr;
    my ($plain, $same) = map { $request->(GET => $_) } $path, $encoded;
    is($same->{status}, 200, "$encoded is found at $where");
    is_deeply(_bare($same), _bare($plain), "and is $path");
    my ($top) = $path =~ m{^(/\w+)};
    is($request->(GET => $path =~ s{/(?=\d)}{%2F}r)->{status}, 404, "an encoded slash is none at $where");
    is($request->(GET => "$top/$_")->{status}, 400, "$top/$_ is 400 at $where") for '%2F1', '1%00', '%zz', '1%';
}

sub _bare {
    my ($answer) = @_;
    return $answer->{json}{data} // $answer->{json};
}

check_rest();
check_orders($product, [$order->{id}]);
flow_done();
