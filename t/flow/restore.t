#!/usr/bin/perl
# A database is restored to an earlier moment under load: ids that come again are other orders, no order is taken at a price that
# was lost, each order ends, stock is exact; the services say what was lost, and the cure that they print works as it is printed.
use strict;
use warnings;

use Cwd qw(getcwd);
use File::Temp qw(tempdir);
use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

# Longer than WITNESS_LOOK_MS in services/runtime/process/witness.h: what is lost has been noted then.
use constant { LOST_S => 6, NEW_S => 2, NOTICE_S => 20, ROUNDS => 15 };

expect_errors(qr/"the database was restored to an earlier moment"/, qr/"an outcome of an order that is not here"/);

my $backups = tempdir(CLEANUP => 1);
chmod 0755, $backups or die;

# ---- backups, and back again ----

sub data { return Prodorder::Stack::home() . "/$_[0]-db/data" }

sub done { system(@_) == 0 or die "@_: failed\n"; return }

# As a copy of a server that is down.
sub copy_of {
    my ($side) = @_;
    my $copy = "$backups/$side-" . time;
    Prodorder::Stack::stop("$side-db");
    done('cp', '-a', data($side), $copy);
    Prodorder::Stack::start("$side-db");
    return $copy;
}

sub put_back {
    my ($side, $copy) = @_;
    Prodorder::Stack::kill_tree("$side-db");
    done('rm', '-rf', data($side));
    done('cp', '-a', $copy, data($side));
    Prodorder::Stack::start("$side-db");
    return;
}

# As pg_dump gives it, from a server that runs.
sub dump_of {
    my ($side) = @_;
    local %ENV = (%ENV, %{ Prodorder::Stack::environment("$side-db") });
    my $dump = "$backups/$side-" . time;
    done('pg_dump', '-Fc', '-f', $dump);
    return $dump;
}

sub load_dump {
    my ($side, $dump) = @_;
    local %ENV = (%ENV, %{ Prodorder::Stack::environment("$side-db") });
    done('pg_restore', '--clean', '--if-exists', '-d', $ENV{PGDATABASE}, $dump);
    return;
}

# ---- orders ----

sub load_on {
    my (@products) = @_;
    return Prodorder::Load->start(url => Prodorder::Stack::url('gateway'), connections => 8, rate_per_s => 150,
        requests => sub { [POST => '/orders', order_body($products[$_[0] % @products], 1)] });
}

# "id createdAt" => what was answered
sub orders_of {
    my ($answers) = @_;
    my %orders;
    for my $answer (grep { $_->{status} == 201 } @$answers) {
        my ($id, $at) = $answer->{body} =~ /"id":(\d+),.*"createdAt":"([^"]+)"/;
        $orders{"$id $at"} = $answer;
    }
    return \%orders;
}

