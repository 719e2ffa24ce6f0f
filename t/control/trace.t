# ./prodorder trace on logs made up here: ids, rotated and damaged logs, hostile content. Starts nothing.
# What it says of a real stack is t/flow/trace.t's.
use strict;
use warnings;

use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Prodorder::Control;

my $home = scratch() . '/home';
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
    for my $name (qw(gateway order-service product-service gateway.error)) {
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

for my $id ('', 'abc', '-1', '0', '007', '1.5', ' 1', "1\n", '1:2', '9' x 19, "\e[31m") {
    my $result = trace("order:$id");
    is($result->{status}, 2, 'exit 2: order:' . ($id =~ s/[\x00-\x1f]/?/gr));
    like($result->{err}, qr/^prodorder: 'order:.*' is no order's id: .*number from 1 on.*such as order:1001\n/, 'says what one looks like');
    unlike($result->{err}, qr/\e/, 'and prints no control character');
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
is(trace('order:' . '9' x 18)->{status}, 1, 'an order\'s id of 18 digits is one');

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
like($text->{out}, qr/^request again\n.* order answered again +firstRequestId=my\.request:1_A-z /m, 'a repetition, with the request that it was');
like($text->{out}, qr/^order 7001 is rejected \(out_of_stock\), 45 ms after its request came$/m, 'the end of it');
unlike($text->{out}, qr/70010/, 'no line of an id that is only similar');

my $object = $json->decode(trace('--json', 'my.request:1_A-z')->{out});
is_deeply([map { "$_->{offsetMs} $_->{component} $_->{event}" } @{ $object->{events} }],
    [map { join ' ', @steps[3 * $_ .. 3 * $_ + 2] } 0 .. @steps / 3 - 1], '--json has the same steps');
is($object->{events}[0]{time}, '2026-11-22T17:16:32.105Z', '--json: times are RFC 3339');
is_deeply($object->{orders}, [{ id => 7001, status => 'rejected', reason => 'out_of_stock', productId => 7, quantity => 3,
    placedBy => 'my.request:1_A-z', decided => undef, finishedAfterMs => 45 }], '--json: the order');
is($object->{totalMs}, 895, '--json: the whole time');

is(trace('order:7001')->{out}, $text->{out}, 'by its order');
my $by_trace = $json->decode(trace('--json', $trace_id)->{out});
is_deeply([sort @{ $by_trace->{requests} }], [sort 'later', 'my-request:1_A-z', 'my.request:1_A-z',
    'my.request:1_A-zz', 'xmy.request:1_A-z'], 'by its trace: every request of it');
is(trace("00-$trace_id-b7ad6b7169203331-01")->{out}, trace($trace_id)->{out}, 'by a whole traceparent');
is(trace(uc $trace_id)->{out}, trace($trace_id)->{out}, 'by its trace in upper case');
is(trace(uc "00-$trace_id-b7ad6b7169203331-01")->{out}, trace($trace_id)->{out}, 'by a traceparent in upper case');
is(trace('--', 'my.request:1_A-z')->{out}, $text->{out}, 'an id after --');

my $again = trace('again')->{out};
like($again, qr/^order 7001 is \w+; it was placed by request my\.request:1_A-z$|firstRequestId=my\.request:1_A-z/m,
    'a repetition names the request that placed the order');
unlike($again, qr/order stored/, 'and is not mixed with it');

# 32 hexadecimal digits may be a request's id as well, and that is taken as it is written.
write_logs('gateway' => gateway_line('32.135Z', uc $trace_id, traceId => 'f' x 32), 'order-service' => '', 'product-service' => '');
is_deeply($json->decode(trace('--json', uc $trace_id)->{out})->{requests}, [uc $trace_id], 'a request id of hexadecimal digits');
is(trace($trace_id)->{status}, 1, 'which is not that id in lower case');

# ---- several requests ----

sub of_span {
    my ($span, @lines) = @_;
    return join '', map { s/b7ad6b7169203331/$span/r } @lines;
}

# The same second request twice, with one id; the first one's order is finished last, and has an orphan.
my @first = order_lines('a', 7101);
my @second = map { s/16:32/16:33/r } order_lines('b', 7102);
write_logs(
    'gateway' => of_span('aaaaaaaaaaaaaaaa', gateway_line('32.135Z', 'a')) . of_span('bbbbbbbbbbbbbbbb', gateway_line('33.135Z', 'b'))
        . of_span('cccccccccccccccc', gateway_line('33.142Z', 'b', status => 503, durationS => 0.001)),
    'order-service' => of_span('aaaaaaaaaaaaaaaa', $first[0]) . of_span('bbbbbbbbbbbbbbbb', @second[0, 2])
        . of_span('aaaaaaaaaaaaaaaa', $first[2] =~ s/16:32/16:34/r) . service_line('order-service', '35.000Z', 'unusable row', orderId => 7101),
    'product-service' => of_span('aaaaaaaaaaaaaaaa', $first[1]) . of_span('bbbbbbbbbbbbbbbb', $second[1]));
my $several = trace($trace_id)->{out};
my (%under, $heading);
for ($several =~ /^(?:request .*|  \d\d:.*)$/mg) {
    /^request \w  span (\w)\w{15}$/ ? ($heading = $1)
        : /^  \S+ +\d+  (\S+ +\S.*?)(?:  |$)/ ? push @{ $under{$heading} }, $1 =~ s/ +/ /gr : ();
}
my @way = ('gateway request received: POST /orders', 'order-service request received', 'order-service order stored',
    'product-service event order.created taken', 'gateway answered 201', 'product-service order decided',
    'order-service event order.updated taken', 'order-service order finished');
is_deeply(\%under, { a => [@way, 'order-service unusable row'], b => \@way,
    c => ['gateway request received: POST /orders', 'gateway answered 503'] },
    'several requests: each with its own events under its own heading, also when an id is used again') or diag $several;
like($several, qr/^order 7101 is .*, 2045 ms after its request came$/m, 'an order\'s time is from its own request on');
like($several, qr/^order 7102 is .*, 45 ms after its request came$/m, 'also the second one\'s');
like($several, qr/^request b: answered 503$/m, 'the summary says who was answered');
my @told = map { ($_->{spanId} // '-') =~ s/(\w)\w+/$1/r . " $_->{offsetMs}" } @{ $json->decode(trace('--json', $trace_id)->{out})->{events} };
is_deeply(\@told, ['a 0', 'a 2', 'a 22', 'a 26', 'a 30', 'a 35', 'b 1000', 'b 1002', 'b 1022', 'b 1026', 'b 1030', 'b 1035', 'c 1036', 'c 1037',
    'b 1043', 'b 1045', 'a 2043', 'a 2045', 'a 2895'], '--json: by time, each with its request') or diag "@told";
unlike(trace('a')->{out}, qr/^request a  span/m, 'one request needs no heading');

write_logs('gateway' => join '', map { gateway_line('32.150Z', "many-$_") } 1 .. 21);
my $many = trace($trace_id)->{out};
like($many, qr/^note: only the first 20 of 21 requests are shown$/m, 'more than 20 requests are cut, and it is said');
is(() = $many =~ /request received/g, 20, 'with their events');

# ---- causes stand before their effects ----

# The steps of request `c`, as "component event offset", when its lines were written at these times.
sub order_of {
    my (%at) = @_;
    my @lines = order_lines('c', 7201);
    my @times = ($at{stored} // '32.127Z', $at{decided} // '32.140Z', $at{finished} // '32.150Z');
    s/32\.\d+Z/shift @times/e for @lines;
    s/("us":)20000/$1$at{us}/ for grep { $at{us} } @lines;
    write_logs('gateway' => gateway_line($at{answered} // '32.135Z', 'c'),
        'order-service' => $at{more} // '' . $lines[0] . $lines[2], 'product-service' => $lines[1]);
    return map { "$_->{component} $_->{event} $_->{offsetMs}" } @{ $json->decode(trace('--json', 'c')->{out})->{events} };
}

my @steps_of_c = order_of(us => 23100);
is_deeply([@steps_of_c[0, 1]], ['gateway request received: POST /orders 0', 'order-service request received 0'],
    'a service\'s receipt, computed to be 2 ms before the gateway\'s, is at the gateway\'s');
@steps_of_c = order_of(us => 24100);
is_deeply([@steps_of_c[0, 1]], ['gateway request received: POST /orders 0', 'order-service request received -3'],
    'one that is 3 ms before it stands after it, with the time that it was computed to be');
@steps_of_c = order_of(answered => '32.126Z');
is($steps_of_c[3], 'gateway answered 201 30', 'an answer stands after what was answered')
    or diag join "\n", @steps_of_c;
@steps_of_c = order_of(decided => '32.120Z');
is_deeply([@steps_of_c[2, 3, 4]], ['order-service order stored 22', 'product-service event order.created taken 6',
    'product-service order decided 15'], 'a decision after its order; recorded times are never changed') or diag join "\n", @steps_of_c;
my @unordered = order_of(stored => '32.160Z', decided => '32.110Z', finished => '32.100Z', answered => '32.165Z');
is_deeply([map { s/ -?\d+\z//r } grep { !/answered/ } @unordered], [grep { !/answered/ } @way], 'whatever the clocks say');

# ---- numbers ----

write_logs('order-service' => service_line('order-service', '32.127Z', 'kinds', requestId => 'kinds', orderId => 7301, big => 123456789012345678,
    half => 0.5, zero => 0, minus => -3, text => '12', leading => '007', yes => JSON::PP::true, no => JSON::PP::false, nothing => undef, us => 1234)
    =~ s/\}$/,"endless":1e999}/r);
for my $id ('kinds', 'order:7301') {
    my $out = trace('--json', $id)->{out};
    my ($fields) = $out =~ /"fields" : \{(.*?)\}/s;
    is_deeply([sort map { s/^\s+|,$//gr } grep { /\S/ } split /\n/, $fields], [sort '"orderId" : 7301', '"big" : 123456789012345678', '"half" : 0.5',
        '"zero" : 0', '"minus" : -3', '"text" : "12"', '"leading" : "007"', '"yes" : true', '"no" : false', '"tookMs" : 1.2', '"endless" : "Inf"'],
        "--json: what is a number, a text or a boolean in the log is one in the report: $id") or diag $out;
    like($out, qr/"id" : 7301,/, 'also the order\'s id');
}

# ---- a request that no service saw ----

my %refused = (status => 400, validation => 'invalid', upstream => '', upstreamStatus => '', upstreamS => '', durationS => 0);
write_logs('gateway' => gateway_line('32.150Z', 'bad', %refused),
    'gateway.error' => gateway_line('32.150Z', 'bad', target => '/error-log'));
$result = trace('bad');
is($result->{status}, 0, 'a refused request is found');
like($result->{out}, qr/^answered 400 by the gateway; no service saw it \(validation: invalid\)$/m, 'and its end is told');
unlike($result->{out}, qr/error-log/, 'nginx\'s own log is not read');

write_logs('gateway' => gateway_line('32.150Z', 'bad', %refused, reason => '/quantity: must be >= 1'));
$result = trace('bad');
like($result->{out}, qr/^answered 400 by the gateway: \/quantity: must be >= 1; no service saw it$/m, 'with the first mistake, when the log has it');
like($result->{out}, qr/gateway +answered 400 +reason=\/quantity: must be >= 1$/m, 'also in the timeline');
write_logs('gateway' => gateway_line('32.150Z', 'bad', status => 404, upstreamStatus => '404', reason => 'Not found'));
like(trace('bad')->{out}, qr/^answered 404: Not found$/m, 'a refusal of a service is not called the gateway\'s');
write_logs('gateway' => gateway_line('32.150Z', 'bad', %refused, reason => '/quantity: must be >= 1'));
is($json->decode(trace('--json', 'bad')->{out})->{answers}[0]{reason}, '/quantity: must be >= 1', 'and in --json');

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
