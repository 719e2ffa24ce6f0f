package Prodorder::Flow;

# What the tests of the whole stack share: requests at the three doors, products and orders of their
# own, waiting with a deadline, the invariants at rest, and logs without unexpected errors.
#
#     use Prodorder::Flow;
#     my $product = new_product(qty => 5, price => '12.50');
#     my $order = order_ok($product, 2);
#     is(finished($order)->{status}, 'done', 'the order is done');
#     flow_done();
#
# Test::More comes with it. Every file ends with flow_done(), never with done_testing().

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Prodorder::Client;
use Prodorder::Load;
use Prodorder::Stack;

our @EXPORT = (@Test::More::EXPORT, qw(
    gateway order_service product_service new_product order_ok order_body finished product_now
    median wait_until check_orders check_rest check_caches check_load expect_errors flow_done
    sql sql_value redis rabbitmq events_of));

use constant { REST_LIMIT_S => 60, POLL_S => 0.02, TICK_S => 0.75 };

my $json = JSON::PP->new->utf8;
my %client;
my (%log_from, @expected);

BEGIN {
    *sql = \&Prodorder::Stack::sql;
    *sql_value = \&Prodorder::Stack::sql_value;
    *redis = \&Prodorder::Stack::redis;
    *rabbitmq = \&Prodorder::Stack::rabbitmq;
}

# Never the stack that a developer uses, nor one that a look at a test's syntax would start.
$ENV{PRODORDER_HOME} or die "which stack? ./prodorder test flow has one of its own; or set PRODORDER_HOME and PRODORDER_PORT_OFFSET\n";
Prodorder::Stack::heal();
$log_from{$_} = Prodorder::Stack::log_size($_) for qw(order-service product-service);

# ---- requests: gateway(METHOD, TARGET, BODY as text, { HEADER => VALUE }), see Prodorder::Client ----

sub _request {
    my ($name, @request) = @_;
    $client{$name} //= Prodorder::Client->new(Prodorder::Stack::url($name));
    return $client{$name}->request(@request);
}

sub gateway { return _request('gateway', @_) }
sub order_service { return _request('order', @_) }
sub product_service { return _request('product', @_) }

# new_product(name =>, price => as text, qty =>): the product, as the product service answers it.
sub new_product {
    my (%given) = @_;
    my %product = (name => 'Test product', price => '10.00', qty => 1000, %given);
    my $name = $json->encode([$product{name}]) =~ s/^\[|\]$//gr;
    my $answer = product_service(POST => '/products',
        qq({"name":$name,"price":$product{price},"qty":$product{qty}}));
    $answer->{status} == 201 or die "cannot create a product: $answer->{status} $answer->{body}\n";
    return $answer->{json};
}

sub order_body {
    my ($product, $quantity) = @_;
    my $id = ref $product ? $product->{id} : $product;
    return qq({"productId":$id,"quantity":$quantity});
}

# order_ok(PRODUCT, QUANTITY): place it through the gateway; dies when it is not accepted.
sub order_ok {
    my ($product, $quantity) = @_;
    my $answer = gateway(POST => '/orders', order_body($product, $quantity));
    $answer->{status} == 201 or die "order refused: $answer->{status} $answer->{body}\n";
    return $answer->{json}{data};
}

# finished(ORDER or id): the order once it no longer waits; dies when that takes too long.
sub finished {
    my ($order) = @_;
    my $id = (ref $order ? $order->{id} : $order) // die "no order to wait for\n";
    return wait_until("order $id is finished", REST_LIMIT_S, sub {
        my $answer = gateway(GET => "/orders/$id");
        $answer->{status} == 200 && $answer->{json}{data}{status} ne 'waiting' && $answer->{json}{data};
    });
}

# product_now(PRODUCT or id): as the product service answers it.
sub product_now {
    my ($product) = @_;
    my $id = ref $product ? $product->{id} : $product;
    return product_service(GET => "/products/$id")->{json};
}

# wait_until(WHAT, SECONDS, CODE): the first true value of CODE; dies when there is none in time.
sub wait_until {
    my ($what, $seconds, $code) = @_;
    my $deadline = time + $seconds;
    while (1) {
        my $value = $code->();
        return $value if $value;
        die "not within $seconds s: $what\n" if time > $deadline;
        sleep POLL_S;
    }
}

sub median {
    my (@sorted) = sort { $a <=> $b } @_;
    return $sorted[@sorted / 2];
}

# ---- the promises, at rest ----

