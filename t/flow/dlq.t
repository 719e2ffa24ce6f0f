#!/usr/bin/perl
# ./prodorder dlq, and prodorder-admin dlq where only RABBITMQ_URL is known: dead letters of ours and of RabbitMQ's, counted by
# reason, shown, put back, deleted; interrupted, nothing is lost.
use strict;
use warnings;

use File::Temp ();
use JSON::PP ();
use POSIX ();

use Prodorder::Flow;

use constant { QUEUE => 'order.created.product-service', DLQ => 'order.created.product-service.dlq', MANY => 60, LIMIT => 20, LOOKS => 30 };

my $json = JSON::PP->new->utf8->canonical;

# Control.pm's run() is for tests with a stack of their own: it forgets which one this is.
sub run {
    my (@command) = @_;
    my ($out, $err) = map { File::Temp->new } 1, 2;
    my $pid = fork // die "cannot fork: $!";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $out;
        open STDERR, '>&', $err;
        exec @command or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my $status = $? >> 8;
    my %said = (status => $status);
    for my $one ([out => $out], [err => $err]) {
        open my $in, '<', $one->[1]->filename or die;
        local $/;
        $said{ $one->[0] } = <$in> // '';
    }
    return \%said;
}

sub dlq {
    my (@args) = @_;
    return run('./prodorder', 'dlq', @args);
}

sub listed {
    my $result = dlq('list', '--json', @_);
    $result->{status} == 0 or die "dlq list: $result->{err}\n";
    my %reasons;
    for my $queue (@{ $json->decode($result->{out}) }) {
        $reasons{ $queue->{queue} }{ join ': ', grep { defined } @$_{qw(reason detail)} } = $_ for @{ $queue->{reasons} };
    }
    return \%reasons;
}

sub put {
    my ($queue, $payload, %properties) = @_;
    return rabbitmq(POST => '/exchanges/%2F/amq.default/publish', { routing_key => $queue, payload => $payload, payload_encoding => 'string',
        properties => { delivery_mode => 2, %properties } })->{routed};
}

# A queue's messages are told at its ticks.
sub in_dlq {
    sleep 1;
    return Prodorder::Stack::queued()->{ (DLQ) } // 0;
}

