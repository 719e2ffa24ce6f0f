#!/usr/bin/perl
# ./prodorder audit: each promise is broken, one at a time, in the databases, in RabbitMQ or in the caches, and exactly its check
# names what breaks it; the commands that it prints make the books balance again, or a person must decide. They balance under load,
# too, while processes die, and after more cancellations than an audit looks at at once.
#
# Environment
#   PRODORDER_TEST_AUDITS=N            so many audits under load, 20 if not set; 1000 take half an hour
#   PRODORDER_TEST_AUDIT_ONLY=REGEX    only the plants whose name matches, and of 'under load' and 'many cancellations'
use strict;
use warnings;

use File::Temp ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

use constant { AUDITS => $ENV{PRODORDER_TEST_AUDITS} // 20, RATE_PER_S => 200, CANCELS => 21_000, QUICK_S => 20, MARK_S => 60,
    QUEUE => 'order.created.product-service', METRIC_S => 15 };

my $json = JSON::PP->new->utf8->canonical;
my $build = $ENV{PRODORDER_BUILD} // 'build';

# Its exit status, and what it said.
sub run {
    my (@command) = @_;
    my ($out, $err) = map { File::Temp->new } 1, 2;
    my $pid = fork // die "cannot fork: $!";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $out;
        open STDERR, '>&', $err;
        exec @command or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my %said = (status => $? >> 8);
    for my $one ([out => $out], [err => $err]) {
        open my $in, '<', $one->[1]->filename or die;
        local $/;
        $said{ $one->[0] } = <$in> // '';
    }
    return \%said;
}

# audit(ARGS): its report; {found} is what it says is broken: { CHECK => 'ID ID' }.
sub audit {
    my (@args) = @_;
    my $result = run('./prodorder', 'audit', '--json', @args);
    my $report = eval { $json->decode($result->{out}) } // { checks => [] };
    $report->{status} = $result->{status};
    $report->{err} = $result->{err};
    $report->{found} = { map { $_->{verdict} eq 'good' ? () : ($_->{check} => "$_->{verdict}: @{ $_->{ids} }") } @{ $report->{checks} } };
    return $report;
}

sub is_clean {
    my ($name, @args) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $report = audit(@args);
    is_deeply([$report->{status}, $report->{found}], [0, {}], $name) or diag $report->{err};
    return $report;
}

sub metric {
    my ($name, $service) = @_;
    my ($value) = Prodorder::Client->new(Prodorder::Stack::url($service))->request(GET => '/metrics')->{body} =~ /^\Q$name\E (\S+)$/m;
    return $value;
}

# ---- what is there ----

sub placed {
    my ($product, $quantity, $key) = @_;
    my $answer = gateway(POST => '/orders', order_body($product, $quantity), $key ? { 'Idempotency-Key' => $key } : {});
    $answer->{status} == 201 or die "order refused: $answer->{status} $answer->{body}\n";
    return finished($answer->{json}{data})->{id};
}

my $product = new_product(qty => 100, price => '10.00');
my $other = new_product(qty => 100, price => '10.00');
my $dear = new_product(qty => 100, price => '5.00');
my $p = $product->{id};
my $done = placed($product, 3);
my $done_too = placed($product, 4);
my $rejected = placed($product, 1000);
my $keyed = placed($product, 2, "audit-$$");
my $cancelled = placed($product, 5);
is(gateway(POST => "/orders/$cancelled/cancel")->{status}, 200, 'one is cancelled');
is(product_service(POST => "/products/$p/restock", '{"quantity":7}', { 'Idempotency-Key' => "audit-restock-$$" })->{status}, 200, 'one product is restocked');
my $cheap_order = placed($dear, 1);
is(product_service(PATCH => "/products/$dear->{id}", '{"price":7.00}')->{status}, 200, 'one has a new price');
# Each that does not know yet is one more at the old price.
wait_until('the order-service knows', 20, sub { finished(order_ok($dear, 1))->{unitPrice} == 7 });
my $dear_order = placed($dear, 1);
check_rest();

my $before = audit('--full');
# What other tests have left on this stack.
my %known = %{ $before->{found} };
note "before: " . $json->encode(\%known) if %known;

# ---- plants ----

