# ./prodorder bench: what it refuses, what a short run of it keeps, its open-loop load generator, its history and plots.
use strict;
use warnings;

use Cwd qw(getcwd);
use JSON::PP qw(decode_json encode_json);
use List::Util qw(sum);
use Time::HiRes qw(sleep time);

use lib 'bench';
use Prodorder::Control;

my $build = $ENV{PRODORDER_BUILD} || 'build';
my $gnuplot = grep { -x "$_/gnuplot" } split /:/, $ENV{PATH};
my $has_wrk = grep { -x "$_/wrk" } split /:/, $ENV{PATH};

# bench({ VARIABLE => VALUE }, ARGS...): { status, out, err }
sub bench {
    my ($environment, @arguments) = @_;
    local %ENV = (%ENV, %$environment);
    return run('bench/run.pl', @arguments);
}

# ---- refused, before a stack is started: [{ environment }, [arguments], message] ----

for my $case (
    [{}, ['nothing'], qr/there is no benchmark 'nothing'; there are: latency orders .* growth, and k6-profile NAME$/m],
    [{}, ['orders', '--nothing'], qr/there is no option '--nothing'; --help lists them$/m],
    [{}, ['orders', '--against'], qr/--against needs a directory$/m],
    [{}, ['orders', '--against', '/nowhere'], qr{--against: '/nowhere' is not another checkout of prodorder$}m],
    [{}, ['orders', '--against', '.'], qr/--against: '\.' is not another checkout/],
    [{ BENCH_SECONDS => '1.5' }, ['rate'], qr/BENCH_SECONDS must be a whole number from 1 to 86400, not '1\.5'$/m],
    [{ BENCH_SECONDS => 0 }, ['rate'], qr/BENCH_SECONDS must be .*, not '0'$/m],
    [{ BENCH_SECONDS => 86401 }, ['rate'], qr/BENCH_SECONDS must be .*, not '86401'$/m],
    [{ BENCH_RATE => 'fast' }, ['rate'], qr/BENCH_RATE must be .*, not 'fast'$/m],
    [{ BENCH_CONNECTIONS => '64 x' }, ['orders'], qr/BENCH_CONNECTIONS must be whole numbers .*, not 'x'$/m],
    [{ BENCH_GROWTH => '-1' }, ['growth'], qr/BENCH_GROWTH must be whole numbers .*, not '-1'$/m],
    [{ BENCH_WAITING => '1e5' }, ['growth'], qr/BENCH_WAITING must be .*, not '1e5'$/m],
    [{ BENCH_REPLICAS => '0' }, ['orders'], qr/BENCH_REPLICAS must be .*, not '0'$/m],
    [{ BENCH_ROUNDS => 0 }, ['orders'], qr/BENCH_ROUNDS must be .*, not '0'$/m],
    [{ BENCH_PORT_OFFSET => 70000 }, ['orders'], qr/BENCH_PORT_OFFSET must be .*, not '70000'$/m],
    [{ PATH => path_without('wrk') }, ['orders'], qr/wrk is not installed: \.\/configure\.sh --install-deps$/m],
) {
    my ($environment, $arguments, $message) = @$case;
    my $result = bench({ BENCH_HOME => '/nowhere', %$environment }, @$arguments);
    my $what = join ' ', (map { $_ eq 'PATH' ? 'without wrk' : "$_=$environment->{$_}" } sort keys %$environment), @$arguments;
    ok($result->{status} == 1 && $result->{err} =~ $message && $result->{err} !~ /starting a stack/, "refused: $what")
        or diag "exit $result->{status}: $result->{err}";
}

# ---- the load generator: on a server of the test's own ----

is(system('make', '-s', "BUILD=$build", "$build/bench/open_loop"), 0, 'open_loop is built');

