package Prodorder::Events;

# The events' contract, an AsyncAPI document: what its references stand for, and what our own schema engine says of
# messages.
#
#     my $events = Prodorder::Events->new($document);              # decoded
#     my $message = $events->messages->{orderCreated};
#     my @mistakes = $events->judge($message->{payload}, [[WHAT, JSON text]...]);    # one line each

use strict;
use warnings;

use JSON::PP ();

use Prodorder::Collection;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

sub new {
    my ($class, $document) = @_;
    return bless { document => $document }, $class;
}

sub messages { return $_[0]{document}{components}{messages} }

# at(POINTER): the part of the document that a fragment ("#/components/…") names; undef when there is none
sub at {
    my ($self, $pointer) = @_;
    my $node = $self->{document};
    for my $key (map { s{~1}{/}gr =~ s{~0}{~}gr } split m{/}, $pointer =~ s{^#/}{}r) {
        $node = ref $node eq 'HASH' ? $node->{$key} : undef;
    }
    return $node;
}

sub resolved {
    my ($self, $node) = @_;
    $node = $self->at($node->{'$ref'}) while ref $node eq 'HASH' && $node->{'$ref'};
    return $node;
}

# queues(): { NAME => its channel }
sub queues {
    my ($self) = @_;
    my @channels = grep { $_->{bindings}{amqp}{is} eq 'queue' } values %{ $self->{document}{channels} };
    return { map { $_->{address} => $_ } @channels };
}

# judge(SCHEMA, [[WHAT, JSON text]...]): by build/schema-check, formats asserted
sub judge {
    my ($self, $schema, $instances) = @_;
    my $components = { schemas => $self->{document}{components}{schemas} };
    return Prodorder::Collection::judge({ allOf => [$schema], components => $components },
        [map { [$_->[0], $_->[1] =~ s/\n/ /gr] } @$instances]);
}

# example_mistakes(MESSAGE...): of their examples, by their schemas
sub example_mistakes {
    my ($self, @names) = @_;
    my @mistakes;
    for my $name (@names) {
        my $message = $self->messages->{$name};
        my $examples = $message->{examples} // [];
        push @mistakes, "$name: it has no example" if !@$examples;
        for my $part (qw(payload headers)) {
            push @mistakes, map({ "$name: an example has no $part" } grep { !exists $_->{$part} } @$examples) if $message->{$part};
            my @instances = map { ["$name: $part of '$_->{name}'", $json->encode($_->{$part})] } grep { exists $_->{$part} } @$examples;
            push @mistakes, $self->judge($message->{$part} // {}, \@instances);
        }
        push @mistakes, map { $self->data_mistakes("$name, '$_->{name}'", $_->{payload}) } @$examples;
    }
    return @mistakes;
}

# data_mistakes(WHAT, PAYLOAD): of the events that say where the schema of their data is
sub data_mistakes {
    my ($self, $what, $payload) = @_;
    my @mistakes;
    for my $event (grep { ref eq 'HASH' && $_->{dataschema} } ref $payload eq 'ARRAY' ? @$payload : $payload) {
        my ($pointer) = $event->{dataschema} =~ m{^/asyncapi\.json(#/components/schemas/\Q$event->{type}\E)\z};
        my $schema = $pointer && $self->at($pointer);
        push @mistakes, $schema ? $self->judge($schema, [["$what, data of $event->{id}", $json->encode($event->{data})]])
            : "$what: no schema is at $event->{dataschema}";
    }
    return @mistakes;
}

1;
