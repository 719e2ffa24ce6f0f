package Trace::Timeline;

# What was found, as a report: the events in the order in which they happened, and how it ended.

use strict;
use warnings;

use List::Util qw(max uniq);

use Trace::Causes;
use Trace::Events;
use Trace::Values;

# report(FOUND): { requests, traces, orders, answers, events, groups, stored, broker, notes, total_ms }. Events
# are as in Events.pm and Causes.pm, with offset_ms; groups are the requests that they belong to.
sub report {
    my ($found) = @_;
    my @events = Trace::Causes::sorted(Trace::Events::of($found));
    my $start = @events ? $events[0]{at_ms} : 0;
    $_->{offset_ms} = $_->{at_ms} - $start for @events;
    return {
        requests => $found->{requests},
        traces => [_traces($found)],
        orders => [map { _order($_, $found, \@events) } @{ $found->{orders} }],
        answers => [map { _answer($_) } grep { $_->{service} eq 'gateway' } @{ $found->{lines} }],
        events => \@events,
        groups => [uniq map { $_->{group} } @events],
        stored => [map { _stored($_) } @{ $found->{rows} }],
        broker => $found->{broker} // [],
        notes => $found->{notes},
        total_ms => max(0, map { $_->{offset_ms} } @events),
    };
}

# The traces of these requests, with the span where it is one.
sub _traces {
    my ($found) = @_;
    my %is_own = map { $_ => 1 } @{ $found->{requests} };
    my %spans;
    $spans{ $_->{traceId} }{ $_->{spanId} // '' } = 1
        for grep { ($_->{traceId} // '') ne '' && $is_own{ $_->{requestId} // '' } } @{ $found->{lines} };
    return map {
        my @spans = grep { $_ ne '' } keys %{ $spans{$_} };
        { trace => $_, span => @spans == 1 ? $spans[0] : undef }
    } sort keys %spans;
}

# The order as it is, by its row, else by the last that the logs say of it.
sub _order {
    my ($id, $found, $events) = @_;
    my ($row) = grep { $_->{table} eq 'orders' && $_->{id} == $id } @{ $found->{rows} };
    my ($ledger) = grep { $_->{table} eq 'stock_ledger' && $_->{order_id} == $id } @{ $found->{rows} };
    my ($stored) = grep { ($_->{msg} // '') eq 'order stored' && ($_->{orderId} // '') eq $id } @{ $found->{lines} };
    my $of = sub {
        my ($column, $member) = @_;
        return $row ? Trace::Values::value($row, $column) : $stored ? Trace::Values::value($stored, $member) : undef;
    };
    my ($status, $reason) = _status($id, $found, $row);
    return {
        id => 0 + $id, status => $status, reason => $reason,
        productId => $of->(product_id => 'productId'), quantity => $of->(quantity => 'quantity'),
        placedBy => $of->(request_id => 'requestId'),
        decided => $ledger ? $ledger->{status} : undef,
        finishedAfterMs => _finished_after($id, $events),
    };
}

sub _status {
    my ($id, $found, $row) = @_;
    my @lines = grep { ($_->{orderId} // '') eq $id } @{ $found->{lines} };
    my ($finished) = grep { ($_->{msg} // '') eq 'order finished' } @lines;
    my $source = $row // $finished // { status => @lines ? 'waiting' : 'unknown' };
    return map { Trace::Values::value($source, $_) } 'status', 'reason';
}

# Since its request came; undef when the logs do not say both.
sub _finished_after {
    my ($id, $events) = @_;
    my ($finished) = grep { $_->{what} eq 'order finished' && $_->{order} eq $id } @$events;
    return $finished && $finished->{group}{began} ? $finished->{at_ms} - $finished->{group}{start_ms} : undef;
}

sub is_unfinished {
    my ($id, $found) = @_;
    my ($row) = grep { $_->{table} eq 'orders' && $_->{id} == $id } @{ $found->{rows} };
    my ($status) = _status($id, $found, $row);
    return ($status // '') !~ /^(?:done|rejected)\z/;
}

sub _answer {
    my ($line) = @_;
    return { map { $_ => Trace::Values::value($line, $_) } qw(requestId spanId status operation validation upstream reason) };
}

# A row as it is now: { where, table, fields }.
sub _stored {
    my ($row) = @_;
    my @names = $row->{table} eq 'outbox' ? qw(message_id available_at)
        : $row->{table} eq 'orders' ? qw(id status reason product_id quantity created_at updated_at tracestate)
        : qw(order_id status reason product_id quantity decided_at);
    return { where => "$row->{side}-db", table => $row->{table},
        fields => [map { [$_ => Trace::Values::value($row, $_)] } grep { defined $row->{$_} } @names] };
}

1;
