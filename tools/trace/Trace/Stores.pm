package Trace::Stores;

# What the databases and the broker hold of requests and orders. What does not run, or does not answer
# soon, is left out, and said.

use strict;
use warnings;

use HTTP::Tiny;
use IPC::Open3 qw(open3);
use JSON::PP ();

use Trace::Values;

use constant { CONNECT_S => 3, STATEMENT_MS => 10_000, HTTP_S => 3 };

# Rows come as JSON objects, one a line. Ids reach psql as variables, which it quotes.
my %QUERY = (
    order => {
        by_id => <<'END',
SELECT row_to_json(t) FROM (SELECT 'orders' AS "table", * FROM orders WHERE id = ANY (:'orders'::bigint[])) AS t;
END
        by_request => <<'END',
SELECT row_to_json(t) FROM (SELECT 'orders' AS "table", * FROM orders
    WHERE request_id = nullif(:'lost_request', '') OR substr(traceparent, 4, 32) = nullif(:'lost_trace', '') LIMIT 20) AS t;
END
        outbox => <<'END',
SELECT row_to_json(t) FROM (SELECT 'outbox' AS "table", message_id, available_at FROM outbox
    WHERE id = ANY (:'orders'::bigint[])) AS t;
END
    },
    product => {
        by_id => <<'END',
SELECT row_to_json(t) FROM (SELECT 'stock_ledger' AS "table", * FROM stock_ledger
    WHERE order_id = ANY (:'orders'::bigint[])) AS t;
END
        outbox => <<'END',
SELECT row_to_json(t) FROM (SELECT 'outbox' AS "table", message_id, available_at FROM outbox
    WHERE routing_key = 'order.updated' AND split_part(message_id, '-', 2) = ANY (:'orders'::text[])
    OR correlation_id = ANY (:'requests'::text[])) AS t;
END
    },
);

# rows(FOUND, LOST): of FOUND's orders and requests; LOST: { request, trace }, ids that the logs do not know,
# to be looked for among all orders (no index has them: that takes long in a large table).
sub rows {
    my ($found, $lost) = @_;
    my %variables = (requests => _array(@{ $found->{requests} }), orders => _array(@{ $found->{orders} }));
    my @rows;
    if (defined $lost) {
        @rows = _ask('order', $QUERY{order}{by_request}, { %variables, lost_request => $lost->{request} // '', lost_trace => $lost->{trace} // '' }, $found->{notes});
        $variables{orders} = _array(map { $_->{id} } @rows);
    } elsif (@{ $found->{orders} }) {
        @rows = _ask('order', $QUERY{order}{by_id}, \%variables, $found->{notes});
    }
    return \@rows if !@rows && !@{ $found->{orders} } && !@{ $found->{requests} };
    push @rows, _ask('order', $QUERY{order}{outbox}, \%variables, $found->{notes});
    push @rows, _ask('product', "$QUERY{product}{by_id}$QUERY{product}{outbox}", \%variables, $found->{notes});
    return \@rows;
}

# An array literal; ids have no quote and no backslash.
sub _array {
    return '{' . join(',', map { "\"$_\"" } @_) . '}';
}

sub _ask {
    my ($side, $query, $variables, $notes) = @_;
    my $prefix = 'TRACE_' . uc($side) . '_';
    my %login = map { substr($_, length $prefix) => $ENV{$_} } grep { index($_, $prefix) == 0 } keys %ENV;
    if (!%login) {
        _note($notes, "$side-db does not run: what it holds is not shown");
        return;
    }
    local %ENV = (%ENV, %login, PGTZ => 'UTC', PGCONNECT_TIMEOUT => CONNECT_S, PGAPPNAME => 'prodorder-trace',
        PGOPTIONS => '-c statement_timeout=' . STATEMENT_MS);
    my $pid = open3(my $in, my $out, undef, 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1',
        (map { ('-v', "$_=$variables->{$_}") } sort keys %$variables), '-f', '-');
    local $SIG{PIPE} = 'IGNORE';
    print {$in} $query;
    close $in;
    my @said = <$out>;
    waitpid $pid, 0;
    if ($? != 0) {
        chomp(my $why = $said[-1] // 'no answer');
        _note($notes, "$side-db: $why");
        return;
    }
    return map { { %$_, side => $side } } map { Trace::Values::decode($_) // () } @said;
}

sub _note {
    my ($notes, $text) = @_;
    push @$notes, $text if !grep { $_ eq $text } @$notes;
    return;
}

# broker(NOTES): [{ queue, messages, consumers }] of the queues that orders pass, and of their dead letters.
sub broker {
    my ($notes) = @_;
    if (!$ENV{TRACE_RABBITMQ}) {
        _note($notes, 'rabbitmq does not run: what its queues hold is not shown');
        return [];
    }
    my $url = "$ENV{TRACE_RABBITMQ}/api/queues?disable_stats=true&enable_queue_totals=true";
    my $answer = HTTP::Tiny->new(timeout => HTTP_S)->get($url, { headers => { Authorization => 'Basic Z3Vlc3Q6Z3Vlc3Q=' } });
    my $queues = $answer->{success} ? eval { JSON::PP::decode_json($answer->{content}) } : undef;
    if (ref $queues ne 'ARRAY') {
        _note($notes, "rabbitmq: its management API answers $answer->{status}");
        return [];
    }
    return [map { { queue => $_->{name}, messages => $_->{messages} // 0 } }
        grep { $_->{name} =~ /^order\.(?:created|updated|cancelled)\./ && ($_->{messages} || $_->{name} !~ /\.dlq\z/) }
        sort { $a->{name} cmp $b->{name} } @$queues];
}

1;
