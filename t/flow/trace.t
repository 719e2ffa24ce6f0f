#!/usr/bin/perl
# One id leads through everything: ./prodorder trace shows each stage of a request, and the W3C trace
# context goes with it, through HTTP, databases and events.
use strict;
use warnings;

use JSON::PP ();
use Time::HiRes qw(sleep time);

use Prodorder::Flow;

my $QUEUE = "trace-test-$$";
my $PARENT = '0af7651916cd43dd8448eb211c80319c';
my $json = JSON::PP->new->utf8;

# trace(ID): { status, report }; _run(OPTIONS, ID): what is printed.
sub trace {
    my ($id) = @_;
    my $said = _run('--json', $id);
    my $status = $? >> 8;
    return { status => $status, report => scalar eval { $json->decode($said) } };
}

sub _run {
    my (@arguments) = @_;
    open my $out, '-|', './prodorder', 'trace', @arguments or die "cannot run ./prodorder: $!";
    my $said = do { local $/; <$out> };
    close $out;
    return $said // '';
}

# The events as "component event", without what is different each time.
sub steps {
    my ($result) = @_;
    return map { "$_->{component} $_->{event}" } @{ $result->{report}{events} };
}

sub field {
    my ($result, $step, $name) = @_;
    my ($event) = grep { "$_->{component} $_->{event}" eq $step } @{ $result->{report}{events} };
    return $event && $event->{fields}{$name};
}

sub place {
    my ($id, $product, $quantity, %headers) = @_;
    return gateway(POST => '/orders', order_body($product, $quantity), { 'X-Request-Id' => $id, %headers });
}

my $product = new_product(qty => 100);
my $id = "trace-$$." . int(1e6 * rand);
rabbitmq(PUT => "/queues/%2F/$QUEUE", { auto_delete => JSON::PP::false, durable => JSON::PP::false, arguments => {} });
rabbitmq(POST => "/bindings/%2F/e/events/q/$QUEUE", { routing_key => '#' });

subtest 'an order' => sub {
    my $order = place($id, $product, 3)->{json}{data};
    finished($order);
    my $result = trace($id);
    is($result->{status}, 0, 'found');
    # The answer is on its way while the event is; a product is asked for only when it is not cached.
    my @steps = grep { !/product (?:asked for|fetched)|gateway answered/ } steps($result);
    is_deeply(\@steps, [
        'gateway request received: POST /orders',
        'order-service request received',
        'order-db row in orders: waiting',
        'order-service order stored',
        'product-service event order.created taken',
        'product-db row in stock_ledger: done',
        'product-service order decided',
        'order-service event order.updated taken',
        'order-service order finished',
    ], 'every stage, in order');
    is((grep { $_ eq 'gateway answered 201' } steps($result)), 1, 'and the answer');
    my @offsets = map { $_->{offsetMs} } @{ $result->{report}{events} };
    is_deeply(\@offsets, [sort { $a <=> $b } @offsets], 'offsets grow');
    is(field($result, $steps[0], 'operation'), 'createOrder', 'the operation');
    is(field($result, $steps[0], 'validation'), 'valid', 'the outcome of the validation');
    is(field($result, 'gateway answered 201', 'upstreamStatus'), '200', 'what the service answered');
    like(field($result, 'gateway answered 201', 'upstreamS'), qr/^\d+\.\d{3}$/, 'and how long it took');
    is(field($result, 'order-service order stored', 'orderId'), $order->{id}, 'the order');
    my ($placed) = @{ $result->{report}{orders} };
    is("$placed->{id} $placed->{status} $placed->{decided} $placed->{placedBy}", "$order->{id} done done $id", 'its end');
    is_deeply($result->{report}{notes}, [], 'nothing is missing');
    my ($trace) = @{ $result->{report}{traces} };
    like($trace->{trace}, qr/^[0-9a-f]{32}$/, 'it has a trace id');
    is_deeply([steps(trace($trace->{trace}))], [steps($result)], 'which leads to the same');
    is_deeply([steps(trace("order:$order->{id}"))], [steps($result)], 'as does the order');
    my $said = _run('--json', "order:$order->{id}");
    my @texts = grep { !/"upstream(?:S|Status)"/ } $said =~ /^ +("\w+" : "[0-9]+(?:\.[0-9]+)?"),?$/mg;
    is_deeply(\@texts, [], 'numbers are numbers, from logs and databases alike');
    my $text = _run($id);
    like($text, qr/^order $order->{id} is done, \d+ ms after its request came$/m, 'the text says how it ended');
    like($text, qr/product-db  outbox  empty/, 'and that no event waits');
};

