#!/usr/bin/perl
# ./prodorder trace: the timeline of one request, from the logs of gateway and services and from what
# databases and broker hold of it. scripts/lib/trace.sh says where these are.
#
#     trace.pl [--json] ID
#
# ID is a request id, a trace id (32 hexadecimal digits), a whole traceparent, or order:NUMBER. What begins
# with "order:" is always taken as an order.
# Environment: TRACE_HOME, the stack's directory; TRACE_ORDER_PG* and TRACE_PRODUCT_PG*, libpq's
# variables, for the databases that run; TRACE_RABBITMQ, the management API's address, if it runs.
# Exit: 0 found, 1 not found, 2 wrong usage.
#
# What a log says is data: it is never part of a command, and no control character of it is printed.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use List::Util qw(any max uniq);
use Time::HiRes qw(sleep time);

use Trace::Logs;
use Trace::Report;
use Trace::Stores;
use Trace::Timeline;

use constant {
    GATEWAY_WAIT_S => 2, # its log is buffered, for a second at most
    FRESH_MS => 3000,    # of what is older, every line is in the logs
    POLL_S => 0.1,
    IDS_MAX => 20,       # requests, and orders, in one trace
};

my $ANOTHER_STACK = "  Another stack? PRODORDER_HOME=DIR ./prodorder trace ID\n";

exit main(@ARGV);

sub main {
    my ($as_json, @given) = read_options(@_);
    usage_error('trace needs one id') if @given != 1;
    my $wanted = read_id($given[0]);
    if (!-d "$ENV{TRACE_HOME}/log") {
        print STDERR "prodorder: nothing has been started in $ENV{TRACE_HOME}: there are no logs\n$ANOTHER_STACK";
        return 1;
    }
    my $logs = Trace::Logs->new("$ENV{TRACE_HOME}/log");
    my $found = find($logs, $wanted);
    return not_found($given[0], $logs, $found) if !@{ $found->{lines} } && !@{ $found->{rows} };
    my $report = Trace::Timeline::report($found);
    print $as_json ? Trace::Report::as_json($report) : Trace::Report::as_text($report);
    return 0;
}

# [--json] [--] ID: an id may begin with a dash.
sub read_options {
    my ($as_json, @given) = (0);
    while (@_) {
        my $one = shift;
        return ($as_json, @given, @_) if $one eq '--';
        $one eq '--json' ? ($as_json = 1)
            : $one =~ /^--/ ? usage_error("trace has no option '" . Trace::Report::printable($one) . "'")
            : push @given, $one;
    }
    return ($as_json, @given);
}

sub usage_error {
    print STDERR "prodorder: $_[0]\n  ./prodorder help trace says more.\n";
    exit 2;
}

# What logs say is checked before it goes on as an id.
sub is_request {
    my ($id) = @_;
    return defined $id && $id =~ /^[A-Za-z0-9._:-]{1,128}\z/;
}

sub is_order {
    my ($id) = @_;
    return defined $id && $id =~ /^[1-9][0-9]{0,17}\z/;
}

# What the id may mean: { request => ID, trace => ID } (one of them or both), or { order => NUMBER }.
sub read_id {
    my ($id) = @_;
    if ($id =~ /^order:(.*)\z/s) {
        return { order => $1 } if is_order($1);
        usage_error("'" . Trace::Report::printable($id) . "' is no order's id: that is order: and a number from 1 on, of at most"
            . ' 18 digits, such as order:1001');
    }
    return { trace => lc $1 } if $id =~ /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\z/i;
    return { request => $id, trace => lc $id } if $id =~ /^[0-9a-f]{32}\z/i;
    return { request => $id } if is_request($id);
    return usage_error('that is neither a request id (1 to 128 of A-Z a-z 0-9 . _ : -) nor a trace id nor order:NUMBER');
}

# Lines and rows, and the requests and orders that they are about.
sub find {
    my ($logs, $wanted) = @_;
    my %found = (lines => [], rows => [], notes => [], requests => [], orders => []);
    if ($wanted->{order}) {
        find_order($logs, \%found, $wanted->{order});
    } else {
        find_request($logs, \%found, $wanted);
    }
    find_orphans($logs, \%found);
    if (any { Trace::Timeline::is_unfinished($_, \%found) } @{ $found{orders} }) {
        $found{broker} = Trace::Stores::broker($found{notes});
    }
    push @{ $found{notes} }, $logs->notes;
    return \%found;
}

# cut(FOUND, 'requests' or 'orders'): to IDS_MAX of them; returns the others.
sub cut {
    my ($found, $kind) = @_;
    my $ids = $found->{$kind};
    return if @$ids <= IDS_MAX;
    push @{ $found->{notes} }, 'only the first ' . IDS_MAX . ' of ' . @$ids . " $kind are shown";
    return splice @$ids, IDS_MAX;
}

