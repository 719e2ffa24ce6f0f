# ./prodorder trace on logs made up here: ids, rotated and damaged logs, hostile content. Starts nothing.
# What it says of a real stack is t/flow/trace.t's.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Control qw($ROOT run scratch write_file read_file);
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

chdir $ROOT or die;
my $home = scratch() . '/home';
delete @ENV{grep { /^(?:PRODORDER_|TRACE_)/ } keys %ENV};
$ENV{PRODORDER_HOME} = $home;

sub trace {
    return run('./prodorder', 'trace', @_);
}

my $json = JSON::PP->new->utf8->canonical;
my $trace_id = '0af7651916cd43dd8448eb211c80319c';

# A line of the gateway's, the order service's or the product service's log, at that second.
sub gateway_line {
    my ($second, $id, %more) = @_;
    return $json->encode({ ts => "2026-11-22T17:16:$second", level => 'info', service => 'gateway', msg => 'request',
        requestId => $id, traceId => $trace_id, spanId => 'b7ad6b7169203331', operation => 'createOrder', validation => 'valid',
        method => 'POST', target => '/orders', status => 201, durationS => 0.03, remote => '127.0.0.1',
        upstream => '127.0.0.1:3002', upstreamStatus => '200', upstreamS => '0.030', %more }) . "\n";
}

sub service_line {
    my ($service, $second, $msg, %more) = @_;
    return $json->encode({ ts => "2026-11-22T17:16:$second", level => 'info', service => $service, msg => $msg, %more }) . "\n";
}

sub order_lines {
    my ($id, $order) = @_;
    my %ids = (requestId => $id, traceId => $trace_id, spanId => 'b7ad6b7169203331', orderId => $order);
    return (
        service_line('order-service', '32.127Z', 'order stored', %ids, productId => 7, quantity => 3, us => 20000),
        service_line('product-service', '32.140Z', 'order decided', %ids, status => 'rejected', reason => 'out_of_stock', us => 9000),
        service_line('order-service', '32.150Z', 'order finished', %ids, status => 'rejected', reason => 'out_of_stock', us => 2000));
}

sub write_logs {
    my (%text) = @_;
    for my $name (qw(gateway order-service product-service)) {
        for my $end ('', '.1') {
            my $file = "$home/log/$name.log$end";
            unlink $file;
            write_file($file, $text{"$name$end"}) if defined $text{"$name$end"};
        }
    }
    return;
}

# ---- wrong usage ----

for my $case ([], [''], ['a b'], ["a\n"], ['a;b'], ['$(id)'], ['x' x 129], ['one', 'two'], ['--wibble', 'one'], ['--json']) {
    my $result = trace(@$case);
    is($result->{status}, 2, 'exit 2: ' . join(' ', map { length > 20 ? 'too long' : "'$_'" =~ s/\n/\\n/r } @$case));
    is($result->{out}, '', 'nothing on standard output');
    like($result->{err}, qr/^prodorder: .*\n.*help/, 'a message and where to read more');
}

# ---- nothing there ----

my $result = trace('some-id');
is($result->{status}, 1, 'no stack: exit 1');
like($result->{err}, qr/nothing has been started in \Q$home\E.*PRODORDER_HOME/s, 'no stack: says where it looked');
ok(!-e $home, 'and creates nothing');

write_logs('gateway' => gateway_line('32.150Z', 'one'), 'order-service' => "no JSON\n");
my $begin = time;
$result = trace('some-id');
is($result->{status}, 1, 'an unknown id: exit 1');
cmp_ok(time - $begin, '>=', 2, 'only after the gateway had time to write its log');
cmp_ok(time - $begin, '<', 10, 'and not much later');
is($result->{out}, '', 'nothing on standard output');
like($result->{err}, qr/nothing is known of some-id in \Q$home\E/, 'says so');
like($result->{err}, qr/gateway\.log, which begins at 2026-11-22T17:16:32/, 'says from when on the logs are');
like($result->{err}, qr/order-service\.log, which begins without a time/, 'also of one without a line of ours');
like($result->{err}, qr/there is no product-service\.log/, 'and which are missing');
like($result->{err}, qr/order-db does not run/, 'and that the database could not be asked');
like($result->{err}, qr/PRODORDER_HOME=DIR/, 'and how to ask another stack');

