#!/usr/bin/perl
# One order, end to end: accepted, decided, told, and to be found in every log, row and event afterwards.
use strict;
use warnings;

use JSON::PP qw(decode_json);

use Prodorder::Flow;

my $TIME = qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
my $UUID = qr/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
my $REQUEST_ID = "flow-$$-" . time;
my $TRACE_ID = sprintf '%016x%016x', $$, time;
my $QUEUE = "flow-test-$$";

# A queue of our own beside the services', deleted by the broker when we forget it.
rabbitmq(PUT => "/queues/%2F/$QUEUE", {
    durable => JSON::PP::false, auto_delete => JSON::PP::false, arguments => { 'x-expires' => 600_000 } });
rabbitmq(POST => "/bindings/%2F/e/events/q/$QUEUE", { routing_key => '#' });

my $product = new_product(qty => 10, price => '19.99', name => 'End to end');

my $answer = gateway(POST => '/orders', order_body($product, 3),
    { 'X-Request-Id' => $REQUEST_ID, traceparent => "00-$TRACE_ID-00f067aa0ba902b7-01" });
my $order = $answer->{json}{data};
my $done = finished($order);

subtest 'the answer' => sub {
    is($answer->{status}, 201, 'an accepted order is answered with 201');
    is($answer->{headers}{location}, "/orders/$order->{id}", 'Location names the order');
    like($answer->{headers}{'content-type'}, qr{^application/json\b}, 'it is JSON');
    is($answer->{headers}{'x-request-id'}, $REQUEST_ID, 'the request id is echoed');
    is(join(' ', sort keys %{ $answer->{json} }), 'data path requestId statusCode timestamp',
        'the envelope has its five members');
    is($answer->{json}{statusCode}, 201, 'the envelope says 201 too');
    is($answer->{json}{path}, '/orders', 'the envelope has the path');
    is($answer->{json}{requestId}, $REQUEST_ID, 'the envelope has the request id');
    like($answer->{json}{timestamp}, $TIME, 'the timestamp is RFC 3339, UTC, with milliseconds');
};

subtest 'the order' => sub {
    is(join(' ', sort keys %$order),
        'createdAt id productId quantity reason requestId status totalPrice unitPrice updatedAt',
        'an order has exactly the members of the contract');
    like($order->{id}, qr/^[1-9]\d*$/, 'its id is a positive integer');
    is($order->{productId}, $product->{id}, 'it names its product');
    is($order->{quantity}, 3, 'it has the quantity');
    is($order->{status}, 'waiting', 'it waits at first');
    is($order->{reason}, undef, 'without a reason');
    like($answer->{body}, qr/"unitPrice":19\.99,"totalPrice":59\.97,/, 'its prices are exact');
    like($order->{createdAt}, $TIME, 'its creation time is RFC 3339, UTC, with milliseconds');
    is($order->{updatedAt}, $order->{createdAt}, 'it has not been changed yet');
    is($order->{requestId}, $REQUEST_ID, 'the request id is stored with it');
};

subtest 'its end' => sub {
    is($done->{status}, 'done', 'it becomes done');
    is($done->{reason}, undef, 'still without a reason');
    ok($done->{updatedAt} ge $done->{createdAt}, 'the time of its change does not precede its creation');
    my %before = (%$order, status => 'done', updatedAt => $done->{updatedAt});
    is_deeply($done, \%before, 'nothing else of it has changed');
    is(product_now($product)->{qty}, 7, 'the stock has fallen by exactly the quantity');
    is(gateway(GET => "/orders/product/$product->{id}")->{json}{data}[0]{status}, 'done', 'the list shows it as done');
};

subtest 'a request id of ours' => sub {
    my $other = gateway(POST => '/orders', order_body($product, 1));
    like($other->{headers}{'x-request-id'}, $UUID, 'a request without an id gets one');
    is($other->{json}{data}{requestId}, $other->{headers}{'x-request-id'}, 'which is stored with the order');
    my $bad = gateway(POST => '/orders', order_body($product, 1), { 'X-Request-Id' => 'not an id' });
    like($bad->{headers}{'x-request-id'}, $UUID, 'an id with a space is replaced');
    finished($_->{json}{data}) for $other, $bad;
};