# Nothing waits, nothing is on its way: seen twice, a tick of the quorum queues and some time apart, since what
# they have is told at each tick only (RABBITMQ_TICK_MS in scripts/lib/rabbitmq.sh).
sub _wait_for_rest {
    my ($limit_s) = @_;
    my ($left, $since) = ('', undef);
    my $rest = eval {
        wait_until('rest', $limit_s, sub {
            sleep 0.1;
            my %left = (
                'product outbox' => sql_value(product => 'SELECT count(*) FROM outbox'),
                %{ Prodorder::Stack::queued() },
            );
            @left{'waiting orders', 'order outbox', 'cancellations'} = @{ sql(order => "SELECT count(*) FILTER (WHERE status = 'waiting'), "
                . '(SELECT count(*) FROM outbox), (SELECT count(*) FROM cancellations WHERE settled_at IS NULL) FROM orders')->[0] };
            $left = join ', ', map { $left{$_} ? "$_: $left{$_}" : () } sort keys %left;
            $since = $left eq '' ? $since // time : undef;
            $since && time - $since > TICK_S;
        });
    };
    return $rest ? '' : $left || $@;
}

# check_rest([SECONDS]): one test, that everything comes to rest.
sub check_rest {
    my ($limit_s) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(_wait_for_rest($limit_s // REST_LIMIT_S), '',
        'no order waits, outboxes and queues are empty');
}

# What both databases have of products: { ID => { qty, order => { ORDER => [its row] }, ledger => the same, keys => how many orders have one } }.
sub _stored {
    my ($ids) = @_;
    my %stored = map { $_ => { order => {}, ledger => {}, keys => 0 } } @$ids;
    my $in = join ',', @$ids;
    for my $row (@{ sql(order => 'SELECT o.product_id, k.key IS NOT NULL, o.id, o.status, o.quantity, o.reason FROM orders AS o '
        . "LEFT JOIN idempotency_keys AS k ON k.order_id = o.id WHERE o.product_id IN ($in)") }) {
        my ($id, $has_key, @order) = @$row;
        $stored{$id}{order}{ $order[0] } = \@order;
        $stored{$id}{keys} += $has_key eq 't';
    }
    for my $row (@{ sql(product => 'SELECT p.id, p.qty, l.order_id, l.status, l.quantity, l.reason FROM products AS p '
        . "LEFT JOIN stock_ledger AS l ON l.product_id = p.id WHERE p.id IN ($in)") }) {
        my ($id, $qty, @order) = @$row;
        $stored{$id}{qty} = $qty;
        $stored{$id}{ledger}{ $order[0] } = \@order if $order[0];
    }
    return \%stored;
}

# What a row of the ledger says, in the words of its order: of a cancelled one it knows, besides, what became of its stock.
sub _said {
    my ($ledger, $order) = @_;
    my ($id, $status, @more) = @$ledger;
    my $is_cancelled = $order && $order->[1] eq 'cancelled' && $status =~ /^(?:cancelled|returned|rejected)$/;
    return $is_cancelled ? [$id, 'cancelled', $more[0], $order->[3]] : $ledger;
}

# check_orders(PRODUCT with its initial qty, [ids of accepted orders], restocked => N): nothing lost,
# nothing applied twice, no stock out of nowhere. To be called at rest.
sub check_orders {
    my ($product, $accepted, %more) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $id = $product->{id};
    my $stored = $more{stored} // _stored([$id])->{$id};
    my ($order, $ledger) = @$stored{qw(order ledger)};
    my %seen;
    $seen{$_}++ for @$accepted;
    is_deeply([grep { $seen{$_} > 1 } keys %seen], [], "product $id: each accepted order has an id of its own");
    is_deeply([grep { !$order->{$_} } keys %seen], [], "product $id: every accepted order is in the database");
    is_deeply([grep { $order->{$_}[1] !~ /^(?:done|rejected|cancelled)$/ } keys %$order], [],
        "product $id: every order is done, rejected or cancelled");
    my %said = map { $_ => _said($ledger->{$_}, $order->{$_}) } keys %$ledger;
    is_deeply(\%said, $order, "product $id: the ledger says of every order what the order says");
    my $taken = 0;
    $taken += $_->[1] eq 'done' ? $_->[2] : 0 for values %$ledger;
    is($stored->{qty}, $product->{qty} + ($more{restocked} // 0) - $taken, "product $id: initial + restocked - done = qty");
    return;
}

# check_load([PRODUCTS with their initial qty], ANSWERS of Prodorder::Load, restocked => { ID => N }, rest_s => SECONDS): a load of
# orders, each with an Idempotency-Key, while things died. Whoever got no clear answer sends the same again; then
# there are exactly as many orders as were asked for, and all that check_orders() and check_caches() say.
sub check_load {
    my ($products, $answers, %more) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(join(' ', grep { $_ !~ /^(?:201|502|503|504)$/ } keys %{ Prodorder::Load::statuses($answers) }), '',
        'through the gateway every request was answered: accepted, or a clear failure');
    my @unclear = grep { $_->{status} !~ /^2/ } @$answers;
    my $again = Prodorder::Load::run(
        url => Prodorder::Stack::url('gateway'), connections => 8,
        requests => sub { $_[0] < @unclear ? $unclear[$_[0]]{request} : undef });
    is_deeply(Prodorder::Load::statuses($again), @unclear ? { 201 => scalar @unclear } : {},
        scalar(@unclear) . ' requests without success are accepted when sent again');
    check_rest($more{rest_s});
    my %accepted = map { $_->{id} => [] } @$products;
    for my $answer (@$answers, @$again) {
        my ($id) = $answer->{request}[2] =~ /"productId":(\d+)/;
        push @{ $accepted{$id} }, Prodorder::Load::accepted([$answer]);
    }
    my $stored = _stored([keys %accepted]);
    for my $product (@$products) {
        my $id = $product->{id};
        my ($order, $ledger, $qty) = @{ $stored->{$id} }{qw(order ledger qty)};
        my $restocked = $more{restocked}{$id};
        check_orders($product, $accepted{$id}, restocked => $restocked, stored => $stored->{$id});
        is(scalar keys %$order, scalar @{ $accepted{$id} }, "product $id: there are exactly as many orders as were asked for");
        is($stored->{$id}{keys}, scalar keys %$order, "product $id: each with its key");
        is_deeply([grep { $_->[1] eq 'rejected' && $_->[2] <= $qty } values %$ledger], [], "product $id: what was rejected did not fit")
            if !$restocked;
    }
    check_caches(@$products);
    return;
}

# check_caches(PRODUCTS): what the caches have of them is what the databases have; needs rest.
sub check_caches {
    my (@products) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @ids = map { ref $_ ? $_->{id} : $_ } @products;
    my %row = map { $_->[0] => $_ } @{ sql(product => 'SELECT id, name, price_cents, qty, version, '
        . q{to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM products }
        . 'WHERE id IN (' . join(',', @ids) . ')') };
    for my $side (qw(product order)) {
        my @cached = split /\n/, redis($side, MGET => map { "product:$_" } @ids), -1;
        for my $i (0 .. $#ids) {
            my $cached = $cached[$i] // '';
            is(_cached_product($cached), $cached eq '' ? '' : join(' | ', @{ $row{ $ids[$i] } }[0, 1, 2, 3, 5]),
                "$side-redis has product $ids[$i] as the database has it, or not at all");
        }
    }
    my @lists = split /\n/, redis(order => MGET => map { "orders:product:$_" } @ids), -1;
    for my $i (0 .. $#ids) {
        my $list = $lists[$i] // '';
        is($list eq '' ? '' : _cached_list($list), $list eq '' ? '' : _stored_list($ids[$i]),
            "order-redis has the orders of product $ids[$i] as the database has them, or not at all");
    }
    return;
}

sub _cached_product {
    my ($text) = @_;
    return '' if $text eq '';
    my $product = $json->decode($text);
    my ($price) = $text =~ /"price":(\d+\.\d\d)/;
    my ($cents) = $price =~ s/\.//r =~ /^0*(\d+)$/;
    utf8::encode(my $name = $product->{name});
    return join ' | ', $product->{id}, $name, $cents, $product->{qty}, $product->{updatedAt};
}

sub _cached_list {
    my ($text) = @_;
    return join "\n", map { join ' ', map { $_ // '' } @$_{qw(id quantity status reason)} } @{ $json->decode($text) };
}

sub _stored_list {
    my ($id) = @_;
    my $rows = sql(order => "SELECT id, quantity, status, reason FROM orders WHERE product_id = $id "
        . 'ORDER BY created_at DESC, id DESC LIMIT 100');
    return join "\n", map { join ' ', @$_ } @$rows;
}

# ---- logs ----

# expect_errors(QR...): lines of level "error" that this file provokes.
sub expect_errors {
    push @expected, @_;
    return;
}

sub _unexpected_errors {
    my @found;
    for my $name (sort keys %log_from) {
        for my $line (Prodorder::Stack::log_lines($name, $log_from{$name})) {
            next if $line !~ /"level":"error"/;
            push @found, $line if !grep { $line =~ $_ } @expected;
        }
    }
    return @found;
}

sub flow_done {
    my @errors = _unexpected_errors();
    is(join('', @errors[0 .. ($#errors < 9 ? $#errors : 9)]), '', 'the services logged no unexpected error');
    done_testing();
    return;
}

# The events of messages, as the management API gives them.
sub events_of {
    return map { @{ JSON::PP->new->decode($_->{payload}) } } @_;
}

1;