sub find_request {
    my ($logs, $found, $wanted) = @_;
    my $id = $wanted->{request} // '';
    my @needles = uniq map { "Id\":\"$_\"" } values %$wanted;
    my $is_meant = sub {
        my ($line) = @_;
        return 1 if defined $wanted->{trace} && ($line->{traceId} // '') eq $wanted->{trace};
        return any { ($line->{$_} // '') eq $id } 'requestId', 'firstRequestId';
    };
    my @lines = grep { $is_meant->($_) } $logs->search(@needles);
    push @lines, wait_for_gateway($logs, \@lines, \@needles, $is_meant);
    my @own = grep { $id eq '' || ($_->{firstRequestId} // '') ne $id } @lines;
    $found->{requests} = [uniq grep { is_request($_) } $wanted->{request}, map { $_->{requestId} } @own];
    $found->{requests} = [grep { $_ ne $id } @{ $found->{requests} }] # it was a trace id
        if $wanted->{trace} && !any { ($_->{requestId} // '') eq $id } @own;
    my %is_cut = map { $_ => 1 } cut($found, 'requests');
    @$_ = grep { !$is_cut{ $_->{requestId} // '' } } @$_ for \@lines, \@own;
    $found->{lines} = \@lines;
    $found->{orders} = [uniq grep { is_order($_) } map { $_->{orderId} } @own];
    cut($found, 'orders');
    my $lost = !@lines || (!@{ $found->{orders} } && any { made_order($_) } @lines);
    $found->{rows} = Trace::Stores::rows($found, $lost ? $wanted : undef);
    $found->{orders} = [uniq @{ $found->{orders} }, map { $_->{id} } grep { $_->{table} eq 'orders' } @{ $found->{rows} }];
    return;
}

# The gateway says that there is an order.
sub made_order {
    my ($line) = @_;
    return ($line->{operation} // '') eq 'createOrder' && ($line->{status} // 0) =~ /^2/;
}

# By its row, and by the lines that name it; then by the request that placed it.
sub find_order {
    my ($logs, $found, $order) = @_;
    $found->{orders} = [$order];
    $found->{rows} = Trace::Stores::rows($found);
    my @lines = search_orders($logs, $order);
    my @placed_by = uniq grep { is_request($_) } (map { $_->{request_id} } grep { $_->{table} eq 'orders' } @{ $found->{rows} }),
        map { $_->{requestId} } grep { !defined $_->{firstRequestId} } @lines;
    $found->{requests} = \@placed_by;
    cut($found, 'requests');
    my %seen = map { $_->{raw} => 1 } @lines;
    for my $id (@placed_by) {
        my @more = grep { ($_->{requestId} // '') eq $id } $logs->search("Id\":\"$id\"");
        push @lines, grep { !$seen{ $_->{raw} }++ } @more, wait_for_gateway($logs, \@more, ["Id\":\"$id\""], sub { 1 });
    }
    $found->{lines} = \@lines;
    return;
}

sub search_orders {
    my ($logs, @orders) = @_;
    my %wanted = map { $_ => 1 } @orders;
    return grep { $wanted{ $_->{orderId} // '' } } $logs->search_services(map { ("\"orderId\":$_,", "\"orderId\":$_}") } @orders);
}

# Lines about an order that name no request.
sub find_orphans {
    my ($logs, $found) = @_;
    return if !@{ $found->{orders} };
    my %seen = map { $_->{raw} => 1 } @{ $found->{lines} };
    push @{ $found->{lines} }, grep { !defined $_->{requestId} && !$seen{ $_->{raw} }++ } search_orders($logs, @{ $found->{orders} });
    return;
}

sub wait_for_gateway {
    my ($logs, $lines, $needles, $is_meant) = @_;
    my $end = time + GATEWAY_WAIT_S;
    return if any { $_->{service} eq 'gateway' } @$lines;
    return if @$lines && max(map { $_->{at_ms} } @$lines) < time * 1000 - FRESH_MS;
    while (time < $end) {
        sleep POLL_S;
        my @new = grep { $is_meant->($_) } $logs->appended('gateway', @$needles);
        return @new if @new;
    }
    return;
}

sub not_found {
    my ($id, $logs, $found) = @_;
    print STDERR "prodorder: nothing is known of $id in $ENV{TRACE_HOME}\n";
    print STDERR "  $_\n" for $logs->coverage, @{ $found->{notes} };
    print STDERR "  Of each process one earlier log is kept (NAME.log.1, when it is started again).\n$ANOTHER_STACK";
    return 1;
}
