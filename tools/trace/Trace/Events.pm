package Trace::Events;

# Log lines and rows as events.
#
# An event: { at_ms, where, what, fields => [[NAME, VALUE]...], level, is_computed, request, span, order }.
# Times are cut to milliseconds, as those of the logs are. A line that says how long something took (`us`,
# `durationS`) is two events: its beginning and its end. The beginning of a service's step is_computed:
# no clock was read for it. request, span and order say whose it is, '' where that is not known.

use strict;
use warnings;

use List::Util qw(any);
use POSIX qw(floor);

use Trace::Logs;
use Trace::Values;

# Members of a line that the head of the report, or the event itself, shows.
my %IS_SHOWN = map { $_ => 1 } qw(ts level service msg requestId traceId spanId us at_ms raw numbers);
my %IS_SHOWN_BY_GATEWAY = map { $_ => 1 } qw(method target status durationS);
my %IS_OF_ANSWER = map { $_ => 1 } qw(upstream upstreamStatus upstreamS responseBytes reason);

# The step that a line's message is the end of.
my %BEGIN = (
    'request refused' => 'request received',
    'product fetched' => 'product asked for',
    'order stored' => 'request received',
    'order decided' => 'event order.created taken',
    'order finished' => 'event order.updated taken',
);

# of(FOUND): all of them, in no order.
sub of {
    my ($found) = @_;
    return ((map { _of_line($_) } @{ $found->{lines} }), (map { _of_row($_, $found) } @{ $found->{rows} }));
}

sub _of_line {
    my ($line) = @_;
    my %event = (at_ms => $line->{at_ms}, where => $line->{service}, level => $line->{level} // 'info',
        request => $line->{requestId} // '', span => $line->{spanId} // '', order => $line->{orderId} // '');
    return _of_gateway($line, %event) if $line->{service} eq 'gateway' && defined $line->{method};
    my $us = _number($line->{us});
    my @took = defined $us ? [tookMs => 0 + sprintf('%.1f', $us / 1000)] : ();
    $event{what} = $line->{msg} // 'a line without a message';
    my $end = { %event, fields => [_fields($line), @took] };
    my $begin = defined $us ? $BEGIN{ $event{what} } : undef;
    return $end if !defined $begin;
    return ({ %event, at_ms => floor($line->{at_ms} - $us / 1000), what => $begin, level => 'info', fields => [], is_computed => 1 },
        $end);
}

sub _of_gateway {
    my ($line, %event) = @_;
    my $took_ms = 1000 * (_number($line->{durationS}) // 0);
    my @fields = grep { !$IS_SHOWN_BY_GATEWAY{ $_->[0] } } _fields($line);
    return (
        { %event, at_ms => floor($line->{at_ms} - $took_ms + 0.5),
            what => 'request received: ' . ($line->{method} // '') . ' ' . ($line->{target} // ''),
            fields => [grep { !$IS_OF_ANSWER{ $_->[0] } } @fields] },
        { %event, what => 'answered ' . ($line->{status} // ''), fields => [grep { $IS_OF_ANSWER{ $_->[0] } } @fields] },
    );
}

sub _number {
    my ($value) = @_;
    return defined $value && !ref $value && $value =~ /^\d{1,15}(?:\.\d{1,9})?\z/ ? $value : undef;
}

# The members that are worth a place, in a fixed order.
sub _fields {
    my ($line) = @_;
    my @names = grep { !$IS_SHOWN{$_} && defined $line->{$_} && $line->{$_} ne '' } sort keys %$line;
    return map { [$_ => Trace::Values::value($line, $_)] } @names;
}

# Rows of these requests have their place in the timeline; others are only told as they are now.
sub _of_row {
    my ($row, $found) = @_;
    return if !any { $_ eq ($row->{request_id} // '') } @{ $found->{requests} };
    my ($span) = ($row->{traceparent} // '') =~ /^00-[0-9a-f]{32}-([0-9a-f]{16})-/;
    my %event = (where => "$row->{side}-db", level => 'info', request => $row->{request_id}, span => $span // '');
    if ($row->{table} eq 'orders') {
        my $at_ms = Trace::Logs::time_ms($row->{created_at});
        return { %event, at_ms => $at_ms, what => 'row in orders: waiting', order => $row->{id},
            fields => [[orderId => Trace::Values::value($row, 'id')]] };
    }
    my $at_ms = Trace::Logs::time_ms($row->{decided_at} // '') // return;
    return { %event, at_ms => $at_ms, what => "row in stock_ledger: $row->{status}", order => $row->{order_id},
        fields => [[orderId => Trace::Values::value($row, 'order_id')], ($row->{reason} ? [reason => $row->{reason}] : ())] };
}

1;