# ---- an order, its lines spread over rotated logs ----

my ($stored, $decided, $finished) = order_lines('my.request:1_A-z', 7001);
my @others = map { (gateway_line('31.000Z', $_), order_lines($_, 70010)) }
    'my-request:1_A-z', 'my.request:1_A-zz', 'xmy.request:1_A-z', '.*';
write_logs(
    'gateway.1' => join('', @others) . gateway_line('32.135Z', 'my.request:1_A-z'),
    'gateway' => gateway_line('40.000Z', 'later'),
    'order-service.1' => $stored,
    'order-service' => join('', @others, $finished, service_line('order-service', '32.160Z', 'unusable row', orderId => 7001),
        service_line('order-service', '33.000Z', 'order answered again', requestId => 'again', firstRequestId => 'my.request:1_A-z', orderId => 7001)),
    'product-service' => join('', @others, $decided));

my $text = trace('my.request:1_A-z');
is($text->{status}, 0, 'found: exit 0');
is($text->{err}, '', 'nothing on standard error');
my @steps = $text->{out} =~ /^  \d\d:\d\d:\d\d\.\d{3} +(\d+)  (\S+) +(\S.*?)(?:  |$)/mg;
is_deeply(\@steps, [
    0, 'gateway', 'request received: POST /orders',
    2, 'order-service', 'request received',
    22, 'order-service', 'order stored',
    26, 'product-service', 'event order.created taken',
    30, 'gateway', 'answered 201',
    35, 'product-service', 'order decided',
    43, 'order-service', 'event order.updated taken',
    45, 'order-service', 'order finished',
    55, 'order-service', 'unusable row',
    895, 'order-service', 'order answered again',
], 'each step, in its order, with its offset') or diag $text->{out};
like($text->{out}, qr/^request  my\.request:1_A-z\ntrace    $trace_id  span b7ad6b7169203331\norder    7001  3 of product 7\n/,
    'the ids at the top');
like($text->{out}, qr/validation=valid/, 'what the gateway thought of the request');
like($text->{out}, qr/upstreamS=0\.030/, 'how long the service took');
like($text->{out}, qr/order answered again +requestId=again/, 'a repetition, with the request that it was');
like($text->{out}, qr/^order 7001 is rejected \(out_of_stock\), 45 ms after its request came$/m, 'the end of it');
unlike($text->{out}, qr/70010/, 'no line of an id that is only similar');

my $object = $json->decode(trace('--json', 'my.request:1_A-z')->{out});
is_deeply([map { "$_->{offsetMs} $_->{component} $_->{event}" } @{ $object->{events} }],
    [map { join ' ', @steps[3 * $_ .. 3 * $_ + 2] } 0 .. @steps / 3 - 1], '--json has the same steps');
is($object->{events}[0]{time}, '2026-11-22T17:16:32.105Z', '--json: times are RFC 3339');
is_deeply($object->{orders}, [{ id => 7001, status => 'rejected', reason => 'out_of_stock', productId => 7, quantity => 3,
    placedBy => 'my.request:1_A-z', decided => undef }], '--json: the order');
is($object->{totalMs}, 895, '--json: the whole time');

is(trace('order:7001')->{out}, $text->{out}, 'by its order');
my $by_trace = $json->decode(trace('--json', $trace_id)->{out});
is_deeply([sort @{ $by_trace->{requests} }], [sort 'later', 'my-request:1_A-z', 'my.request:1_A-z',
    'my.request:1_A-zz', 'xmy.request:1_A-z'], 'by its trace: every request of it');
is(trace("00-$trace_id-b7ad6b7169203331-01")->{out}, trace($trace_id)->{out}, 'by a whole traceparent');
is(trace('--', 'my.request:1_A-z')->{out}, $text->{out}, 'an id after --');

