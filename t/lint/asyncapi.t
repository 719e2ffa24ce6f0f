#!/usr/bin/perl
# asyncapi.json: as AsyncAPI's own parser sees it, its examples beside its schemas, and its names and limits beside the
# code's and beside those of openapi.json. What the services really send and take: t/flow/events.t.
use strict;
use warnings;

use JSON::PP;

use Prodorder::Control;
use Prodorder::Events;
use Prodorder::Npm;

Prodorder::Npm::need('t/lint');

my $json = JSON::PP->new->utf8->canonical;
my $text = read_file('asyncapi.json');
my $events = Prodorder::Events->new($json->decode($text));
my $document = $events->{document};

# changed(CODE): the document, after a change
sub changed {
    my ($change) = @_;
    my $copy = $json->decode($text);
    $change->($copy);
    return $copy;
}

# ---- AsyncAPI's own rules ----

# lint(FILE...): a line for each mistake
sub lint {
    my ($said, $status) = said('node', 't/lint/asyncapi.mjs', @_);
    is($status, 0, 'the parser has looked') or diag $said;
    return split /\n/, $said;
}

is_deeply([lint('asyncapi.json')], [], 'asyncapi.json breaks no rule of AsyncAPI');

# The rules are there: each of these mistakes is found.
my %mistake = (
    'an unknown version'             => [qr/asyncapi-is-asyncapi/, sub { $_[0]{asyncapi} = '4.0.0' }],
    'a member that there is not'     => [qr{document-resolved /channels/events}, sub { $_[0]{channels}{events}{adress} = 'x' }],
    'a reference that leads nowhere' => [qr{invalid-ref /.*orderCreated}, sub { $_[0]{channels}{events}{messages}{orderCreated}{'$ref'} .= 's' }],
    'a reference to another machine' => [qr{invalid-ref .*it is not in the document},
        sub { $_[0]{channels}{events}{messages}{orderCreated}{'$ref'} = 'http://127.0.0.1:9/asyncapi.json' }],
    'an action that there is not'    => [qr{/operations/sendOrderCreated/action}, sub { $_[0]{operations}{sendOrderCreated}{action} = 'publish' }],
    'a binding that there is not'    => [qr{/channels/events/bindings}, sub { $_[0]{channels}{events}{bindings}{amqp}{exchange}{type} = 'tropic' }],
    'a schema that is none'          => [qr{/components/schemas/Id}, sub { $_[0]{components}{schemas}{Id}{type} = 'intger' }],
    'an unknown parameter'           => [qr{asyncapi3-channel-parameters}, sub { $_[0]{channels}{events}{address} = '{key}' }],
    'a message of another channel'   => [qr{asyncapi3-operation-messages-from-referred-channel},
        sub { $_[0]{operations}{sendOrderCreated}{messages}[0]{'$ref'} = '#/channels/orderCreatedQueue/messages/orderCreated' }],
);
my $dir = scratch();
my %file = map { $_ => "$dir/" . (s/ /-/gr) . '.json' } keys %mistake;
write_file($file{$_}, $json->encode(changed($mistake{$_}[1]))) for keys %mistake;
my @found = lint(values %file);
for my $what (sort keys %mistake) {
    like(join("\n", grep { /^\Q$file{$what}\E: / } @found), $mistake{$what}[0], "found: $what");
}

# unused(DOCUMENT): the components that no reference leads to
sub unused {
    my ($it) = @_;
    my %used = map { $_ => 1 } $json->encode($it) =~ m{"\$ref":"(#[^"]+)"}g;
    return grep { !$used{$_} } map { my $kind = $_; map { "#/components/$kind/$_" } sort keys %{ $it->{components}{$kind} } }
        sort keys %{ $it->{components} };
}

is_deeply([unused($document)], [], 'every component is used');
is_deeply([unused(changed(sub { $_[0]{components}{schemas}{Unused} = { type => 'string' } }))], ['#/components/schemas/Unused'],
    'found: one that is not');

# ---- examples ----

is_deeply([$events->example_mistakes(sort keys %{ $events->messages })], [], 'its examples are as its schemas say, by our own engine');

