package Trace::Report;

# The report as text for people, and as JSON.

use strict;
use warnings;

use Encode ();
use JSON::PP ();
use List::Util qw(max);
use POSIX qw(floor strftime);

use Trace::Values;

sub as_json {
    my ($report) = @_;
    my @events = map {
        my $event = $_;
        { time => _time($event->{at_ms}), offsetMs => 0 + $event->{offset_ms}, component => $event->{where},
            requestId => _or_null($event->{group}{request}), spanId => _or_null($event->{group}{span}),
            event => $event->{what}, level => $event->{level}, fields => { map { $_->[0] => $_->[1] } @{ $event->{fields} } } }
    } @{ $report->{events} };
    my @stored = map {
        my $row = $_;
        { component => $row->{where}, table => $row->{table}, fields => { map { $_->[0] => $_->[1] } @{ $row->{fields} } } }
    } @{ $report->{stored} };
    return JSON::PP->new->ascii->canonical->pretty->encode({
        requests => $report->{requests}, traces => $report->{traces}, orders => $report->{orders}, answers => $report->{answers},
        events => \@events, stored => \@stored, queues => $report->{broker}, notes => $report->{notes},
        totalMs => 0 + $report->{total_ms},
    });
}

sub _or_null {
    my ($text) = @_;
    return $text eq '' ? undef : $text;
}

sub as_text {
    my ($report) = @_;
    my @lines = (_head($report), '', _timeline($report));
    push @lines, '', _now($report) if @{ $report->{stored} } || @{ $report->{broker} };
    push @lines, '', _summary($report);
    push @lines, map { "note: $_" } @{ $report->{notes} };
    return join '', map { printable($_ =~ s/ +\z//r) . "\n" } @lines;
}

sub _head {
    my ($report) = @_;
    my @lines = map { "request  $_" } @{ $report->{requests} };
    push @lines, map { "trace    $_->{trace}" . (defined $_->{span} ? "  span $_->{span}" : '') } @{ $report->{traces} };
    push @lines, map { "order    $_->{id}" . _of($_) } @{ $report->{orders} };
    return @lines;
}

sub _of {
    my ($order) = @_;
    return defined $order->{productId} ? "  $order->{quantity} of product $order->{productId}" : '';
}

# With a heading for each request when there are several: their events are told one request after the other.
sub _timeline {
    my ($report) = @_;
    my @events = @{ $report->{events} };
    return 'no log line is left of it' if !@events;
    my $width = max(map { length _what($_) } @events);
    $width = 40 if $width > 40;
    my $head = '  ' . substr(_time($events[0]{at_ms}), 0, 10) . '      ms  where';
    my @groups = @{ $report->{groups} };
    return ($head, map { _event($_, $width) } @events) if @groups == 1;
    return ($head, map {
        my $group = $_;
        ('', _heading($group), map { _event($_, $width) } grep { $_->{group} == $group } @events)
    } @groups);
}

sub _heading {
    my ($group) = @_;
    return 'of no known request' if $group->{request} eq '';
    return "request $group->{request}" . ($group->{span} eq '' ? '' : "  span $group->{span}");
}

sub _event {
    my ($event, $width) = @_;
    return sprintf '  %s %7d  %-16s %-*s%s', substr(_time($event->{at_ms}), 11, 12), $event->{offset_ms}, $event->{where},
        $width, _what($event), _fields($event->{fields});
}

sub _what {
    my ($event) = @_;
    return $event->{level} =~ /^(?:warn|error)\z/ ? "\U$event->{level}\E: $event->{what}" : $event->{what};
}

sub _fields {
    my ($fields) = @_;
    return join '', map { "  $_->[0]=" . Trace::Values::text($_->[1]) } @$fields;
}

# What is stored now, and what still waits in outboxes and queues.
sub _now {
    my ($report) = @_;
    my @lines = map { "  $_->{where}  $_->{table}" . _fields($_->{fields}) } @{ $report->{stored} };
    my %has = map { $_->{table} => 1 } grep { $_->{where} eq 'product-db' } @{ $report->{stored} };
    push @lines, '  product-db  outbox  empty: nothing is left to be told' if $has{stock_ledger} && !$has{outbox};
    push @lines, map { "  rabbitmq  $_->{queue}  messages=$_->{messages}" } @{ $report->{broker} };
    return ('now', @lines);
}

sub _summary {
    my ($report) = @_;
    my %placed = map { ($_->{placedBy} // '') => 1 } @{ $report->{orders} };
    my @answers = grep { !$placed{ $_->{requestId} // '' } || ($_->{status} // '') =~ /^[45]\d\d\z/ } @{ $report->{answers} };
    my $are_several = @{ $report->{groups} } > 1;
    return (
        (map { _order_summary($_, $report) } @{ $report->{orders} }),
        (map { ($are_several ? 'request ' . ($_->{requestId} // '') . ': ' : '') . _answer_summary($_) } @answers),
        "total $report->{total_ms} ms",
    );
}

sub _order_summary {
    my ($order, $report) = @_;
    my $text = "order $order->{id} is $order->{status}" . (defined $order->{reason} ? " ($order->{reason})" : '');
    my $is_own = grep { $_ eq ($order->{placedBy} // '') } @{ $report->{requests} };
    if (defined $order->{placedBy} && !$is_own) {
        return "$text; it was placed by request $order->{placedBy}";
    }
    return defined $order->{finishedAfterMs} ? "$text, $order->{finishedAfterMs} ms after its request came" : $text;
}

# A refusal of the gateway's own says why, or at least what came of the validation.
sub _answer_summary {
    my ($answer) = @_;
    my $text = 'answered ' . ($answer->{status} // '?');
    my $reason = $answer->{reason} // '';
    if (($answer->{upstream} // '') ne '') {
        return $reason eq '' ? $text : "$text: $reason";
    }
    return "$text by the gateway: $reason; no service saw it" if $reason ne '';
    return "$text by the gateway; no service saw it (validation: " . ($answer->{validation} // '?') . ')';
}

sub _time {
    my ($at_ms) = @_;
    return strftime('%Y-%m-%dT%H:%M:%S', gmtime floor($at_ms / 1000)) . sprintf '.%03dZ', $at_ms % 1000;
}

# UTF-8 without what a terminal would obey or what hides the direction of the text: \x{…} instead.
sub printable {
    my ($text) = @_;
    $text =~ s/([\p{Cc}\p{Cf}\p{Zl}\p{Zp}])/sprintf '\\x{%x}', ord $1/ge;
    return Encode::encode('UTF-8', $text);
}

1;
