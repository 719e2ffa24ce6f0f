#!/usr/bin/perl
# ./prodorder up --replicas 3: a key stands for one order, whichever replicas are asked at once; one of them dies, or is frozen, or
# has no Redis, and also ends without it, and nobody is answered with what is old; orders come and half of them are cancelled while every process of the stack is killed
# in turn: each ends once, stock is exact, and the books balance. On a stack of its own.
use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use Prodorder::Control;
use Prodorder::Load;
use Prodorder::Stack;

use constant { REPLICAS => 3, KEYS => 400, ORDERS => 10_000, RATE_PER_S => 250, LONG_S => 60, FROZEN_S => 14, DRAIN_S => 10 };

my $home = scratch() . '/home';
END { my $status = $?; run('./prodorder', 'clean') if $home; $? = $status }    # when it died before its end, too
$ENV{PRODORDER_HOME} = $home;
my @ports = (4000, 5433, 5434, 6381, 6382, 5673, 15672, 15673, 15674, map { (3001 + 10 * $_, 3002 + 10 * $_) } 0 .. REPLICAS - 1);
$ENV{PRODORDER_PORT_OFFSET} = free_offset(@ports);

my ($said, $status) = said('./prodorder', 'up', '--replicas', REPLICAS);
is($status, 0, 'up --replicas 3') or BAIL_OUT($said);
require Prodorder::Flow;
Prodorder::Flow->import;

my $RUN = $$;    # a load is a process of its own
my @REPLICA_SUFFIXES = ('', map { "-$_" } 2 .. REPLICAS);
my @ORDER_SERVICES = map { "order-service$_" } @REPLICA_SUFFIXES;

# url_of(N): of the Nth order-service, from 0
sub url_of { return 'http://127.0.0.1:' . (3002 + 10 * $_[0] + $ENV{PRODORDER_PORT_OFFSET}) }

sub control_says {
    my (@command) = @_;
    my ($said, $status) = said('./prodorder', @command);
    return ($status, $said);
}

subtest 'each replica by its name' => sub {
    my ($status, $said) = control_says('status');
    is($status, 0, 'all are healthy');
    for my $name (map { ("product-service$_", "order-service$_") } @REPLICA_SUFFIXES) {
        like($said, qr/^\s*\Q$name\E\s/m, "$name has a line");
    }
    my $before = Prodorder::Stack::pid('order-service-2');
    is((control_says('restart', 'order-service-2'))[0], 0, 'one is started again');
    isnt(Prodorder::Stack::pid('order-service-2'), $before, 'alone');
    is((control_says('logs', 'order-service-2'))[0], 0, 'and has a log');
    is((control_says('up'))[0], 0, 'up again keeps their number');
    ok(Prodorder::Stack::pid('order-service-3'), 'the third runs');
    is((control_says('up', '--replicas', 2, 'gateway'))[0], 2, 'their number is the whole stack\'s');
    is((control_says('up', '--replicas', 0))[0], 2, 'and 1 to 9');
};

subtest '400 keys, sent by four clients at once' => sub {
    my $product = new_product(qty => 1_000_000);
    my (@loads, %ids);
    for my $client (0 .. 3) {    # one through the gateway, three each at a replica of its own
        push @loads, Prodorder::Load->start(url => $client == 3 ? Prodorder::Stack::url('gateway') : url_of($client), connections => 8, timeout_s => LONG_S,
            requests => sub { $_[0] < KEYS ? [POST => '/orders', order_body($product, 1 + $_[0] % 3), { 'Idempotency-Key' => "key-$RUN-$_[0]" }] : undef });
    }
    my %statuses;
    for my $load (@loads) {
        sleep 0.1 until $load->is_over;
        for my $answer (@{ $load->stop }) {
            $statuses{ $answer->{status} }++;
            next if $answer->{status} !~ /^20[01]$/;
            my $order = JSON::PP::decode_json($answer->{body});
            $order = $order->{data} if exists $order->{data};
            $ids{ $answer->{n} }{ $order->{id} }++;
        }
    }
    diag('statuses: ', join ', ', map { "$_: $statuses{$_}" } sort keys %statuses);
    is(join(' ', grep { !/^(?:200|201|409)$/ } sort keys %statuses), '', 'each is answered with its order, or that it is under way');
    is(scalar(grep { keys %$_ > 1 } values %ids), 0, 'no key has two orders');
    is(sql_value(order => "SELECT count(*) FROM orders WHERE product_id = $product->{id}"), KEYS, 'there are 400 orders');
    check_rest(LONG_S);
    check_orders($product, [map { keys %$_ } values %ids]);
};

