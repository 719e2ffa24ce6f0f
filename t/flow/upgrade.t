#!/usr/bin/perl
# ./prodorder up takes over what a version before has left, the commit a0a84de: databases with orders that wait, rows of
# the outboxes, messages and dead letters in classic queues, all in the formats of then. Recorded from that version,
# t/flow/upgrade/; on a stack of its own.
use strict;
use warnings;

use JSON::PP ();
use Time::HiRes qw(sleep);

use Prodorder::Control;
use Prodorder::Stack;

my $home = scratch() . '/home';
END { my $status = $?; run('./prodorder', 'clean') if $home; $? = $status }    # when it died before its end, too
$ENV{PRODORDER_HOME} = $home;
$ENV{PRODORDER_PORT_OFFSET} = free_offset(qw(4000 3001 3002 5433 5434 6381 6382 5673 15672 15673 15674));

use constant { MOVED => 1000, TRUE => JSON::PP::true, FALSE => JSON::PP::false };
use constant { DEAD => 'order.created.product-service.dlq', LATE => 'order.created.product-service' };
my $json = JSON::PP->new->canonical;
my %bound = ('order.created' => 'product', 'order.updated' => 'order', 'product.created' => 'order', 'product.updated' => 'order');
my @consumed = map { "$_.$bound{$_}-service" } sort keys %bound;
my @messages = map { $json->decode($_) } split /\n/, read_file('t/flow/upgrade/messages.jsonl');

BEGIN {
    *rabbitmq = \&Prodorder::Stack::rabbitmq;
    *sql = \&Prodorder::Stack::sql;
    *sql_value = \&Prodorder::Stack::sql_value;
}

sub up {
    my (@names) = @_;
    my ($said, $status) = said('./prodorder', 'up', @names);
    is($status, 0, join ' ', 'up', @names) or diag $said;
    return $said;
}

sub queues {
    return { map { $_->{name} => $_ } @{ rabbitmq(GET => '/queues/%2F') } };
}

sub types {
    my $queues = queues();
    return { map { $_ => $queues->{$_}{type} } keys %$queues };
}