subtest 'orders of one trace' => sub {
    my $shared = sprintf '%016x%016x', $$, 1 + int(1e9 * rand);
    my @ids = map { "$id-of-trace-$_" } 1 .. 5;
    my %order = map { $_ => place($_, $product, 1, traceparent => "00-$shared-b7ad6b7169203331-01")->{json}{data} } @ids;
    finished($_) for values %order;
    my $result = trace(uc $shared);
    is_deeply([sort @{ $result->{report}{requests} }], [sort @ids], 'all are found, by its id in upper case');
    my %steps;
    push @{ $steps{ $_->{requestId} } }, "$_->{component} $_->{event}" for @{ $result->{report}{events} };
    is_deeply([sort keys %steps], [sort @ids], 'each event names its request');
    for my $one (@ids) {
        is_deeply($steps{$one}, [steps(trace($one))], 'and these are those of its own trace');
        is_deeply([@{ $steps{$one} }[0, 1]], ['gateway request received: POST /orders', 'order-service request received'],
            'the gateway\'s receipt first');
    }
    my @headings = _run($shared) =~ /^request (\S+)  span [0-9a-f]{16}$/mg;
    is_deeply(\@headings, \@ids, 'the text has a heading for each');
};

subtest 'a rejected order' => sub {
    my $order = place("$id-rejected", $product, 1000)->{json}{data};
    finished($order);
    my $result = trace("$id-rejected");
    is(field($result, 'product-service order decided', 'reason'), 'out_of_stock', 'who decided says why');
    is(field($result, 'order-service order finished', 'reason'), 'out_of_stock', 'and who was told');
    is($result->{report}{orders}[0]{status}, 'rejected', 'the order is rejected');
    like(_run("$id-rejected"), qr/is rejected \(out_of_stock\), \d+ ms/, 'and the text says so');
};

subtest 'the same key again' => sub {
    my %key = ('Idempotency-Key' => "key-$id");
    my $order = place("$id-first", $product, 1, %key)->{json}{data};
    finished($order);
    is(place("$id-second", $product, 1, %key)->{json}{data}{id}, $order->{id}, 'the same order');
    my $result = trace("$id-second");
    is_deeply([steps($result)], ['gateway request received: POST /orders', 'order-service order answered again',
        'gateway answered 201'], 'was looked up, not placed');
    is(field($result, 'order-service order answered again', 'firstRequestId'), "$id-first", 'who placed it is named');
    is($result->{report}{orders}[0]{placedBy}, "$id-first", 'also in the summary');
    ok((grep { $_ eq 'order-service order answered again' } steps(trace("$id-first"))), 'the first one\'s trace shows the repetition');
};