subtest 'a replica that has no Redis' => sub {
    my $product = new_product(qty => 1000);
    my $blind = Prodorder::Stack::replica('order-service', { REDIS_PORT => 1 });
    my $client = Prodorder::Client->new($blind->{url});
    my $list = sub { return [map { $_->{id} } @{ Prodorder::Client->new(url_of($_[0]))->request(GET => "/orders/product/$product->{id}")->{json} }] };
    my @mine;
    for my $round (1 .. 3) {
        $list->($_) for 0 .. REPLICAS - 1;    # it is cached
        my $answer = $client->request(POST => '/orders', order_body($product, 1));
        is($answer->{status}, 200, 'it takes an order');
        push @mine, $answer->{json}{id};
        ok(wait_until('the others', 3, sub { !grep { ($list->($_)->[0] // 0) != $mine[-1] } 0 .. REPLICAS - 1 }), 'the others show it soon');
    }
    is(Prodorder::Stack::ended($blind->{pid}), 0, 'it ends');
    check_rest(LONG_S);
    check_orders($product, \@mine);
    check_caches($product);

    my $seller = Prodorder::Stack::replica('product-service', { REDIS_PORT => 1 });
    gateway(GET => "/products/$product->{id}") for 1 .. REPLICAS;    # it is cached
    is(Prodorder::Client->new($seller->{url})->request(PATCH => "/products/$product->{id}", '{"price":7.25}')->{status}, 200, 'a product-service changes a price');
    ok(wait_until('the others', 3, sub { !grep { gateway(GET => "/products/$product->{id}")->{json}{data}{price} != 7.25 } 1 .. REPLICAS }),
        'the others show it soon');
    is(Prodorder::Stack::ended($seller->{pid}), 0, 'it ends');
};

# of_load(PRODUCT, URL): orders for it, until it is stopped.
sub of_load {
    my ($product, $url) = @_;
    return Prodorder::Load->start(url => $url, connections => 4, rate_per_s => 200, timeout_s => LONG_S,
        requests => sub { [POST => '/orders', order_body($product, 1)] });
}

# What the others serve of it is what the databases say; the newest order is there soon.
sub others_show {
    my ($product, $newest, $how) = @_;
    my $list = sub { return Prodorder::Client->new(url_of($_[0]))->request(GET => "/orders/product/$product->{id}")->{json} };
    ok(wait_until('the others', 3, sub { !grep { my $n = $_; !grep { $_->{id} == $newest } @{ $list->($n) } } 0 .. REPLICAS - 1 }),
        "the others show its last order soon ($how)");
    check_rest(LONG_S);
    my $stored = join ' ', map { join ':', @$_ } @{ sql(order => "SELECT id, status FROM orders WHERE product_id = $product->{id} ORDER BY created_at DESC, id DESC LIMIT 100") };
    for my $n (0 .. REPLICAS - 1) {
        my $shown = sub { return join ' ', map { "$_->{id}:$_->{status}" } @{ $list->($n) } };
        ok(eval { wait_until('it', 2, sub { $shown->() eq $stored }) }, "number $n serves what is stored ($how)");
    }
    check_caches($product);
    return;
}

# One that cannot reach its Redis, since nothing or nobody is there, or since it is frozen, is told to end in the middle of its work.
subtest 'a replica that ends without its Redis' => sub {
    my $silent = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1') // die "no port: $!";
    my %how = ('nothing is there' => 1, 'nobody answers' => $silent->sockport, 'it is frozen' => undef);
    for my $how (sort keys %how) {
        my %port = $how{$how} ? (REDIS_PORT => $how{$how}) : ();
        my $freeze = sub { return %port ? sub { } : Prodorder::Stack::away("$_[0]-redis", 'frozen') };
        my $product = new_product(qty => 100_000, price => '2.00');
        finished(order_ok($product, 1));
        my $replica = Prodorder::Stack::replica('order-service', \%port);
        Prodorder::Client->new(url_of($_))->request(GET => "/orders/product/$product->{id}") for 0 .. REPLICAS - 1;    # it is cached
        my $load = of_load($product, $replica->{url});
        sleep 0.7;
        my $thaw = $freeze->('order');
        sleep 0.3;
        my $begin = time;
        is(Prodorder::Stack::ended($replica->{pid}), 0, "an order-service ends as it should ($how)");
        my $took_s = time - $begin;
        $thaw->();
        cmp_ok($took_s, '<', DRAIN_S, sprintf 'within 10 s: %.1f (%s)', $took_s, $how);
        my $answers = $load->stop;
        is_deeply([grep { $_->{status} != 200 } @$answers], [], scalar(@$answers) . " orders: whatever it had begun is answered ($how)");
        my @accepted = Prodorder::Load::accepted($answers);
        others_show($product, (sort { $b <=> $a } @accepted)[0], $how);
        check_orders($product, \@accepted);

        my $seller = Prodorder::Stack::replica('product-service', \%port);
        gateway(GET => "/products/$product->{id}") for 1 .. REPLICAS;    # it is cached
        $thaw = $freeze->('product');
        is(Prodorder::Client->new($seller->{url})->request(PATCH => "/products/$product->{id}", '{"price":7.25}')->{status}, 200, "a product-service changes a price ($how)");
        $begin = time;
        is(Prodorder::Stack::ended($seller->{pid}), 0, "and ends as it should ($how)");
        $took_s = time - $begin;
        $thaw->();
        cmp_ok($took_s, '<', DRAIN_S, sprintf 'within 10 s: %.1f (%s)', $took_s, $how);
        ok(wait_until('the others', 3, sub { !grep { (gateway(GET => "/products/$product->{id}")->{json}{data}{price} // 0) != 7.25 } 1 .. REPLICAS }),
            "the others show it soon ($how)");
        ok(wait_until('an order', 20, sub { order_ok($product, 1)->{unitPrice} == 7.25 }), "and orders have it ($how)");
        check_rest(LONG_S);
        check_caches($product);
    }
};

# statuses_are(ANSWERS, QR, WHAT): nothing else was answered.
sub statuses_are {
    my ($answers, $statuses, $what) = @_;
    my $seen = Prodorder::Load::statuses($answers);
    diag("$what: ", join ', ', map { "$_: $seen->{$_}" } sort keys %$seen);
    is(join(' ', grep { $_ !~ $statuses } sort keys %$seen), '', "$what: answered, or a clear failure");
    return;
}

# Its port takes connections, and nothing answers: for longer than the gateway waits, than a lock is held, than the broker waits.
subtest 'one of each is frozen' => sub {
    my @frozen = qw(order-service-2 product-service-3);
    {
        local @ENV{qw(DB_DEADLINE_MS RABBITMQ_HEARTBEAT_S)} = (2000, 1);
        Prodorder::Stack::start(@frozen);
    }
    my @products = (new_product(qty => 1_000_000), new_product(qty => 300));
    my %way = (url => Prodorder::Stack::url('gateway'), timeout_s => LONG_S);
    my $request = sub { [POST => '/orders', order_body($products[$_[0] % 4 == 0], 1 + $_[0] % 3), { 'Idempotency-Key' => "frozen-$RUN-$_[0]" }] };
    my $first = Prodorder::Load::run(%way, connections => 1, requests => sub { $_[0] < 2 ? $request->($_[0]) : undef });    # their prices are known now
    my $load = Prodorder::Load->start(%way, connections => 400, rate_per_s => 60, requests => sub { $request->(2 + $_[0]) });
    my $reader = Prodorder::Load->start(%way, connections => 100, rate_per_s => 10, requests => sub { [GET => "/products/$products[$_[0] % 2]{id}"] });
    sleep 1;
    my @thaw = map { Prodorder::Stack::away($_, 'frozen') } @frozen;
    my $begin = time;
    my $before = sql_value(order => 'SELECT max(id) FROM orders');
    ok(wait_until('what was there is decided', FROZEN_S, sub { !sql_value(order => "SELECT count(*) FROM orders WHERE status = 'waiting' AND id <= $before") }),
        sprintf 'what was accepted before is decided without them: after %.1f s', time - $begin);
    my ($verdict, $said) = control_says('audit');
    is($verdict, 0, 'the books balance meanwhile') or diag($said);
    my $left_s = FROZEN_S - (time - $begin);
    sleep $left_s if $left_s > 0;
    my $end = time;
    $_->() for @thaw;
    sleep 1;
    my ($orders, $reads) = map { $_->stop } $load, $reader;
    statuses_are($orders, qr/^(?:201|504)$/, 'orders');
    statuses_are($reads, qr/^(?:200|504)$/, 'products');
    my @meanwhile = grep { $_->{sent} > $begin && $_->{sent} < $end } @$orders;
    my @served = grep { $_->{status} == 201 && $_->{sent} + $_->{seconds} < $end } @meanwhile;
    cmp_ok(scalar @served, '>', @meanwhile / 2, sprintf 'the other two go on: %d of %d', scalar @served, scalar @meanwhile);
    check_load(\@products, [@$first, @$orders], rest_s => LONG_S);
    ($verdict, $said) = control_says('audit', '--full');
    is($verdict, 0, 'the books balance') or diag($said);
    Prodorder::Stack::start(@frozen);    # as they were
};

# A product that an order-service does not know yet is asked for where its neighbour is, then elsewhere.
subtest 'a product-service is dead' => sub {
    Prodorder::Stack::kill_hard('product-service-2');
    my (@statuses, @products, @orders);
    for (1 .. 5) {
        push @products, new_product(qty => 10);
        my $order = Prodorder::Client->new(url_of(1))->request(POST => '/orders', order_body($products[-1], 1));
        push @statuses, $order->{status};
        push @orders, $order->{json};
    }
    is_deeply(\@statuses, [(200) x 5], 'the order-service beside it takes orders of new products');
    finished($_) for @orders;
    Prodorder::Stack::start('product-service-2');
    check_rest(LONG_S);
};

subtest 'two that fail are not the end' => sub {
    my $product = new_product(qty => 1_000_000);
    finished(order_ok($product, 1));
    my $load = Prodorder::Load->start(url => Prodorder::Stack::url('gateway'), connections => 4, rate_per_s => 50, timeout_s => LONG_S,
        requests => sub { [POST => '/orders', order_body($product, 1)] });
    sleep 1;
    for my $name (@ORDER_SERVICES[1, 2], @ORDER_SERVICES[1, 2]) {
        Prodorder::Stack::kill_hard($name);
        sleep 0.5;
        Prodorder::Stack::start($name);
    }
    Prodorder::Stack::kill_hard($_) for @ORDER_SERVICES[1, 2];
    sleep 1;
    my $alone = gateway(POST => '/orders', order_body($product, 1));
    is($alone->{status}, 201, 'the last one takes orders');
    Prodorder::Stack::start(@ORDER_SERVICES[1, 2]);
    my $answers = $load->stop;
    my $statuses = Prodorder::Load::statuses($answers);
    diag('statuses: ', join ', ', map { "$_: $statuses->{$_}" } sort keys %$statuses);
    check_rest(LONG_S);
    cmp_ok(scalar(grep { $_->{status} == 201 } @$answers), '>', @$answers * 0.8, 'nearly all were accepted');
    is(scalar(grep { /no live upstreams/ } Prodorder::Stack::log_lines('gateway')), 0, 'nobody was sent away for want of upstreams');
};

# Half of all orders are cancelled, while every process dies in turn.
subtest '10,000 orders, half of them cancelled' => sub {
    my @products = map { new_product(qty => 1_000_000) } 1 .. 3;
    finished(order_ok($_, 1)) for @products;
    my $in = join ',', map { $_->{id} } @products;
    my (%cancelled, %tried);
    my $load = Prodorder::Load->start(url => Prodorder::Stack::url('gateway'), connections => 16, rate_per_s => RATE_PER_S, timeout_s => LONG_S,
        requests => sub { $_[0] < ORDERS ? [POST => '/orders', order_body($products[$_[0] % 3], 1 + $_[0] % 4), { 'Idempotency-Key' => "drill-$RUN-$_[0]" }] : undef });
    my @victims = qw(order-service product-service-2 order-db rabbitmq order-service-3 product-db order-redis product-service product-redis gateway order-service-2 product-service-3);
    my ($round, $killed, $newest) = (0, 0, 0);
    until ($load->is_over) {
        if ($round++ % 2) {
            my $name = $victims[$killed++ % @victims];
            $name =~ /-db$/ ? Prodorder::Stack::kill_tree($name) : Prodorder::Stack::kill_hard($name);
            Prodorder::Stack::start($name);
        }
        my $rows = eval { sql(order => "SELECT id FROM orders WHERE id > $newest AND product_id IN ($in) ORDER BY id") } // [];
        my @some = grep { $_ % 2 == 0 } map { $_->[0] } @$rows;
        $newest = $rows->[-1][0] if @$rows;
        my $answers = Prodorder::Load::run(url => Prodorder::Stack::url('gateway'), connections => 8, timeout_s => LONG_S,
            requests => sub { my $id = shift @some // return; $tried{$id} = 1; [POST => "/orders/$id/cancel", ''] });
        for my $answer (@$answers) {
            my ($id) = $answer->{request}[1] =~ /(\d+)/;
            $cancelled{$id} = 1 if $answer->{status} == 200;
        }
    }
    my $answers = $load->stop;
    diag(scalar(@$answers), ' orders sent, ', scalar(keys %tried), ' cancellations, ', scalar(keys %cancelled), " answered 200; $killed processes killed");
    check_rest(3 * LONG_S);
    cmp_ok(scalar keys %cancelled, '>', ORDERS / 4, 'many were cancelled');
    cmp_ok($killed, '>=', @victims, 'and every process was killed');
    my $ids = join ',', keys %cancelled;
    is(sql_value(order => "SELECT count(*) FROM orders WHERE id IN ($ids) AND status <> 'cancelled'"), 0, 'what was answered 200 is cancelled');
    is(sql_value(order => "SELECT count(*) FROM orders WHERE product_id IN ($in) AND status NOT IN ('done', 'cancelled')"), 0, 'each order has ended');
    is(sql_value(product => "SELECT count(*) FROM stock_ledger WHERE product_id IN ($in) GROUP BY order_id HAVING count(*) > 1"), undef, 'once');
    my %taken = map { @$_ } @{ sql(order => "SELECT product_id, sum(quantity) FROM orders WHERE product_id IN ($in) AND status = 'done' GROUP BY 1") };
    is(product_now($_)->{qty}, 1_000_000 - $taken{ $_->{id} }, 'stock is exact') for @products;
    my %of = map { $_->[0] => $_->[1] } @{ sql(order => "SELECT id, product_id FROM orders WHERE product_id IN ($in)") };
    for my $product (@products) {
        check_orders($product, [grep { ($of{$_} // 0) == $product->{id} } Prodorder::Load::accepted($answers)]);
        check_caches($product);
    }
};

my ($verdict, $audit) = control_says('audit', '--full');
is($verdict, 0, 'the books balance') or diag($audit);
is((control_says('up', '--replicas', 1))[0], 0, 'back to one of each');
is(Prodorder::Stack::pid('order-service-2'), undef, 'the others have ended');
done_testing();
