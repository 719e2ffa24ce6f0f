#!/usr/bin/perl
# The scripts of k6/ as tools/k6_profile/main.mjs reads them, without k6 and without a stack: what would be
# sent when, how it would be judged, and what is refused.
use strict;
use warnings;

use JSON::PP;

use Prodorder::Control;
use Prodorder::K6;

Prodorder::K6::need();

# main_says(ENVIRONMENT, ARGS...): what main.mjs says, and its exit status
sub main_says {
    my ($environment, @arguments) = @_;
    return output_of($environment, 'tools/k6_profile/main.mjs', @arguments);
}

sub planned {
    my ($environment, @arguments) = @_;
    my ($said, $status) = main_says($environment, '--plan', @arguments);
    is($status, 0, "@arguments can be planned") or diag $said;
    return decode_json($said);
}

my $script = planned({}, 'script');
is_deeply($script->{thresholds}, {
    errors => ['count<1000'], http_req_duration => ['p(95)<1000'],
    http_req_failed => ['rate<0.05'], latency_ms => ['p(95)<1000'],
}, 'script.js: its thresholds');
is_deeply([map { [@$_{qw(from to seconds arrivals)}] } @{ $script->{phases} }],
    [[200, 1000, 30, 18000], [1000, 1000, 60, 60000], [1000, 0, 20, 10000]],
    'it rises from 200/s to 1,000/s in 30 s, stays there for 60 s, and ends in 20 s');
is("$script->{requests} requests, $script->{connections} connections, $script->{seconds} s",
    '88000 requests, 1500 connections, 110 s', 'that is as many requests as the integral of the rate');
my ($scenario) = values %{ $script->{scenarios} };
is("$scenario->{executor} $scenario->{preAllocatedVUs} $scenario->{maxVUs}", 'ramping-arrival-rate 500 1500',
    'with the executor and the users that were agreed');

my $short = planned({}, '--seconds', '11', 'script');
is_deeply([map { $_->{to} } @{ $short->{phases} }], [1000, 1000, 0], 'compressed, its rates are the same');
is("$short->{requests} requests, $short->{seconds} s", '8800 requests, 11 s', 'in a tenth of the time');
is(planned({}, '--seconds', '4', 'script')->{requests}, 3200, 'phases that end between two requests add none');

my %requests = (steady => 60000, mixed => 30000, spike => 2000, soak => 360000);
is(planned({}, $_)->{requests}, $requests{$_}, "$_.js: $requests{$_} requests") for sort keys %requests;
is(planned({ RATE => 20, DURATION => '0m30s' }, 'soak')->{requests}, 600, 'a part of DURATION may be 0');
is(planned({ RATE => 20, DURATION => '1m5s' }, $_)->{requests}, 1300, "$_.js takes RATE and DURATION")
    for qw(steady mixed soak);
is_deeply(planned({ STOCK => 3, ORDERS => 9, BUYERS => 4 }, 'spike')->{thresholds}{orders_done}, ['count==3'],
    'spike.js takes STOCK');

# Refused before anything is sent, with the name of what is wrong: [{ environment }, [arguments], message]
my @refused = (
    [{ BASE_URL => 'localhost:3002' }, ['script'], qr/BASE_URL must be an address like \S+, not 'localhost:3002'/],
    [{ BASE_URL => 'http://127.0.0.1:3002/orders' }, ['steady'], qr/BASE_URL must be/],
    [{ GATEWAY_URL => 'ftp://127.0.0.1' }, ['mixed'], qr/GATEWAY_URL must be/],
    [{ PRODUCT_IDS => '1,,2' }, ['script'], qr/PRODUCT_IDS must be product ids .*, not '1,,2'/],
    [{ PRODUCT_IDS => '0' }, ['mixed'], qr/PRODUCT_IDS must be/],
    [{ RATE => '1e3' }, ['steady'], qr/RATE must be a whole number from 1 to 100000, not '1e3'/],
    [{ RATE => '0' }, ['soak'], qr/RATE must be .*, not 0/],
    [{ DURATION => '60' }, ['soak'], qr/DURATION must be a duration like 90s, 10m or 1h30m, not '60'/],
    [{ DURATION => '0m0s' }, ['steady'], qr/DURATION must be/],
    [{ STOCK => '-1' }, ['spike'], qr/STOCK must be/],
    [{ STOCK => '10', ORDERS => '10' }, ['spike'], qr/ORDERS must be more than STOCK/],
    [{ BUYERS => '1501' }, ['spike'], qr/BUYERS must be .* to 1500, not 1501/],
    [{ DURATION => '10h' }, ['soak'], qr/7200000 requests are more than can be driven without k6 .*use k6/],
    [{}, ['--seconds', 'x', 'script'], qr/--seconds \(BENCH_SECONDS\) must be a number/],
    [{}, ['script', '--seconds'], qr/--seconds \(BENCH_SECONDS\) must be a number .*, not ''/],
    [{}, ['--seconds', '5', 'spike'], qr/--seconds \(BENCH_SECONDS\) is for a rate/],
    [{}, ['script', '--json'], qr/--json needs the name of a file/],
    [{}, ['nothing'], qr/there is no script \S*nothing\.js/],
    [{}, ['--nothing', 'script'], qr/no option '--nothing'/],
    [{}, [], qr/which profile\? mixed, script, soak, spike, steady;/],
);
for my $case (@refused) {
    my ($environment, $arguments, $message) = @$case;
    my ($said, $status) = main_says($environment, @$arguments);
    my $what = join ' ', (map { "$_=$environment->{$_}" } sort keys %$environment), @$arguments;
    ok($status == 2 && $said =~ $message, "refused: $what") or diag "exit $status: $said";
}