# changed(SIDE, TABLE, WHICH ROWS, SQL): the plant, and how it is undone, of rows of a table.
sub changed {
    my ($side, $table, $where, $sql) = @_;
    my $saved;
    return [
        sub {
            $saved = sql_value($side => "SELECT coalesce(jsonb_agg(t), '[]') FROM $table AS t WHERE $where");
            sql($side => $sql);
        },
        sub {
            my $rows = $saved =~ s/'/''/gr;
            sql($side => "BEGIN; DELETE FROM $table WHERE $where; "
                . "INSERT INTO $table OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_recordset(NULL::$table, '$rows'); COMMIT");
        },
    ];
}

sub orders {
    my ($id, $set) = @_;
    return changed(order => 'orders', "id = $id", "UPDATE orders SET $set WHERE id = $id");
}

sub ledger {
    my ($id, $set) = @_;
    return changed(product => 'stock_ledger', "order_id = $id", "UPDATE stock_ledger SET $set WHERE order_id = $id");
}

# A column of the product's row that is counted up by so many; no cache has it.
sub counted {
    my ($column, $by) = @_;
    my $count = sub {
        my ($more) = @_;
        return sub { sql(product => "UPDATE products SET $column = $column + $more WHERE id = $p"); redis($_, DEL => "product:$p") for qw(product order) };
    };
    return [$count->($by), $count->(-$by)];
}

sub drawn {
    my ($side, $sequence, $table) = @_;
    my $value;
    return [
        sub { $value = sql_value($side => "SELECT last_value FROM $sequence"); sql($side => "SELECT setval('$sequence', 1, false)") },
        sub { sql($side => "SELECT setval('$sequence', $value)") },
    ];
}

sub cached {
    my ($side, $key, $value) = @_;
    my $saved;
    return [
        sub { $saved = redis($side, GET => $key); redis($side, SET => $key, ref $value ? $value->($saved) : $value, EX => 300) },
        sub { redis($side, DEL => $key) },
    ];
}

sub frozen {
    my ($name) = @_;
    my $thaw;
    return [sub { $thaw = Prodorder::Stack::away($name, 'frozen') }, sub { $thaw->() }, 'frozen'];
}

my $OLD = "now() - interval '10 minutes'";
my $NOBODY = 7_000_000_000_000;
my $LEDGER = 'INSERT INTO stock_ledger (order_id, product_id, quantity, status, reason, decided_at, request_id, order_created_at) SELECT';
my $CANCELLATION = 'INSERT INTO cancellations (order_id, created_at, product_id, quantity, cancelled_at, settled_at, next_at, request_id, traceparent) '
    . 'SELECT id, created_at, product_id, quantity, now(), now(), now(), request_id, traceparent FROM orders WHERE id =';
my $OUTBOX = "INSERT INTO outbox (id, routing_key, message_id, correlation_id, traceparent, body, available_at) VALUES (1, 'x', 'x', 'x', 'x', '{}', $OLD)";
my $ORDER_KEY = 'INSERT INTO idempotency_keys (key, order_id, product_id, quantity, created_at)';
my $PRODUCT_KEY = 'INSERT INTO idempotency_keys (key, request, product_id, version, answer, created_at)';

sub key_row {
    my ($set) = @_;
    return changed(order => 'idempotency_keys', "key = 'audit-$$'", "UPDATE idempotency_keys SET $set WHERE key = 'audit-$$'");
}

sub new_key {
    my ($side, $insert, $values) = @_;
    return changed($side, 'idempotency_keys', "key = 'planted'", "$insert VALUES ($values)");
}

sub dead_letter {
    return [
        sub {
            rabbitmq(POST => '/exchanges/%2F/amq.default/publish', { routing_key => QUEUE . '.dlq', payload => 'x', payload_encoding => 'string', properties => { delivery_mode => 2 } });
            wait_until('the metric', METRIC_S * 4, sub { metric('prodorder_dead_letters', 'product') eq '1' });
        },
        sub { rabbitmq(DELETE => '/queues/%2F/' . QUEUE . '.dlq/contents') },
    ];
}

sub prices {
    my ($set, $which) = @_;
    return changed(product => 'product_prices', "product_id = $dear->{id}", "UPDATE product_prices SET $set WHERE product_id = $dear->{id} AND $which");
}