check_rest();

subtest 'the traces that it leaves' => sub {
    is(sql_value(order => "SELECT request_id FROM orders WHERE id = $order->{id}"), $REQUEST_ID,
        'the order row has the request id');
    is(sql_value(product => "SELECT request_id FROM stock_ledger WHERE order_id = $order->{id}"), $REQUEST_ID,
        'the ledger row has the request id');
    for my $name (qw(gateway order-service product-service)) {
        my @lines;
        wait_until("the log of $name", 3, sub { # the gateway's is written once a second
            @lines = grep { /"requestId":"\Q$REQUEST_ID\E"/ } Prodorder::Stack::log_lines($name);
        });
        ok(@lines > 0, "the log of $name has the request id");
        is(scalar(grep { eval { decode_json($_); 1 } } @lines), scalar @lines, "in lines of JSON ($name)");
    }
};

subtest 'its events' => sub {
    my $messages = rabbitmq(POST => "/queues/%2F/$QUEUE/get",
        { count => 100, ackmode => 'ack_requeue_false', encoding => 'auto' });
    my %event;
    for my $event (grep { ($_->{requestid} // '') eq $REQUEST_ID } events_of(@$messages)) {
        push @{ $event{ $event->{type} } }, $event;
    }
    is(join(' ', map { "$_:" . @{ $event{$_} } } sort keys %event),
        'order.created:1 order.updated:1 product.updated:1', 'each event is sent once');
    for my $message (@$messages) {
        my $properties = $message->{properties};
        my $key = $message->{routing_key};
        is($properties->{content_type}, 'application/cloudevents-batch+json', "$key is a batch of CloudEvents");
        is($properties->{delivery_mode}, 2, "$key is persistent");
        is($properties->{type}, $key, "$key: its type is the routing key");
        is($properties->{app_id}, $key eq 'order.created' ? 'order-service' : 'product-service', "$key: its app_id is the service");
    }
    my %members = (
        'order.created' => ['createdAt orderId productId quantity status', '/order-service', "orders/$order->{id}"],
        'order.updated' => ['createdAt orderId productId quantity reason status updatedAt', '/product-service', "orders/$order->{id}"],
        'product.updated' => ['createdAt id name price qty updatedAt version', '/product-service', "products/$product->{id}"],
    );
    for my $key (sort keys %members) {
        my $event = $event{$key}[0] or next;
        my ($members, $source, $subject) = @{ $members{$key} };
        is(join(' ', sort keys %{ $event->{data} }), $members, "$key: its data has exactly the members of the contract");
        is(join(' ', sort grep { $_ ne 'tracestate' } keys %$event),
            'data datacontenttype dataschema id requestid source specversion subject time traceparent type',
            "$key has the attributes of the contract");
        is($event->{specversion}, '1.0', "$key: CloudEvents 1.0");
        is($event->{source}, $source, "$key: its source");
        is($event->{subject}, $subject, "$key: its subject");
        is($event->{datacontenttype}, 'application/json', "$key: its data is JSON");
        is($event->{dataschema}, "/asyncapi.json#/components/schemas/$key", "$key: its schema");
        like($event->{id}, qr/^\Q$key\E-\d+-/, "$key has an id");
        like($event->{traceparent}, qr/^00-$TRACE_ID-[0-9a-f]{16}-[0-9a-f]{2}$/, "$key continues the trace");
        like($event->{time}, $TIME, "$key has a time");
    }
    my ($created, $updated) = map { $event{$_}[0]{data} // {} } qw(order.created order.updated);
    is_deeply([@$created{qw(orderId productId quantity status createdAt)}],
        [@$order{qw(id productId quantity)}, 'waiting', $order->{createdAt}], 'order.created is the order as accepted');
    is_deeply([@$updated{qw(orderId createdAt productId quantity status reason updatedAt)}],
        [@$order{qw(id createdAt productId quantity)}, 'done', undef, $done->{updatedAt}], 'order.updated is its outcome');
    is($event{'product.updated'}[0]{data}{qty}, 7, 'product.updated has the new stock');
};
rabbitmq(DELETE => "/queues/%2F/$QUEUE");

check_orders($product, [$order->{id}]);
check_caches($product);
flow_done();
