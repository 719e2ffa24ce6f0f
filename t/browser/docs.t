#!/usr/bin/perl
# The docs page in a real browser: open it, expand POST /orders, execute it, see 201; without a request
# to any other machine, and without a complaint of the browser's.
use strict;
use warnings;

use JSON::PP;

use Prodorder::Flow;
use Prodorder::Npm;

my ($chromium) = grep { -x } map { "$_/chromium" } split /:/, $ENV{PATH};
plan skip_all => 'chromium is missing (Debian package: chromium)' if !$chromium;
Prodorder::Npm::need('t/browser');
plan skip_all => 'the docs page was built without swagger-ui: make docs-ui'
    if gateway(GET => '/docs/swagger-ui-bundle.js')->{status} != 200;

my $base = Prodorder::Stack::url('gateway');
my $product = new_product(name => 'Browser test', price => '12.50', qty => 5);

# What docs.mjs saw. TEST_SCREENSHOT is a file for a picture of the page.
sub browse {
    open my $out, '-|', 'node', 't/browser/docs.mjs', $chromium, $base, $product->{id}, $ENV{TEST_SCREENSHOT} // ()
        or die "cannot run node: $!\n";
    my $said = do { local $/; <$out> };
    ok(close $out, 'the browser did all that it was asked to');
    return decode_json($said);
}

my $seen = browse();
is($seen->{status}, 200, 'the page opens');
is($seen->{title}, 'prodorder API', 'with its title');
like($seen->{heading}, qr/^prodorder\b/, 'and its heading');
like($seen->{headers}{'content-security-policy'}, qr/\bdefault-src 'none'; script-src 'self'; style-src 'self';/,
    'its content security policy lets in files of its own only');
unlike($seen->{headers}{'content-security-policy'}, qr/unsafe/, 'without exceptions');

my $contract = decode_json(gateway(GET => '/openapi.json')->{body});
my %methods = map { $_ => 1 } qw(get post put patch delete);
is_deeply([sort @{ $seen->{operations} }],
    [sort map { my $path = $_; map { uc . " $path" } grep { $methods{$_} } keys %{ $contract->{paths}{$path} } }
        keys %{ $contract->{paths} }],
    'it shows every operation of the contract');
is_deeply($seen->{parameters}, [map { [$_, ''] } qw(Idempotency-Key Prefer X-Request-Id traceparent tracestate)],
    'POST /orders shows its parameters, and fills none in');
is_deeply(decode_json($seen->{example}), { productId => 1, quantity => 2 }, 'and an example of its body');
is_deeply([sort @{ $seen->{responses} }],
    [sort keys %{ $contract->{paths}{'/orders/{id}'}{get}{responses} }], 'GET /orders/{id} shows its answers');

is($seen->{order}{status}, 201, 'an order that is executed there is 201');
my $order = decode_json($seen->{order}{body});
is($order->{requestId}, 'from-the-browser', 'with the request id that was typed in');
is($order->{data}{productId}, $product->{id}, 'for that product');
is($seen->{shown}{status}, '201', 'the page shows the status');
like($seen->{shown}{text}, qr/"requestId": "from-the-browser"/, 'and the request id');
is(finished($order->{data})->{status}, 'done', 'the order is a real one');
is(product_now($product)->{qty}, 3, 'and takes stock');

is_deeply($seen->{console}, [], 'the browser has nothing to complain of');
is_deeply($seen->{failed}, [], 'no request fails');
is_deeply($seen->{blocked}, [], 'no request leaves for another machine');
is_deeply([grep { !m{^\w+ (?:\Q$base\E/|data:)} } @{ $seen->{requests} }], [], 'none at all');
cmp_ok(scalar @{ $seen->{requests} }, '>=', 8, 'requests were looked at');
flow_done();