# As that version declared its exchange, queues and bindings.
sub declare_as_before {
    rabbitmq(PUT => '/exchanges/%2F/events', { type => 'topic', durable => TRUE });
    for my $queue (@consumed) {
        my ($key) = $queue =~ /^(.*)\./;
        rabbitmq(PUT => "/queues/%2F/$queue.dlq", { durable => TRUE, auto_delete => FALSE, arguments => {} });
        rabbitmq(PUT => "/queues/%2F/$queue", { durable => TRUE, auto_delete => FALSE, arguments => {
            'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => "$queue.dlq" } });
        rabbitmq(POST => "/bindings/%2F/e/events/q/$queue", { routing_key => $key, arguments => {} });
    }
    return;
}

sub put {
    my ($message) = @_;
    my $result = rabbitmq(POST => '/exchanges/%2F/amq.default/publish', { routing_key => $message->{queue},
        properties => $message->{properties}, payload => $message->{payload}, payload_encoding => 'string' });
    return $result->{routed};
}

# What is in a queue, in its order; it stays there.
sub look {
    my ($queue, $count) = @_;
    my $found = rabbitmq(POST => "/queues/%2F/$queue/get", { count => $count, ackmode => 'ack_requeue_true', encoding => 'auto' });
    return map {
        my %headers = %{ $_->{properties}{headers} || {} };
        delete $headers{'x-delivery-count'};    # a quorum queue's own
        { queue => $queue, payload => $_->{payload}, properties => { %{ $_->{properties} }, headers => \%headers } };
    } @$found;
}

sub dead_letters {
    my (@messages) = @_;
    return [sort map { $json->encode({ %$_{qw(queue payload)}, properties => { headers => {}, %{ $_->{properties} } } }) }
        grep { $_->{queue} =~ /\.dlq$/ } @messages];
}

# ---- what that version has left ----

up('product-db', 'order-db', 'rabbitmq');
for my $side (qw(product order)) {
    local %ENV = (%ENV, %{ Prodorder::Stack::environment("$side-db") });
    my $loaded = run('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "t/flow/upgrade/$side.sql");
    is($loaded->{status}, 0, "the $side database of then") or diag $loaded->{err};
}
declare_as_before();
is(scalar(grep { !put($_) } @messages), 0, 'its messages');
is(scalar(grep { $_ ne 'classic' } values %{ types() }), 0, 'in classic queues');

my $outboxes = sub { return sql_value(order => 'SELECT count(*) FROM outbox'), sql_value(product => 'SELECT count(*) FROM outbox') };
is(sql_value(order => "SELECT count(*) FROM orders WHERE status = 'waiting'"), 13, 'orders wait:');
is_deeply([$outboxes->()], [3, 6], 'in the outboxes,');
my %there;
$there{ $_->{queue} }++ for @messages;
is_deeply([@there{ LATE(), 'order.updated.order-service' }], [4, 3], 'and in queues');

# ---- up, ended with kill -9 in between, and RabbitMQ too ----

# Many dead letters, so that there is something to interrupt.
my @many = map { { queue => DEAD, payload => "dead $_", properties => { delivery_mode => 2, type => 'order.created',
    headers => { number => $_, 'x-prodorder-reason' => 'a test', 'x-death' => [{ queue => LATE, count => 1 }] } } } } 1 .. MOVED;
put($_) for @many;

# A process and all that it has started.
sub family {
    my ($up) = @_;
    my %parent;
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $file or next;
        $parent{$1} = $2 if (scalar(<$in>) // '') =~ /^(\d+) .*\) \S (\d+) /s;
    }
    my @family = ($up);
    for (my $i = 0; $i < @family; $i++) {
        push @family, grep { $parent{$_} == $family[$i] } keys %parent;
    }
    return @family;
}

# killed_up(FROM, TO, NAME...): an up that is killed, with all that it started, when the first message of FROM is in TO; these
# processes too.
sub killed_up {
    my ($from, $to, @names) = @_;
    my $up = Prodorder::Stack::in_background(sub { open STDOUT, '>', '/dev/null'; exec './prodorder', 'up' });
    my $began = eventually(120, sub {
        my %is = map { $_->{name} => 1 } @{ (eval { rabbitmq(GET => '/parameters/shovel') }) || [] };
        return $is{"prodorder-$from"} && eval { my ($first) = look($to, 1); $first };
    });
    ok($began, "what is in $from is moved");
    my @family = family($up);
    Prodorder::Stack::kill_hard($_) for @names;
    kill KILL => @family;
    waitpid $up, 0;
    return;
}

killed_up(DEAD, DEAD . '.converting', 'rabbitmq');
killed_up(DEAD . '.converting', DEAD, 'rabbitmq');
my $said = up();

# ---- all of it is there ----

is_deeply({ map { $_ => 'quorum' } map { ($_, "$_.dlq") } @consumed }, { map { $_ => types()->{$_} } map { ($_, "$_.dlq") } @consumed },
    'the queues are quorum queues');
is_deeply([grep { /\.converting$/ } keys %{ queues() }], [], 'nothing of the conversion remains');
is_deeply(rabbitmq(GET => '/parameters/shovel'), [], 'no shovel either');
is_deeply({ map { $_ => queues()->{$_}{arguments}{'x-dead-letter-routing-key'} } @consumed }, { map { $_ => "$_.dlq" } @consumed },
    'they keep their dead letters in the same places');
for my $queue (@consumed) {
    my ($key) = $queue =~ /^(.*)\./;
    is_deeply([map { "$_->{source} $_->{routing_key}" } grep { $_->{source} } @{ rabbitmq(GET => "/queues/%2F/$queue/bindings") }],
        ["events $key"], "$queue has its binding");
}
ok(eventually(30, sub { !sql_value(order => "SELECT count(*) FROM orders WHERE status = 'waiting'") }), 'no order waits');
ok(eventually(30, sub { !grep { $_ } $outboxes->() }), 'the outboxes are empty');

my @dead = map { look("$_.dlq", 10 * MOVED) } @consumed;
my (%seen, @once);
push @once, grep { !$seen{ $json->encode($_) }++ } @dead;
is_deeply(dead_letters(@once), dead_letters(@messages, @many), 'the dead letters are there, with all that they had, and none besides');
my @numbers = map { $_->{properties}{headers}{number} // () } @once;
is("@numbers", "@{[1 .. MOVED]}", 'in their order');
note sprintf '%d are there twice, since copies of them were not acknowledged when something was killed', @dead - @once;

# Everything is as the ledger says, and each order has taken its stock once.
is_deeply(sql(order => 'SELECT id, product_id, quantity, status, reason FROM orders ORDER BY id'),
    sql(product => 'SELECT order_id, product_id, quantity, status, reason FROM stock_ledger ORDER BY order_id'),
    'every order is as the ledger says');
is(sql_value(order => 'SELECT count(*) FROM orders'), 24, 'none is lost');
is_deeply(sql(product => q{SELECT p.id, p.qty, p.initial_qty + coalesce((SELECT sum(quantity) FROM restocks WHERE product_id = p.id), 0)
    - coalesce((SELECT sum(quantity) FROM stock_ledger WHERE product_id = p.id AND status = 'done'), 0) AS due
    FROM products AS p WHERE p.qty <> p.initial_qty + coalesce((SELECT sum(quantity) FROM restocks WHERE product_id = p.id), 0)
    - coalesce((SELECT sum(quantity) FROM stock_ledger WHERE product_id = p.id AND status = 'done'), 0)}), [],
    'each has taken its stock exactly once');
is(sql_value(order => "SELECT string_agg(status, ' ' ORDER BY id) FROM orders WHERE id IN (1010, 1013, 1017)"),
    'rejected rejected rejected', 'those for which there was too little are rejected');

# ---- again ----

subtest 'an up that has nothing to convert' => sub {
    my $text = up();
    unlike($text, qr/quorum|moving|changed/, 'says nothing of it, and restarts nothing');
};

subtest 'services that run, and classic queues' => sub {
    Prodorder::Stack::stop('order-service', 'product-service');
    rabbitmq(DELETE => "/queues/%2F/$_") for map { ($_, "$_.dlq") } @consumed;
    declare_as_before();
    Prodorder::Stack::start('product-service', 'order-service');
    is(types()->{ LATE() }, 'classic', 'a restart uses them as they are');
    write_file("$home/rabbitmq/enabled_plugins", "[rabbitmq_management].\n");    # as that version started it
    my $text = up();
    like($text, qr/rabbitmq +changed since.*rabbitmq +ready/s, 'RabbitMQ is started anew with the settings of now');
    like($text, qr/(?:(?:product|order)-service +stopped\s+){2}.*is a quorum queue.*product-service +ready/s,
        'both are stopped, then the queues converted, then they start');
    is(scalar(grep { $_ ne 'quorum' } values %{ types() }), 0, 'all are quorum queues');
};

subtest 'what is not ours, or not as we declare it, stays' => sub {
    Prodorder::Stack::stop('order-service', 'product-service');
    rabbitmq(DELETE => '/queues/%2F/' . LATE);
    rabbitmq(PUT => '/queues/%2F/' . LATE, { durable => TRUE, arguments => { 'x-max-length' => 1000 } });
    rabbitmq(PUT => '/queues/%2F/order.created.billing', { durable => TRUE, arguments => {} });
    rabbitmq(PUT => '/queues/%2F/order.created.product-service.mine', { durable => TRUE, arguments => {} });
    like(up(), qr/ready/, 'up starts the services all the same');
    my $types = types();
    is_deeply([@$types{ LATE(), 'order.created.billing', 'order.created.product-service.mine' }], [('classic') x 3], 'classic');
};

subtest 'a conversion that was begun, and then classic queues are wanted' => sub {
    Prodorder::Stack::stop('order-service', 'product-service');
    rabbitmq(DELETE => '/queues/%2F/' . DEAD);
    rabbitmq(PUT => '/queues/%2F/' . DEAD . '.converting', { durable => TRUE, arguments => {} });
    put({ queue => DEAD . '.converting', payload => 'left', properties => { delivery_mode => 2 } });
    local $ENV{RABBITMQ_QUEUE_TYPE} = 'classic';
    up();
    is(types()->{ DEAD() }, 'classic', 'the queue is one');
    is_deeply([map { $_->{payload} } look(DEAD, 10)], ['left'], 'with what was aside');
};

done_testing();
