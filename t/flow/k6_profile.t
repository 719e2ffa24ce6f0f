#!/usr/bin/perl
# The scripts of k6/, driven by wrk, on the whole stack for a few seconds: each request that was planned is
# accounted for, the databases have what was answered, and the exit status is the verdict. How fast the machine
# is does not matter here.
use strict;
use warnings;

use File::Path qw(make_path);

use Prodorder::Flow;
use Prodorder::K6;

Prodorder::K6::need(qw(wrk curl));

my ($door, $gate) = (Prodorder::Stack::url('order'), Prodorder::Stack::url('gateway'));

# Thresholds and checks that a slow machine breaks.
my $speed = qr/^(?:errors|http_req_duration|latency_ms|checks|duration < 1s)$/;

sub on_stack {
    my ($environment, @arguments) = @_;
    my $run = profile({ BASE_URL => $door, GATEWAY_URL => $gate, %$environment }, @arguments);
    die "no result: $run->{said}\n" if !$run->{result};
    my ($result, $name) = ($run->{result}, $arguments[-1] =~ m{(\w+)(?:\.js)?$});
    my $holds = $result->{driven} && !grep { !$_->{ok} } @{ $result->{thresholds} };
    is($run->{status}, $holds ? 0 : 1, "$name: the exit status is the verdict") or diag $run->{said};
    return $run;
}

# What does not hold, by its threshold's name, but for speed.
sub broken {
    my ($run) = @_;
    return [map { $_->{ok} || $_->{metric} =~ $speed ? () : $_->{metric} } @{ $run->{result}{thresholds} }];
}

sub failed_checks {
    my ($run) = @_;
    my $checks = $run->{result}{checks};
    return [grep { $checks->{$_}{fails} && !/$speed/ } sort keys %$checks];
}

# copy_of(SCRIPT, [WHAT, BY]...): the path of a copy that differs
sub copy_of {
    my ($name, @changes) = @_;
    my ($dir) = written('one', '') =~ m{(.*)/};
    make_path("$dir/lib");
    my %text;
    for my $file ("$name.js", 'lib/env.js') {
        open my $in, '<', "k6/$file" or die "k6/$file: $!\n";
        $text{$file} = do { local $/; <$in> };
    }
    for my $change (@changes) {
        my ($what, $by) = @$change;
        $text{"$name.js"} =~ s/$what/$by/ or die "k6/$name.js has no $what\n";
    }
    written('lib/env.js', $text{'lib/env.js'});
    return written("$name.js", $text{"$name.js"});
}

sub orders_of {
    my ($id, $more) = @_;
    return sql_value(order => "SELECT count(*) FROM orders WHERE product_id = $id" . ($more // ''));
}

# The ramp of script.js in four seconds.
my $product = new_product(qty => 1_000_000);
my $run = on_stack({ PRODUCT_IDS => $product->{id} }, '--seconds', '4', 'script');
my $result = $run->{result};
my $answered = $result->{checks}{'status is 200'};
is($answered->{passes} + $answered->{fails} + $result->{dropped}, 3200,
    'of the 3,200 requests each is answered, failed or dropped');
cmp_ok($answered->{passes}, '>', 0, "$answered->{passes} are answered with 200");
cmp_ok(orders_of($product->{id}), '>=', $answered->{passes}, 'each of these is an order in the database');
cmp_ok(orders_of($product->{id}), '<=', $answered->{passes} + $answered->{fails}, 'and nothing that was not sent');
is_deeply(broken($run), [], 'no threshold but of speed is broken');
like($run->{said}, qr/^thresholds\n   \S+ errors count<1000\.+: \d/m, 'the table has the thresholds');
like($run->{said}, qr/^   \S+ http_req_duration p\(95\)<1000\.+: \d+\.\d\d ms/m, 'with the times in milliseconds');

$run = on_stack({ PRODUCT_IDS => $product->{id}, RATE => 100, DURATION => '2s' }, 'mixed');
is_deeply([@{ failed_checks($run) }, @{ broken($run) }], [], 'mixed.js: nothing is wrong but for speed');
cmp_ok($run->{result}{checks}{'envelope: path'}{passes}, '>', 0, 'and envelopes were looked at');

$run = on_stack({ STOCK => 40, ORDERS => 120, BUYERS => 30 }, 'spike');
is_deeply([@{ failed_checks($run) }, @{ broken($run) }], [], 'spike.js: nothing is wrong but for speed');
my ($sold) = $run->{said} =~ /^product (\d+): stock 40, orders 120, sold 40, rejected 80, waiting 0, left 0$/m;
is(orders_of($sold // 0, " AND status = 'done'"), 40, 'the stock was sold, as the database has it');

# Without thresholds of speed it is exit 0; with one that nothing can hold it is exit 1.
my @no_speed = map { [qr/^ +$_: \[.*\],\n/m, ''] } qw(errors http_req_duration latency_ms);
$run = on_stack({ STOCK => 5, ORDERS => 10, BUYERS => 5 }, copy_of('spike', @no_speed));
is($run->{status}, 0, 'all thresholds hold: exit 0') or diag $run->{said};
$run = on_stack({ STOCK => 5, ORDERS => 10, BUYERS => 5 },
    copy_of('spike', @no_speed, [qr/http_req_failed: .*/, "http_req_failed: ['rate<0'],"]));
is($run->{status}, 1, 'one is broken: exit 1');
like($run->{said}, qr/✗ http_req_failed rate<0\.+: 0\.00 % +BROKEN\n/, 'the table says which');

# Orders for a product that does not exist.
$run = on_stack({ PRODUCT_IDS => 999_999_999, RATE => 100, DURATION => '1s' }, 'steady');
is_deeply(broken($run), ['http_req_failed'], 'orders that are refused break a threshold');
is($run->{result}{errors} + $run->{result}{dropped}, 100, 'each refused order is an error');

# A sale that is not exact: in this copy of spike.js there is one piece more than it says.
$run = on_stack({ STOCK => 10, ORDERS => 20, BUYERS => 10 },
    copy_of('spike', [qr/qty: STOCK\b/, 'qty: STOCK + 1']));
is($run->{status}, 1, 'one piece too many sold is exit 1');
is_deeply(broken($run), [qw(orders_done sale_exact)], 'by these thresholds');
is($run->{result}{checks}{'sold is exactly the stock'}{fails}, 1, 'and this check');

# Nobody answers: nothing is measured, which is no success.
$run = profile({ BASE_URL => 'http://127.0.0.1:9', RATE => 10, DURATION => '1s' }, 'steady');
is($run->{status}, 1, 'without a server it is exit 1');
like($run->{said}, qr{^k6-profile: GET http://127\.0\.0\.1:9/livez: .*is the stack running\?}m, 'and says why');
check_rest();
flow_done();