subtest 'requests that are refused' => sub {
    is(place("$id-invalid", $product, 0)->{status}, 400, 'an invalid order');
    my $result = trace("$id-invalid");
    is_deeply([steps($result)], ['gateway request received: POST /orders', 'gateway answered 400'], 'reached no service');
    is(field($result, 'gateway request received: POST /orders', 'validation'), 'invalid', 'because it is invalid');
    is(field($result, 'gateway answered 400', 'reason'), '/quantity: must be >= 1', 'with what is wrong with it');
    like(_run("$id-invalid"), qr{^answered 400 by the gateway: /quantity: must be >= 1; no service saw it$}m, 'as the text says');

    is(place("$id-unknown", 999_999_999, 1)->{status}, 404, 'an order of an unknown product');
    $result = trace("$id-unknown");
    is(field($result, 'order-service request refused', 'message'), 'There is no such product', 'is refused by the order service');
    like(_run("$id-unknown"), qr/^answered 404: There is no such product$/m, 'as the summary says');
    is(field($result, 'order-service product fetched', 'outcome'), 'not_found', 'which asked the other one');
    is(field($result, 'product-service request refused', 'status'), 404, 'which logged the same id');

    is(order_service(POST => '/orders', '{"productId":1,"quantity":1,"secret-member":1}', { 'X-Request-Id' => "$id-direct" })->{status},
        400, 'an invalid order at the service itself');
    $result = trace("$id-direct");
    is_deeply([steps($result)], ['order-service request received', 'order-service request refused'], 'is in its log');
    unlike(join('', Prodorder::Stack::log_lines('order-service', 0)), qr/secret-member/, 'without words of its body');
};

subtest 'an id that nobody has' => sub {
    my $untraced = order_service(POST => '/orders', order_body($product, 1), { 'X-Request-Id' => "$id-untraced" })->{json};
    finished($untraced);
    is(sql_value(order => "SELECT length(traceparent) FROM orders WHERE id = $untraced->{id}"), 0, 'although there is an order without a trace');
    my $begin = time;
    open my $stderr, '>&', \*STDERR or die;
    open STDERR, '>', '/dev/null' or die;
    my $result = trace("$id-nobody");
    open STDERR, '>&', $stderr or die;
    is($result->{status}, 1, 'is not found');
    cmp_ok(time - $begin, '<', 15, 'in bounded time');
};

# ---- W3C trace context ----