# What is planted; what the audit is to say of it: { CHECK => ids }; the plants, undone from the last to the first.
my @PLANTS = (
    # orders against the ledger
    ['an order that has ended is not in the ledger', { 'lost orders' => $rejected }, changed(product => 'stock_ledger', "order_id = $rejected", "DELETE FROM stock_ledger WHERE order_id = $rejected")],
    ['one that is done, and its stock is there', { 'lost orders' => $done }, changed(product => 'stock_ledger', "order_id = $done", "DELETE FROM stock_ledger WHERE order_id = $done"), counted(qty => 3)],
    ['the ledger has an order that there is not', { 'unknown orders' => $NOBODY },
        changed(product => 'stock_ledger', "order_id = $NOBODY", "$LEDGER $NOBODY, $p, 1, 'rejected', 'out_of_stock', now(), 'x', now()")],
    ['one with the id of an order, and another time', { 'unknown orders' => $done },
        changed(product => 'stock_ledger', "order_id = $done", "$LEDGER $done, $p, 1, 'rejected', 'out_of_stock', now(), 'x', $OLD")],
    ['its row is of another time', { 'lost orders' => $rejected, 'unknown orders' => $rejected }, ledger($rejected, "order_created_at = order_created_at - interval '1 ms'")],
    ['another product in the ledger', { orders => $rejected }, ledger($rejected, "product_id = $other->{id}")],
    ['another quantity in the ledger', { orders => $rejected }, ledger($rejected, 'quantity = 7')],
    ['another product in the order', { orders => $rejected }, orders($rejected, "product_id = $other->{id}")],
    ['done, and the ledger says rejected', { orders => $rejected }, orders($rejected, "status = 'done', reason = NULL")],
    ['rejected, and the ledger says done', { orders => $done }, orders($done, "status = 'rejected', reason = 'out_of_stock'")],
    ['rejected for another reason', { orders => $rejected }, orders($rejected, "reason = 'product_not_found'")],
    ['cancelled and settled, and the ledger says done', { orders => $done_too }, orders($done_too, "status = 'cancelled'"),
        changed(order => 'cancellations', "order_id = $done_too", "$CANCELLATION $done_too")],
    ['done, and its stock was given back', { orders => $done }, ledger($done, "status = 'returned', returned_at = now()"), counted(qty => 3)],
    ['done, and the ledger says that it never took stock', { orders => $done }, ledger($done, "status = 'cancelled'"), counted(qty => 3)],
    ['rejected, and the ledger says cancelled', { orders => $rejected }, ledger($rejected, "status = 'cancelled', reason = NULL")],
    # what waits
    ['an order waits for long', { waiting => $done }, frozen('order-service'), changed(order => 'order_mark', 'true', 'UPDATE order_mark SET low_id = ' . ($done - 1)),
        changed(product => 'stock_ledger', "order_id = $done", "UPDATE stock_ledger SET order_created_at = (SELECT date_trunc('second', $OLD)) WHERE order_id = $done"),
        changed(order => 'orders', "id = $done", 'SELECT 1'), changed(product => 'product_prices', "product_id = $p", "UPDATE product_prices SET since = since - interval '1 hour' WHERE product_id = $p"),
        [sub { my $at = sql_value(product => "SELECT order_created_at FROM stock_ledger WHERE order_id = $done"); sql(order => "UPDATE orders SET status = 'waiting', created_at = '$at' WHERE id = $done") }, sub { }]],
    ['an order waits below the mark', { 'below the mark' => $done }, frozen('order-service'), orders($done, "status = 'waiting'"),
        changed(order => 'order_mark', 'true', "UPDATE order_mark SET low_id = $cheap_order")],
    ['the mark is ahead of the sequence', { mark => 4_000_000_000_000 }, frozen('order-service'), changed(order => 'order_mark', 'true', 'UPDATE order_mark SET low_id = 4000000000000')],
    ['there is no mark', { mark => 0 }, frozen('order-service'), changed(order => 'order_mark', 'true', 'DELETE FROM order_mark')],
    ['a cancellation is not settled for long', { cancellations => $cancelled }, frozen('order-service'),
        changed(order => 'cancellations', "order_id = $cancelled", "UPDATE cancellations SET settled_at = NULL, cancelled_at = $OLD WHERE order_id = $cancelled")],
    ['a cancellation of an order that is done', { cancellations => $done }, changed(order => 'cancellations', "order_id = $done", "$CANCELLATION $done")],
    ['a cancellation of another quantity', { cancellations => $cancelled }, changed(order => 'cancellations', "order_id = $cancelled", "UPDATE cancellations SET quantity = 9 WHERE order_id = $cancelled")],
    ['a cancelled order of which nobody is told', { unsettled => $cancelled }, changed(order => 'cancellations', "order_id = $cancelled", "DELETE FROM cancellations WHERE order_id = $cancelled")],
    # stock
    ['stock out of nowhere', { stock => $p }, counted(qty => 1)],
    ['stock that has gone', { stock => $p }, counted(qty => -1)],
    ['another stock at the beginning', { stock => $p }, counted(initial_qty => 1)],
    ['a restock that was not noted', { stock => $p }, changed(product => 'restocks', "product_id = $p", "DELETE FROM restocks WHERE product_id = $p")],
    ['a done order took more', { stock => $p, orders => $done }, ledger($done, 'quantity = 30')],
    # prices
    ['a price that its product never had', { prices => $done }, orders($done, 'unit_price_cents = 999, total_price_cents = 999 * quantity')],
    ['a price that its product had no more', { prices => 'cheap' }, prices("since = since - interval '2 hours'", 'true')],
    ['a price that its product had only later', { prices => 'dear' }, prices("since = since + interval '2 hours'", 'price_cents = 700')],
    # keys
    ['a key of an order that there is not', { 'order keys' => $NOBODY }, new_key(order => $ORDER_KEY, "'planted', $NOBODY, 1, 1, now()")],
    ['a key of another quantity', { 'order keys' => $keyed }, key_row('quantity = 9')],
    ['a key of another product', { 'order keys' => $keyed }, key_row("product_id = $other->{id}")],
    ['a key of another order with its id', { 'order keys' => $keyed }, key_row("created_at = created_at - interval '1 s'")],
    ['a key of a product that there is not', { 'product keys' => 'planted' }, new_key(product => $PRODUCT_KEY, "'planted', '', 999999999, 1, '{\"id\":999999999,}', now()")],
    ['a key of a version that there never was', { 'product keys' => 'planted' }, new_key(product => $PRODUCT_KEY, "'planted', '', $p, 9000000000000000, '{\"id\":$p,}', now()")],
    ['a key whose answer is another product', { 'product keys' => 'planted' }, new_key(product => $PRODUCT_KEY, "'planted', '', $p, 1, '{\"id\":${p}0,}', now()")],
    # sequences
    ['the orders are ahead of their sequence', { 'order ids' => 'order_numbers' }, frozen('order-service'), changed(order => 'order_mark', 'true', 'UPDATE order_mark SET low_id = 0'), drawn(order => 'order_numbers')],
    ['the products are ahead of theirs', { 'product ids' => 'product_ids' }, frozen('product-service'), drawn(product => 'product_ids')],
    ['the restocks are ahead of theirs', { 'product ids' => 'restocks_id_seq' }, frozen('product-service'), drawn(product => 'restocks_id_seq')],
    ['blocks of ids overlap', { 'product ids' => 'product_ids' }, [sub { sql(product => 'ALTER SEQUENCE product_ids INCREMENT BY 10') }, sub { sql(product => 'ALTER SEQUENCE product_ids INCREMENT BY 20') }]],
    # outboxes, queues
    ['what nobody tells (order)', { 'order outbox' => 1 }, frozen('order-service'), changed(order => 'outbox', 'id = 1', $OUTBOX)],
    ['what nobody tells (product)', { 'product outbox' => 1 }, frozen('product-service'), changed(product => 'outbox', 'id = 1', $OUTBOX)],
    ['a dead letter', { 'dead letters' => QUEUE . '.dlq' }, dead_letter()],
    ['queues that nobody consumes', { queues => 'order.created.product-service order.created.product-service.retry order.cancelled.product-service order.cancelled.product-service.retry' },
        [sub { Prodorder::Stack::stop('product-service') }, sub { Prodorder::Stack::start('product-service') }]],
    # caches
    ['another stock in product-redis', { caches => "product-redis/product:$p" }, cached(product => "product:$p", sub { $_[0] =~ s/"qty":\d+/"qty":5/r })],
    ['another name in product-redis', { caches => "product-redis/product:$p" }, cached(product => "product:$p", sub { $_[0] =~ s/"name":"/"name":"x/r })],
    ['a product that there is not, in product-redis', { caches => 'product-redis/product:999999999' }, cached(product => 'product:999999999', '{"id":999999999}')],
    ['no JSON in product-redis', { caches => "product-redis/product:$p" }, cached(product => "product:$p", 'x')],
    ['a key of nobody', { caches => 'product-redis/product:x' }, cached(product => 'product:x', 'x')],
    ['another price in order-redis', { caches => "order-redis/product:$dear->{id}" }, cached(order => "product:$dear->{id}", sub { $_[0] =~ s/"price":\d+/"price":3/r })],
    ['another version in order-redis', { caches => "order-redis/product:$dear->{id}" }, cached(order => "product:$dear->{id}", sub { $_[0] =~ s/"version":\d+/"version":99/r })],
    ['another outcome in a list', { caches => "order-redis/orders:product:$p" }, cached(order => "orders:product:$p", sub { $_[0] =~ s/"done"/"waiting"/r })],
    ['an order is missing in a list', { caches => "order-redis/orders:product:$p" }, cached(order => "orders:product:$p", '[]')],
    ['a list of a product without orders', { caches => "order-redis/orders:product:$other->{id}" }, cached(order => "orders:product:$other->{id}", '[{"id":1}]')],
);