# server(ANSWER): its address and the processes to end. ANSWER is called with the seconds since the first request, and says
# how long to wait, and status and body.
sub server {
    my ($answer) = @_;
    my ($listener) = map { listen_somewhere($_) // () } 17900 .. 17999 or die 'no port is free';
    my $pid = fork // die "fork: $!";
    return ('http://127.0.0.1:' . $listener->sockport . '/orders', $pid) if $pid;
    setpgrp;
    my $begin_s;
    while (my $client = $listener->accept) {
        $begin_s //= time;
        next if fork;
        my $request = '';
        while (sysread $client, $request, 4096, length $request) {
            next unless $request =~ /\r\n\r\n\{.*\}\z/s;
            my ($wait_s, $status, $body) = $answer->(time - $begin_s);
            sleep $wait_s if $wait_s > 0;
            syswrite $client, "HTTP/1.1 $status X\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
            $request = '';
        }
        exit 0;
    }
    exit 0;
}

sub open_loop {
    my ($answer, @options) = @_;
    my ($url, $pid) = server($answer);
    my $result = run("$build/bench/open_loop", @options, $url);
    kill 'KILL', -$pid;
    waitpid $pid, 0;
    is($result->{status}, 0, "open_loop @options") or diag $result->{err};
    return decode_json($result->{out});
}

my $order = '{"statusCode":201,"data":{"id":7,"productId":1}}';
my $good = open_loop(sub { return (0, 201, $order) }, '-r', 50, '-d', 2, '-i', 1);
is("$good->{requests} $good->{answers} $good->{errors}", '100 100 0', 'as many requests as the rate says, all answered');
is("$good->{id_min} $good->{id_max}", '7 7', 'the ids of the orders');
cmp_ok($good->{seconds}, '>=', 1.9, 'in their time');
is_deeply([map { "$_->{from_s} $_->{answers}" } @{ $good->{intervals} }], ['0 50', '1 50'], 'second by second');

# The server stands still from 0.5 s to 1 s. Who waits for an answer before the next request sees one late answer for each
# connection; those that were due meanwhile are a quarter.
my $still = open_loop(sub { return ($_[0] > 0.5 && $_[0] < 1 ? 1 - $_[0] : 0, 201, $order) }, '-r', 100, '-d', 2, '-i', 2);
cmp_ok($still->{p95_ms}, '>', 300, 'what was due while the server stood still is late');
is($still->{errors}, 0, 'which is no error');

for my $case ([503, $order, qr/^status 503 instead of 201$/], [201, '{"data":{}}', qr/^an answer without an id$/]) {
    my ($status, $body, $message) = @$case;
    my $bad = open_loop(sub { return (0, $status, $body) }, '-r', 20, '-d', 1);
    is($bad->{errors}, 20, "every answer $status $body is an error");
    like($bad->{first_error}, $message, 'which is named');
}
my $refused = run("$build/bench/open_loop", '-r', 20, '-d', 1, 'http://127.0.0.1:9/orders');
is(decode_json($refused->{out})->{errors}, 20, 'refused connections are errors');
for my $arguments (['http://127.0.0.1:9/orders'], ['-r', 0, 'http://127.0.0.1:9/'], ['-r', 1, 'localhost'], ['-r', 1]) {
    my $result = run("$build/bench/open_loop", @$arguments);
    ok($result->{status} == 2 && length $result->{err}, "open_loop @$arguments: refused");
}

# ---- the history and the plots, from results of the test's own ----

my $scratch = scratch();
{
    require Bench::Report;
    require Bench::Plots;
    my $here = getcwd();
    mkdir "$scratch/bench";
    chdir $scratch or die;
    my %us = (rabbitmq => 50, 'order-db' => 40);
    my $kept = Bench::Report::begin('abc1234', {});
    Bench::Report::add($kept,
        { bench => 'orders', connections => 64, us_by_process => \%us, us_per_order => 90, backlog => [[0, 0], [0.25, 7]] },
        { bench => 'soak', rate => 100, intervals => [{ from_s => 0, p50_ms => 1, p95_ms => 2, p99_ms => 3 }] },
        { bench => 'growth', sizes => [{ stored => 1000,
            ratio => { map { $_ => { median => 1, min => 1, max => 1 } } qw(fulfilled_per_s us_per_order p99_ms) } }] });
    Bench::Report::record($kept) for 1, 2;
    my @lines = map { decode_json($_) } split /\n/, read_file("$scratch/bench/history.jsonl");
    is(scalar @lines, 6, 'the history has a line for each result of each run');
    is_deeply([@{ $lines[0] }{qw(commit bench)}, $lines[0]{figures}{us_by_process}], ['abc1234', 'orders', \%us],
        'which says commit, benchmark and figures');
    ok(!exists $lines[0]{figures}{backlog} && $lines[0]{machine}{processors} > 0 && $lines[0]{date}, 'machine, date; no series');
    SKIP: {
        skip 'gnuplot is missing (Debian package: gnuplot-nox)', 4 unless $gnuplot;
        open my $err, '>&', \*STDERR or die;
        open STDERR, '>', '/dev/null' or die;
        Bench::Plots::draw($kept->{file});
        open STDERR, '>&', $err or die;
        my $prefix = $kept->{file} =~ s/\.json$//r;
        like(read_file($_), qr{<svg.*</svg>\s*\z}s, "drawn: $_")
            for "$prefix-backlog.svg", "$prefix-soak.svg", "$prefix-growth.svg", 'bench/results/history-us.svg';
    }
    chdir $here or die;
}

# ---- a short run of all that is new, on stacks of its own ----

SKIP: {
    skip 'wrk is missing (Debian package: wrk)', 1 unless $has_wrk;
    my @ports = (3001, 3002, 4000, 4052, 4053, 5433, 5434, 6381, 6382, 5673, 15672, 25672, 4369);
    my $offset = free_offset(map { ($_, $_ + 100) } @ports);
    my $run = bench({ BENCH_SECONDS => 1, BENCH_CONNECTIONS => '4 8', BENCH_RATE => 50, BENCH_GROWTH => 2000,
        BENCH_WAITING => 300, BENCH_ROUNDS => 1, BENCH_HOME => "$scratch/home", BENCH_PORT_OFFSET => $offset,
        BENCH_RESULTS => "$scratch/results" }, qw(orders floor rate growth));
    is($run->{status}, 0, 'orders, floor, rate, growth') or diag $run->{err};
    my ($file) = glob "$scratch/results/*.json";
    my $kept = eval { decode_json(read_file($file // '')) } // { results => [] };
    my ($first, $second, $floor, $rate, $growth) = @{ $kept->{results} };
    is(join(' ', map { $_->{bench} } @{ $kept->{results} }), 'orders orders floor rate growth', 'one file has them all')
        or skip 'nothing was kept', 1;
    is("$first->{connections} $second->{connections}", '4 8', 'a run for each number of connections');
    for my $orders ($first, $second) {
        cmp_ok($orders->{fulfilled_per_s}, '<=', $orders->{accepted_per_s}, 'no more is fulfilled than accepted');
        cmp_ok($orders->{fulfilled_per_s}, '>', 0, 'orders are fulfilled');
        ok($orders->{fulfilled_of_accepted} > 0 && $orders->{fulfilled_of_accepted} <= 1, 'fulfilled/accepted');
        is($orders->{orders}, $orders->{done}, 'all of them are done');
        cmp_ok($orders->{drain_s}, '>=', 0, 'drain');
        cmp_ok(scalar @{ $orders->{backlog} }, '>=', 3, 'the backlog is sampled');
        cmp_ok(abs($orders->{us_per_order} - sum(values %{ $orders->{us_by_process} })), '<', 2, 'us by process, and in all');
        cmp_ok($orders->{us_by_process}{$_} // 0, '>', 0, "$_ takes time") for qw(rabbitmq order-db order-service gateway);
        cmp_ok($orders->{wal_bytes_per_order}{$_}, '>', 100, "WAL of the $_ database") for qw(order product);
        cmp_ok($orders->{log_bytes_per_order}{$_}, '>', 100, "log of the $_") for qw(gateway order-service product-service);
        ok(defined $orders->{hot_share} && $orders->{hot_share} > 0 && $orders->{hot_share} <= 1, 'HOT updates');
        ok($orders->{p50_ms} <= $orders->{p95_ms} && $orders->{p95_ms} <= $orders->{p99_ms}, 'p50, p95, p99 of the answer');
        is($orders->{errors}, 0, 'no error');
        cmp_ok($orders->{floor_ratio}, '>', 1, 'an order costs more than the floor');
    }
    for my $part (qw(insert finish ledger)) {
        is_deeply([map { $_->{batch} } @{ $floor->{$part} }], [20, 64, 256], "floor: $part in three batches");
        cmp_ok($_->{us_per_row} * $_->{rows_per_s}, '>', 0, "$part: $_->{batch} rows") for @{ $floor->{$part} };
    }
    is_deeply([map { $_->{events_per_message} } @{ $floor->{broker} }], [1, 20, 100], 'floor: messages of 1, 20 and 100 events');
    cmp_ok($_->{us_per_event} * $_->{messages_per_s}, '>', 0, "$_->{events_per_message} events") for @{ $floor->{broker} };
    cmp_ok($floor->{broker}[2]{us_per_event}, '<', $floor->{broker}[0]{us_per_event}, 'events in batches are cheaper');
    cmp_ok($floor->{nginx}{us_per_request}, '>', 0, 'floor: nginx');
    cmp_ok($floor->{latency}{p99_ms}, '>', 0, 'floor: latencies at a rate');
    cmp_ok($floor->{us_per_order}, '>', 0, 'floor: the sum');
    is("$rate->{rate} $rate->{requests} $rate->{answers} $rate->{errors} $rate->{orders}", '50 50 50 0 50', 'rate');
    ok($rate->{done_p50_ms} > 0 && $rate->{done_p50_ms} <= $rate->{done_p99_ms}, 'rate: until done');
    cmp_ok($rate->{peak_mb}{rabbitmq}, '>', 50, 'rate: the most memory');
    cmp_ok($rate->{intervals}[0]{answers}, '==', 50, 'rate: by minute');
    my ($size) = @{ $growth->{sizes} };
    is($size->{stored}, 2000, 'growth');
    cmp_ok($size->{ratio}{$_}{median}, '>', 0, "growth: $_ by an empty system") for qw(fulfilled_per_s us_per_order p99_ms);
    is($size->{restart}{waiting}, 300, 'growth: a start with orders that wait');
    ok($size->{restart}{ready_s} > 0 && $size->{restart}{ready_s} <= $size->{restart}{decided_s}, 'ready, then decided');
    like($run->{out}, qr/^orders +4 .*of the floor/m, 'a table');
    is(scalar(grep { -d } "$scratch/home", "$scratch/home-2"), 0, 'nothing is left of the stacks');
    SKIP: {
        skip 'gnuplot is missing (Debian package: gnuplot-nox)', 2 unless $gnuplot;
        like(read_file($file =~ s/\.json$/-$_.svg/r), qr{</svg>\s*\z}, "the plot of $_") for qw(backlog growth);
    }
}

my $without = bench({ PATH => path_without('gnuplot'), BENCH_RESULTS => "$scratch/results" }, '--plot');
like($without->{err}, qr/\Ano plots: gnuplot is not installed \(Debian package: gnuplot-nox\)\n\z/, 'without gnuplot: one line')
    if glob "$scratch/results/*.json";

done_testing();
