package Bench::Growth;

# What stored orders cost: the system with so many of them, in turn with an empty one beside it; then a start with them and
# with orders that wait.

use strict;
use warnings;

use Bench::Orders;
use Bench::Util qw(die_clearly progress round);
use POSIX ();
use Time::HiRes qw(clock_gettime sleep time CLOCK_BOOTTIME);

use constant {
    SECONDS => 30, ROUNDS => 3,
    READY_POLL_S => 0.01, READY_MAX_S => 60, DECIDED_MAX_S => 1800,
    PRODUCTS => 5, # those with 2,000,000,000 pieces in mock/products.json
};

# measure(STACK, SETTINGS): the result "growth", with a member of `sizes` for each number of stored orders
sub measure {
    my ($stack, $with) = @_;
    my ($connections) = @{ $with->{connections} };
    my $empty = $with->{second}->();
    my ($stored, @sizes) = (0);
    for my $size (@{ $with->{growth} }) {
        if ($size > $stored) {
            my $begin_s = time;
            fill($stack, $stored, $size);
            progress(sprintf '%d orders stored after %.0f s', $size, time - $begin_s);
            $stored = $size;
        }
        my ($full, $none, $ratio) = Bench::Orders::in_turn($stack, $empty, sub { $_[0]->gateway }, $connections,
            $with->{seconds} // SECONDS, $with->{rounds} // ROUNDS);
        delete $_->{backlog} for $full, $none;
        push @sizes, { stored => $size, %$full, empty => $none, ratio => $ratio,
            restart => restart($stack, $with->{waiting}) };
    }
    my $last = $sizes[-1] // die_clearly('growth: no sizes');
    return { bench => 'growth', connections => $connections, sizes => \@sizes,
        (map { $_ => $last->{$_} } qw(requests_per_s fulfilled_per_s p50_ms p99_ms errors)),
        said => [map { _said($_) } @sizes] };
}

sub _said {
    my ($size) = @_;
    my $ratio = $size->{ratio};
    return sprintf '%d stored, by empty: fulfilled/s %.3f, us an order %.3f, p99 %.3f; started with %d waiting: ready after'
        . ' %.2f s, decided after %.1f s', $size->{stored}, (map { $ratio->{$_}{median} // 0 } qw(fulfilled_per_s us_per_order
        p99_ms)), @{ $size->{restart} }{qw(waiting ready_s decided_s)};
}

# ---- many orders, as if they had been placed and done ----

# fill(STACK, FROM, TO): ids FROM + 1 to TO are stored: rows of orders and ledger, stock, sequence and mark, each as the
# services would have left them. The indexes are made anew afterwards, which is faster. The services are down meanwhile.
sub fill {
    my ($stack, $from, $to) = @_;
    progress("storing $to orders");
    $stack->settle;
    $stack->must('down', 'order-service', 'product-service');
    my $free = $stack->sql('order', 'SELECT coalesce(max(id), 0) FROM orders'); # those that were placed since
    my $first = $free + 1;
    my $last = $free + $to - $from;
    # A day's worth of them, a millisecond apart at most, up to now.
    my $at = "date_trunc('milliseconds', now()) - ($last - i) * least(interval '1 ms', interval '1 day' / ($last - $first + 1))";
    my $product = 'i % ' . PRODUCTS . ' + 1';
    my $request = q{'bench-' || md5(i::text)};
    my ($orders, $ledger) = (_indexes($stack, 'order', 'orders'), _indexes($stack, 'product', 'stock_ledger'));
    _both($stack, {
        order => "$orders->[0]; INSERT INTO orders (id, product_id, quantity, unit_price_cents, total_price_cents, status,"
            . ' created_at, updated_at, request_id, traceparent)'
            . " SELECT i, $product, 1, 650, 650, 'done', $at, $at + interval '20 ms', $request,"
            . " '00-' || md5(i::text) || '-' || left(md5((-i)::text), 16) || '-01' FROM generate_series($first, $last) AS i;"
            . " $orders->[1]; SELECT setval('order_numbers', $last); UPDATE order_mark SET low_id = $last",
        product => "$ledger->[0]; INSERT INTO stock_ledger (order_id, product_id, quantity, status, decided_at, request_id,"
            . " order_created_at) SELECT i, $product, 1, 'done', $at + interval '10 ms', $request, $at"
            . " FROM generate_series($first, $last) AS i; $ledger->[1];"
            . ' UPDATE products AS p SET qty = p.qty - t.n, version = p.version + 1 FROM (SELECT product_id, count(*) AS n'
            . " FROM stock_ledger WHERE order_id BETWEEN $first AND $last GROUP BY product_id) AS t WHERE p.id = t.product_id",
    });
    _both($stack, { order => 'VACUUM ANALYZE orders', product => 'VACUUM ANALYZE stock_ledger' });
    _both($stack, { order => 'CHECKPOINT', product => 'CHECKPOINT' });
    $stack->must('redis', $_, 'flushall') for qw(order product);
    _up($stack);
    return;
}

# _indexes(STACK, SIDE, TABLE): [what drops the indexes of that table, what makes them again]
sub _indexes {
    my ($stack, $side, $table) = @_;
    my (@drop, @create);
    for my $line (split /\n/, $stack->sql($side, 'SELECT i.indexrelid::regclass, c.conname, pg_get_constraintdef(c.oid),'
        . ' pg_get_indexdef(i.indexrelid) FROM pg_index AS i LEFT JOIN pg_constraint AS c ON c.conindid = i.indexrelid'
        . " AND c.conrelid = i.indrelid WHERE i.indrelid = '$table'::regclass")) {
        my ($index, $constraint, $constraint_is, $index_is) = split /\|/, $line;
        push @drop, length $constraint ? "ALTER TABLE $table DROP CONSTRAINT $constraint" : "DROP INDEX $index";
        push @create, length $constraint ? "ALTER TABLE $table ADD CONSTRAINT $constraint $constraint_is" : $index_is;
    }
    return [join('; ', @drop), join('; ', @create)];
}

# _both(STACK, { SIDE => SQL }): at the same time, as the database's administrator where it may be needed
sub _both {
    my ($stack, $sql) = @_;
    my @pids;
    for my $side (sort keys %$sql) {
        my $admin = Bench::Util::first_line("$stack->{home}/secrets/$side-db-admin");
        my %client = (%{ $stack->client($side) }, PGUSER => 'postgres', PGPASSWORD => $admin,
            PGOPTIONS => '-c maintenance_work_mem=512MB');
        my $pid = fork // die "fork: $!\n";
        if ($pid == 0) {
            %ENV = (%ENV, %client);
            open STDOUT, '>', '/dev/null';
            exec 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', $sql->{$side} or POSIX::_exit(127);
        }
        push @pids, [$pid, $side];
    }
    for (@pids) {
        my ($pid, $side) = @$_;
        waitpid $pid, 0;
        die_clearly("$side-db: a statement failed") if $?;
    }
    return;
}

sub _up {
    my ($stack) = @_;
    $stack->must('up', 'product-service', 'order-service');
    my $end_s = time + READY_MAX_S;
    until (($stack->get($stack->port(3002), '/readyz'))[0] == 200) {
        die_clearly('the order-service is not ready') if time > $end_s;
        sleep READY_POLL_S;
    }
    return;
}

# ---- started with orders that wait ----

# restart(STACK, WAITING): { waiting, ready_s, decided_s, decided_per_s }, from the start of the order-service's process
sub restart {
    my ($stack, $waiting) = @_;
    progress("starting with $waiting orders that wait");
    $stack->settle;
    $stack->must('down', 'order-service', 'product-service');
    my $product = 'i % ' . PRODUCTS . ' + 1';
    my $before = $stack->sql('order', 'SELECT coalesce(max(id), 0) FROM orders');
    $stack->sql('order', 'INSERT INTO orders (id, product_id, quantity, unit_price_cents, total_price_cents, status,'
        . ' created_at, updated_at, request_id, traceparent)'
        . " SELECT nextval('order_numbers'), $product, 1, 650, 650, 'waiting', date_trunc('milliseconds', now()),"
        . " date_trunc('milliseconds', now()), 'bench-' || md5(i::text),"
        . " '00-' || md5(i::text) || '-' || left(md5((-i)::text), 16) || '-01' FROM generate_series(1, $waiting) AS i");
    my $up = fork // die "fork: $!\n";
    if ($up == 0) {
        my $well = eval { $stack->must('up', 'product-service', 'order-service'); 1 };
        print {*STDERR} $@ unless $well;
        POSIX::_exit($well ? 0 : 1);
    }
    my %of = (waiting => $waiting, ready_s => _until_ready($stack));
    my $end_s = clock_gettime(CLOCK_BOOTTIME) + DECIDED_MAX_S;
    while ($stack->counters->{finished} < $waiting) {
        die_clearly(sprintf 'only %d of %d orders were decided', $stack->counters->{finished}, $waiting)
            if clock_gettime(CLOCK_BOOTTIME) > $end_s;
        sleep READY_POLL_S;
    }
    $of{decided_s} = round(clock_gettime(CLOCK_BOOTTIME) - _started_s($stack), 2);
    $of{decided_per_s} = round($waiting / $of{decided_s}, 1);
    waitpid $up, 0;
    die_clearly('the services were not started') if $?;
    my $left = $stack->sql('order', "SELECT count(*) FROM orders WHERE id > $before AND status = 'waiting'");
    die_clearly("$left orders still wait") if $left;
    return \%of;
}

# _until_ready(STACK): seconds from the start of the order-service's process until /readyz says 200
sub _until_ready {
    my ($stack) = @_;
    my $end_s = time + READY_MAX_S;
    until (($stack->get($stack->port(3002), '/readyz'))[0] == 200) {
        die_clearly('the order-service does not become ready') if time > $end_s;
        sleep READY_POLL_S;
    }
    my $ready_s = clock_gettime(CLOCK_BOOTTIME);
    return round($ready_s - _started_s($stack), 2);
}

# _started_s(STACK): when the order-service's process was started, in seconds since boot (field 22 of /proc/PID/stat)
sub _started_s {
    my ($stack) = @_;
    my $pid = $stack->roots->{'order-service'} // 0;
    my @fields = split ' ', Bench::Util::first_line("/proc/$pid/stat") =~ s/.*\) //r;
    return $fields[19] / Bench::Util::TICKS_PER_S;
}

1;
