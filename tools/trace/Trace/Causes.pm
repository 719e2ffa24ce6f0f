package Trace::Causes;

# Which request an event belongs to, and what stands before what.
#
# Within one request, causes stand before their effects, whatever the clocks say: events are sorted by
# their time, or by the latest of their causes' times when that is later. Recorded times are shown as they
# were recorded. Only a computed beginning (see Events.pm) is moved, by up to BLUR_MS, to where it must have
# been: not before its cause, not after its effect.

use strict;
use warnings;

use List::Util qw(max min);

# The way of an order: what comes before what. The answer is on its way while the event is.
my %RANK;
@RANK{
    'gateway request received', 'order-service request received', 'order-service product asked for',
    'product-service request received', 'product-service request refused', 'order-service product fetched',
    'order-db row in orders', 'order-service order stored', 'order-service order answered again',
    'order-service request refused', 'gateway answered', 'product-service event order.created taken',
    'product-db row in stock_ledger', 'product-service order decided', 'order-service event order.updated taken',
    'order-service order finished',
} = (0 .. 15);
use constant {
    RANK_STORED => 7, RANK_AGAIN => 8, RANK_ANSWERED => 10,
    RANK_OTHER => 9.5, # of a step that may stand anywhere after the first
    BLUR_MS => 2,      # a line's time and the computation are each cut to a millisecond
};

# sorted(EVENTS): with rank and group; a group is { request, span, start_ms, began }, '' where not known.
# began: its first event is that the request came.
sub sorted {
    my (@events) = @_;
    $_->{rank} = $RANK{"$_->{where} " . ($_->{what} =~ s/:.*|(?<=answered) \d+\z//sr)} // RANK_OTHER for @events;
    my %members;
    push @{ $members{ $_->{group_key} } }, $_ for _attribute(@events);
    my @all;
    for my $key (sort keys %members) {
        my ($request, $span) = split /\0/, $key, 2;
        my %group = (request => $request // '', span => $span // '');
        my @own = _in_order(_without_repetitions(_place(@{ $members{$key} })));
        @group{qw(start_ms began)} = ($own[0]{at_ms}, scalar $own[0]{what} =~ /^request received\b/);
        $_->{group} = \%group for @own;
        push @all, @own;
    }
    return _in_order(@all);
}

sub _in_order {
    my (@events) = @_;
    return sort { $a->{sort_ms} <=> $b->{sort_ms} || $a->{rank} <=> $b->{rank} } @events;
}

# ---- whose it is ----

# A request is its id and its span: an id may be used again. What names no span, or no request, belongs to
# the request that placed its order, or to the only one of that id.
sub _attribute {
    my (@events) = @_;
    my (%spans, %placed);
    my $trust = sub { ($_[0]{span} ne '' ? 0 : 100) + abs($_[0]{rank} - RANK_STORED) };
    for my $event (sort { $trust->($a) <=> $trust->($b) } @events) {
        $event->{group_key} = "$event->{request}\0$event->{span}";
        $spans{ $event->{request} }{ $event->{span} } = 1 if $event->{span} ne '';
        next if $event->{order} eq '' || $event->{request} eq '' || $event->{rank} == RANK_AGAIN;
        $placed{ $event->{order} } //= $event->{group_key};
    }
    for my $event (grep { $_->{span} eq '' } @events) {
        my $by_order = $placed{ $event->{order} };
        my @spans = keys %{ $spans{ $event->{request} } // {} };
        if (defined $by_order && ($event->{request} eq '' || index($by_order, "$event->{request}\0") == 0)) {
            $event->{group_key} = $by_order;
        } elsif (@spans == 1) {
            $event->{group_key} = "$event->{request}\0$spans[0]";
        }
    }
    return @events;
}

# ---- what stands before what, in one request ----

# Gives each its sort_ms, and computed beginnings their place. Of a step that was taken repeatedly, the
# first time is the cause.
sub _place {
    my (@events) = @_;
    my @steps = sort { $a->{rank} <=> $b->{rank} } grep { $_->{rank} != RANK_OTHER } @events;
    my %first;
    _note_first(\%first, $_, 'at_ms') for grep { !$_->{is_computed} } @steps;
    for my $begin (grep { $_->{is_computed} } @steps) {
        _move($begin, \%first);
        _note_first(\%first, $begin, 'at_ms');
    }
    my %caused;
    for my $event (@steps) {
        $event->{sort_ms} = max($event->{at_ms}, map { $caused{$_} } _causes($event, \%caused));
        _note_first(\%caused, $event, 'sort_ms');
    }
    $_->{sort_ms} = max($_->{at_ms}, $caused{0} // $_->{at_ms}) for grep { $_->{rank} == RANK_OTHER } @events;
    return @events;
}

sub _note_first {
    my ($first, $event, $time) = @_;
    $first->{ $event->{rank} } = min($event->{$time}, $first->{ $event->{rank} } // $event->{$time});
    return;
}

# The ranks before that of the event; nothing waits for the answer.
sub _causes {
    my ($event, $first) = @_;
    return grep { $_ < $event->{rank} && $_ != RANK_ANSWERED } keys %$first;
}

sub _move {
    my ($begin, $first) = @_;
    my $at_ms = $begin->{at_ms};
    my $cause = max(map { $first->{$_} } _causes($begin, $first));
    my $effect = min(map { $first->{$_} } grep { $_ > $begin->{rank} } keys %$first);
    if (defined $cause && $cause > $at_ms && $cause <= $at_ms + BLUR_MS) {
        $begin->{at_ms} = $cause;
    } elsif (defined $effect && $effect < $at_ms && $effect >= $at_ms - BLUR_MS) {
        $begin->{at_ms} = $effect;
    }
    return;
}

# Two lines of one step have one beginning.
sub _without_repetitions {
    my (@events) = @_;
    my %at;
    return grep {
        my $key = "$_->{where} $_->{what}";
        my $is_again = $_->{is_computed} && defined $at{$key} && abs($_->{at_ms} - $at{$key}) <= BLUR_MS;
        $at{$key} = $_->{at_ms} if $_->{is_computed};
        !$is_again;
    } sort { $a->{at_ms} <=> $b->{at_ms} } @events;
}

1;
