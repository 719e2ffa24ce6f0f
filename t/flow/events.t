#!/usr/bin/perl
# asyncapi.json and what RabbitMQ really has: the exchange and the queues, every message that the services send, the
# forms in which other programs may send theirs, and a dead letter.
use strict;
use warnings;

use JSON::PP ();

use Prodorder::Events;
use Prodorder::Flow;

my $QUEUE = "events-test-$$";
my $TAKEN = 'order.created.product-service';
my $json = JSON::PP->new->utf8->canonical;
my $document = $json->decode(gateway(GET => '/asyncapi.json')->{body});
my $events = Prodorder::Events->new($document);

# An order database never gets so far; and none of these was used before.
my $next_order = 4_000_000_000_000_000 + time * 1000;

rabbitmq(PUT => "/queues/%2F/$QUEUE", {
    durable => JSON::PP::false, auto_delete => JSON::PP::false, arguments => { 'x-expires' => 600_000 } });
rabbitmq(POST => "/bindings/%2F/e/events/q/$QUEUE", { routing_key => '#' });

my (@messages, %heard);    # all that came to our queue; its events, by type

# hear(WHAT, CODE): take messages from the queue until CODE is true
sub hear {
    my ($what, $code) = @_;
    return wait_until($what, 20, sub {
        my $more = rabbitmq(POST => "/queues/%2F/$QUEUE/get", { count => 1000, ackmode => 'ack_requeue_false', encoding => 'auto' });
        push @messages, @$more;
        for my $message (@$more) {
            push @{ $heard{ $_->{type} } }, $_ for grep { ref } eval { events_of($message) };
        }
        return $code->();
    });
}