# A script that cannot be run this way is refused, too: [what it says, message]
my $default = 'export default function () {}';
my $rate = "executor: 'constant-arrival-rate', rate: 1, duration: '1s', preAllocatedVUs: 1";
my @scripts = (
    ["import ws from 'k6/ws'; $default", qr/has no 'k6\/ws'/],
    ["export const options = { vus: 1 }; $default", qr/one scenario is needed, not with 0/],
    ["export const options = { scenarios: { a: { executor: 'per-vu-iterations' } } }; $default",
        qr/'per-vu-iterations' cannot be driven by wrk/],
    ["export const options = { scenarios: { a: { $rate } }, thresholds: { nothing: ['rate<1'] } }; $default",
        qr/there is no metric 'nothing'/],
    ["export const options = { scenarios: { a: { $rate } }, thresholds: { checks: ['p(95)<1'] } }; $default",
        qr/'p\(95\)<1' is no expression for checks, which is a rate/],
    ["export const options = { scenarios: { a: { $rate } }, thresholds: { 'checks{a:b}': ['rate<1'] } }; $default",
        qr/thresholds of single tags are not supported/],
    ["const checks = [{ threshold: 'rate<1' }]; $default
        export const options = { scenarios: { a: { $rate } }, thresholds: { checks } };",
        qr/only strings are supported here, no abortOnFail/],
    ["import http from 'k6/http'; http.get('http://127.0.0.1:9/'); $default", qr/requests are possible in setup/],
);
for my $case (@scripts) {
    my ($text, $message) = @$case;
    my ($said, $status) = main_says({}, '--plan', written('one.js', "$text\n"));
    ok($status == 2 && $said =~ $message, "refused: $text") or diag "exit $status: $said";
}

# bench/run.pl has these checks before it starts a stack: [{ environment }, [arguments], message]
for my $case (
    [{}, [qw(orders k6-profile)], qr/k6-profile is not measured with others/],
    [{}, [], qr/k6-profile: which one\? mixed script soak spike steady$/m],
    [{}, ['nothing'], qr/k6-profile: there is no 'nothing'; there are: mixed script soak/],
    [{ RATE => 'x' }, ['steady'], qr/RATE must be a whole number/],
    [{ BENCH_SECONDS => 5 }, [qw(script spike)], qr/BENCH_SECONDS\) is for a rate/],
) {
    my ($environment, $arguments, $message) = @$case;
    my @names = grep({ $_ eq 'k6-profile' } @$arguments) ? @$arguments : ('k6-profile', @$arguments);
    my ($said, $status) = output_of({ %$environment, BENCH_HOME => '/nowhere' }, 'bench/run.pl', @names);
    ok($status != 0 && $said =~ $message && $said !~ /starting a stack|kept in/, "run.pl @names: refused")
        or diag "exit $status: $said";
}

# ---- a k6 in PATH is used: on a copy whose stack is nothing, by a k6 that says how it was called ----

