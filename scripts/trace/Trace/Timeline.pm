package Trace::Timeline;

# Lines and rows become events in the order in which they happened, and a summary.
#
# An event: { at_ms, where, what, fields => [[NAME, VALUE]...], level, rank }. A line that says how long
# something took (`us`) is two events: its beginning and its end. Events of one millisecond stand in the
# order of the way that an order takes (rank).

use strict;
use warnings;

use JSON::PP ();
use List::Util qw(any max);
use POSIX qw(floor);

use Trace::Logs;

# Members of a line that the head of the report, or the event itself, shows.
my %IS_SHOWN = map { $_ => 1 } qw(ts level service msg requestId traceId spanId us at_ms raw);

# The step that a line's message is the end of.
my %BEGIN = (
    'request refused' => 'request received',
    'product fetched' => 'product asked for',
    'order stored' => 'request received',
    'order decided' => 'event order.created taken',
    'order finished' => 'event order.updated taken',
);

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
use constant { RANK_ANSWERED => 10, RANK_OTHER => 9.5, BLUR_MS => 2 };

# report(FOUND): { requests, traces, orders, events, stored, broker, notes, total_ms }
sub report {
    my ($found) = @_;
    my @events = map { _events_of_line($_, $found) } @{ $found->{lines} };
    push @events, map { _event_of_row($_, $found) } @{ $found->{rows} };
    $_->{rank} = $RANK{"$_->{where} " . ($_->{what} =~ s/:.*|(?<=answered) \d+\z//sr)} // RANK_OTHER for @events;
    _straighten(@events);
    @events = _without_repetitions(sort { $a->{at_ms} <=> $b->{at_ms} || $a->{rank} <=> $b->{rank} } @events);
    my $start = @events ? $events[0]{at_ms} : 0;
    $_->{offset_ms} = $_->{at_ms} - $start for @events;
    my %is_own = map { $_ => 1 } @{ $found->{requests} };
    my %trace = map { $_->{traceId} => $_->{spanId} }
        grep { defined $_->{traceId} && $is_own{ $_->{requestId} // '' } } reverse @{ $found->{lines} };
    return {
        requests => $found->{requests},
        traces => [map { { trace => $_, span => $trace{$_} } } sort keys %trace],
        orders => [map { _order($_, $found) } @{ $found->{orders} }],
        answers => [map { _answer($_) } grep { $_->{service} eq 'gateway' } @{ $found->{lines} }],
        events => \@events,
        stored => [map { _stored($_) } @{ $found->{rows} }],
        broker => $found->{broker} // [],
        notes => $found->{notes},
        total_ms => @events ? $events[-1]{offset_ms} : 0,
    };
}

# ---- events ----

sub _events_of_line {
    my ($line, $found) = @_;
    return _events_of_gateway($line, $found) if $line->{service} eq 'gateway' && defined $line->{method};
    my $what = $line->{msg} // 'a line without a message';
    my $us = _number($line->{us});
    my %event = (at_ms => $line->{at_ms}, where => $line->{service}, what => $what,
        level => $line->{level} // 'info', fields => [_fields($line, $found)]);
    push @{ $event{fields} }, [tookMs => sprintf('%.1f', $us / 1000)] if defined $us;
    return \%event if !defined $us || !$BEGIN{$what};
    return ({ at_ms => floor($line->{at_ms} - $us / 1000), where => $line->{service}, what => $BEGIN{$what}, level => 'info',
        fields => [] }, \%event);
}

sub _events_of_gateway {
    my ($line, $found) = @_;
    my $took_ms = 1000 * (_number($line->{durationS}) // 0);
    my %is_last = map { $_ => 1 } qw(upstream upstreamStatus upstreamS responseBytes);
    my @fields = grep { $_->[0] !~ /^(?:method|target|status|durationS)\z/ } _fields($line, $found);
    my %event = (where => 'gateway', level => $line->{level} // 'info');
    return (
        { %event, at_ms => $line->{at_ms} - $took_ms,
            what => 'request received: ' . ($line->{method} // '') . ' ' . ($line->{target} // ''),
            fields => [grep { !$is_last{ $_->[0] } } @fields] },
        { %event, at_ms => $line->{at_ms}, what => 'answered ' . ($line->{status} // ''),
            fields => [grep { $is_last{ $_->[0] } } @fields] },
    );
}

sub _number {
    my ($value) = @_;
    return defined $value && !ref $value && $value =~ /^\d{1,15}(?:\.\d{1,9})?\z/ ? $value : undef;
}

# The members that are worth a place, in a fixed order; the ids only where they are not the report's own.
sub _fields {
    my ($line, $found) = @_;
    my @names = grep { !$IS_SHOWN{$_} } sort keys %$line;
    my $is_other = @{ $found->{requests} } != 1 || ($line->{requestId} // '') ne $found->{requests}[0];
    unshift @names, 'requestId' if defined $line->{requestId} && $is_other;
    return map { [$_ => _text($line->{$_})] } grep { defined $line->{$_} && $line->{$_} ne '' } @names;
}

sub _text {
    my ($value) = @_;
    return JSON::PP::is_bool($value) ? ($value ? 'true' : 'false') : "$value";
}

# Rows of this request have their place in the timeline; others are only told as they are now.
sub _event_of_row {
    my ($row, $found) = @_;
    return if !any { $_ eq ($row->{request_id} // '') } @{ $found->{requests} };
    my %event = (where => "$row->{side}-db", level => 'info');
    if ($row->{table} eq 'orders') {
        my $at_ms = Trace::Logs::time_ms($row->{created_at});
        return { %event, at_ms => $at_ms, what => 'row in orders: waiting', fields => [[orderId => $row->{id}]] };
    }
    my $at_ms = Trace::Logs::time_ms($row->{decided_at} // '') // return;
    return { %event, at_ms => $at_ms, what => "row in stock_ledger: $row->{status}",
        fields => [[orderId => $row->{order_id}], ($row->{reason} ? [reason => $row->{reason}] : ())] };
}

# Times are cut to milliseconds, and a beginning is computed from two of them: what must have come first
# is moved there, by no more than that blur. Only where each step was taken once.
sub _straighten {
    my (@events) = @_;
    my @steps = sort { $b->{rank} <=> $a->{rank} } grep { $_->{rank} != RANK_OTHER } @events;
    return if any { $steps[$_]{rank} == $steps[$_ - 1]{rank} } 1 .. $#steps;
    my ($answered) = grep { $_->{rank} == RANK_ANSWERED } @steps;
    my @way = grep { $_->{rank} != RANK_ANSWERED } @steps;
    for my $i (1 .. $#way) {
        my $next = $way[$i - 1]{at_ms};
        $way[$i]{at_ms} = $next if $way[$i]{at_ms} > $next && $way[$i]{at_ms} <= $next + BLUR_MS;
    }
    my $before = max(map { $_->{at_ms} } grep { $_->{rank} < RANK_ANSWERED } @way);
    $answered->{at_ms} = $before
        if $answered && defined $before && $answered->{at_ms} < $before && $answered->{at_ms} >= $before - BLUR_MS;
    return;
}

# Two lines of one step have one beginning.
sub _without_repetitions {
    my (@events) = @_;
    my (%at, %is_begin);
    @is_begin{ values %BEGIN } = ();
    return grep {
        my $key = "$_->{where} $_->{what}";
        my $is_again = exists $is_begin{ $_->{what} } && defined $at{$key} && $_->{at_ms} - $at{$key} <= BLUR_MS;
        $at{$key} = $_->{at_ms};
        !$is_again;
    } @events;
}

# ---- the summary ----

# The order as it is, by its row, else by the last that the logs say of it.
sub _order {
    my ($id, $found) = @_;
    my ($row) = grep { $_->{table} eq 'orders' && $_->{id} == $id } @{ $found->{rows} };
    my ($ledger) = grep { $_->{table} eq 'stock_ledger' && $_->{order_id} == $id } @{ $found->{rows} };
    my @lines = grep { ($_->{orderId} // '') eq $id } @{ $found->{lines} };
    my ($finished) = grep { ($_->{msg} // '') eq 'order finished' } @lines;
    my ($stored) = grep { ($_->{msg} // '') eq 'order stored' } @lines;
    my $source = $row // $finished // { status => @lines ? 'waiting' : 'unknown' };
    return {
        id => $id, status => $source->{status}, reason => $source->{reason},
        productId => $row ? $row->{product_id} : $stored ? $stored->{productId} : undef,
        quantity => $row ? $row->{quantity} : $stored ? $stored->{quantity} : undef,
        placedBy => $row ? $row->{request_id} : $stored ? $stored->{requestId} : undef,
        decided => $ledger ? $ledger->{status} : undef,
        finishedMs => $finished ? $finished->{at_ms} : undef,
    };
}

sub is_unfinished {
    my ($id, $found) = @_;
    return _order($id, $found)->{status} !~ /^(?:done|rejected)\z/;
}

sub _answer {
    my ($line) = @_;
    return { requestId => $line->{requestId}, status => $line->{status}, operation => $line->{operation},
        validation => $line->{validation}, upstream => $line->{upstream} };
}

# A row as it is now: { where, table, … }.
sub _stored {
    my ($row) = @_;
    my %stored = (where => "$row->{side}-db", table => $row->{table});
    my @names = $row->{table} eq 'outbox' ? qw(message_id available_at)
        : $row->{table} eq 'orders' ? qw(id status reason product_id quantity created_at updated_at tracestate)
        : qw(order_id status reason product_id quantity decided_at);
    $stored{fields} = [map { [$_ => "$row->{$_}"] } grep { defined $row->{$_} } @names];
    return \%stored;
}

1;