# [the message, what is wrong with its example, what is said about it, how it comes about]
my @wrong = (
    [productUpdated => 'there is none', qr{^productUpdated: it has no example}, sub { $_[0]{examples} = [] }],
    [deadLetter => 'no headers', qr{an example has no headers}, sub { delete $_[0]{examples}[0]{headers} }],
    [deadLetter => 'wrong headers', qr{headers of .*x-prodorder-time}, sub { delete $_[0]{examples}[0]{headers}{'x-prodorder-time'} }],
    [binaryEvent => 'no type', qr{headers of .*cloudEvents:type}, sub { delete $_[0]{examples}[0]{headers}{'cloudEvents:type'} }],
    [orderCreated => 'an empty batch', qr{payload of .*item}, sub { $_[0]{examples}[0]{payload} = [] }],
    [orderCreated => '1001 events', qr{payload of .*1000}, sub { $_ = [($_->[0]) x 1001] for $_[0]{examples}[0]{payload} }],
    map({ my ($message, $what, $pattern, $change) = @$_;
        [$message, $what, $pattern, sub { $change->($_[0]{examples}[0]{payload}) }] }
        [orderCreated => 'another source', qr{/0/source}, sub { $_[0][0]{source} = '/product-service' }],
        [orderUpdated => 'another type', qr{/0/type}, sub { $_[0][0]{type} = 'order.created' }],
        [orderUpdated => 'no schema of its data', qr{no schema is at .*updateds}, sub { $_[0][0]{dataschema} .= 's' }],
        [orderCreated => 'a state without a trace', qr{/0 .*traceparent}, sub { delete $_[0][0]{traceparent} }],
        [orderCreated => 'a time with an offset', qr{/0/time}, sub { $_[0][0]{time} =~ s/Z$/+00:00/ }],
        [orderCreated => 'a day that there is not', qr{/0/data/createdAt}, sub { $_[0][0]{data}{createdAt} =~ s/-11-22/-02-30/ }],
        [orderCreated => 'too many pieces', qr{/0/data/quantity}, sub { $_[0][0]{data}{quantity} = 1_000_001 }],
        [orderUpdated => 'done for a reason', qr{/0/data/reason}, sub { $_[0][0]{data}{reason} = 'out_of_stock' }],
        [orderUpdated => 'rejected for none', qr{/1/data/reason}, sub { $_[0][1]{data}{reason} = undef }],
        [productUpdated => 'a third decimal', qr{/0/data/price}, sub { $_[0][0]{data}{price} = 1.001 }],
        [structuredEvents => 'no id', qr{payload of}, sub { delete $_[0]{id} }],
        [bareData => 'no order', qr{payload of}, sub { delete $_[0]{orderId} }],
    ),
);
for my $case (@wrong) {
    my ($message, $what, $pattern, $change) = @$case;
    my @mistakes = Prodorder::Events->new(changed(sub { $change->($_[0]{components}{messages}{$message}) }))
        ->example_mistakes($message);
    like(join("\n", @mistakes), qr/$pattern/m, "found in an example of $message: $what");
}

# ---- names and limits: the code's ----