my $copy = scratch();
my $called = "$copy/called";
mkdir "$copy/$_" for qw(bench tools bin);
system('cp', '-R', qw(k6 prodorder), $copy) == 0 && system('cp', '-R', qw(bench/run.pl bench/Bench), "$copy/bench") == 0
    && system('cp', '-R', 'tools/k6_profile', "$copy/tools") == 0 or die "cannot copy\n";
program("$copy/prodorder", 'true');
program("$copy/bin/k6", <<"END");
echo "\$* BASE_URL=\$BASE_URL GATEWAY_URL=\$GATEWAY_URL RATE=\$RATE" >> $called
case \$1 in
inspect) [ "\$RATE" != x ] || { echo "RATE must be a whole number" >&2; exit 107; } ;;
run)
    echo '{"metrics":{"http_reqs":{"count":9,"rate":4.52},"http_req_duration":{"med":1.5,"p(95)":2.5,"max":3.5},
        "errors":{"count":1,"rate":0.5},"vus_max":{"value":7,"min":7,"max":7}}}' > "\$3"
    exit \${K6_EXIT:-0} ;;
esac
END

# with_k6({ environment }, NAME...): what the bench says and its status, how k6 was called, what was kept
sub with_k6 {
    my ($environment, @names) = @_;
    unlink $called, glob "$copy/bench/results/*";
    my ($said, $status) = output_of({ PATH => "$copy/bin:$ENV{PATH}", BENCH_PORT_OFFSET => 500,
        BENCH_HOME => "$copy/home", %$environment }, "$copy/bench/run.pl", 'k6-profile', @names);
    return ($said, $status, map { join '', map { read_file($_) } @$_ } [$called], [glob "$copy/bench/results/*.json"]);
}

my ($said, $status, $calls, $kept) = with_k6({ RATE => 5 }, qw(script mixed));
is($status, 0, 'with a k6 in PATH') or diag $said;
my $addresses = 'BASE_URL=http://127.0.0.1:3502 GATEWAY_URL=http://127.0.0.1:4500 RATE=5';
is(join(' ', $calls =~ /^(\w+) /mg), 'inspect inspect run run', 'it looks at every script first');
like($calls, qr{^run --summary-export \S+ k6/$_\.js \Q$addresses\E$}m, "$_.js: on the stack, with our variables") for qw(script mixed);
my %figures = %{ decode_json($kept)->{results}[0] };
is_deeply({ map { $_ => $figures{$_} } qw(bench generator ok requests requests_per_s p50_ms p95_ms max_ms errors connections) },
    { bench => 'k6-script', generator => 'k6', ok => JSON::PP::true, requests => 9, requests_per_s => 4.5, p50_ms => 1.5,
      p95_ms => 2.5, max_ms => 3.5, errors => 1, connections => 7 }, 'its figures are kept');
($said, $status, undef, $kept) = with_k6({ K6_EXIT => 99 }, 'script');
is($status, 1, 'a broken threshold: exit 1');
like($kept, qr/"ok" : false/, 'which is kept, too');
($said, $status, $calls) = with_k6({ RATE => 'x' }, 'steady');
ok($status != 0 && $said =~ /RATE must be/ && $said !~ /starting a stack/ && $calls !~ /^run/m, 'a wrong variable: no stack');
(undef, undef, $calls) = with_k6({ BENCH_SECONDS => 2, RATE => 'x' }, 'steady');
is($calls, '', 'BENCH_SECONDS is for the stand-in');

# A run in which too little was sent is no success, whatever its thresholds say: of 100 arrivals 5, then 6 are dropped.
my $summary = <<'END';
import { summarize } from './tools/k6_profile/report.mjs';
import { DROPPED } from './tools/k6_profile/drive.mjs';
import { world } from './tools/k6_profile/world.mjs';
const at = Array.from({ length: 100 }, (_, n) => n / 100);
const schedule = { connections: 1, openLoop: true, seconds: 1, due: at, phases: [] };
console.log(JSON.stringify([5, 6].map((dropped) => summarize({ name: 'none', schedule, world, thresholds: [],
    results: at.map((sent, n) => (n < dropped ? DROPPED : { sent, received: sent })) }).ok)));
END
open my $node, '-|', 'node', '--input-type=module', '-e', $summary or die "cannot run node: $!\n";
is(scalar <$node>, "[true,false]\n", 'a run of which less than 95 % could be sent has failed');
close $node;
like((main_says({}, '--help'))[0], qr/\ARuns a script .*^Usage: main\.mjs .*^Exit 0:/ms, '--help');
done_testing();
