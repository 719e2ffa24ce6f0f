package Bench::Floor;

# The least that an order can cost with these servers: plain nginx proxying, PostgreSQL's rows in batches, RabbitMQ's
# events in batches, each alone, on the servers of the stack that is measured (nginx: of its own).

use strict;
use warnings;

use Bench::Load;
use Bench::Util qw(die_clearly median progress round sum);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep);

use constant {
    UPSTREAM_PORT => 4052, PROXY_PORT => 4053, # and the stack's offset
    CLIENTS => 2,                              # as many as batches that a service has under way
    SECONDS_MAX => 5, SECONDS_SHARE => 6,      # a measurement takes a sixth of BENCH_SECONDS, at most 5 s
    SECONDS => 30, RATE => 1000,
    REAPED_S => 0.2,                           # until the time of a process that has ended is its parent's
    TRIES => 3,
    BATCH_OF_CLIENT => 1_000_000_000,          # ids of the clients' rows are that far apart
};
my @BATCHES = (20, 64, 256);
my @EVENTS = (1, 20, 100);
# What is sent for one row: its place comes from the batch, so that ids are known to the UPDATE that follows.
my $REQUEST = 'e6281ef9-cc2d-463f-be1f-f7373760024f';
my $PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
my $TIME = '2026-11-30 14:43:58.774+00';

