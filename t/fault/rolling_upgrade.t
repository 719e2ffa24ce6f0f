#!/usr/bin/perl
# A rolling upgrade from the commit a0a84de under load, in the steps of docker/README.md: old and new replicas side by
# side, kill -9 of one of each; then only new ones, one after the other with batches; then quorum queues. Nothing is lost,
# nothing happens twice. On a stack of its own.
#
# The version before comes from the repository's history, and is built (half a minute); or from PRODORDER_TEST_OLD_BUILD, a directory with
# its product-service and order-service. Without either there is nothing to test; t/flow/upgrade.t, which has its data, always runs.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

my $old_build;
BEGIN { $old_build = $ENV{PRODORDER_TEST_OLD_BUILD} }    # the next forgets it

use Prodorder::Control;
use Prodorder::Load;
use Prodorder::Stack;

use constant { OLD => 'a0a84de', RATE_PER_S => 100, PHASE_S => 4, LONG_S => 30 };

if (!$old_build) {
    plan skip_all => 'the history with ' . OLD . ' is not here, which is to be upgraded from'
        if run('git', 'cat-file', '-e', OLD . '^{commit}')->{status};
    my $source = scratch() . '/old';
    my $built = run('bash', '-euc', 'mkdir "$2"; git archive "$1" | tar -x -C "$2"; cd "$2"; ./configure.sh --quiet; make -s build/product-service build/order-service',
        'build', OLD, $source);
    $built->{status} == 0 or BAIL_OUT('cannot build ' . OLD . ": $built->{err}");
    $old_build = "$source/build";
}

my $home = scratch() . '/home';
END { my $status = $?; run('./prodorder', 'clean') if $home; $? = $status }    # when it died before its end, too
$ENV{PRODORDER_HOME} = $home;
$ENV{PRODORDER_PORT_OFFSET} = free_offset(qw(4000 3001 3002 5433 5434 6381 6382 5673 15672 15673 15674));

my %url = map { $_ => Prodorder::Stack::url($_) } qw(product order);
my @loads;

sub up {
    my (@names) = @_;
    my ($said, $status) = said('./prodorder', 'up', @names);
    is($status, 0, join ' ', 'up', @names) or diag $said;
    return $said;
}

# old(NAME, { KEY => VALUE }): a replica of the version before.
sub old {
    my ($name, $more) = @_;
    return Prodorder::Stack::replica($name, { %{ $more // {} }, PRODORDER_BUILD => $old_build });
}

sub load_at {
    my ($url, @products) = @_;
    push @loads, Prodorder::Load->start(url => $url, connections => 4, rate_per_s => RATE_PER_S, timeout_s => LONG_S,
        requests => sub { [POST => '/orders', sprintf '{"productId":%d,"quantity":1}', $products[$_[0] % @products]{id}] });
    return;
}

sub new_product {
    my ($url, $qty) = @_;
    my $answer = Prodorder::Client->new($url)->request(POST => '/products', qq({"name":"Rolling","price":2.50,"qty":$qty}));
    $answer->{status} == 201 or die "no product: $answer->{status} $answer->{body}\n";
    return $answer->{json};
}

sub replace {
    my ($name) = @_;
    Prodorder::Stack::kill_hard($name);
    Prodorder::Stack::start($name);
    return;
}

# ---- only the version before, and its queues ----

up('product-db', 'order-db', 'product-redis', 'order-redis', 'rabbitmq');
my @products = old('product-service');
my @orders = old('order-service', { PRODUCT_SERVICE_URL => $products[0]{url} });
my @goods = (new_product($products[0]{url}, 1_000_000), new_product($products[0]{url}, 500));
load_at($orders[0]{url}, @goods);
sleep PHASE_S;
my %types = map { $_->{type} => 1 } @{ Prodorder::Stack::rabbitmq(GET => '/queues/%2F') };
is(join(' ', keys %types), 'classic', 'it has made classic queues');

# ---- 1. new ones beside it, that send what it understands ----

{
    local $ENV{EVENTS_FORMAT} = 'bare';
    Prodorder::Stack::start('product-service', 'order-service');
    load_at($url{order}, @goods);
    sleep PHASE_S;

    # Those of before come back on the databases of after; the new ones take over what the old had in hand.
    for my $old (\@products, \@orders) {
        kill KILL => $old->[-1]{pid};
        waitpid $old->[-1]{pid}, 0;
    }
    push @products, old('product-service');
    push @orders, old('order-service', { PRODUCT_SERVICE_URL => $products[-1]{url} });
    load_at($orders[-1]{url}, @goods);
    sleep PHASE_S;
    replace($_) for 'product-service', 'order-service';
    sleep PHASE_S;
}

# ---- 2. the version before ends; 3. then batches, one service after the other ----

is(Prodorder::Stack::ended($_->{pid}), 0, 'one of the version before ends as it should') for $orders[-1], $products[-1];
sleep PHASE_S / 2;
Prodorder::Stack::start('product-service');
sleep PHASE_S / 2;
Prodorder::Stack::start('order-service');
sleep PHASE_S / 2;

# ---- all are there ----

my @answers = map { $_->stop } @loads;
require Prodorder::Flow;
Prodorder::Flow->import;
Prodorder::Flow::check_rest(LONG_S);
my %of = map { $_->[0] => $_->[1] } @{ Prodorder::Stack::sql(order => 'SELECT id, product_id FROM orders') };
my @accepted = map { Prodorder::Load::accepted($_) } @answers;
cmp_ok(scalar @accepted, '>', RATE_PER_S * PHASE_S * 2, scalar(@accepted) . ' orders were accepted');
is_deeply([grep { !$of{$_} } @accepted], [], 'all of them are in the database');
Prodorder::Flow::check_orders($_, do { my $good = $_; [grep { ($of{$_} // 0) == $good->{id} } @accepted] }) for @goods;
Prodorder::Flow::check_caches($_) for @goods;
is(Prodorder::Stack::sql_value(product => 'SELECT count(*) FROM (SELECT FROM stock_ledger GROUP BY order_id HAVING count(*) > 1) AS twice'), 0,
    'none is decided twice');

# parked(QUEUE): what it has, and why.
sub parked {
    my ($queue) = @_;
    my $found = Prodorder::Stack::rabbitmq(POST => "/queues/%2F/$queue/get", { count => 3, ackmode => 'ack_requeue_true', encoding => 'auto' });
    return map { "$queue: $_->{properties}{headers}{'x-prodorder-reason'}: $_->{payload}" } @$found;
}

is(join("\n", map { /\.dlq$/ ? parked($_) : () } keys %{ Prodorder::Stack::queued() }), '', 'none is parked');

# ---- 4. quorum queues ----

like(up(), qr/is a quorum queue/, 'the queues are converted');
%types = map { $_->{type} => 1 } @{ Prodorder::Stack::rabbitmq(GET => '/queues/%2F') };
is(join(' ', keys %types), 'quorum', 'all of them');
is(Prodorder::Flow::finished(Prodorder::Flow::order_ok($goods[0], 2))->{status}, 'done', 'an order is done');
Prodorder::Flow::check_rest();

done_testing();