# { type => event } of that request.
sub headers_of {
    my ($request) = @_;
    my %headers;
    wait_until('the events', 10, sub {
        my $messages = rabbitmq(POST => "/queues/%2F/$QUEUE/get",
            { count => 100, ackmode => 'ack_requeue_false', encoding => 'auto' });
        for my $event (grep { ($_->{requestid} // '') eq $request } events_of(@$messages)) {
            $headers{ $event->{type} } = $event;
        }
        keys %headers == 3;
    });
    return \%headers;
}

for my $case (
    ['of one field', ['k1=v1,tenant@sys=v 2'], 'k1=v1,tenant@sys=v 2'],
    ['with white space', ["a=1 \t, b=2,,"], 'a=1,b=2'],
    ['of 512 characters', ['a=' . 'x' x 254 . ',b=' . 'y' x 253], 'a=' . 'x' x 254 . ',b=' . 'y' x 253],
    ['of 513 characters', ['a=' . 'x' x 254 . ',b=' . 'y' x 254], 'a=' . 'x' x 254],
    ['that is malformed', ['a=1,NOT'], undef],
    ['that is absent', [], undef],
) {
    my ($name, $sent, $carried) = @$case;
    subtest "a tracestate $name" => sub {
        my $request = "$id-state-" . $name =~ s/\W+/-/gr;
        my $answer = place($request, $product, 1, traceparent => "00-$PARENT-b7ad6b7169203331-01",
            (@$sent ? (tracestate => $sent->[0]) : ()));
        my $order = $answer->{json}{data};
        finished($order);
        is(sql_value(order => "SELECT coalesce(tracestate, 'NULL') FROM orders WHERE id = $order->{id}"),
            $carried // 'NULL', 'is stored with the order');
        my $headers = headers_of($request);
        for my $key (qw(order.created order.updated product.updated)) {
            like($headers->{$key}{traceparent}, qr/^00-$PARENT-[0-9a-f]{16}-01$/, "$key: traceparent");
            is($headers->{$key}{tracestate}, $carried, "$key: tracestate");
        }
    };
}

subtest 'a tracestate without a valid traceparent' => sub {
    my $order = order_service(POST => '/orders', order_body($product, 1), { 'X-Request-Id' => "$id-alone",
        traceparent => "00-$PARENT-0000000000000000-01", tracestate => 'a=1' })->{json};
    is(sql_value(order => "SELECT traceparent || coalesce(tracestate, 'NULL') FROM orders WHERE id = $order->{id}"), 'NULL',
        'is dropped with it');
    my $headers = headers_of("$id-alone");
    ok(!(grep { defined $_->{traceparent} || defined $_->{tracestate} } values %$headers), 'in every event');
};
rabbitmq(DELETE => "/queues/%2F/$QUEUE");

# ---- off the usual way ----

subtest 'an order while the broker is away' => sub {
    my $back = Prodorder::Stack::away('rabbitmq', 'stopped');
    my $order = place("$id-waits", $product, 1)->{json}{data};
    my $result = trace("$id-waits");
    is($result->{report}{orders}[0]{status}, 'waiting', 'waits');
    ok((grep { $_ eq 'order-service event waits for the broker' } steps($result)), 'because of the broker, says the log');
    is((grep { $_->{table} eq 'orders' && $_->{fields}{status} eq 'waiting' } @{ $result->{report}{stored} }),
        1, 'its row says that it must still be told');
    like(join(' ', @{ $result->{report}{notes} }), qr/rabbitmq does not run/, 'and that is because it does not run');
    like(_run("$id-waits"), qr/^order $order->{id} is waiting$/m, 'the text says so too');
    $back->();
    finished($order);
    $result = trace("$id-waits");
    ok((grep { $_ eq 'order-service order told again' } steps($result)), 'it was told again');
    is($result->{report}{orders}[0]{status}, 'done', 'and the order is done');
};

subtest 'an order while the product database is away' => sub {
    my $back = Prodorder::Stack::away('product-db', 'stopped');
    my $order = place("$id-retried", $product, 1)->{json}{data};
    my $result;
    wait_until('a retry', 10, sub {
        $result = trace("$id-retried");
        grep { $_ eq 'product-service event waits for a retry' } steps($result);
    });
    like(field($result, 'product-service event waits for a retry', 'messageId'), qr/^order\.created-$order->{id}-\d+$/, 'its event is retried');
    is($result->{report}{orders}[0]{status}, 'waiting', 'it waits');
    # How many messages a quorum queue has is told at its ticks only.
    ok(eval { wait_until('its queue', 5, sub {
        grep { $_->{queue} eq 'order.created.product-service' && $_->{messages} > 0 } @{ trace("$id-retried")->{report}{queues} } }) },
        'the event is still in the queue');
    sleep 3;
    $back->();
    finished($order);
    is((grep { $_ eq 'product-service event waits for a retry' } steps(trace("$id-retried"))), 1, 'repetitions are not logged one by one');
};

subtest 'an event that is no event' => sub {
    rabbitmq(POST => '/exchanges/%2F/events/publish', { routing_key => 'order.created', payload => 'no JSON', payload_encoding => 'string',
        properties => { correlation_id => "$id-parked", message_id => 'm-1', headers => {} } });
    wait_until('it is parked', 10, sub { (Prodorder::Stack::queued()->{'order.created.product-service.dlq'} // 0) > 0 });
    my $result = trace("$id-parked");
    is(field($result, 'product-service event parked in the dead-letter queue', 'detail'), 'the data is not a JSON object',
        'is in the dead letters, with the reason');
    rabbitmq(DELETE => '/queues/%2F/order.created.product-service.dlq/contents');
};
expect_errors(qr/event parked in the dead-letter queue/);

subtest 'the databases stopped' => sub {
    my @back = map { Prodorder::Stack::away($_, 'stopped') } qw(order-db product-db);
    my $result = trace($id);
    is($result->{status}, 0, 'the logs are enough');
    is($result->{report}{orders}[0]{status}, 'done', 'for the end of the order too');
    like(join(' ', @{ $result->{report}{notes} }), qr/order-db does not run.*product-db does not run/, 'what is missing is said');
    $_->() for @back;
};

check_rest();
flow_done();