# A service that has just started drops what it finds.
sub fill_caches {
    wait_until('all is cached', 30, sub {
        product_service(GET => "/products/$_->{id}") for $product, $other, $dear;
        order_service(GET => "/orders/product/$_->{id}") for $product, $other, $dear;
        redis(product => EXISTS => map { "product:$_->{id}" } $product, $other, $dear) == 3
            && redis(order => EXISTS => map { "orders:product:$_->{id}" } $product, $other, $dear) == 3
            && (redis(order => EXISTS => "product:$dear->{id}") || !finished(order_ok($dear, 1)));
    });
    check_rest();
    return;
}

# The books as they are, and what was planted.
sub expected {
    my ($ids) = @_;
    my %expected = %known;
    for my $check (keys %$ids) {
        my $of = $known{$check} ? "$known{$check} " : 'broken: ';
        my $cents = { cheap => 500, dear => 700 }->{ $ids->{$check} };
        my $id = $cents ? join ' ', map { $_->[0] } @{ sql(order => "SELECT id FROM orders WHERE product_id = $dear->{id} AND unit_price_cents = $cents ORDER BY id") } : $ids->{$check};
        $expected{$check} = $of . $id;
    }
    return \%expected;
}

# Names come in the order of their ids; those that were there before may be anywhere between.
sub sorted {
    my ($found) = @_;
    return { map { my ($verdict, @ids) = split ' ', $found->{$_}; ($_ => join ' ', $verdict, sort @ids) } keys %$found };
}