sub wait_for {
    my ($count) = @_;
    return wait_until("$count dead letters", 20, sub { listed(QUEUE)->{ (QUEUE) } && (eval {
        my $sum = 0;
        $sum += $_->{count} for values %{ listed(QUEUE)->{ (QUEUE) } };
        $sum;
    } // 0) == $count });
}

expect_errors(qr/event parked in the dead-letter queue/, qr/an outcome of an order that is not here/);
my $product = new_product(qty => 1000);
my $next_order = 6_000_000_000_000_000 + time * 1000;

sub event {
    my ($id, %data) = @_;
    return $json->encode([{ specversion => '1.0', id => $id, source => 'https://shop.example/orders', type => 'order.created', data => {
        orderId => ++$next_order, productId => $product->{id}, quantity => 1, createdAt => '2026-11-22T17:16:32.000Z', %data } }]);
}

# ---- list, show ----

dlq('purge', QUEUE, '--all', '--yes');
put(QUEUE, event("bad-$_", quantity => 0)) for 1 .. 3;
put(QUEUE, 'no json at all');
wait_for(4);
my $reasons = listed()->{ (QUEUE) };
is_deeply([map { $_->{count} } @$reasons{ grep { /quantity/ } keys %$reasons }], [3], 'three of one reason');
my ($quantity) = grep { /quantity/ } keys %$reasons;
is_deeply([sort @{ $reasons->{$quantity}{ids} }], [qw(bad-1 bad-2 bad-3)], 'by the ids of their events');
like($reasons->{$quantity}{since}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'since when');
my ($other) = grep { $_ ne $quantity } keys %$reasons;
like($reasons->{$other}{ids}[0], qr/^body-[0-9a-f]{16}$/, 'one without an id has one of its body');
my $text = dlq('list', QUEUE)->{out};
like($text, qr/^\Q${\ DLQ}\E: 4, since /m, 'as text: how many');
like($text, qr/^  3  \Q$quantity\E, since /m, 'why');
is_deeply(listed('--reason', 'quantity', QUEUE)->{ (QUEUE) }{$quantity}{count}, 3, 'by reason');
is_deeply([keys %{ listed('--older-than', '1h', QUEUE)->{ (QUEUE) } }], [], 'none is an hour old');
is(in_dlq(), 4, 'looking takes none away');
my $shown = $json->decode(dlq('show', DLQ, 'bad-2')->{out});
is($shown->{id}, 'bad-2', 'one whole');
is($json->decode($shown->{payload})->[0]{data}{quantity}, 0, 'with its payload');
is($shown->{headers}{'x-prodorder-queue'}, QUEUE, 'and its headers');
is(dlq('show', QUEUE, 'bad-9')->{status}, 1, 'one that is not there: exit 1');

# ---- looking does no harm: not where a queue gives up what was delivered 20 times, as those of RabbitMQ 4 do ----

rabbitmq(PUT => '/policies/%2F/dlq-looks', { pattern => '\\.dlq$', 'apply-to' => 'queues', definition => { 'delivery-limit' => LIMIT } });
sleep 2;
dlq($_ % 2 ? ('list', QUEUE) : ('show', QUEUE, 'bad-2')) for 1 .. LOOKS;
sleep 1;
is_deeply([sort map { @{ $_->{ids} } } @{ listed(QUEUE)->{ (QUEUE) } }{$quantity}], [qw(bad-1 bad-2 bad-3)], LOOKS . ' looks later each is there, once');
is(in_dlq(), 4, 'and no other');
my $still = $json->decode(dlq('show', DLQ, 'bad-2')->{out});
is_deeply([@$still{qw(reason detail since payload)}], [@$shown{qw(reason detail since payload)}], 'as it was');
rabbitmq(DELETE => '/policies/%2F/dlq-looks');

# ---- several addresses ----

{
    my ($broker) = Prodorder::Stack::environment('product-service')->{RABBITMQ_URL} =~ /:(\d+)\//;
    local $ENV{RABBITMQ_URL} = "amqp://guest:guest\@127.0.0.1:1/,amqp://guest:guest\@127.0.0.1:$broker/";
    is(run(($ENV{PRODORDER_BUILD} // 'build') . '/prodorder-admin', qw(dlq list))->{status}, 0, 'of several brokers the one that is there is asked');
}

# ---- replay ----

is(dlq('replay', QUEUE, 'bad-1')->{status}, 0, 'replayed as it is');
wait_for(4);
is(scalar @{ listed(QUEUE)->{ (QUEUE) }{$quantity}{ids} }, 3, 'it comes back: it can never succeed');
my $order = $next_order + 1;
my $good = event('good-1');
put(DLQ, $good, headers => { 'x-prodorder-reason' => 'a test', 'x-prodorder-queue' => QUEUE, 'x-prodorder-time' => '2026-11-22T17:16:32.000Z' }) for 1 .. 2;
wait_for(6);
my $replayed = dlq('replay', QUEUE, 'good-1');
is($replayed->{status}, 0, 'one that can succeed now');
like($replayed->{out}, qr/^replayed 2 of /, 'twice there: both');
is(wait_until('its row', 20, sub { sql_value(product => "SELECT count(*) FROM stock_ledger WHERE order_id = $order AND status = 'done'") }), 1, 'counts once');
wait_for(4);
my $missing = dlq('replay', QUEUE, 'good-1');
is($missing->{status}, 1, 'nothing left to replay: exit 1');
like($missing->{err}, qr/good-1 is not there/, 'which it says');

# ---- RabbitMQ's own ----

put(DLQ, event('late-1'), headers => { 'x-death' => [{ reason => 'delivery_limit', queue => QUEUE, count => 1, exchange => 'events' }] });
wait_for(5);
is(listed(QUEUE)->{ (QUEUE) }{delivery_limit}{count}, 1, 'a letter of RabbitMQ is an ordinary one');

# ---- purge ----

my $asked = dlq('purge', QUEUE, 'bad-1');
is($asked->{status}, 1, 'without --yes, and nobody to ask');
is(in_dlq(), 5, 'nothing is deleted');
is(dlq('purge', QUEUE, '--reason', 'quantity', '--all', '--yes')->{status}, 0, 'by reason');
wait_for(2);
is(dlq('purge', QUEUE, '--all', '--yes')->{status}, 0, 'all');
is_deeply(listed(QUEUE)->{ (QUEUE) }, undef, 'none is left');

# ---- killed in between, and without the control script ----

put(DLQ, event("many-$_"), headers => { 'x-prodorder-reason' => 'a test', 'x-prodorder-queue' => QUEUE }) for 1 .. MANY;
wait_for(MANY);
my $first = $next_order - MANY + 1;
my ($port) = Prodorder::Stack::environment('product-service')->{RABBITMQ_URL} =~ /:(\d+)\//;
{
    local $ENV{RABBITMQ_URL} = "amqp://guest:guest\@127.0.0.1:$port/";
    my $build = $ENV{PRODORDER_BUILD} // 'build';
    my $pid = Prodorder::Stack::in_background(sub { open STDOUT, '>', '/dev/null'; exec "$build/prodorder-admin", qw(dlq replay), QUEUE, '--all' });
    wait_until('some are replayed', 20, sub { sql_value(product => "SELECT count(*) FROM stock_ledger WHERE order_id BETWEEN $first AND $next_order") });
    kill KILL => $pid;
    waitpid $pid, 0;
    my $again;
    wait_until('all are back, and replayed', 30, sub { $again = run("$build/prodorder-admin", qw(dlq replay), QUEUE, '--all'); $again->{out} =~ /^replayed 0 / });
    is($again->{status}, 0, 'killed, and called again, until there are no more');
    local $ENV{RABBITMQ_URL} = 'amqp://guest:wrong@127.0.0.1:1/';
    my $away = run("$build/prodorder-admin", qw(dlq list));
    is($away->{status}, 1, 'without RabbitMQ: exit 1');
    like($away->{err}, qr/RabbitMQ at 127\.0\.0\.1:1/, 'and where it was looked for');
    unlike($away->{err}, qr/wrong/, 'without the password');
}
is(wait_until('all are decided', 20, sub { sql_value(product => "SELECT count(*) FROM stock_ledger WHERE order_id BETWEEN $first AND $next_order") == MANY }), 1,
    'every one was replayed');
is(product_now($product)->{qty}, 1000 - 1 - MANY, 'and took stock once');

# ---- a wrong command ----

for my $args ([], ['lift'], ['show'], ['show', QUEUE], ['replay', QUEUE], ['replay', 'mine', '--all'], ['purge', QUEUE, 'x', '--all'],
    ['list', '--older-than', '5'], ['list', '--what'], ['list', QUEUE, 'x']) {
    is(dlq(@$args)->{status}, 2, "exit 2: dlq @$args");
}

check_rest();
flow_done();