# measure(STACK, SETTINGS): the result "floor"
sub measure {
    my ($stack, $with) = @_;
    my $seconds = int(($with->{seconds} // SECONDS) / SECONDS_SHARE) || 1;
    $seconds = SECONDS_MAX if $seconds > SECONDS_MAX;
    my ($connections) = @{ $with->{connections} };
    my %floor = (bench => 'floor', connections => $connections);
    with_nginx($stack, sub { $floor{nginx} = _nginx_cost($connections, $seconds, @_) });
    with_tables($stack, sub {
        for my $batch (@BATCHES) {
            my %of = _rows($stack, $batch, $seconds);
            push @{ $floor{$_} }, $of{$_} for sort keys %of;
        }
    });
    $floor{broker} = [map { _broker($stack, $_, $seconds) } @EVENTS];
    $floor{latency} = latency($stack, $with->{rate} // RATE, $BATCHES[0], $seconds);
    my $usual = of_an_order(\%floor, { insert_batch => 64, finish_batch => 64, messages_per_order => 1 / 20 });
    $floor{us_per_order} = $usual->{all};
    @floor{qw(requests_per_s p50_ms p99_ms errors)} = @{ $floor{nginx} }{qw(requests_per_s p50_ms p99_ms errors)};
    $floor{said} = _said(\%floor);
    return \%floor;
}

# of_an_order(FLOOR, ORDERS): µs of an order with the batches that came nearest to those of that run: { nginx, insert,
# finish, ledger, broker, all }. An order is two events, each published and consumed.
sub of_an_order {
    my ($floor, $orders) = @_;
    my %us = (
        nginx => $floor->{nginx}{us_per_request},
        insert => _nearest($floor->{insert}, 'batch', $orders->{insert_batch})->{us_per_row},
        finish => _nearest($floor->{finish}, 'batch', $orders->{finish_batch})->{us_per_row},
        ledger => _nearest($floor->{ledger}, 'batch', $orders->{finish_batch})->{us_per_row},
        broker => round(2 * _nearest($floor->{broker}, 'events_per_message', 1 / ($orders->{messages_per_order} || 1))
            ->{us_per_event}, 1),
    );
    return { %us, all => round(sum(values %us), 1) };
}

sub _nearest {
    my ($list, $by, $value) = @_;
    my $wanted = log($value && $value >= 1 ? $value : 1);
    my ($nearest) = sort { abs(log($a->{$by}) - $wanted) <=> abs(log($b->{$by}) - $wanted) } @$list;
    return $nearest;
}

sub _said {
    my ($floor) = @_;
    my $rows = sub {
        my ($name) = @_;
        return "$name " . join ', ', map { sprintf '%d: %.0f/s %.1f us', @{$_}{qw(batch rows_per_s us_per_row)} } @{ $floor->{$name} };
    };
    return [sprintf('nginx %.1f us a request', $floor->{nginx}{us_per_request}), map({ $rows->($_) } qw(insert finish ledger)),
        'broker ' . join(', ', map { sprintf '%d: %.0f events/s %.1f us', @{$_}{qw(events_per_message events_per_s us_per_event)} }
            @{ $floor->{broker} }), sprintf('an order %.0f us', $floor->{us_per_order})];
}

# ---- nginx ----

# with_nginx(STACK, CODE): CODE gets the address and the pid of an nginx that does nothing but proxy, to another that
# answers every request with the same order
sub with_nginx {
    my ($stack, $code) = @_;
    my $dir = "$stack->{home}/bench-floor";
    my ($upstream, $proxy) = map { $stack->port($_) } UPSTREAM_PORT, PROXY_PORT;
    my $order = '{"id":1,"productId":1,"quantity":1,"unitPrice":6.50,"totalPrice":6.50,"status":"waiting","reason":null,'
        . qq("createdAt":"2026-11-30T14:43:58.774Z","updatedAt":"2026-11-30T14:43:58.774Z","requestId":"$REQUEST"});
    my %server = (
        upstream => "access_log off; server { listen 127.0.0.1:$upstream backlog=4096;"
            . " location / { default_type application/json; return 201 '$order'; } }",
        proxy => "access_log logs/access.log combined buffer=64k flush=1s;"
            . " upstream orders { server 127.0.0.1:$upstream; keepalive 64; keepalive_requests 1000000; }"
            . " server { listen 127.0.0.1:$proxy backlog=4096; location / { proxy_http_version 1.1;"
            . ' proxy_set_header Connection ""; proxy_pass http://orders; } }',
    );
    my %pid = map { $_ => _start_nginx("$dir/$_", $server{$_}) } qw(upstream proxy);
    my $answered;
    for (1 .. 50) {
        last if $answered = ($stack->get($proxy, '/orders'))[0] == 201;
        sleep 0.1;
    }
    my $well = $answered && eval { $code->("http://127.0.0.1:$proxy/orders", $pid{proxy}); 1 };
    my $why = $@;
    kill 'QUIT', values %pid;
    waitpid $_, 0 for values %pid;
    my $log = join '', map { _slurp("$dir/$_/logs/error.log") } qw(upstream proxy);
    remove_tree($dir);
    die_clearly("the plain nginx does not answer\n$log") unless $answered;
    die $why unless $well;
    return;
}

sub _slurp { my ($file) = @_; open my $in, '<', $file or return ''; local $/; return <$in> // '' }

sub _start_nginx {
    my ($dir, $server) = @_;
    make_path("$dir/logs", "$dir/temp");
    if ($> == 0) {
        my ($uid, $gid) = (getpwnam 'www-data')[2, 3];
        chown $uid, $gid, "$dir/temp" if defined $uid;
    }
    open my $out, '>', "$dir/nginx.conf" or die_clearly("$dir/nginx.conf: $!");
    print {$out} ($> == 0 ? "user www-data;\n" : ''), "daemon off;\npid nginx.pid;\nerror_log logs/error.log warn;\n",
        "worker_processes auto;\nworker_rlimit_nofile 16384;\nevents { worker_connections 4096; }\nhttp {\n",
        (map { "    ${_}_temp_path temp/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi)),
        "    keepalive_requests 1000000;\n    tcp_nodelay on;\n    $server\n}\n";
    close $out;
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>>', "$dir/logs/error.log";
        exec 'nginx', '-p', "$dir/", '-e', 'stderr', '-c', "$dir/nginx.conf" or POSIX::_exit(127);
    }
    return $pid;
}

sub _nginx_cost {
    my ($connections, $seconds, $url, $pid) = @_;
    my $before = Bench::Util::cpu_of({ nginx => $pid });
    my $load = Bench::Load::wrk($url, 'bench/orders.lua', $connections, $seconds);
    my $after = Bench::Util::cpu_of({ nginx => $pid });
    return { %$load, us_per_request => round(($after->{nginx} - $before->{nginx}) * 1e6 / ($load->{requests} || 1), 1) };
}

# ---- PostgreSQL ----

# with_tables(STACK, CODE): meanwhile there are empty copies of both tables, in a schema of their own
sub with_tables {
    my ($stack, $code) = @_;
    for my $of (['order', 'orders'], ['product', 'stock_ledger']) {
        my ($side, $table) = @$of;
        my $options = $stack->sql($side, "SELECT coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '')"
            . " FROM pg_class WHERE oid = '$table'::regclass");
        $stack->sql($side, 'DROP SCHEMA IF EXISTS bench_floor CASCADE; CREATE SCHEMA bench_floor;'
            . " CREATE TABLE bench_floor.$table (LIKE $table INCLUDING ALL)$options");
    }
    my $well = eval { $code->(); 1 };
    my $why = $@;
    $stack->sql($_, 'DROP SCHEMA bench_floor CASCADE') for qw(order product);
    die $why unless $well;
    return;
}

# The statements, with :arrays of the batch; as pgbench scripts their ids follow from the client and its count.
my $IDS = "\\set n :n + 1\n\\set base :client_id * " . BATCH_OF_CLIENT . " + :n * :batch\n";
my %SCRIPT = (
    insert => $IDS . 'INSERT INTO bench_floor.orders (id, product_id, quantity, unit_price_cents, total_price_cents,'
        . ' created_at, updated_at, request_id, traceparent) SELECT :base::bigint + place, product_id, quantity, unit,'
        . ' unit * quantity, at, at, request_id, traceparent FROM unnest(:places::bigint[], :products::bigint[],'
        . ' :ones::bigint[], :ones::bigint[], :times::timestamptz[], :requests::text[], :parents::text[])'
        . " AS t (place, product_id, quantity, unit, at, request_id, traceparent);\n",
    finish => $IDS . 'UPDATE bench_floor.orders AS o SET status = t.status, updated_at = greatest(t.at, o.created_at)'
        . ' FROM unnest(:places::bigint[], :dones::text[], :times::timestamptz[]) AS t (place, status, at)'
        . " WHERE o.id = :base::bigint + t.place AND o.status = 'waiting';\n",
    ledger => $IDS . 'INSERT INTO bench_floor.stock_ledger (order_id, product_id, quantity, status, decided_at, request_id,'
        . ' order_created_at) SELECT :base::bigint + place, product_id, quantity, status, at, request_id, at'
        . ' FROM unnest(:places::bigint[], :products::bigint[], :ones::bigint[], :dones::text[], :times::timestamptz[],'
        . " :requests::text[]) AS t (place, product_id, quantity, status, at, request_id);\n",
);

# _rows(STACK, BATCH, SECONDS): { insert, finish, ledger } => { batch, rows_per_s, us_per_row, p50_ms, p99_ms }
sub _rows {
    my ($stack, $batch, $seconds) = @_;
    progress("floor: $batch rows");
    $stack->sql('order', 'TRUNCATE bench_floor.orders');
    $stack->sql('product', 'TRUNCATE bench_floor.stock_ledger');
    my %of = (insert => pgbench($stack, 'order', 'insert', $batch, '-T', $seconds));
    $stack->sql('order', 'VACUUM ANALYZE bench_floor.orders');
    my ($fewest) = sort { $a <=> $b } map { $stack->sql('order', "SELECT coalesce(max(id) - $_, 0) FROM bench_floor.orders"
        . " WHERE id BETWEEN $_ AND $_ + " . (BATCH_OF_CLIENT - 1)) } map { $_ * BATCH_OF_CLIENT } 0 .. CLIENTS - 1;
    my $transactions = int($fewest / $batch) - 1;
    die_clearly("floor: in $seconds s there were no rows to update") if $transactions < 1;
    $of{finish} = pgbench($stack, 'order', 'finish', $batch, '-t', $transactions);
    my $done = $stack->sql('order', "SELECT count(*) FROM bench_floor.orders WHERE status = 'done'");
    die_clearly("floor: $done rows are done") if $done != $transactions * $batch * CLIENTS;
    $of{ledger} = pgbench($stack, 'product', 'ledger', $batch, '-T', $seconds);
    return %of;
}

# pgbench(STACK, SIDE, SCRIPT, BATCH, OPTIONS...): two clients with prepared statements. A disk that is busy may keep a short run from
# its first transaction: then it is repeated.
sub pgbench {
    my @arguments = @_;
    for (1 .. TRIES) {
        my $figures = pgbench_once(@arguments);
        return $figures if $figures;
    }
    die_clearly('floor: in ' . TRIES . ' runs of pgbench no transaction ended');
}

# undef: no transaction ended.
sub pgbench_once {
    my ($stack, $side, $script, $batch, @options) = @_;
    my $dir = File::Temp->newdir;
    open my $out, '>', "$dir/script" or die_clearly("$dir/script: $!");
    print {$out} $SCRIPT{$script};
    close $out;
    my $all = sub { my ($code) = @_; return '{' . join(',', map { $code->($_) } 1 .. $batch) . '}' };
    my %value = (n => 0, batch => $batch, places => $all->(sub { $_[0] }), products => $all->(sub { $_[0] % 5 + 1 }),
        ones => $all->(sub { 1 }), times => $all->(sub { qq("$TIME") }), requests => $all->(sub { $REQUEST }),
        parents => $all->(sub { $PARENT }), dones => $all->(sub { 'done' }));
    local %ENV = (%ENV, %{ $stack->client($side) });
    my %roots = (db => $stack->roots->{"$side-db"});
    my $before = Bench::Util::cpu_of(\%roots);
    my $pid = open(my $in, '-|') // die "fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec 'pgbench', '-n', '-M', 'prepared', '-c', CLIENTS, '-j', 1, '-f', "$dir/script", '-l', "--log-prefix=$dir/log",
            (map { ('-D', "$_=$value{$_}") } sort keys %value), @options or POSIX::_exit(127);
    }
    my $said = do { local $/; <$in> } // '';
    close $in or die_clearly("pgbench failed:\n$said");
    return if $said =~ /^number of transactions actually processed: 0\b/m;
    sleep REAPED_S;
    my $us = (Bench::Util::cpu_of(\%roots)->{db} - $before->{db}) * 1e6;
    my ($tps) = $said =~ /^tps = ([\d.]+)/m or die_clearly("pgbench says no tps:\n$said");
    my @us = sort { $a <=> $b } map { /^\d+ \d+ (\d+)/ ? $1 : () } map { split /\n/, _slurp($_) } glob "$dir/log*";
    die_clearly("pgbench did nothing:\n$said") unless @us;
    return { batch => $batch, rows_per_s => round($tps * $batch, 0), us_per_row => round($us / @us / $batch, 2),
        map { ("p${_}_ms" => round($us[$#us * $_ / 100] / 1000, 3)) } 50, 95, 99 };
}

# ---- RabbitMQ ----

sub _broker {
    my ($stack, $events, $seconds) = @_;
    progress("floor: messages of $events events");
    my %roots = (rabbitmq => $stack->roots->{rabbitmq});
    my $before = Bench::Util::cpu_of(\%roots);
    open my $in, '-|', Bench::Util::program('floor_broker'), $stack->broker, $events, $seconds or die_clearly("floor_broker: $!");
    my $said = <$in>;
    close $in or die_clearly('floor_broker failed');
    my $us = (Bench::Util::cpu_of(\%roots)->{rabbitmq} - $before->{rabbitmq}) * 1e6;
    my $figures = JSON::PP::decode_json($said);
    return { %$figures, us_per_event => round($us / ($figures->{messages} * $events || 1), 2) };
}

# ---- latencies at a rate ----

# latency(STACK, RATE, BATCH, SECONDS): what an answer takes at that rate at least: plain nginx, and one commit of a batch
# of those rows. { rate, nginx: { p50_ms, … }, commit: { … }, p50_ms, p95_ms, p99_ms }, the last the sums.
sub latency {
    my ($stack, $rate, $batch, $seconds) = @_;
    my %of = (rate => $rate, batch => $batch = int($batch + 0.5) || 1);
    with_nginx($stack, sub {
        my ($url) = @_;
        my $load = Bench::Load::constant(Bench::Util::program('open_loop'), $url, $rate, $seconds, $seconds);
        die_clearly("plain nginx at $rate/s: $load->{first_error}") if $load->{errors};
        $of{nginx} = { map { $_ => $load->{$_} } qw(p50_ms p95_ms p99_ms) };
    });
    with_tables($stack, sub {
        my $commit = pgbench($stack, 'order', 'insert', $batch, '-T', $seconds, '-R', $rate / $batch);
        $of{commit} = { map { $_ => $commit->{$_} } qw(p50_ms p95_ms p99_ms) };
    });
    $of{$_} = round($of{nginx}{$_} + $of{commit}{$_}, 3) for qw(p50_ms p95_ms p99_ms);
    return \%of;
}

1;
