#!/usr/bin/perl
# A rolling upgrade from the commit a0a84de under load, in the steps of docker/README.md: old and new replicas side by
# side, kill -9 of one of each; then only new ones, one after the other with batches; then quorum queues. Then one from
# 8429e61, which knows no cancelled orders, in the steps of docs/operations.md. Nothing is lost, nothing happens twice. On a
# stack of its own.
#
# The versions before come from the repository's history, and are built (half a minute each); or from PRODORDER_TEST_OLD_BUILD
# and PRODORDER_TEST_PREVIOUS_BUILD, directories with their product-service and order-service. Without either there is nothing
# to test; t/flow/upgrade.t, which has the older one's data, always runs.
use strict;
use warnings;

use Time::HiRes qw(sleep time);

my %build;
BEGIN { %build = (a0a84de => $ENV{PRODORDER_TEST_OLD_BUILD}, '8429e61' => $ENV{PRODORDER_TEST_PREVIOUS_BUILD}) }    # the next forgets them

use Prodorder::Control;
use Prodorder::Load;
use Prodorder::Stack;

use constant { OLD => 'a0a84de', PREVIOUS => '8429e61', RATE_PER_S => 100, PHASE_S => 4, LONG_S => 30 };

for my $commit (grep { !$build{$_} } OLD, PREVIOUS) {
    plan skip_all => "the history with $commit is not here, which is to be upgraded from"
        if run('git', 'cat-file', '-e', $commit . '^{commit}')->{status};
    my $source = scratch() . "/$commit";
    my $built = run('bash', '-euc', 'mkdir "$2"; git archive "$1" | tar -x -C "$2"; cd "$2"; ./configure.sh --quiet; make -s build/product-service build/order-service',
        'build', $commit, $source);
    $built->{status} == 0 or BAIL_OUT("cannot build $commit: $built->{err}");
    $build{$commit} = "$source/build";
}
my $before = OLD;

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

# old(NAME, { KEY => VALUE }): a replica of the version before, $before.
sub old {
    my ($name, $more) = @_;
    return Prodorder::Stack::replica($name, { %{ $more // {} }, PRODORDER_BUILD => $build{$before} });
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

require Prodorder::Flow;
Prodorder::Flow->import;
my @accepted;

# all_there(AT LEAST): the loads end; what they were told is so.
sub all_there {
    my ($least) = @_;
    push @accepted, map { Prodorder::Load::accepted($_->stop) } splice @loads;
    Prodorder::Flow::check_rest(LONG_S);
    my %of = map { $_->[0] => $_->[1] } @{ Prodorder::Stack::sql(order => 'SELECT id, product_id FROM orders') };
    cmp_ok(scalar @accepted, '>', $least, scalar(@accepted) . ' orders were accepted');
    is_deeply([grep { !$of{$_} } @accepted], [], 'all of them are in the database');
    for my $good (@goods) {
        Prodorder::Flow::check_orders($good, [grep { ($of{$_} // 0) == $good->{id} } @accepted]);
        Prodorder::Flow::check_caches($good);
    }
    is(Prodorder::Stack::sql_value(product => 'SELECT count(*) FROM (SELECT FROM stock_ledger GROUP BY order_id HAVING count(*) > 1) AS twice'), 0,
        'none is decided twice');
    return;
}
all_there(RATE_PER_S * PHASE_S * 2);

# parked(QUEUE): what it has, and why.
sub parked {
    my ($queue) = @_;
    my $found = Prodorder::Stack::rabbitmq(POST => "/queues/%2F/$queue/get", { count => 3, ackmode => 'ack_requeue_true', encoding => 'auto' });
    return map { "$queue: $_->{properties}{headers}{'x-prodorder-reason'}: $_->{payload}" } @$found;
}

sub letters { return map { /\.dlq$/ ? parked($_) : () } sort keys %{ Prodorder::Stack::queued() } }

is(join("\n", letters()), '', 'none is parked');

# ---- 4. quorum queues ----

like(up(), qr/is a quorum queue/, 'the queues are converted');
%types = map { $_->{type} => 1 } @{ Prodorder::Stack::rabbitmq(GET => '/queues/%2F') };
is(join(' ', keys %types), 'quorum', 'all of them');
is(Prodorder::Flow::finished(Prodorder::Flow::order_ok($goods[0], 2))->{status}, 'done', 'an order is done');
Prodorder::Flow::check_rest();

# ---- 5. the version before cancellations: new product-services, then order-services; the gateway, which is last, is not needed ----

$before = PREVIOUS;
Prodorder::Stack::stop('order-service');
my $product = old('product-service');
my $order = old('order-service', { PRODUCT_SERVICE_URL => $product->{url} });
load_at($order->{url}, @goods);
sleep PHASE_S / 2;
is(Prodorder::Stack::ended($product->{pid}), 0, 'an old product-service ends');
{
    local $ENV{RECONCILE_AFTER_MS} = 1000;
    Prodorder::Stack::start('order-service');
}
load_at($url{order}, @goods);
sleep PHASE_S;
is(join("\n", letters()), '', 'none is parked, as long as nobody cancels');

# Who cancels all the same, at a new order-service beside an old one, is not let down: what the latter does not understand it
# parks, and the former tells it again.
my $client = Prodorder::Client->new($url{order});
my @cancelled = map { $_->[0] } @{ Prodorder::Stack::sql(order => 'SELECT id FROM orders ORDER BY id DESC LIMIT 40') };
my %by;
push @{ $by{ $client->request(POST => "/orders/$_/cancel")->{status} } }, $_ for @cancelled;
is(join(' ', grep { !/^(?:200|409)$/ } sort keys %by), '', 'orders are cancelled');
cmp_ok(scalar @{ $by{200} // [] }, '>', 10, 'many of them') or diag explain \%by;
is(Prodorder::Client->new($order->{url})->request(GET => "/orders/$by{200}[0]")->{status}, 500, 'which the old one cannot show');
sleep PHASE_S;
is(Prodorder::Stack::ended($order->{pid}), 0, 'the old order-service ends');
my @letters = letters();
note scalar(@letters), ' letters';
is(join("\n", grep { !/^order\.updated\.order-service\.dlq: status is neither done nor rejected/ } @letters), '', 'only what it does not understand is parked');
my ($said, $status) = @letters ? said('./prodorder', 'dlq', 'replay', 'order.updated.order-service', '--all') : ('', 0);
is($status, 0, 'the new one understands it') or diag $said;
wait_until('all cancellations are settled', LONG_S, sub { !Prodorder::Stack::sql_value(order => 'SELECT count(*) FROM cancellations WHERE settled_at IS NULL') });
all_there(RATE_PER_S * PHASE_S * 3);
is(join("\n", letters()), '', 'nothing is left over');
my $in = join ',', @cancelled;
is(Prodorder::Stack::sql_value(order => "SELECT count(*) FROM orders WHERE id IN ($in) AND status NOT IN ('cancelled', 'rejected')"), 0,
    'they stay cancelled');
is(Prodorder::Stack::sql_value(product => "SELECT count(*) FROM stock_ledger WHERE order_id IN ($in) AND status NOT IN ('cancelled', 'returned', 'rejected')"),
    0, 'and keep no stock');

done_testing();
