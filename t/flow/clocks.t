#!/usr/bin/perl
# Wall clocks that step by an hour, back and forth, under load, together and each for itself, PostgreSQL's too: nothing is
# delayed, nothing told for nothing, no time of a product or an order goes back. Monotonic clocks do not step.
use strict;
use warnings;

use File::Temp qw(tempdir);
use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

my ($library) = glob '/usr/lib/*/faketime/libfaketimeMT.so.1';
plan skip_all => 'libfaketime is missing (Debian package: faketime)' if !$library;
plan skip_all => 'libfaketime does not go with sanitizers' if ($ENV{PRODORDER_BUILD} // '') =~ /asan|tsan/;

use constant { HOUR_S => 3600, RATE_PER_S => 150, USUAL_S => 2, MARK_S => 5, PROBES => 5, STEP_MAX_S => 10 };

my @SERVICES = qw(product-service order-service);
my @DATABASES = qw(product-db order-db);
my $clocks = tempdir(CLEANUP => 1);
chmod 0755, $clocks or die;

# set_clocks(SECONDS, NAME...): so far from the true time, from now on.
sub set_clocks {
    my ($seconds, @names) = @_;
    for my $name (@names) {
        open my $out, '>', "$clocks/new" or die;
        printf {$out} "%+d\n", $seconds;
        close $out or die;
        rename "$clocks/new", "$clocks/$name" or die;
    }
    return;
}

# start(NAME...): each with a clock of its own. Orders that wait are looked for often, and told again soon.
sub start {
    for my $name (@_) {
        local @ENV{qw(LD_PRELOAD FAKETIME_TIMESTAMP_FILE FAKETIME_NO_CACHE FAKETIME_DONT_FAKE_MONOTONIC FAKETIME_ONLY_CMDS)} =
            ($library, "$clocks/$name", 1, 1, $name =~ /db$/ ? 'postgres' : $name);
        local @ENV{qw(RECONCILE_INTERVAL_MS RECONCILE_AFTER_MS)} = (300, 5000);
        Prodorder::Stack::start($name);
    }
    return;
}

set_clocks(0, @DATABASES, @SERVICES);
start(@DATABASES, @SERVICES);
my %log_from = map { $_ => Prodorder::Stack::log_size($_) } @SERVICES;
my @products = (new_product(qty => 1_000_000), new_product(qty => 300));
my (@accepted, @seen);

sub load {
    return Prodorder::Load->start(url => Prodorder::Stack::url('gateway'), connections => 8, rate_per_s => RATE_PER_S,
        requests => sub { [POST => '/orders', order_body($products[$_[0] % @products], 1)] });
}

sub accepted_are {
    my ($load, $statuses, $what) = @_;
    my $answers = $load->stop;
    my $seen = Prodorder::Load::statuses($answers);
    is(join(' ', grep { $_ !~ $statuses } sort keys %$seen), '', "$what: " . join ', ', map { "$seen->{$_} answers $_" } sort keys %$seen);
    push @accepted, Prodorder::Load::accepted($answers);
    return;
}

sub order_with_key {
    return gateway(POST => '/orders', order_body($products[0], 2), { 'Idempotency-Key' => "clocks-$$" })->{json}{data}{id};
}

# How long an order takes to be done, by this process's clock.
sub seconds_until_done {
    my $begin = time;
    my $order = order_ok($products[0], 1);
    push @accepted, $order->{id};
    finished($order);
    return time - $begin;
}

my $with_key = order_with_key();

sub all_is_as_usual {
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $last = sql_value(order => 'SELECT max(id) FROM orders');
    my ($slowest) = sort { $b <=> $a } map { seconds_until_done() } 1 .. PROBES;
    cmp_ok($slowest, '<', USUAL_S, sprintf '%s: orders are done in the usual time (%.0f ms)', $what, 1000 * $slowest);
    my $product = gateway(PATCH => "/products/$products[0]{id}", qq({"name":"$what"}))->{json}{data};
    is($product->{name}, $what, "$what: a product is changed");
    push @seen, $product->{updatedAt};
    ok(eval { wait_until('the mark moves', MARK_S, sub { sql_value(order => 'SELECT low_id FROM order_mark') >= $last }) },
        "$what: the mark moves");
    is(order_with_key(), $with_key, "$what: a key is known");
    return;
}

sub told_again {
    return (order_service(GET => '/metrics')->{body} =~ /^prodorder_orders_told_again_total (\S+)$/m)[0];
}

my $load = load();
all_is_as_usual('before');
my $told_before = told_again();    # what was under way when the service began
for my $seconds (HOUR_S, -HOUR_S(), 0) {
    set_clocks($seconds, @SERVICES);
    all_is_as_usual("both services at $seconds s");
}
for my $early (@SERVICES) {
    set_clocks(-HOUR_S(), @SERVICES);
    set_clocks(HOUR_S, $early);
    all_is_as_usual("$early two hours before the other");
}
set_clocks(0, @SERVICES);
accepted_are($load, qr/^201$/, 'the clocks of the services');

# A statement that is under way when its server's clock steps forth may be cancelled.
$load = load();
for my $seconds (HOUR_S, -HOUR_S(), 0) {
    set_clocks($seconds, @DATABASES);
    all_is_as_usual("the databases at $seconds s");
}
accepted_are($load, qr/^(?:201|503)$/, 'the clocks of the databases');

subtest 'an event that waits for the broker while the clock of its database steps back' => sub {
    set_clocks(HOUR_S, 'product-db');
    my $thaw = Prodorder::Stack::away('rabbitmq', 'frozen');
    gateway(PATCH => "/products/$products[0]{id}", '{"price":7}');
    Prodorder::Stack::kill_hard('product-service');
    is(sql_value(product => 'SELECT count(*) FROM outbox'), 1, 'it is left behind');
    set_clocks(0, 'product-db');
    $thaw->();
    start('product-service');
    ok(eval { wait_until('it is sent', 10, sub { sql_value(product => 'SELECT count(*) FROM outbox') == 0 }) }, 'and sent at once');
};

check_rest();
my %of = map { $_->[0] => $_->[1] } @{ sql(order => 'SELECT id, product_id FROM orders WHERE product_id IN ('
    . join(',', map { $_->{id} } @products) . ')') };
is_deeply([grep { !$of{$_} } @accepted], [], 'all orders are in the database');
for my $product (@products) {
    check_orders($product, [$product == $products[0] ? $with_key : (), grep { ($of{$_} // 0) == $product->{id} } @accepted]);
    check_caches($product);
}
is(told_again(), $told_before, 'no order was told again');
is_deeply(\@seen, [sort @seen], 'a product was never changed before it was changed before');
my $ids = join ',', map { $_->{id} } @products;
is(sql_value(order => "SELECT count(*) FROM orders WHERE product_id IN ($ids) AND updated_at < created_at"), 0, 'and no order before it came');
cmp_ok(sql_value(order => "SELECT extract(epoch FROM max(created_at) - min(created_at)) FROM orders WHERE product_id IN ($ids)"), '>', 2 * HOUR_S,
    'the clocks have really stepped');
my $time = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
for my $name (@SERVICES) {
    my @lines = Prodorder::Stack::log_lines($name, $log_from{$name});
    is_deeply([grep { !/^\{"ts":"$time",.*\}$/ } @lines], [], "$name: each line of the log has a time");
    is_deeply([grep { /"us":(-?\d+)/ && ($1 < 0 || $1 > STEP_MAX_S * 1e6) } @lines], [], "$name: no step took an hour, or less than no time");
}

Prodorder::Stack::start(@DATABASES, @SERVICES);
flow_done();