my %source = map { $_ => read_file("services/$_") } qw(contract/contract.h contract/contract.c runtime/messages/event.h runtime/broker/broker.h runtime/broker/broker.c);
my %defined = map { $source{$_} =~ /^#define (\w+) +(.*?)(?: *\/\*.*)?$/mg } grep { /\.h$/ } keys %source;
my %limit = map { $source{$_} =~ /^ +(\w+) = (\d+),/mg } grep { /\.h$/ } keys %source;

# value(NAME): of a macro, which is made of strings and other macros
sub value {
    my ($name) = @_;
    my $parts = $defined{$name} // die "$name is not defined\n";
    return $1 if $parts =~ /^INT64_C\((\d+)\)$/;
    return join '', map { /^"(.*)"$/ ? $1 : value($_) } split / +/, $parts;
}

sub names { return sort map { value($_) } grep { /^$_[0]/ } keys %defined }

my $schemas = $document->{components}{schemas};
my @types = names('KEY_');
cmp_ok(scalar @types, '>=', 4, 'the code has types of events');
is_deeply($schemas->{Type}{enum}, \@types, 'the types are the routing keys of contract.h');
is_deeply([grep { /\./ } sort keys %$schemas], \@types, 'each has a schema of its name');
is_deeply($document->{channels}{events}{parameters}{routingKey}{enum}, \@types, 'and is a routing key of the exchange');
is($document->{channels}{events}{bindings}{amqp}{exchange}{name}, value('EXCHANGE_EVENTS'), 'the exchange');
my @queues = names('QUEUE_');
my @retried = grep { /^order\./ } @queues;
is_deeply([sort keys %{ $events->queues }], [sort @queues, map({ "$_.dlq" } @queues), map { "$_.retry" } @retried],
    'the queues, each with its dead letters, two with what is set aside');
is_deeply([map { $events->queues->{$_}{bindings}{amqp}{queue}{name} } @queues], \@queues, 'of the same names');
is_deeply($events->messages->{deadLetter}{headers}{properties}{'x-prodorder-queue'}{enum}, \@queues, 'which a dead letter names');
is_deeply($events->messages->{setAside}{headers}{properties}{'x-prodorder-queue'}{enum}, \@retried, 'or what is set aside');
is_deeply($schemas->{CloudEvent}{properties}{source}{enum}, [names('SOURCE_')], 'the sources');
is($document->{defaultContentType}, value('EVENT_CONTENT_TYPE'), 'the content type');
my %header = map { $_ => 1 } $source{'runtime/broker/broker.c'} =~ /"(x-prodorder-\w+)"/g;
is_deeply([sort keys %{ $events->messages->{deadLetter}{headers}{properties} }], [sort keys %header], 'the headers of dead letters');
$header{ value('BROKER_ATTEMPTS_HEADER') } = 1;
delete $header{'x-prodorder-detail'};
is_deeply([sort keys %{ $events->messages->{setAside}{headers}{properties} }], [sort keys %header], 'and of what is set aside');

# strings(ARRAY): those of a table in contract.c
sub strings {
    my ($table) = $source{'contract/contract.c'} =~ /\b$_[0]\[\w+\] = \{(.*?)\};/s or die "$_[0] is not there\n";
    return $table =~ /"(\w+)"/g;
}

is_deeply([grep { $_ ne 'waiting' } strings('STATUS_NAMES')], $schemas->{Outcome}{enum}, 'how an order ends');
is_deeply([strings('REASON_NAMES'), undef], $schemas->{Reason}{enum}, 'why it was rejected');

is($schemas->{Batch}{maxItems}, $limit{EVENT_COUNT_MAX}, 'the most events of a message');
is($schemas->{CloudEvent}{properties}{id}{maxLength}, $limit{EVENT_ID_BYTES_MAX}, 'the longest id');
is($schemas->{Quantity}{maximum}, value('ORDER_QUANTITY_MAX'), 'the most pieces of an order');
is($schemas->{Stock}{maximum}, value('STOCK_QTY_MAX'), 'the most pieces of a product');
is($schemas->{Price}{maximum} * 100, value('PRICE_CENTS_MAX'), 'the highest price');
my %setting = read_file('services/order/.env.example') =~ /^(EVENT\w+)=(\d+)$/mg;
my $said = "at most $setting{EVENTS_PER_MESSAGE_MAX} events (`EVENTS_PER_MESSAGE_MAX`) and "
    . $setting{EVENT_MESSAGE_BYTES_MAX} / 1024 . ' KiB (`EVENT_MESSAGE_BYTES_MAX`)';
like($document->{info}{description}, qr/\Q$said\E/, 'the most of a message that is sent');
my ($port) = read_file('scripts/lib/settings.sh') =~ /\[rabbitmq\]=(\d+)/;
is($document->{servers}{rabbitmq}{variables}{port}{default}, $port, 'the port of ./prodorder up');

# Who sends and who hears what, as the names of sources and queues say it.
my %does = map { ("$_->{tags}[0]{'$ref'} $_->{action}s $_->{messages}[0]{'$ref'}" =~ s{#/\w+/(?:tags|(\w+)/messages)/}{}gr => 1) }
    values %{ $document->{operations} };
my %by = (order => 'order-service', product => 'product-service');
for my $type (@types) {
    my ($message) = grep { $_->{name} eq $type } values %{ $events->messages };
    my ($key) = grep { $events->messages->{$_} == $message } keys %{ $events->messages };
    my $sender = $message->{'x-app-id'};
    is("/$sender", $message->{payload}{allOf}[1]{items}{properties}{source}{const}, "$type: the sender is the source");
    is($message->{bindings}{amqp}{messageType}, $type, "$type: the property type");
    ok($does{"$sender sends $key"}, "$type: $sender sends it");
    my ($queue) = grep { /^\Q$type\E\./ } @queues;
    my $hearer = $queue =~ s/^\Q$type\E\.//r;
    ok($does{"$hearer receives $key"}, "$type: $hearer hears it");
}

# ---- limits: those of the HTTP API ----

my $public = $json->decode(read_file('openapi.json'))->{components}{schemas};
for my $name (qw(Id Quantity Stock Price Time)) {
    my %same = map { $_ => $public->{$name}{$_} } grep { !/^(?:description|examples)$/ } keys %{ $public->{$name} };
    my %ours = map { $_ => $schemas->{$name}{$_} } grep { $_ ne 'description' } keys %{ $schemas->{$name} };
    is_deeply(\%ours, \%same, "$name is that of openapi.json");
}
is($schemas->{Product}{properties}{name}{$_}, $public->{Name}{$_}, "a name's $_ is that of openapi.json") for qw(minLength maxLength pattern);
done_testing();