sub outcome_of {
    my ($id) = @_;
    my ($outcome) = grep { $_->{data}{orderId} == $id } @{ $heard{'order.updated'} // [] };
    return $outcome;
}

# ---- exchange and queues ----

sub is_same {
    my ($what, $wanted, $found, @members) = @_;
    is_deeply({ map { $_ => $found->{$_} ? 1 : 0 } @members }, { map { $_ => $wanted->{ s/_d/D/r } ? 1 : 0 } @members }, $what);
    return;
}

my $exchange = $document->{channels}{events}{bindings}{amqp}{exchange};
my $found = rabbitmq(GET => "/exchanges/%2F/$exchange->{name}");
is($found->{type}, $exchange->{type}, 'the exchange has its type');
is_same('and is as the document says', $exchange, $found, qw(durable auto_delete));
my $queues = $events->queues;
cmp_ok(scalar keys %$queues, '>=', 8, 'the document has queues');
for my $name (sort keys %$queues) {
    is_same("$name is as the document says", $queues->{$name}{bindings}{amqp}{queue}, rabbitmq(GET => "/queues/%2F/$name"),
        qw(durable exclusive auto_delete));
    my @keys = map { $_->{routing_key} } @{ rabbitmq(GET => "/bindings/%2F/e/$exchange->{name}/q/$name") };
    my ($type) = $name =~ /^(\w+\.\w+)\./;
    is_deeply(\@keys, $name =~ /\.(?:dlq|retry)$/ ? [] : [$type], "$name is bound with its type, dead letters with nothing");
}

# ---- what is sent ----

my $product = gateway(POST => '/products', '{"name":"Lamp \u00e9 \"x\"","price":12.5,"qty":1000}',
    { traceparent => '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate => 'vendor=value' })->{json}{data};
my @orders = map { order_ok($product, $_) } 1, 1_000_000;
finished($_) for @orders;
gateway(PATCH => "/products/$product->{id}", '{"price":13.75}');
hear('all events', sub {
    my ($last) = grep { $_->{data}{id} == $product->{id} && $_->{data}{price} == 13.75 } @{ $heard{'product.updated'} // [] };
    return $last && !grep { !outcome_of($_->{id}) } @orders;
});
is_deeply([map { outcome_of($_->{id})->{data}{status} } @orders], [qw(done rejected)], 'an order is done, one is rejected');
is(gateway(POST => "/orders/$orders[0]{id}/cancel")->{status}, 200, 'the first is cancelled');
hear('its cancellation', sub {
    my %at = map { $_ => scalar grep { $_->{data}{orderId} == $orders[0]{id} && ($_->{data}{status} // 'cancelled') eq 'cancelled' } @{ $heard{$_} // [] } }
        qw(order.cancelled order.updated);
    return $at{'order.cancelled'} && $at{'order.updated'};
});

my %message = map { $_->{name} => $_ } values %{ $events->messages };
my $send = $document->{components}{operationBindings}{send}{amqp};
my %instances;
for my $sent (@messages) {
    my ($key, $properties) = @$sent{qw(routing_key properties)};
    my $described = $message{$key};
    ok($described, "$key is described") or next;
    is($sent->{exchange}, $exchange->{name}, "$key comes from the exchange");
    is($properties->{content_type}, $described->{contentType}, "$key: its content type");
    is($properties->{type}, $described->{bindings}{amqp}{messageType}, "$key: its type");
    is($properties->{app_id}, $described->{'x-app-id'}, "$key: its app_id");
    is($properties->{delivery_mode}, $send->{deliveryMode}, "$key: its delivery mode");
    ok($properties->{timestamp}, "$key: its timestamp");
    utf8::encode(my $payload = $sent->{payload});
    push @{ $instances{$key} }, [$key, $payload];
    is_deeply([$events->data_mistakes($key, $json->decode($payload))], [], "$key: the data is as its dataschema says");
}
is_deeply([sort keys %instances], $document->{components}{schemas}{Type}{enum}, 'messages of every type came');
is_deeply([$events->judge($message{$_}{payload}, $instances{$_})], [], "$_: the messages are as the document says")
    for sort keys %instances;

# ---- what is taken ----

# publish(TYPE, BODY, HEADERS, PROPERTIES)
sub publish {
    my ($type, $body, $headers, %properties) = @_;
    my $answer = rabbitmq(POST => '/exchanges/%2F/events/publish', { routing_key => $type, payload => $json->encode($body),
        payload_encoding => 'string', properties => { %properties, headers => $headers // {} } });
    ok($answer->{routed}, 'it has found its queue');
    return;
}

# ours(DATA): of an order that is new, of our product
sub ours {
    my ($data) = @_;
    return { %$data, orderId => ++$next_order, productId => $product->{id}, createdAt => $data->{createdAt} };
}

# is_taken(WHAT, ID, REQUEST ID, QUANTITY): it has become an order.updated
sub is_taken {
    my ($what, $id, $request_id, $quantity) = @_;
    hear("an outcome of $what", sub { outcome_of($id) });
    my $outcome = outcome_of($id);
    is_deeply([@{ $outcome->{data} }{qw(status quantity)}, $outcome->{requestid}], ['done', $quantity, $request_id], "$what is taken");
    return;
}

for my $name (qw(structuredEvents binaryEvent bareData)) {
    for my $example (@{ $events->messages->{$name}{examples} }) {
        my ($body, $headers) = ($example->{payload}, $example->{headers} // {});
        my $data = ours($body->{data} // $body);
        my $request_id = $body->{requestid} // $headers->{'cloudEvents:requestid'} // $body->{requestId};
        publish('order.created', $body->{data} ? { %$body, data => $data } : $data, $headers);
        is_taken("$name, '$example->{name}'", $data->{orderId}, $request_id, $data->{quantity});
        next if $name ne 'binaryEvent';
        my %other = map { s/:/_/r => $headers->{$_} } keys %$headers;
        $data = ours($data);
        publish('order.created', $data, \%other);
        is_taken("$name, '$example->{name}', the other prefix", $data->{orderId}, $request_id, $data->{quantity});
    }
}
my ($lone) = map { $_->{payload} } @{ $events->messages->{structuredEvents}{examples} };
my @batch = map { { %$lone, id => "$lone->{id}-$_", data => ours($lone->{data}) } } 1, 2;
publish('order.created', \@batch);
is_taken('a batch of another program', $_->{data}{orderId}, $lone->{requestid}, $_->{data}{quantity}) for @batch;

# Bare data without one of its members: the document says which may be missing.
my %taken = ('order.created' => 'TakenOrderCreated', 'order.updated' => 'TakenOrderUpdated',
    'product.created' => 'TakenProduct', 'product.updated' => 'TakenProduct');
for my $type (sort keys %taken) {
    my $schema = $document->{components}{schemas}{ $taken{$type} };
    my $data = $message{$type}{examples}[0]{payload}[0]{data};
    my ($queue) = grep { /^\Q$type\E\.[\w-]+$/ } keys %$queues;
    for my $member (sort keys %{ $schema->{properties} }) {
        my %without = (%{ ours($data) }, requestId => 'shop-5000');
        $without{id} = $without{orderId} if $type =~ /^product/;
        delete $without{$member};
        publish($type, \%without, undef, message_id => $member);
    }
    wait_until("$type: all are judged", 20, sub { !Prodorder::Stack::queued()->{$queue} });
    my $parked = rabbitmq(POST => "/queues/%2F/$queue.dlq/get", { count => 100, ackmode => 'ack_requeue_false', encoding => 'auto' });
    is_deeply([sort map { $_->{properties}{message_id} } @$parked], [sort @{ $schema->{required} }],
        "$type: what lacks a member that is required is parked, and nothing else");
}

# ---- a dead letter ----

my $letter = $events->messages->{deadLetter};
my ($example) = @{ $letter->{examples} };
my $good = { %$lone, id => "$lone->{id}-good", data => ours($lone->{data}) };
publish('order.created', [@{ $example->{payload} }, $good]);
is_taken('its neighbour', $good->{data}{orderId}, $lone->{requestid}, $good->{data}{quantity});
wait_until('it is parked', 10, sub { Prodorder::Stack::queued()->{"$TAKEN.dlq"} });
my $parked = rabbitmq(POST => "/queues/%2F/$TAKEN.dlq/get", { count => 10, ackmode => 'ack_requeue_false', encoding => 'auto' });
is(scalar @$parked, 1, 'what can never succeed is parked, alone');
my $headers = $parked->[0]{properties}{headers};
is_deeply([$events->judge($letter->{headers}, [['the headers', $json->encode($headers)]])], [], 'its headers are as the document says');
is_deeply([@$headers{qw(x-prodorder-reason x-prodorder-detail x-prodorder-queue)}],
    [@{ $example->{headers} }{qw(x-prodorder-reason x-prodorder-detail x-prodorder-queue)}],
    'and say what the example says');
is_deeply($json->decode($parked->[0]{payload}), $example->{payload}, 'it is a batch of one');
is($parked->[0]{properties}{delivery_mode}, 2, 'and persistent');
expect_errors(qr/event parked in the dead-letter queue/);

# The order-service does not have the orders of other programs: it says so, and goes on.
expect_errors(qr/an outcome of an order that is not here/);
check_rest();
rabbitmq(DELETE => "/queues/%2F/$QUEUE");
flow_done();