# ---- cures ----

# Those for which no command is printed that can be run as it is, and why.
my %PERSON = (
    'order outbox' => 'the service that is there tells it; why it does not, its log says',
    'product outbox' => 'the service that is there tells it; why it does not, its log says',
    queues => 'what does not run must be started, where it runs',
    'dead letters' => 'again or away depends on the reason',
);

# All rows that plants and cures change, to be put back.
my $ids = join ',', $done, $done_too, $rejected, $keyed, $cancelled, $cheap_order, $dear_order, $NOBODY;
my $product_ids = join ',', map { $_->{id} } $product, $other, $dear;
my @KEPT = (
    changed(order => 'orders', "id IN ($ids)", 'SELECT 1'),
    changed(order => 'cancellations', "order_id IN ($ids)", 'SELECT 1'),
    changed(order => 'idempotency_keys', "key IN ('audit-$$', 'planted')", 'SELECT 1'),
    changed(product => 'stock_ledger', "order_id IN ($ids)", 'SELECT 1'),
    changed(product => 'restocks', "product_id IN ($product_ids)", 'SELECT 1'),
    changed(product => 'product_prices', "product_id IN ($product_ids)", 'SELECT 1'),
    changed(product => 'idempotency_keys', "key = 'planted'", 'SELECT 1'),
);
my $stocks;

sub keep_state {
    $_->[0]->() for @KEPT;
    $stocks = sql(product => "SELECT id, qty, initial_qty FROM products WHERE id IN ($product_ids)");
    return;
}

sub put_state_back {
    $_->[1]->() for @KEPT;
    sql(product => "UPDATE products SET qty = $_->[1], initial_qty = $_->[2], version = version + 1 WHERE id = $_->[0]") for @$stocks;
    for my $id (map { $_->{id} } $product, $other, $dear) {
        redis($_, DEL => "product:$id", "orders:product:$id") for qw(product order);
    }
    return;
}

