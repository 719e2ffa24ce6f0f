#!/usr/bin/perl
# Queues are quorum queues without a delivery limit; those that are there already with another type or other
# arguments are used as they are, and logged; one that would lose messages is not.
use strict;
use warnings;

use JSON::PP ();

use Prodorder::Flow;

use constant { WANTED => 'order.created.product-service', TRUE => JSON::PP::true, FALSE => JSON::PP::false };
my @SERVICES = qw(product-service order-service);

sub queues {
    return { map { $_->{name} => $_ } @{ rabbitmq(GET => '/queues/%2F') } };
}

sub services_queues {
    my ($queues) = @_;
    return sort grep { /^(?:order|product)\.(?:created|updated|cancelled)\./ } keys %$queues;
}

# The services' start with their queues as they are left; returns what both logged meanwhile about queues.
sub begin {
    my ($type) = @_;
    my %from = map { $_ => Prodorder::Stack::log_size($_) } @SERVICES;
    {
        local $ENV{RABBITMQ_QUEUE_TYPE} = $type;
        Prodorder::Stack::start(@SERVICES);
    }
    my @lines;
    wait_until('the services have their queues, or say why not', 20, sub {
        @lines = map { JSON::PP::decode_json($_) } grep { /existing queue is used as it is|broker refuses/ }
            map { Prodorder::Stack::log_lines($_, $from{$_}) } @SERVICES;
        return (grep { $_->{msg} =~ /refuses/ } @lines)
            || (order_service(GET => '/readyz')->{body} . product_service(GET => '/readyz')->{body}) !~ /degraded/;
    });
    return @lines;
}

sub said {
    my (@lines) = @_;
    my %said = map { join(' ', @$_{qw(level name argument declared existing)}) => 1 } @lines;
    return sort keys %said;
}

# order_goes(WHAT): an order passes through the queues, and stock is right.
sub order_goes {
    my ($what) = @_;
    my $product = new_product(qty => 9);
    my $order = order_ok($product, 2);
    is(finished($order)->{status}, 'done', "$what: an order is done");
    check_rest();
    check_orders($product, [$order->{id}]);
    return;
}

# What the version before this declared.
sub declare_classic {
    my ($name, %more) = @_;
    my %arguments = ('x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => $name =~ s/\.retry$//r . '.dlq', %{ $more{arguments} // {} });
    my $dead = $name =~ /\.dlq$/;
    rabbitmq(PUT => "/queues/%2F/$name", { durable => $more{durable} // TRUE, auto_delete => FALSE,
        arguments => $dead ? {} : \%arguments });
    return;
}

sub delete_queues {
    rabbitmq(DELETE => "/queues/%2F/$_") for @_;
    return;
}

my @names = services_queues(queues());
is(scalar @names, 13, 'five queues, each with its dead letters, three with what is set aside');

subtest 'quorum queues' => sub {
    my $queues = queues();
    is_deeply([grep { $queues->{$_}{type} ne 'quorum' } @names], [], 'all of them');
    is_deeply([grep { exists $queues->{$_}{arguments}{'x-delivery-limit'} } @names], [], 'no argument limits deliveries');
    is_deeply([map { $_->{name} } grep { exists $_->{definition}{'delivery-limit'} } @{ rabbitmq(GET => '/policies') }], [],
        'and no policy: RabbitMQ 3 has no limit unless one is set');
    order_goes('quorum queues');
};

subtest 'quorum queues, and the services are told to make classic ones' => sub {
    is_deeply([said(begin('classic'))], [map { "info $_ x-queue-type classic quorum" } @names], 'logged, with both types');
    order_goes('as they are');
    is(queues()->{+WANTED}{type}, 'quorum', 'they stay');
};

subtest 'classic queues of the version before' => sub {
    Prodorder::Stack::stop(reverse @SERVICES);
    delete_queues(@names);
    declare_classic($_) for @names;
    rabbitmq(POST => '/bindings/%2F/e/events/q/' . WANTED, { routing_key => 'order.created', arguments => {} });
    expect_errors(qr/"msg":"event parked in the dead-letter queue"/);
    my $waiting = rabbitmq(POST => '/exchanges/%2F/events/publish', { routing_key => 'order.created',
        properties => { delivery_mode => 2, type => 'order.created' }, payload_encoding => 'string',
        payload => '{"not":"an order"}' });
    ok($waiting->{routed}, 'one has a message');
    is_deeply([said(begin('quorum'))], [map { "info $_ x-queue-type quorum classic" } @names], 'logged, with both types');
    wait_until('it is parked', 10, sub { (Prodorder::Stack::queued()->{ WANTED . '.dlq' } // 0) == 1 });
    rabbitmq(DELETE => '/queues/%2F/' . WANTED . '.dlq/contents');
    order_goes('as they are');
    is(queues()->{+WANTED}{type}, 'classic', 'they stay');
};

subtest 'classic queues, and the services are told to make such' => sub {
    is_deeply([said(begin('classic'))], [], 'nothing to say');
    order_goes('classic queues');
};

subtest 'other arguments' => sub {
    Prodorder::Stack::stop(reverse @SERVICES);
    delete_queues(WANTED);
    declare_classic(WANTED, arguments => { 'x-max-length' => 1_000_000 });
    is_deeply([said(grep { $_->{name} eq WANTED } begin('classic'))], ['warn ' . WANTED . ' x-max-length none 1000000'], 'logged, with what differs');
    order_goes('as it is');
};

subtest 'a queue that is not durable' => sub {
    Prodorder::Stack::stop(reverse @SERVICES);
    delete_queues(WANTED);
    declare_classic(WANTED, durable => FALSE);
    expect_errors(qr/"msg":"broker refuses the topology"/);
    my @lines = begin('quorum');
    is_deeply([grep { $_->{msg} !~ /refuses/ && $_->{name} eq WANTED } @lines], [], 'is not used');
    my ($refusal) = grep { $_->{msg} =~ /refuses/ } @lines;
    is($refusal->{name}, WANTED, 'its name is in the error');
    like($refusal->{reason}, qr/'durable'.*received 'true' but current is 'false'/, 'and what is wrong');
    like($refusal->{remedy}, qr/delete it/, 'and what to do');
    my $product = new_product(qty => 9);
    my $order = order_ok($product, 2);
    delete_queues(WANTED);
    is(finished($order)->{status}, 'done', 'when that has been done, everything goes on by itself');
    is(queues()->{+WANTED}{type}, 'quorum', 'with a quorum queue');
};

# As they were for the tests that follow.
Prodorder::Stack::stop(reverse @SERVICES);
delete_queues(services_queues(queues()));
Prodorder::Stack::start(@SERVICES);
order_goes('made anew');

flow_done();