my $again = trace('again')->{out};
like($again, qr/^order 7001 is \w+; it was placed by request my\.request:1_A-z$|firstRequestId=my\.request:1_A-z/m,
    'a repetition names the request that placed the order');
unlike($again, qr/order stored/, 'and is not mixed with it');

# ---- a request that no service saw ----

write_logs('gateway' => gateway_line('32.150Z', 'bad', status => 400, validation => 'invalid', upstream => '',
    upstreamStatus => '', upstreamS => '', durationS => 0));
$result = trace('bad');
is($result->{status}, 0, 'a refused request is found');
like($result->{out}, qr/^answered 400 by the gateway; no service saw it \(validation: invalid\)$/m, 'and its end is told');

# ---- hostile and damaged logs ----

my $mark = "$home/evaluated";
my $evil = "/orders?\e]0;title\a\e[31m\x{9b}2J\r\n\x{202e}`touch $mark`\$(touch $mark);touch $mark|";
write_logs(
    'gateway' => join('', "\xff\xfe\"requestId\":\"evil\"\n", "{\"requestId\":\"evil\"\n", "[\"requestId\":\"evil\"]\n", "\n",
        "{\"requestId\":\"evil\",\"ts\":\"2026-13-45T99:99:99Z\"}\n", "{\"requestId\":\"evil\",\"ts\":[1]}\n",
        "{\"requestId\":\"evil\",\"ts\":\"2026-11-22T17:16:32.000Z\",\"msg\":{\"a\":[1]},\"deep\":[[]]}\n",
        gateway_line('32.150Z', 'evil', target => $evil, operation => "a\0b", durationS => 'NaN', status => "2\e[1m"),
        gateway_line('32.150Z', 'other', target => '/x?"requestId":"evil"')),
    'order-service' => service_line('order-service', '32.160Z', "%s%n$evil", requestId => 'evil', level => "err\eor", us => -1),
    'product-service' => join('', map { service_line('product-service', '32.165Z', 'odd', requestId => 'evil', orderId => $_) }
        "1'\"}{", -1, 1.5, '007', "7\n8", '*', 1) . substr(service_line('product-service', '32.170Z', 'torn', requestId => 'evil'), 0, -20));
for my $options ([], ['--json']) {
    $result = trace(@$options, 'evil');
    is($result->{status}, 0, "damaged logs @$options: what can be read is shown");
    is($result->{err}, '', 'without a complaint of Perl');
    unlike($result->{out}, qr/[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]/, 'no control character is printed');
    unlike($result->{out}, qr/other/, 'nor a line that only quotes the id');
    like($result->{out}, qr/lines that could not be read: [1-9]/, 'the others are counted');
}
ok(!-e $mark, 'nothing of a log is run');
like(trace('evil')->{out}, qr/\\x\{1b\}\]0;title\\x\{7\}/, 'they are shown as numbers');

# ---- limits ----

write_logs('gateway' => join '', map { gateway_line('32.150Z', 'often', target => "/n/$_") } 1 .. 2001);
$result = trace('often');
like($result->{out}, qr/gateway\.log has more than 2000 lines of it: the rest is not shown/, 'too many lines are cut, and it is said');
is(() = $result->{out} =~ /request received/g, 2000, 'at 2000');

# ---- the gateway's buffered log ----

my $now = POSIX::strftime('%Y-%m-%dT%H:%M:%S.000Z', gmtime);
write_logs('gateway' => gateway_line('32.150Z', 'earlier'),
    'order-service' => service_line('order-service', '00.000Z', 'order stored', requestId => 'fresh', ts => $now));
my $writer = fork // die "fork: $!";
if (!$writer) {
    sleep 1;
    open my $out, '>>', "$home/log/gateway.log" or POSIX::_exit(1);
    print {$out} gateway_line('00.000Z', 'fresh', ts => $now), substr gateway_line('00.000Z', 'fresh'), 0, 50;
    close $out;
    POSIX::_exit(0);
}
like(trace('fresh')->{out}, qr/gateway +answered 201/, 'the gateway\'s line is waited for');
waitpid $writer, 0;

done_testing();
