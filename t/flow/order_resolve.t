#!/usr/bin/perl
# ./prodorder order resolve: an order that nothing else can end is ended by a person, on record, and the books balance after it;
# one that can still end is refused. Who cancels it at the same moment is first or second, nothing between.
use strict;
use warnings;

use File::Temp ();
use JSON::PP;
use POSIX ();
use Time::HiRes qw(sleep);

use Prodorder::Flow;
use Prodorder::Load;

use constant { ROUNDS => $ENV{PRODORDER_TEST_RESOLVES} // 6, TOGETHER => 12, CANCELS_PER_S => 250, RACES => 8 };

# run(ARGUMENTS...): { status, said }
sub resolve {
    my (@arguments) = @_;
    my $said = qx{./prodorder order resolve @{[join ' ', map { "'$_'" } @arguments]} 2>&1 < /dev/null};
    return { status => $? >> 8, said => $said };
}

sub order_now {
    return gateway(GET => "/orders/$_[0]{id}")->{json}{data};
}

# stuck(PRODUCT, QUANTITY, OTHER, STATUS): an order that waits, because the ledger has it as another product's. The other's stock
# is as the row says.
sub stuck {
    my ($product, $quantity, $other, $status) = @_;
    finished(order_ok($product, 1));    # the order-service knows its price now
    Prodorder::Stack::stop('product-service');
    my $order = order_ok($product, $quantity);
    my $reason = $status eq 'rejected' ? "'out_of_stock'" : 'NULL';
    sql(product => "INSERT INTO stock_ledger (order_id, order_created_at, product_id, quantity, status, reason, decided_at, request_id)"
        . " VALUES ($order->{id}, '$order->{createdAt}', $other->{id}, 2, '$status', $reason, now(), 'planted')");
    sql(product => "UPDATE products SET qty = qty - 2, version = version + 1 WHERE id = $other->{id}") if $status eq 'done';
    Prodorder::Stack::start('product-service');
    return $order;
}

sub dead_letters {
    sleep 1;
    return Prodorder::Stack::queued()->{'order.created.product-service.dlq'} // 0;
}

# What a full audit finds, { CHECK => how much }: other tests leave orders at times of their own making, and outcomes of none.
sub found {
    my $report = JSON::PP->new->decode(scalar qx{./prodorder audit --full --json});
    return { map { $_->{verdict} eq 'good' ? () : ($_->{check} => "$_->{verdict} $_->{broken}") } @{ $report->{checks} } };
}
my $before = found();

expect_errors(qr/the ledger has this order with other contents/, qr/event parked in the dead-letter queue/);

subtest 'orders that can still end, or have' => sub {
    my $product = new_product(qty => 5);
    my $order = order_ok($product, 1);
    finished($order);
    like(resolve($order->{id}, 'rejected')->{said}, qr/^prodorder-admin order: $order->{id}: it has ended: done, and can only be cancelled/m, 'one that is done');
    Prodorder::Stack::stop('product-service');
    my $waiting = order_ok($product, 1);
    my $refused = resolve($waiting->{id}, 'rejected');
    is($refused->{status}, 1, 'one that waits for its decision is refused');
    like($refused->{said}, qr/it can still end by itself/, 'and why');
    sql(order => "UPDATE orders SET created_at = created_at - interval '1 hour' WHERE id = $waiting->{id}");
    like(resolve($waiting->{id}, 'rejected')->{said}, qr/nobody consumes them/, 'be it as old as it may');
    sql(order => "UPDATE orders SET created_at = created_at + interval '1 hour' WHERE id = $waiting->{id}");
    Prodorder::Stack::start('product-service');
    finished($waiting);
    is(resolve(900_000_000_000, 'done')->{status}, 1, 'one that is not there');
    is(resolve('x', 'done')->{status}, 2, 'none at all');
    is(resolve($order->{id}, 'lost')->{status}, 2, 'an end that there is not');
    is(sql_value(order => "SELECT count(*) FROM resolutions WHERE order_id IN ($order->{id}, $waiting->{id})"), 0, 'nothing is on record');
    check_rest();
};

for my $end ('rejected', 'done') {
    for my $was ('done', 'rejected') {
        subtest "$end, where the ledger has another product's order, $was" => sub {
            my ($product, $other) = (new_product(qty => 11), new_product(qty => 10));
            my $order = stuck($product, 3, $other, $was);
            ok(wait_until('it is a dead letter', 30, sub { dead_letters() == 1 }), 'nobody can decide it: it is a dead letter');
            is(sql_value(product => "SELECT count(*) FROM ledger_conflicts WHERE order_id = $order->{id}"), 1, 'and on record');
            $_->('order-service') for \&Prodorder::Stack::stop, \&Prodorder::Stack::start;    # which tells it again
            sleep 2;
            is(dead_letters(), 1, 'once, however often it is told');
            my $result = resolve($order->{id}, $end, '--why', 'a drill', '--by', 'an operator');
            is($result->{status}, 0, 'it can be resolved') or diag($result->{said});
            is(order_now($order)->{status}, $end, "it is $end");
            is(order_now($order)->{reason}, $end eq 'done' ? undef : 'out_of_stock', 'with its reason');
            is_deeply(sql(order => "SELECT status, resolved_by, why, ledger_was FROM resolutions WHERE order_id = $order->{id}"),
                [[$end, 'an operator', 'a drill', "$was: 2 of product $other->{id}"]], 'who, why, and what was');
            is(product_now($product)->{qty}, $end eq 'done' ? 7 : 10, 'its stock');
            is(product_now($other)->{qty}, 10, "the other's is whole");
            is(sql_value(product => "SELECT count(*) FROM ledger_conflicts WHERE order_id = $order->{id}"), 0, 'no conflict is left');
            is(resolve($order->{id}, $end)->{status}, 1, 'it cannot be resolved again');
            system('./prodorder dlq purge order.created.product-service --all --yes > /dev/null') == 0 or die;
            is(gateway(GET => "/orders/product/$product->{id}")->{json}{data}[0]{status}, $end, 'the list shows it');
            check_rest();
            check_orders($product, [$order->{id}]);
            check_caches($product);
        };
    }
}

subtest 'an order that nobody tells again' => sub {
    my $product = new_product(qty => 2);
    my $order = order_ok($product, 2);
    my $id = $order->{id};
    finished($order);
    ok(wait_until('the mark is above it', 60, sub { sql_value(order => "SELECT count(*) FROM order_mark WHERE low_id >= $id") }), 'an order below the mark');
    sql(product => "WITH gone AS (DELETE FROM stock_ledger WHERE order_id = $id RETURNING product_id)"
        . ' UPDATE products SET qty = 1, initial_qty = 1, version = version + 1 WHERE id IN (SELECT product_id FROM gone) RETURNING id');
    sql(order => "UPDATE orders SET status = 'waiting' WHERE id = $id RETURNING id");
    my $refused = resolve($id, 'done');
    is($refused->{status}, 1, 'done needs stock');
    like($refused->{said}, qr/the stock of product $product->{id} does not allow it/, 'which it says');
    is(resolve($id, 'rejected')->{status}, 0, 'rejected does not');
    is(sql_value(order => "SELECT why FROM resolutions WHERE order_id = $id"), 'no reason given', 'no reason need be given');
    is(sql_value(product => "SELECT status FROM stock_ledger WHERE order_id = $id"), 'rejected', 'the ledger keeps it from taking any');
    is(product_now($product)->{qty}, 1, 'the stock is whole');
};

# nobody_tells(ORDERS): below the mark, and they wait. Of those with an odd id the ledger has no row, the others it has decided.
sub nobody_tells {
    my ($product, @ids) = @_;
    my $in = join ',', @ids;
    wait_until('the mark is above them', 60, sub { sql_value(order => "SELECT count(*) FROM order_mark WHERE low_id >= $ids[-1]") });
    sql(product => "WITH gone AS (DELETE FROM stock_ledger WHERE order_id IN ($in) AND order_id % 2 = 1 RETURNING quantity)"
        . " UPDATE products SET qty = qty + (SELECT coalesce(sum(quantity), 0) FROM gone), version = version + 1 WHERE id = $product->{id}");
    sql(order => "UPDATE orders SET status = 'waiting' WHERE id IN ($in)");
    redis($_, DEL => "product:$product->{id}") for qw(product order);
    redis(order => DEL => "orders:product:$product->{id}");
    return;
}

# resolving(ID, END): in a process of its own; returns how one waits for it, as code that returns its exit status and what it said.
sub resolving {
    my ($id, $end) = @_;
    my $said = File::Temp->new;
    my $pid = fork // die "cannot fork: $!";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $said;
        open STDERR, '>&', $said;
        exec './prodorder', 'order', 'resolve', $id, $end or POSIX::_exit(127);
    }
    return sub {
        waitpid $pid, 0;
        my $status = $? >> 8;
        open my $in, '<', $said->filename or die;
        return ($status, do { local $/; <$in> } // '');
    };
}

# one_round(PRODUCT, SEEN, ORDERS): all are being resolved, held up before the last step; then they go on while all are cancelled.
sub one_round {
    my ($product, $seen, @ids) = @_;
    my %end = map { $_ => $_ % 4 == 1 ? 'rejected' : 'done' } @ids;    # what the ledger has decided is done
    my $release = Prodorder::Stack::hold(product => "SELECT FROM products WHERE id = $product->{id} FOR UPDATE");
    my %resolving = map { $_ => resolving($_, $end{$_}) } @ids;
    wait_until('all have come to the ledger', 60, sub { sql_value(product => 'SELECT count(*) FROM pg_stat_activity'
        . " WHERE application_name = 'prodorder-admin' AND wait_event_type = 'Lock'") == TOGETHER });
    $release->();
    sleep rand 0.15;    # now these are first, now those
    my $cancels = Prodorder::Load->start(url => Prodorder::Stack::url('gateway'), connections => TOGETHER, rate_per_s => CANCELS_PER_S,
        requests => sub { $_[0] < @ids ? [POST => "/orders/$ids[$_[0]]/cancel", ''] : undef });
    my %resolved = map { $_ => [$resolving{$_}->()] } @ids;
    wait_until('all cancellations are answered', 60, sub { $cancels->is_over });
    my %cancelled = map { $ids[$_->{n}] => $_->{status} } @{ $cancels->stop };
    my @wrong;
    for my $id (@ids) {
        my ($status, $said) = @{ $resolved{$id} };
        my $is_resolved = $status == 0;
        my $is = order_now({ id => $id })->{status};
        $seen->{ ($is_resolved ? "resolved $end{$id}" : 'not resolved') . ", cancel $cancelled{$id}" }++;
        push @wrong, "$id: cancelled $cancelled{$id}, $said" if $cancelled{$id} !~ /^(?:200|409)$/;
        push @wrong, "$id is $is: cancelled $cancelled{$id}, $said" if $is ne ($cancelled{$id} == 200 ? 'cancelled' : $end{$id});
        push @wrong, "$id: $said" if !$is_resolved && ($cancelled{$id} != 200 || $said !~ /it has ended(?:(?: otherwise)? meanwhile|: cancelled)/);
        my $records = sql_value(order => "SELECT count(*) FROM resolutions WHERE order_id = $id");
        push @wrong, "$id: $records records, $said" if $records != $is_resolved;
    }
    return @wrong;
}

subtest 'cancelled at the same moment' => sub {
    my $product = new_product(qty => 100_000);
    my (%seen, @wrong);
    my @ids = map { order_ok($product, 1 + $_ % 3)->{id} } 1 .. ROUNDS * TOGETHER;
    finished($_) for @ids;
    nobody_tells($product, @ids);
    push @wrong, one_round($product, \%seen, splice @ids, 0, TOGETHER) for 1 .. ROUNDS;
    diag(join '; ', map { "$_: $seen{$_}" } sort keys %seen);
    is_deeply(\@wrong, [], 'each order has one end, which both were told, and on record is who was first');
    cmp_ok(scalar(grep { /^not/ } keys %seen), '>', 0, 'some were cancelled first');
    cmp_ok(scalar(grep { /^resolved/ } keys %seen), '>', 0, 'some resolved');
    check_rest();
    check_orders($product, []);
    check_caches($product);
};

subtest 'an order that the ledger has lost is cancelled meanwhile' => sub {
    my $product = new_product(qty => 100);
    my @orders = map { finished(order_ok($product, 5)) } 1 .. RACES;
    my $ids = join ',', map { $_->{id} } @orders;
    sql(product => "WITH gone AS (DELETE FROM stock_ledger WHERE order_id IN ($ids) RETURNING product_id)"
        . ' UPDATE products SET qty = 100, version = version + 1 WHERE id IN (SELECT product_id FROM gone) RETURNING id');
    for my $order (@orders) {
        my $pid = Prodorder::Stack::in_background(sub { exec './prodorder', qw(order resolve), $order->{id} });
        sleep 0.02 * ($order->{id} % RACES);
        is(gateway(POST => "/orders/$order->{id}/cancel")->{status}, 200, "order $order->{id}: cancelled");
        waitpid $pid, 0;
    }
    check_rest();
    is(product_now($product)->{qty}, 100, 'whoever was first: no stock is taken');
    is(sql_value(product => "SELECT count(*) FROM stock_ledger WHERE order_id IN ($ids) AND status IN ('cancelled', 'returned')"), scalar @orders,
        'and the ledger says so');
};

subtest 'several at once' => sub {
    my $product = new_product(qty => 10);
    my @ids = map { finished(order_ok($product, 1))->{id} } 1 .. 3;
    my $result = resolve(@ids);
    is($result->{status}, 1, 'whose books are right');
    is(() = $result->{said} =~ /the books say the same: nothing was changed/g, 3, 'each says so');
    sql(product => "DELETE FROM stock_ledger WHERE order_id IN ($ids[0], $ids[2])");
    sql(product => "UPDATE products SET qty = 9, version = version + 1 WHERE id = $product->{id}");
    is(() = resolve(@ids)->{said} =~ /^order \d+: done/mg, 2, 'the others do not keep two from being put right');
    is(product_now($product)->{qty}, 7, 'with their stock');
    is(resolve($ids[0], 'cancelled')->{status}, 1, 'cancelled is no end for one that is done');
    is(resolve($ids[0], 'gone')->{status}, 1, 'nor is it gone');
};

is_deeply(found(), $before, 'after all of that the books balance as they did before');
flow_done();
