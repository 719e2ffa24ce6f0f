#!/usr/bin/perl
# How tools/k6_profile/ drives a load, without a stack: its wrk script on a clock of this test's own, then whole
# runs against a server that answers late, not at all, or breaks the connection; and what mixed.js and spike.js
# find in the answers of a gateway that makes mistakes.
use strict;
use warnings;

use File::Temp ();
use JSON::PP;
use Test::More;

use Prodorder::K6;

Prodorder::K6::need(qw(wrk curl));

# wrk has Lua: a script that calls the functions of wrk.lua as wrk would, and stops before wrk sends anything.
my $simulation = <<'END';
local now_us, said = 0, {}
package.loaded.ffi = { cdef = function() end, new = function() return {} end, C = {
    clock_gettime = function(_, time) time.tv_sec, time.tv_nsec = 0, now_us * 1000 end,
    getpid = function() return 1 end,
    kill = function() said[#said + 1] = "end" end,
} }
local function at(ms) now_us = ms * 1000 end
local function waits()
    local ms = delay()
    said[#said + 1] = "wait " .. ms
end
local function sends()
    local bytes = request()
    said[#said + 1] = bytes:match("^GET /livez") and "probe" or bytes == "" and "nothing" or "send " .. bytes
end
local function answered(id) response(200, { ["x-request-id"] = id }, "\n") end
local function start(mode, connections, due_ms)
    local plan, requests = io.open(DIR .. "/plan", "w"), io.open(DIR .. "/requests", "w")
    for n, ms in ipairs(due_ms) do
        plan:write(string.format("%d 1 id%d\n", ms * 1000, n))
        requests:write(n)
    end
    plan:close()
    requests:close()
    dofile("tools/k6_profile/wrk.lua")
    init({ DIR, #due_ms, connections, mode })
    request() -- wrk tries one before it starts
    said = {}
end
local function finish()
    print(table.concat(said, ", "))
    os.exit(0)
end
END

# simulated(TEXT): what was said, and the arrivals that the record calls dropped
sub simulated {
    my ($steps) = @_;
    my $text = $simulation;
    my ($dir) = written('record', '') =~ m{(.*)/};
    $text =~ s/\bDIR\b/"$dir"/g;
    my $script = written('simulation.lua', "$text\n$steps\nfinish()\n");
    my ($said) = output_of({}, 'wrk', '-t1', '-c1', '-d1s', '-s', $script, 'http://127.0.0.1:9/');
    open my $record, '<', "$dir/record" or die "record: $!\n";
    my @dropped = map { /^(\d+) -1/ ? $1 + 1 : () } <$record>;
    chomp $said;
    return "$said; dropped: @dropped";
}

is(simulated(<<'END'), 'wait 0, wait 100, send 1, wait 100, send 2; dropped: ', 'each is sent when it is due');
start("open", 2, { 0, 100, 200, 300 })
waits() waits() sends() at(100) answered("id1") waits() sends()
END
is(simulated(<<'END'), 'wait 0, wait 100, send 1, send 2, wait 50; dropped: 3 4', 'not when all are busy');
start("open", 2, { 0, 100, 200, 250, 301 })
waits() waits() sends() at(100) sends() at(251) answered("id1") waits()
END
is(simulated(<<'END'), 'wait 0, wait 100, send 1, wait 0, send 2, send 3; dropped: ',
start("open", 2, { 0, 100, 200, 300, 400 })
waits() waits() sends() at(1700) answered("id1") waits() sends() sends()
END
    'what wrk itself is late with is sent');
is(simulated(<<'END'), 'wait 0, send 1, wait 0, send 2; dropped: ', 'nothing is dropped of what has no rate');
start("closed", 1, { 0, 0, 0 })
waits() sends() at(500) answered("id1") waits() sends()
END
is(simulated(<<'END'), 'wait 0, wait 100, send 1, probe, wait 150, send 2, send 3, wait 200; dropped: ',
start("open", 2, { 0, 100, 200, 400, 500 })
waits() waits() sends() at(50) sends() answered("other") waits() at(100) sends() at(200) sends() answered("id2") waits()
END
    'a connection that broke is brought back, and what the others wait for is theirs');
is(simulated(<<'END'), 'wait 0, send 1, send 2, send 3; dropped: ', 'or sends what is due');
start("open", 1, { 0, 100, 200, 500 })
waits() sends() at(100) sends() at(200) sends()
END
is(simulated(<<'END'), 'wait 0, send 1, end, end, wait 1000, nothing; dropped: ', 'when all are answered it ends');
start("open", 1, { 0 })
waits() sends() answered("id1") waits() sends()
END

# A server of which a request asks, by its path, for: /ok; /late, 300 ms; /never, no answer; /break.
my $server = written('server.mjs', <<'END');
import { createServer } from 'node:http';
const seen = {};
const server = createServer((request, response) => {
    const kind = request.url.slice(1);
    seen[kind] = (seen[kind] ?? 0) + 1;
    response.setHeader('X-Request-Id', request.headers['x-request-id'] ?? 'none');
    if (kind === 'seen') {
        response.end(JSON.stringify(seen));
    } else if (kind === 'break') {
        request.socket.destroy();
    } else if (kind !== 'never') {
        setTimeout(() => response.end('{}'), kind === 'late' ? 300 : 0);
    }
});
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
END
# Variables of the package: one of the file would be closed, which waits for the server, before END.
our (@server_pids, @servers);

END {
    local $?;
    kill 'KILL', @server_pids;
    waitpid $_, 0 for @server_pids;
}

# server(SCRIPT, ARGS...): starts it; its port
sub server {
    push @server_pids, open(my $out, '-|', 'node', @_) // die "cannot fork: $!\n";
    push @servers, $out;
    my $said = <$out> // die "no server\n";
    return $said + 0;
}
my $port = server($server);

sub seen {
    my ($text) = output_of({}, 'curl', '-q', '-sS', '--noproxy', '*', "http://127.0.0.1:$port/seen");
    return decode_json($text);
}

# driven(SCENARIO, THRESHOLDS, KIND): a run in which iteration n asks for KIND(n), the text of a function: its
# result, how many of each kind the server has seen, what was said, and the status
sub driven {
    my ($scenario, $thresholds, $kind) = @_;
    my $script = written('driven.js', <<"END");
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { Rate } from 'k6/metrics';
new Rate('nothing');
export const options = { scenarios: { one: { $scenario } }, thresholds: { $thresholds } };
const kind = $kind;
export function setup() {
    http.get('http://127.0.0.1:$port/late');
}
export default function () {
    const answer = http.get(`http://127.0.0.1:$port/\${kind(exec.scenario.iterationInTest)}`);
    check(answer, { answered: (r) => r.status === 200, fast: (r) => r.timings.duration < 1000 });
}
END
    my $before = seen();
    my $run = profile({}, $script);
    my $after = seen();
    return { %{ $run->{result} // {} }, status => $run->{status}, said => $run->{said},
        seen => { map { $_ => ($after->{$_} // 0) - ($before->{$_} // 0) } keys %$after } };
}

sub rate {
    my ($rate, $seconds, $users, $grace) = @_;
    return "executor: 'constant-arrival-rate', rate: $rate, duration: '${seconds}s', preAllocatedVUs: 1, " .
        "maxVUs: $users, gracefulStop: '${grace}s'";
}

# A request that gets no answer has failed, and has taken as long as it was waited for.
my $run = driven(rate(20, 1, 60, 5), "http_req_duration: ['p(75)<1000'], http_req_failed: ['rate<0.2']",
    "(n) => (n % 2 ? 'never' : 'ok')");
is("$run->{requests} answered, $run->{failed} failed, $run->{dropped} dropped", '10 answered, 10 failed, 0 dropped',
    'of 20 requests 10 get no answer') or diag $run->{said};
cmp_ok($run->{checks}{fast}{fails}, '>=', 10, 'these were not fast');
is_deeply([map { $_->{ok} ? 1 : 0 } @{ $run->{thresholds} }], [0, 0], 'and break both thresholds');
is($run->{status}, 1, 'which is exit 1');

# A connection that breaks is one request that has failed; what is dropped is dropped.
$run = driven(rate(20, 4, 2, 5), "dropped_iterations: ['count>0']", "(n) => (n ? 'late' : 'break')");
is($run->{requests} + $run->{failed} + $run->{dropped}, 80, 'of 80 requests each is answered, failed or dropped')
    or diag $run->{said};
is("$run->{failed} failed, $run->{seen}{break} broken", '1 failed, 1 broken', 'one connection broke, one has failed');
cmp_ok($run->{dropped}, '>', 0, 'what two users cannot take is dropped');
is($run->{requests}, $run->{seen}{late} - 1, 'and the others were answered');
like($run->{said}, qr/^every threshold holds; \d+ checks? failed; the load could NOT be driven$/m, 'the last line says what is wrong');
is($run->{status}, 1, 'and that is exit 1');

# Of the figures, those of the iterations: in this run only setup() has sent something slow.
$run = driven("executor: 'shared-iterations', vus: 2, iterations: 30", "nothing: ['rate==1', 'rate<0.5']",
    "() => 'ok'");
is("$run->{requests} answered, exit $run->{status}", '30 answered, exit 0', 'a run in which all is well')
    or diag $run->{said};
is_deeply([map { $_->{value} } @{ $run->{thresholds} }], [undef, undef], 'a rate of nothing holds, as in k6');
like($run->{said}, qr/✓ nothing rate==1\.+: nothing measured$/m, 'and is said to be of nothing');

# A gateway that sells STOCK pieces; it makes one mistake of the kind that is its argument.
my $gateway = written('gateway.mjs', <<'END');
import { createServer } from 'node:http';
const [, , mistake] = process.argv;
const orders = [];
let answers = 0;
let left = 0;
function orderOf({ productId, quantity }) {
    const status = left >= quantity ? 'done' : 'rejected';
    left -= status === 'done' ? quantity : 0;
    const reason = status === 'done' ? null : 'out_of_stock';
    const order = { id: orders.length + 1, productId, quantity, status, reason };
    orders.push(order);
    return order;
}
function dataOf(request, body) {
    const { method, url } = request;
    if (method === 'POST' && url === '/products') {
        left = body.qty;
        return { id: 1 };
    }
    if (url.startsWith('/orders/product/')) {
        return mistake === 'lost' ? orders.slice(0, -1) : orders;
    }
    return method === 'POST' && url === '/orders' ? orderOf(body) : { id: 1, qty: left };
}
function answer(request, response, text) {
    const id = request.headers['x-request-id'] ?? 'none';
    const { method, url } = request;
    const statusCode = method === 'POST' && !url.endsWith('/restock') ? 201 : 200;
    const requestId = ++answers === 100 && mistake === 'id' ? 'another' : id;
    const path = answers === 100 && mistake === 'path' ? '/' : url;
    response.writeHead(statusCode, { 'X-Request-Id': id });
    response.end(JSON.stringify({ statusCode, data: dataOf(request, text && JSON.parse(text)), requestId, path,
        timestamp: new Date().toISOString() }));
}
const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part) => { text += part; }).on('end', () => answer(request, response, text));
});
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
END

# [mistake, script, { environment }, the thresholds that it breaks]: thresholds of speed are left out
for my $case (
    ['no', 'mixed', { RATE => 200, DURATION => '1s' }],
    ['id', 'mixed', { RATE => 200, DURATION => '1s' }, 'envelope_exact'],
    ['path', 'mixed', { RATE => 200, DURATION => '1s' }, 'envelope_exact'],
    ['no', 'spike', { STOCK => 5, ORDERS => 50, BUYERS => 5 }],
    ['lost', 'spike', { STOCK => 5, ORDERS => 50, BUYERS => 5 }, 'orders_lost'],
) {
    my ($mistake, $name, $environment, @broken) = @$case;
    my $gateway_port = server($gateway, $mistake);
    my $sale = profile({ %$environment, GATEWAY_URL => "http://127.0.0.1:$gateway_port" }, $name);
    my @found = map { $_->{ok} || $_->{metric} =~ /errors|duration|latency|checks/ ? () : $_->{metric} }
        @{ $sale->{result}{thresholds} };
    is_deeply(\@found, \@broken, "$name.js, of a gateway with this mistake: $mistake") or diag $sale->{said};
}

# A signal ends wrk as well, and nothing stays in the directory for temporary files.
for my $case (['HUP', 129], ['INT', 130], ['TERM', 143]) {
    my ($signal, $status) = @$case;
    my $temporary = File::Temp->newdir;
    my $scenario = rate(1, 300, 1, 1);
    my $long = written('long.js', <<"END");
import http from 'k6/http';
export const options = { scenarios: { one: { $scenario } } };
export default () => { http.get('http://127.0.0.1:$port/ok'); };
END
    my $pid = fork // die "cannot fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>', '/dev/null';
        $ENV{TMPDIR} = $temporary;
        exec 'tools/k6_profile/main.mjs', $long or exit 127;
    }
    my $deadline = time + 60;
    my $drives = sub { glob("$temporary/*/record") && `ps -o args= --ppid $pid` =~ /^wrk /m };
    select undef, undef, undef, 0.05 while !$drives->() && time < $deadline;
    my ($wrk) = `ps -o pid= --ppid $pid` =~ /(\d+)/;
    kill $signal, $pid;
    waitpid $pid, 0;
    is($? >> 8, $status, "SIG$signal: exit $status");
    is_deeply([glob "$temporary/*"], [], 'nothing stays behind');
    select undef, undef, undef, 0.05 while kill(0, $wrk) && time < $deadline;
    ok(!kill(0, $wrk), 'not even wrk');
}
done_testing();