# The printed commands, as they are printed, until the books are as they were.
sub cure {
    my ($name, $report) = @_;
    my @commands = map { @{ $_->{commands} // [] } } grep { $_->{verdict} eq 'broken' && !$known{ $_->{check} } } @{ $report->{checks} };
    my ($after, @said) = ($report);
    for my $command (@commands) {
        push @said, $command, run('bash', '-c', "$command 2>&1")->{out};
        if ($said[-1] =~ /order: (\d+): the stock .* or cancel the order/) {    # a person decides for one of the two
            gateway(POST => "/orders/$1/cancel");
            check_rest();
        }
        my $until = time + ($command =~ /restart order-service/ ? MARK_S : 0);
        do { $after = audit('--full') } until !$after->{found}{mark} || time > $until;
        last if $json->encode($after->{found}) eq $json->encode(\%known);
    }
    return is_deeply($after->{found}, \%known, "$name: cured") || diag join "\n", @said, $after->{err};
}

cmp_ok(scalar @PLANTS, '>=', 30, 'so many promises are broken: ' . @PLANTS);
my $only = $ENV{PRODORDER_TEST_AUDIT_ONLY};
for my $plant (@PLANTS) {
    my ($name, $broken, @changes) = @$plant;
    next if $only && $name !~ /$only/;
    fill_caches() if $name =~ /redis|list/;
    keep_state();
    my @undo;
    my $report = eval {
        for my $change (@changes) { unshift @undo, $change->[1]; $change->[0]->() }
        audit('--full');
    };
    my $error = $@;
    my ($person) = grep { $PERSON{$_} } keys %$broken;
    is($error, '', "$name: planted") && is_deeply([$report->{status}, sorted($report->{found})], [1, sorted(expected($broken))], $name)
        or diag $report->{err} // '';
    if ($error || $person || %known) {    # other tests' findings have the same commands
        note "$name: a person must decide: $PERSON{$person}" if $person;
        $_->() for @undo;
        next;
    }
    $undo[-1]->() if $changes[0][2];      # the service goes on
    cure($name, $report);
    put_state_back();
}
check_rest();
is_deeply(audit('--full')->{found}, \%known, 'all undone: as it was before');

# ---- from the last clean one on ----

SKIP: {
    skip 'this stack had broken promises before, or only some parts are wanted', 8 if %known || $only;
    my $clean = is_clean('all is well', '--full');
    is($clean->{ordersFrom}, 1, '--full begins with the first order');
    wait_until('the mark has moved', 30, sub { sql_value(order => 'SELECT low_id FROM order_mark') > $cancelled });
    is_clean('again, with the mark');
    my $next = is_clean('and from it');
    cmp_ok($next->{ordersFrom}, '>', $cancelled, 'orders that were right are not looked at again');
    my $old = ledger($rejected, 'quantity = 7');
    $old->[0]->();
    is_deeply(audit()->{found}, {}, 'also when somebody changes them by hand');
    is_deeply(audit('--full')->{found}, { orders => "broken: $rejected" }, '--full sees it');
    is_deeply(audit()->{found}, { orders => "broken: $rejected" }, 'and then the next one, too');
    ok(wait_until('the metric', METRIC_S * 2, sub { metric('prodorder_books_balanced', 'order') eq '0' && metric('prodorder_books_balanced', 'product') eq '0' }), 'both services say so');
    $old->[1]->();
    is_clean('until it is put right');
    ok(wait_until('the metric', METRIC_S * 2, sub { metric('prodorder_books_balanced', 'order') eq '1' && metric('prodorder_books_balanced', 'product') eq '1' }), 'the services, too');
    gateway(POST => "/orders/$done/cancel");
    check_rest();
    $old = ledger($done, "status = 'done'");
    $old->[0]->();
    sql(product => "UPDATE products SET qty = qty - 3 WHERE id = $p");
    redis($_, DEL => "product:$p") for qw(product order);
    is_deeply(audit()->{found}, { orders => "broken: $done" }, 'an order below the mark that was cancelled since is looked at');
    $old->[1]->();
    sql(product => "UPDATE products SET qty = qty + 3 WHERE id = $p");
    redis($_, DEL => "product:$p") for qw(product order);
    sql(product => "UPDATE audit_mark SET token = 'restored'");
    is(is_clean('a database of another moment')->{ordersFrom}, 1, 'all orders are looked at');
}

# ---- repair ----

subtest 'repair' => sub {
    my $repaired = placed($other, 1);
    check_rest();
    fill_caches();
    sql(order => "UPDATE orders SET status = 'waiting' WHERE id = $repaired");
    sql(order => "UPDATE order_mark SET low_id = (SELECT last_value FROM order_numbers)");
    redis(order => DEL => "orders:product:$other->{id}");
    redis(product => SET => "product:$p", 'x', EX => 300);
    my $result = run('./prodorder', 'audit', '--full', '--repair');
    is($result->{status}, %known ? 1 : 0, 'what is safe is done, and the books balance') or diag $result->{out}, $result->{err};
    like($result->{out}, qr/^repaired: below the mark: 1$/m, 'a waiting order is told again');
    like($result->{out}, qr/^repaired: caches: 1$/m, 'a cache is dropped');
    is(order_service(GET => "/orders/$repaired")->{json}{status}, 'done', 'it is done again');
    is(product_now($other)->{qty}, 99, 'and took its stock once');
};

# ---- where only the addresses are known ----

subtest 'without the control script' => sub {
    my %product = %{ Prodorder::Stack::environment('product-service') };
    my %order = %{ Prodorder::Stack::environment('order-service') };
    my $url = sub { my ($e) = @_; return "postgresql://$e->{DB_USER}:$e->{DB_PASSWORD}\@$e->{DB_HOST}:$e->{DB_PORT}/$e->{DB_NAME}" };
    my $file = File::Temp->new;
    print {$file} $url->(\%product), "\n";
    $file->flush;
    local %ENV = (%ENV, ORDER_DATABASE_URL => $url->(\%order), PRODUCT_DATABASE_URL_FILE => $file->filename, RABBITMQ_URL => $order{RABBITMQ_URL},
        ORDER_REDIS_URL => "redis://auditor:a%40b%2Fc%23d\@$order{REDIS_HOST}:$order{REDIS_PORT}", PRODUCT_REDIS_URL => "redis://$product{REDIS_HOST}:$product{REDIS_PORT}/0");
    redis(order => qw(ACL SETUSER auditor on), '>a@b/c#d', '~*', '+@all');
    my $result = run("$build/prodorder-admin", 'audit');
    redis(order => qw(ACL DELUSER auditor));
    is($result->{status}, %known ? 1 : 0, 'the addresses are enough') or diag $result->{out}, $result->{err};
    is(() = $result->{out} =~ /^  [\w ]+ +(?:good|BROKEN)/mg, @{ $before->{checks} }, 'a line for each check');
    delete $ENV{ORDER_DATABASE_URL};
    my $none = run("$build/prodorder-admin", 'audit');
    is($none->{status}, 1, 'one is missing: exit 1');
    like($none->{err}, qr/ORDER_DATABASE_URL is not set/, 'which');
    my $unknown = $json->decode(run("$build/prodorder-admin", 'audit', '--json')->{out} || '{}');
    is_deeply([@$unknown{qw(balanced known error)}], [JSON::PP::false, JSON::PP::false, 'ORDER_DATABASE_URL is not set'], 'as JSON, too');
    is_deeply({ map { $_->{verdict} => 1 } @{ $unknown->{checks} } }, { unknown => 1 }, 'in which all is unknown');
    is(run("$build/prodorder-admin", 'audit', $_)->{status}, 2, "exit 2: audit $_") for '--what', 'x';
};

# ---- under load, while processes die ----

# A process of ours that kills, and starts again, one process of the stack after the other, at any moment of an audit; returns
# how it ends, as code that returns how many it has killed.
sub killer {
    my @victims = qw(order-service product-service order-redis order-service product-service product-redis);
    my @slow = qw(rabbitmq order-db product-db);    # one in a round of the others
    my $log = File::Temp->new;
    my $pid = Prodorder::Stack::in_background(sub {
        my ($stopped, $killed) = (0, 0);
        local $SIG{TERM} = sub { $stopped = 1 };
        srand;
        until ($stopped || getppid == 1) {
            my $round = int $killed / @victims;
            my $name = $killed % @victims ? $victims[$killed % @victims] : $slow[$round % @slow];
            sleep 0.5 + rand 2;
            Prodorder::Stack::kill_tree($name);
            $killed++;
            sleep rand 0.5;
            Prodorder::Stack::start($name);
        }
        print {$log} "$killed\n";
        $log->flush;
    });
    return sub {
        kill TERM => $pid;
        waitpid $pid, 0;
        open my $in, '<', $log->filename or die;
        my ($killed) = (scalar(<$in>) // '') =~ /^(\d+)$/;
        return $killed // 0;
    };
}

sub audits_under_load {
    my @products = map { new_product(qty => 1_000_000_000) } 1 .. 3;
    my $load = Prodorder::Load->start(url => Prodorder::Stack::url('gateway'), connections => 16, rate_per_s => RATE_PER_S,
        requests => sub { [POST => '/orders', order_body($products[$_[0] % 3], 1 + $_[0] % 4), { 'Idempotency-Key' => "audit-load-$$-$_[0]" }] });
    my $stop = killer();
    my ($longest_s, @false) = (0);
    for my $n (1 .. AUDITS) {
        eval { product_service(PATCH => "/products/$products[0]{id}", sprintf '{"price":%d.00}', 1 + $n % 9) };
        my $lists = eval { [map { gateway(GET => "/orders/product/$_->{id}") } @products] } // [];
        my ($first) = map { $_->{json}{data} && @{ $_->{json}{data} } ? $_->{json}{data}[0] : () } @$lists;
        eval { gateway(POST => "/orders/$first->{id}/cancel") } if $first;
        my $begin = time;
        my $report = audit($n % 2 ? () : '--full');
        $longest_s = time - $begin if time - $begin > $longest_s;
        push @false, [$report->{found}, $report->{err}] if $json->encode($report->{found}) ne $json->encode(\%known);
    }
    my $killed = $stop->();
    Prodorder::Stack::heal();
    my $answers = $load->stop;
    diag(sprintf '%d audits, %d of them clean, the longest %.1f s; %d kills; %d orders', AUDITS, AUDITS - @false, $longest_s, $killed, scalar @$answers);
    is_deeply(\@false, [], AUDITS . ' audits found nothing that was only under way');
    cmp_ok($killed, '>=', AUDITS / 5, "while $killed processes were killed");
    check_load(\@products, $answers);
    is_deeply(audit('--full')->{found}, \%known, 'nor afterwards');
    return;
}

subtest 'under load' => \&audits_under_load if !$only || 'under load' =~ /$only/;

# ---- what may have changed since the last clean one: an audit looks at 20,000 of these at once ----

# ended_orders(PRODUCT, COUNT): so many orders of one piece, done, as if they had come; returns the first's id, and the last's.
sub ended_orders {
    my ($of, $count) = @_;
    my ($first, $last, $at) = @{ sql(order => 'WITH new AS (INSERT INTO orders (id, product_id, quantity, unit_price_cents, total_price_cents,'
        . " status, created_at, updated_at, request_id, traceparent) SELECT nextval('order_numbers'), $of->{id}, 1, 1000, 1000, 'done',"
        . " at, at, 'audit', '00-00000000000000000000000000000001-0000000000000001-01'"
        . " FROM date_trunc('milliseconds', now()) AS at, generate_series(1, $count) RETURNING id, created_at)"
        . ' SELECT min(id), max(id), min(created_at) FROM new')->[0] };
    $last - $first == $count - 1 or die "ids from $first to $last, in which others were drawn\n";
    sql(product => 'INSERT INTO stock_ledger (order_id, order_created_at, product_id, quantity, status, decided_at, request_id)'
        . " SELECT id, '$at', $of->{id}, 1, 'done', now(), 'audit' FROM generate_series($first, $last) AS id");
    sql(product => "UPDATE products SET qty = qty - $count, version = version + 1 WHERE id = $of->{id}");
    redis($_, DEL => "product:$of->{id}") for qw(product order);
    return ($first, $last);
}

sub quick_and_clean {
    my ($name) = @_;
    my $begin = time;
    my $report = is_clean($name);
    cmp_ok(time - $begin, '<', QUICK_S, sprintf '%s: after %.1f s', $name, time - $begin);
    return $report;
}

subtest 'many cancellations' => sub {
    plan(skip_all => 'this stack had broken promises before') if %known;
    my $of = new_product(qty => CANCELS + 7, price => '10.00');
    my ($first, $last) = ended_orders($of, CANCELS);
    wait_until('the mark has passed them', 60, sub { sql_value(order => 'SELECT low_id FROM order_mark') >= $last });
    is_clean('before', '--full');
    my $answers = Prodorder::Load::run(url => Prodorder::Stack::url('order'), connections => 32,
        requests => sub { $_[0] < CANCELS ? [POST => '/orders/' . ($first + $_[0]) . '/cancel', ''] : undef });
    is_deeply(Prodorder::Load::statuses($answers), { 200 => CANCELS }, CANCELS . ' orders are cancelled');
    my $report = quick_and_clean('while their stock returns');
    cmp_ok($report->{ordersFrom}, '>', $last, 'which are all below its mark');
    check_rest();
    quick_and_clean('when it is back');
    is(product_now($of)->{qty}, CANCELS + 7, 'all of it');
    sql(product => "UPDATE stock_ledger SET quantity = 2 WHERE order_id = $last");
    is_deeply(audit()->{found}, { orders => "broken: $last" }, 'the last of them is looked at, too');
    sql(product => "UPDATE stock_ledger SET quantity = 1 WHERE order_id = $last");
    quick_and_clean('put right');
} if !$only || 'many cancellations' =~ /$only/;

flow_done();
