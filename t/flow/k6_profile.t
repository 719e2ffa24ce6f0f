#!/usr/bin/perl
# The scripts of k6/, driven by wrk, on the whole stack for a few seconds: the load is the one that was planned,
# the thresholds are applied, and a broken one is exit 1.
use strict;
use warnings;

use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp ();
use JSON::PP;

use Prodorder::Flow;

for my $program (qw(node wrk)) {
    my $package = $program eq 'node' ? 'nodejs' : $program;
    plan skip_all => "$program is missing (Debian package: $package)"
        if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
}

my ($door, $gate) = (Prodorder::Stack::url('order'), Prodorder::Stack::url('gateway'));
my $results = File::Temp->newdir;
my $runs = 0;

# profile({ VARIABLE => VALUE }, ARGS...): { said, status, result }
sub profile {
    my ($environment, @arguments) = @_;
    my $file = "$results/" . ++$runs;
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        delete @ENV{qw(PRODUCT_IDS RATE DURATION STOCK ORDERS BUYERS WAIT)};
        @ENV{qw(BASE_URL GATEWAY_URL), keys %$environment} = ($door, $gate, values %$environment);
        exec 'node', 'bench/k6_profile/main.mjs', '--json', $file, @arguments or exit 127;
    }
    my $said = do { local $/; <$out> } // '';
    close $out;
    my $run = { said => $said, status => $? >> 8 };
    open my $in, '<', $file or return $run;
    $run->{result} = decode_json(scalar <$in>);
    return $run;
}

sub orders_of {
    my ($product, $more) = @_;
    return sql_value(order => "SELECT count(*) FROM orders WHERE product_id = $product->{id}" . ($more // ''));
}

# What does not hold, by its threshold's name.
sub broken {
    my ($run) = @_;
    return [map { $_->{ok} ? () : $_->{metric} } @{ $run->{result}{thresholds} }];
}

# The ramp of script.js in four seconds: every arrival is sent, when it is due.
my $product = new_product(qty => 1_000_000);
my $run = profile({ PRODUCT_IDS => $product->{id} }, '--seconds', '4', 'script');
is($run->{status}, 0, 'script.js: every threshold holds') or diag $run->{said};
my $result = $run->{result};
is($result->{dropped} + $result->{requests}, 3200, 'the 88,000 requests of 110 s are 3,200 in 4 s');
is($result->{checks}{'status is 200'}{passes}, $result->{requests}, 'each was answered with 200');
is(orders_of($product), $result->{requests}, 'and is an order in the database');
my $steady = $result->{pacing}[1];
cmp_ok(abs($steady->{sent_per_s} - 1000), '<', 50, "in the middle 1,000 are sent a second ($steady->{sent_per_s})");
cmp_ok(abs($result->{p95_ms} - $result->{wrk_p95_ms}), '<', 1 + $result->{wrk_p95_ms} * 0.1,
    "the 95th percentile is what wrk has measured ($result->{p95_ms} and $result->{wrk_p95_ms} ms)");
like($run->{said}, qr/✓ errors count<1000\.+: 0\n.*✓ http_req_duration p\(95\)<1000\.+: \d+\.\d\d ms\n/s,
    'the table has it');

$run = profile({ PRODUCT_IDS => $product->{id}, RATE => 200, DURATION => '2s' }, 'mixed');
is($run->{status}, 0, 'mixed.js: every threshold holds') or diag $run->{said};
is_deeply([map { $_->{fails} } values %{ $run->{result}{checks} }], [(0) x 8], 'and every check');
cmp_ok(orders_of($product), '>', $result->{requests} + 50, 'a part of it are orders');

$run = profile({ STOCK => 40, ORDERS => 120, BUYERS => 30 }, 'spike');
is($run->{status}, 0, 'spike.js: every threshold holds') or diag $run->{said};
my ($sold) = $run->{said} =~ /^product (\d+): stock 40, orders 120, sold 40, rejected 80, waiting 0, left 0$/m;
is(orders_of({ id => $sold // 0 }, " AND status = 'done'"), 40, 'the stock was sold, as the database has it');

# A broken threshold is exit 1: orders for a product that does not exist.
$run = profile({ PRODUCT_IDS => 999_999_999, RATE => 100, DURATION => '1s' }, 'steady');
is($run->{status}, 1, 'a broken threshold is exit 1');
is_deeply(broken($run), ['http_req_failed'], 'the one that is broken');
is($run->{result}{errors}, 100, 'each refused order is an error');
like($run->{said}, qr/✗ http_req_failed rate<0\.05\.+: 100\.00 % +BROKEN\n/, 'the table says so');

# So is a sale that is not exact: in this copy of spike.js there is one piece more than it says.
my $copy = File::Temp->newdir;
make_path("$copy/lib");
copy('k6/lib/env.js', "$copy/lib/env.js") or die "cannot copy env.js: $!\n";
open my $in, '<', 'k6/spike.js' or die "k6/spike.js: $!\n";
my $text = do { local $/; <$in> };
$text =~ s/qty: STOCK\b/qty: STOCK + 1/ or die "spike.js sets no qty\n";
open my $out, '>', "$copy/spike.js" or die "$copy: $!\n";
print {$out} $text;
close $out or die "$copy: $!\n";
$run = profile({ STOCK => 10, ORDERS => 20, BUYERS => 10 }, "$copy/spike.js");
is($run->{status}, 1, 'one piece too many sold is exit 1');
is_deeply(broken($run), [qw(orders_done sale_exact)], 'by these thresholds');
is($run->{result}{checks}{'sold is exactly the stock'}{fails}, 1, 'and this check');

# Nobody answers: nothing is measured, which is no success.
$run = profile({ BASE_URL => 'http://127.0.0.1:9', RATE => 10, DURATION => '1s' }, 'steady');
is($run->{status}, 1, 'without a server it is exit 1');
like($run->{said}, qr/unable to connect to 127\.0\.0\.1:9/, 'and says why');
check_rest();
flow_done();
