#!/usr/bin/env perl
# Usage: ./prodorder bench [OPTION...] [NAME...]
#        ./prodorder bench k6-profile NAME...
#
# Measures the whole system on a stack of its own, and keeps the figures.
#
# Benchmarks: latency, orders, order-port, floor, product, order-list, gateway, validator (without a name: these), and
# those that take long or are asked for by name: rate, soak, growth, k6-profile. bench/README.md explains each.
#
#   --against DIR   orders, order-port: another checkout, which is built, in turn with this one (old, new, new, old);
#                   medians and the ratios of the rounds
#   --record        add the figures to bench/history.jsonl, which is kept in git
#   --plot          draw the plots of the last run and of the history again, and measure nothing
#
# Environment, with defaults:
#   BENCH_SECONDS (30; soak: 600)   how long each run takes; compresses a profile of k6-profile
#   BENCH_CONNECTIONS (64)          orders, order-port: several make a run each, "64 200"; others take the first
#   BENCH_ROUNDS (1; with --against: 5; growth: 3)
#                                   orders, order-port, growth: medians of so many
#   BENCH_RATE (rate: 1000; soak: 80 % of what was fulfilled just before)   orders a second
#   BENCH_GROWTH (1000000 10000000) growth: how many stored orders
#   BENCH_WAITING (100000)          growth: orders that wait when the services are started again
#   BENCH_REPLICAS (1)              processes of each service; the stack of --against has one
#   BENCH_PAIRS (7), BENCH_PAIR_SECONDS (6)   gateway: bench/gateway.sh
#   BENCH_HOME (var/bench), BENCH_PORT_OFFSET (11000)   the stack; the second one: BENCH_HOME-2, offset + 100
#   BENCH_RESULTS (bench/results)   where files of results and plots go
#   BENCH_KEEP=1                    leaves the stack running
#
# k6-profile NAME...: script, steady, mixed, spike, soak of k6/, with their thresholds; exit 1 when one is broken. With
# k6 when it is in PATH, else with tools/k6_profile, which alone can compress (BENCH_SECONDS; not spike, which has no
# rate). RATE, STOCK, ... are in k6/README.md.
#
# Everything runs on this machine, the load generator included. One JSON file a run goes to bench/results/, with plots
# (SVG) where gnuplot is installed, and a table to the terminal.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);

my $root;

BEGIN {
    $root = abs_path(dirname(__FILE__) . '/..');
    chdir $root or die "$root: $!\n";
}
use lib "$root/bench";

use Bench::Floor;
use Bench::Growth;
use Bench::K6;
use Bench::Load;
use Bench::Orders;
use Bench::Plots;
use Bench::Report;
use Bench::Stack;
use Bench::Steady;
use Bench::Util qw(die_clearly progress round setting setting_list);
use JSON::PP ();
use Time::HiRes qw(time);

use constant { SECOND_OFFSET => 100, LIST_ORDERS_MIN => 50000, PORT_OFFSET_MAX => 40000 };

$ENV{LC_ALL} = 'C.UTF-8';
$SIG{PIPE} = 'IGNORE'; # a service that was stopped has closed our connection
$ENV{PATH} .= ':/usr/local/sbin:/usr/sbin:/sbin';

my @all = qw(latency orders order-port floor product order-list gateway validator);
my @by_name = qw(rate soak growth);
my %bench = (
    latency => \&bench_latency, 'order-port' => \&bench_orders, orders => \&bench_orders, product => \&bench_product,
    'order-list' => \&bench_order_list, gateway => \&bench_gateway,
    floor => \&Bench::Floor::measure, rate => \&Bench::Steady::rate, soak => \&Bench::Steady::soak,
    growth => \&Bench::Growth::measure,
);
my ($settings, $stack, $second);

