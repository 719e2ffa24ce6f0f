package Trace::Report;

# The report as text for people, and as JSON.

use strict;
use warnings;

use Encode ();
use JSON::PP ();
use List::Util qw(max);
use POSIX qw(floor strftime);

sub as_json {
    my ($report) = @_;
    my @events = map {
        my $event = $_;
        { time => _time($event->{at_ms}), offsetMs => 0 + sprintf('%.1f', $event->{offset_ms}), component => $event->{where},
            event => $event->{what}, level => $event->{level}, fields => { map { $_->[0] => $_->[1] } @{ $event->{fields} } } }
    } @{ $report->{events} };
    my @stored = map {
        my $row = $_;
        { component => $row->{where}, table => $row->{table}, fields => { map { $_->[0] => $_->[1] } @{ $row->{fields} } } }
    } @{ $report->{stored} };
    my @orders = map { { %$_, finishedMs => undef } } @{ $report->{orders} };
    delete $_->{finishedMs} for @orders;
    return JSON::PP->new->ascii->canonical->pretty->encode({
        requests => $report->{requests}, traces => $report->{traces}, orders => \@orders, answers => $report->{answers},
        events => \@events, stored => \@stored, queues => $report->{broker}, notes => $report->{notes},
        totalMs => 0 + sprintf('%.1f', $report->{total_ms}),
    });
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

sub _timeline {
    my ($report) = @_;
    my @events = @{ $report->{events} };
    return 'no log line is left of it' if !@events;
    my @what = map { $_->{level} =~ /^(?:warn|error)\z/ ? "\U$_->{level}\E: $_->{what}" : $_->{what} } @events;
    my $width = max(map { length } @what);
    $width = 40 if $width > 40;
    return ('  ' . substr(_time($events[0]{at_ms}), 0, 10) . '      ms  where',
        map {
            my $event = $events[$_];
            sprintf '  %s %7.0f  %-16s %-*s%s', substr(_time($event->{at_ms}), 11, 12), $event->{offset_ms}, $event->{where},
                $width, $what[$_], join '', map { "  $_->[0]=$_->[1]" } @{ $event->{fields} };
        } 0 .. $#events);
}

# What is stored now, and what still waits in outboxes and queues.
sub _now {
    my ($report) = @_;
    my @lines = map {
        "  $_->{where}  $_->{table}" . join '', map { "  $_->[0]=$_->[1]" } @{ $_->{fields} }
    } @{ $report->{stored} };
    for my $side (['order-db', 'orders'], ['product-db', 'stock_ledger']) {
        my %has = map { $_->{table} => 1 } grep { $_->{where} eq $side->[0] } @{ $report->{stored} };
        push @lines, "  $side->[0]  outbox  empty: the broker has confirmed the event" if $has{ $side->[1] } && !$has{outbox};
    }
    push @lines, map { "  rabbitmq  $_->{queue}  messages=$_->{messages}" } @{ $report->{broker} };
    return ('now', @lines);
}

sub _summary {
    my ($report) = @_;
    my @lines = map { _order_summary($_, $report) } @{ $report->{orders} };
    push @lines, map { _answer_summary($_) } grep { !@lines || ($_->{status} // '') =~ /^[45]\d\d\z/ } @{ $report->{answers} };
    push @lines, sprintf 'total %.0f ms', $report->{total_ms};
    return @lines;
}

sub _order_summary {
    my ($order, $report) = @_;
    my $text = "order $order->{id} is $order->{status}" . (defined $order->{reason} ? " ($order->{reason})" : '');
    my $is_own = grep { $_ eq ($order->{placedBy} // '') } @{ $report->{requests} };
    if (defined $order->{placedBy} && !$is_own) {
        return "$text; it was placed by request $order->{placedBy}";
    }
    if (defined $order->{finishedMs} && @{ $report->{events} }) {
        return $text . sprintf ', %.0f ms after its request came', $order->{finishedMs} - $report->{events}[0]{at_ms};
    }
    return $text;
}

sub _answer_summary {
    my ($answer) = @_;
    my $text = 'answered ' . ($answer->{status} // '?');
    my $reached = ($answer->{upstream} // '') ne '';
    return $reached ? $text : "$text by the gateway; no service saw it (validation: " . ($answer->{validation} // '?') . ')';
}

sub _time {
    my ($at_ms) = @_;
    my $ms = floor($at_ms + 0.5);
    return strftime('%Y-%m-%dT%H:%M:%S', gmtime floor($ms / 1000)) . sprintf '.%03dZ', $ms % 1000;
}

# UTF-8 without what a terminal would obey or what hides the direction of the text: \x{…} instead.
sub printable {
    my ($text) = @_;
    $text =~ s/([\p{Cc}\p{Cf}\p{Zl}\p{Zp}])/sprintf '\\x{%x}', ord $1/ge;
    return Encode::encode('UTF-8', $text);
}

1;