use constant AT => q{to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')};

sub stored_orders {
    my ($ids) = @_;
    return { map { ("$_->[0] $_->[1]" => $_->[2]) } @{ sql(order => 'SELECT id, ' . sprintf(AT, 'created_at') . ", status FROM orders WHERE product_id IN ($ids)") } };
}

sub ledger_orders {
    my ($ids) = @_;
    return { map { ("$_->[0] $_->[1]" => $_->[2]) } @{ sql(product => 'SELECT order_id, ' . sprintf(AT, 'order_created_at') . ", status FROM stock_ledger WHERE product_id IN ($ids)") } };
}

sub ids_of { return map { /^(\d+)/ } @_ }

# The line that a service has logged of it since, as data.
sub said {
    my ($name, $from, $msg) = @_;
    my @lines = grep { /"msg":"\Q$msg\E"/ } Prodorder::Stack::log_lines($name, $from);
    return map { JSON::PP->new->utf8->decode($_) } @lines;
}

use constant RESTORED => 'the database was restored to an earlier moment';

sub noticed {
    my ($name, $from) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $line = eval { wait_until("$name says that", NOTICE_S, sub { (said($name, $from, RESTORED))[0] }) };
    ok($line, "$name says that its database was restored") or return {};
    is(scalar(said($name, $from, RESTORED)), 1, 'once');
    note join ' ', map { "$_=" . ($line->{$_} // '-') } sort keys %$line;
    return $line;
}

# A printed cure, as it is printed, in a shell; what that prints.
sub cured {
    my ($cure) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($cure, 'it says the cure') or return '';
    note $cure;
    open my $out, '-|', 'bash', '-c', "$cure 2>&1" or die;
    my $said = do { local $/; <$out> } // '';
    close $out;
    is($?, 0, 'which works as it is printed') or diag $said;
    return $said;
}

sub stock_is_exact {
    my ($when, @products) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for my $product (@products) {
        my ($qty, $due) = @{ sql(product => q{SELECT qty, initial_qty + coalesce((SELECT sum(quantity) FROM restocks WHERE product_id = p.id), 0)
            - coalesce((SELECT sum(quantity) FROM stock_ledger WHERE product_id = p.id AND status = 'done'), 0)
            FROM products AS p WHERE id = } . $product->{id})->[0] };
        is($qty, $due, "product $product->{id}: initial + restocked - taken = qty $when");
    }
    return;
}

# What audit finds: { CHECK => broken }, and all that it says.
sub audit {
    my $said = qx{./prodorder audit --full --json 2>/dev/null};
    my $report = JSON::PP->new->utf8->decode($said);
    return ({ map { $_->{verdict} eq 'good' ? () : ($_->{check} => $_->{broken}) } @{ $report->{checks} } }, $report);
}

# At the end of a drill: what was lost is named; what a person decides about it, with the commands that are printed, makes the books
# balance. A command names up to 20 ids; here it is given all of them, { CHECK => [IDS] }.
sub balanced {
    my ($lost, $ids) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($found, $report) = audit();
    is_deeply([sort keys %$found], [sort keys %$lost], 'audit names what was lost, and nothing else') or diag(JSON::PP->new->canonical->encode($found));
    $lost->{$_} and is($found->{$_}, $lost->{$_}, "$_: each") for sort keys %$lost;
    make_balance($ids, $found, $report);
    return;
}

# The printed commands, until the books balance.
sub make_balance {
    my ($ids, $found, $report) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($rounds, $said) = (0, '');
    while (%$found && $rounds++ < ROUNDS) {
        for my $check (grep { $_->{commands} } @{ $report->{checks} }) {
            my $all = $ids->{ $check->{check} };
            my $command = $check->{commands}[0];
            $command =~ s/resolve \K\d+(?: \d+)*/@$all/ if $all && $rounds == 1;
            $said = qx{$command 2>&1};
            gateway(POST => "/orders/$_/cancel") for $said =~ /order: (\d+): the stock .* or cancel the order/g;
        }
        check_rest(90);
        ($found, $report) = audit();
    }
    is_deeply($found, {}, "then they balance, after $rounds rounds") or diag $said;
    return;
}

sub accepts_orders {
    my ($product) = @_;
    return wait_until('orders are accepted', 60, sub { gateway(POST => '/orders', order_body($product, 1))->{status} == 201 });
}

sub sizes { return map { $_ => Prodorder::Stack::log_size($_) } qw(order-service product-service) }

# What other tests on this stack have planted or lost.
subtest 'before' => sub { make_balance({}, audit()) };

# ---- the drills ----

subtest 'the order database' => sub {
    my $product = new_product(qty => 1_000_000);
    my $old = finished(order_ok($product, 1));
    my $copy = copy_of('order');
    accepts_orders($product);
    sleep LOST_S / 2;    # a lost one that has waited for nothing
    my $load = load_on($product);
    sleep LOST_S;
    my %from = sizes();
    Prodorder::Stack::stop('order-service');
    put_back(order => $copy);
    Prodorder::Stack::start('order-service');
    my $line = noticed('order-service', $from{'order-service'});
    sleep NEW_S;
    my $answers = $load->stop;
    check_rest(90);
    my $given = orders_of($answers);
    my ($stored, $ledger) = (stored_orders($product->{id}), ledger_orders($product->{id}));
    my @lost = grep { !$stored->{$_} } keys %$given;
    my @new = grep { $stored->{$_} } keys %$given;
    cmp_ok(scalar @lost, '>', 100, @lost . ' orders are lost');
    cmp_ok(scalar @new, '>', 50, @new . ' are new');
    is_deeply([grep { $stored->{$_} ne 'done' || ($ledger->{$_} // '') ne 'done' } @new], [], 'each new one has taken stock and is done');
    my %times;
    $times{$_}++ for ids_of(keys %$given);
    is_deeply([grep { $times{$_} > 1 } keys %times], [], 'no id comes again');
    is(gateway(GET => '/orders/' . (ids_of(@lost))[0])->{status}, 404, 'a lost order is not another one');
    is(gateway(GET => "/orders/$old->{id}")->{json}{data}{status}, 'done', 'what was stored before is there');
    stock_is_exact('', $product);
    my @named = cured($line->{cure}) =~ /^(?=.*\b$product->{id}\b)\D*(\d+)/mg;
    my %named = map { $_ => 1 } @named;
    is_deeply([grep { !$named{$_} } ids_of(@lost)], [], 'it prints what the ledger has of each lost order');
    is_deeply([grep { $named{$_} } ids_of(@new)], [], 'and none of the others');
    my @unknown = grep { !$stored->{$_} } keys %$ledger;
    balanced({ 'unknown orders' => scalar @unknown }, { 'unknown orders' => [ids_of(@unknown)] });
};

subtest 'the product database' => sub {
    my @products = map { new_product(qty => 1_000_000, price => '10.00', name => "Kept $_") } 1 .. 2;
    my $quiet = new_product(qty => 10, price => '30.00');
    finished(order_ok($_, 1)) for @products;
    my $cancelled = order_ok($products[1], 5);
    finished($cancelled);
    my $dump = dump_of('product');
    my $load = load_on(@products);
    gateway(PATCH => "/products/$products[0]{id}", '{"price":20}');
    my @lost = map { new_product(qty => 1_000_000, price => '5.00', name => "Lost $_") } 1 .. 30;
    is_deeply([map { finished(order_ok($_, 1))->{unitPrice} } @lost], [(5) x @lost], 'products that will be lost are sold');
    is(gateway(POST => "/orders/$cancelled->{id}/cancel")->{status}, 200, 'an order is cancelled');
    sleep LOST_S;
    is(order_ok($products[0], 1)->{unitPrice}, 20, 'a price that will be lost is known');
    my $seen = gateway(PATCH => "/products/$quiet->{id}", '{"price":31}');
    like(redis(order => GET => "product:$products[0]{id}"), qr/"price":20\.00/, 'order-redis has it');

    my %from = sizes();
    Prodorder::Stack::stop('product-service');
    load_dump(product => $dump);
    Prodorder::Stack::start('product-service');
    ok(eval { wait_until('the copies are dropped', 2, sub { said('order-service', $from{'order-service'}, 'copies of products are dropped') }) }, 'the order-service drops its copies');
    my $first = order_ok($products[0], 1);
    is($first->{unitPrice}, 10, 'no order takes the lost price');
    my $new = new_product(qty => 1_000_000, price => '7.00', name => 'New');
    is(order_ok($new, 1)->{unitPrice}, 7, 'nor is a new product sold at that of a lost one');
    is_deeply([grep { $_->{id} == $new->{id} } @lost], [], 'whose id it does not have');
    is(gateway(GET => "/products/$lost[0]{id}")->{status}, 404, 'a lost product is gone');
    gateway(PATCH => "/products/$quiet->{id}", '{"price":32}');
    is(gateway(GET => "/products/$quiet->{id}", undef, { 'If-None-Match' => $seen->{headers}{etag} })->{status}, 200,
        'what a client has seen, and is lost, is not what there is now');
    gateway(PATCH => "/products/$products[0]{id}", '{"price":11}');
    is(wait_until('the price of an order', 10, sub { my $order = order_ok($products[0], 1); $order->{unitPrice} == 11 && $order })->{unitPrice}, 11,
        'its new price comes through');

    my $line = noticed('product-service', $from{'product-service'});
    sleep NEW_S;
    my $answers = $load->stop;
    check_rest(90);
    stock_is_exact('', @products, $new);
    my $ids = join ',', map { $_->{id} } @products, $new;
    my $decided = sub { my $ledger = ledger_orders($ids); my $stored = stored_orders($ids); return grep { $stored->{$_} eq 'done' && ($ledger->{$_} // '') ne 'done' } keys %$stored };
    cmp_ok(scalar($decided->()), '>', 100, 'orders are done whose stock was never taken');
    cured($line->{cure});
    check_rest(90);
    is_deeply([$decided->()], [], 'the cure has taken it');
    is(sql_value(product => "SELECT status FROM stock_ledger WHERE order_id = $cancelled->{id}"), 'returned', 'what was cancelled is given back again');
    stock_is_exact('after the cure', @products, $new);
    my %product = map { $_->{id} => $_ } @products, $new;
    for my $id (sort keys %product) {
        my $taken = sql_value(order => "SELECT coalesce(sum(quantity), 0) FROM orders WHERE product_id = $id AND status = 'done'");
        is(product_now($id)->{qty}, 1_000_000 - $taken, "product $id: what is done is taken, no more");
    }
    check_caches(@products, $new);
    cured($line->{cure});
    check_rest(90);
    stock_is_exact('after the cure, again', @products, $new);
    # Orders of lost products, and those at lost prices.
    balanced({ orders => scalar @lost, prices => 0 }, { prices => [map { $_->[0] } @{ sql(order => 'SELECT id FROM orders WHERE unit_price_cents = 2000'
        . " AND product_id = $products[0]{id} OR product_id IN (" . join(',', map { $_->{id} } @lost) . ')') }] });
};

# Under services that run on: nobody stops them.
subtest 'both, to different moments' => sub {
    my @products = map { new_product(qty => 1_000_000, price => '10.00') } 1 .. 2;
    finished(order_ok($_, 1)) for @products;
    my $order_copy = copy_of('order');
    accepts_orders($products[0]);
    my $load = load_on(@products);
    sleep LOST_S / 2;
    my $product_copy = copy_of('product');
    accepts_orders($products[0]);
    gateway(PATCH => "/products/$products[0]{id}", '{"price":20}');
    sleep LOST_S;
    my %from = sizes();
    put_back(product => $product_copy);
    put_back(order => $order_copy);
    my %line = map { $_ => noticed($_, $from{$_}) } qw(order-service product-service);
    accepts_orders($products[0]);
    is(order_ok($products[0], 1)->{unitPrice}, 10, 'no order takes the lost price');
    sleep NEW_S;
    my $answers = $load->stop;
    check_rest(120);
    cured($line{'product-service'}{cure});
    cured($line{'order-service'}{cure});
    check_rest(90);
    my $given = orders_of($answers);
    my $ids = join ',', map { $_->{id} } @products;
    my ($stored, $ledger) = (stored_orders($ids), ledger_orders($ids));
    cmp_ok(scalar(grep { $stored->{$_} } keys %$given), '>', 50, 'new orders are there');
    is_deeply([grep { $stored->{$_} ne 'done' || ($ledger->{$_} // '') ne 'done' } keys %$stored], [], 'every order is done, and has taken stock');
    my %times;
    $times{$_}++ for ids_of(keys %$given);
    is_deeply([grep { $times{$_} > 1 } keys %times], [], 'no id comes again');
    stock_is_exact('', @products);
    check_caches(@products);
    # Of both databases the product's is the newer: the ledger has orders that are lost. A price was lost with orders of it, or not.
    my ($found) = audit();
    my @unknown = grep { !$stored->{$_} } keys %$ledger;
    balanced({ 'unknown orders' => scalar @unknown, $found->{prices} ? (prices => 0) : () }, { 'unknown orders' => [ids_of(@unknown)] });
};

# Redis has forgotten what it knew, too: ids come again, and are other orders.
subtest 'when nobody knows which ids were given' => sub {
    my $product = new_product(qty => 1_000_000);
    finished(order_ok($product, 1));
    my $copy = copy_of('order');
    accepts_orders($product);
    my @lost = map { finished(order_ok($product, 2)) } 1 .. 5;
    my %from = sizes();
    Prodorder::Stack::stop('order-service');
    put_back(order => $copy);
    redis(order => 'FLUSHALL');
    Prodorder::Stack::start('order-service');
    my @new = map { finished(order_ok($product, 3)) } 1 .. 3;
    my %again = map { $_->{id} => 1 } @lost;
    ok((grep { $again{ $_->{id} } } @new), 'ids come again');
    check_rest();
    my $ledger = ledger_orders($product->{id});
    is_deeply([map { $ledger->{"$_->{id} $_->{createdAt}"} // '' } @new], [('done') x @new], 'they are other orders, and take stock');
    is(product_now($product)->{qty}, 1_000_000 - sql_value(product => "SELECT sum(quantity) FROM stock_ledger WHERE product_id = $product->{id} AND status = 'done'"),
        'of which all is accounted for');
    my ($line) = said('product-service', $from{'product-service'}, 'order ids come again');
    ok($line, 'the product-service says so');
    cured($line->{cure});
    cmp_ok(order_ok($product, 1)->{id}, '>', (sort { $b <=> $a } map { $_->{id} } @lost)[0], 'ids go on above all that were given');
    check_rest();
    my $stored = stored_orders($product->{id});
    my @unknown = grep { !$stored->{$_} } keys %{ ledger_orders($product->{id}) };    # and the one that found out that orders are accepted
    cmp_ok(scalar @unknown, '>=', @lost, 'the ledger has all that were lost');
    balanced({ 'unknown orders' => scalar @unknown });
};

flow_done();