my $status = eval { main(@ARGV) };
print {*STDERR} $@ unless defined $status;
exit($status // 1);

sub main {
    my (@arguments) = @_;
    my (@names, %option);
    while (defined(my $argument = shift @arguments)) {
        if ($argument =~ /^(?:-h|--help)$/) { usage(); return 0 }
        elsif ($argument eq '--record' || $argument eq '--plot') { $option{ substr $argument, 2 } = 1 }
        elsif ($argument eq '--against') { $option{against} = shift @arguments // die_clearly('--against needs a directory') }
        elsif ($argument =~ /^-/) { die_clearly("there is no option '$argument'; --help lists them") }
        else { push @names, $argument }
    }
    if ($option{plot}) { Bench::Plots::draw(Bench::Plots::last_run()); return 0 }
    $settings = settings();
    my $k6 = grep { $_ eq 'k6-profile' } @names;
    if ($k6) {
        die_clearly('k6-profile is not measured with others: bench k6-profile NAME...') if $names[0] ne 'k6-profile';
        shift @names;
        Bench::K6::require_profiles(@names);
    } else {
        @names = @all unless @names;
        check(\@names, \%option);
    }
    return $k6 ? run_k6(\%option, @names) : run(\%option, @names);
}

sub usage {
    open my $in, '<', __FILE__ or die;
    <$in>;
    while (my $line = <$in>) {
        last unless $line =~ /^#/;
        print $line =~ s/^# ?//r;
    }
    return;
}

sub settings {
    my %settings = (
        seconds => setting('BENCH_SECONDS', undef, 1, 86400), rounds => setting('BENCH_ROUNDS', undef, 1, 1000),
        rate => setting('BENCH_RATE', undef, 1, 1000000), waiting => setting('BENCH_WAITING', 100000, 1, 100000000),
        connections => [setting_list('BENCH_CONNECTIONS', [64], 1, 10000)],
        growth => [sort { $a <=> $b } setting_list('BENCH_GROWTH', [1000000, 10000000], 1, 1000000000)],
    );
    setting('BENCH_PAIRS', 7, 1, 1000);
    setting('BENCH_PAIR_SECONDS', 6, 1, 86400);
    $settings{replicas} = setting('BENCH_REPLICAS', 1, 1, 9);
    $settings{offset} = setting('BENCH_PORT_OFFSET', 11000, 0, PORT_OFFSET_MAX);
    $settings{home} = $ENV{BENCH_HOME} || "$root/var/bench";
    $settings{home} = "$root/$settings{home}" unless $settings{home} =~ m{^/};
    return \%settings;
}

# What is wrong with the command line is said before a stack is started.
sub check {
    my ($names, $option) = @_;
    for my $name (@$names) {
        die_clearly("there is no benchmark '$name'; there are: @all @by_name, and k6-profile NAME")
            unless grep { $_ eq $name } @all, @by_name;
    }
    if (defined $option->{against}) {
        my $other = abs_path($option->{against}) // '';
        die_clearly("--against: '$option->{against}' is not another checkout of prodorder")
            unless -x "$other/prodorder" && $other ne $root;
        die_clearly('--against is for orders and order-port') unless grep { /^(?:orders|order-port)$/ } @$names;
        $option->{against} = $other;
    }
    die_clearly('--record: files were changed since the commit; figures belong to a commit')
        if $option->{record} && Bench::Util::commit_of($root) =~ /\+|none/;
    return if "@$names" eq 'validator';
    for my $program (qw(wrk jq curl), grep({ /^(?:floor|rate|soak)$/ } @$names) ? qw(nginx pgbench) : ()) {
        die_clearly("$program is not installed: ./configure.sh --install-deps") unless program_exists($program);
    }
    return;
}

sub program_exists {
    my ($program) = @_;
    return scalar grep { -x "$_/$program" } split /:/, $ENV{PATH};
}

sub run {
    my ($option, @names) = @_;
    my $run = Bench::Report::begin(Bench::Util::commit_of($root), $settings);
    if ("@names" eq 'validator') { return system('bench/validator.sh') >> 8 }
    Bench::Util::build_programs() if grep { /^(?:floor|rate|soak)$/ } @names;
    start_stacks($option);
    for my $name (@names) {
        progress($name);
        if ($name eq 'validator') { system 'bench/validator.sh'; next }
        Bench::Report::add($run, $bench{$name}->($stack, { %$settings, name => $name, against => $second,
            second => \&second_stack, url_of => $name eq 'order-port' ? sub { $_[0]->order_service } : sub { $_[0]->gateway } }));
    }
    return finish($run, $option);
}

sub run_k6 {
    my ($option, @profiles) = @_;
    my $run = Bench::Report::begin(Bench::Util::commit_of($root), $settings);
    start_stacks({});
    my $status = 0;
    for my $profile (@profiles) {
        my ($broken, @results) = Bench::K6::profile($stack, $profile);
        $status ||= $broken;
        Bench::Report::add($run, @results);
    }
    finish($run, $option, 'no table');
    return $status;
}

sub finish {
    my ($run, $option, $no_table) = @_;
    return 0 unless @{ $run->{results} };
    Bench::Report::table($run) unless $no_table;
    Bench::Report::record($run) if $option->{record};
    print {*STDERR} "kept in $run->{file}\n";
    Bench::Plots::draw($run->{file}) unless $no_table;
    return 0;
}

# ---- stacks ----

sub start_stacks {
    my ($option) = @_;
    $SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);
    $stack = Bench::Stack->new(dir => $root, home => $settings->{home}, offset => $settings->{offset},
        replicas => $settings->{replicas});
    $stack->start;
    $second = second_stack($option->{against}) if $option->{against};
    return;
}

# second_stack(DIR): another one beside the first
sub second_stack {
    my ($dir) = @_;
    $second = Bench::Stack->new(dir => $dir // $root, home => "$settings->{home}-2",
        offset => $settings->{offset} + SECOND_OFFSET);
    return $second->start;
}

END {
    my $status = $?;
    if (!$ENV{BENCH_KEEP}) {
        my @cleaning = map { $_->clean } grep { defined } $stack, $second;
        waitpid $_, 0 for @cleaning;
    }
    $? = $status; ## no critic: clean runs programs
}

# ---- the short ones ----

# used(STACK, CODE): what CODE returns, and the cores that each server used meanwhile
sub used {
    my ($of, $code) = @_;
    my ($before, $begin_s) = ($of->cpu, time);
    my $result = $code->();
    my ($after, $wall_s) = ($of->cpu, time - $begin_s);
    return { %$result, cores => { map { $_ => round(($after->{$_} - ($before->{$_} // 0)) / $wall_s, 2) } keys %$after } };
}

sub bench_orders {
    my ($of, $with) = @_;
    return Bench::Orders::measure($with->{name}, $of, $with->{against}, $with->{url_of}, { %$with,
        seconds => $with->{seconds} // 30, rounds => $with->{rounds} // ($with->{against} ? 5 : 1) });
}

sub get {
    my ($of, $name, $target) = @_;
    my ($connections) = @{ $settings->{connections} };
    my $result = used($of, sub { Bench::Load::wrk($of->gateway . $target, 'bench/report.lua', $connections,
        $settings->{seconds} // 30) });
    return { bench => $name, connections => $connections, %$result };
}

sub bench_product { my ($of) = @_; return get($of, 'product', '/products/1') }

# A product that has many orders: the first page of its list.
sub bench_order_list {
    my ($of) = @_;
    $of->sql('order', 'INSERT INTO orders (id, product_id, quantity, unit_price_cents, total_price_cents, status,'
        . ' created_at, updated_at, request_id, traceparent)'
        . " SELECT nextval('order_numbers'), 1, 1, 100, 100, 'done', now() - i * interval '1 ms', now(), 'bench', ''"
        . ' FROM generate_series(1, ' . LIST_ORDERS_MIN . ') AS i');
    return get($of, 'order-list', '/orders/product/1');
}

# One order at a time on an idle stack: the answer, and until it is done.
sub bench_latency {
    my ($of) = @_;
    return { bench => 'latency', connections => 1, %{ said_json('bench/latency.pl', $of->gateway, 200) } };
}

# What the module costs nginx: requests per second with it by those without it.
sub bench_gateway {
    my ($of) = @_;
    my ($connections) = @{ $settings->{connections} };
    local %ENV = (%ENV, $of->environment, BENCH_CONNECTIONS => $connections);
    return map { { connections => $connections, %$_ } } (
        { bench => 'gateway-get', %{ said_json('bench/gateway.sh', '/products/1') } },
        { bench => 'gateway-post', %{ said_json('bench/gateway.sh', '/orders', 'bench/orders.lua') } },
    );
}

# said_json(COMMAND...): the line of JSON that a program prints
sub said_json {
    my (@command) = @_;
    open my $out, '-|', @command or die_clearly("$command[0]: $!");
    my ($json) = grep { /^\{/ } <$out>;
    close $out or die_clearly("$command[0] failed");
    return JSON::PP::decode_json($json // die_clearly("$command[0] says nothing"));
}
