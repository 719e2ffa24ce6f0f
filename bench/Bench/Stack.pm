package Bench::Stack;

# One stack of a checkout, started for the benchmarks: what it is told, and what it is asked for while it is measured.
#
#     my $stack = Bench::Stack->new(dir => '.', home => 'var/bench', offset => 11000);
#     $stack->start;
#     my $before = $stack->snapshot;      # counters, processor time, log and WAL so far
#     ...
#     my $used = $stack->since($before);
#
# Nothing here counts rows: the order-service's own counters say how many orders there are.

use strict;
use warnings;

use Bench::Util qw(die_clearly progress sum);
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVTIMEO);
use Time::HiRes qw(sleep time);

use constant {
    ANSWER_MAX_S  => 10,
    SETTLE_POLL_S => 0.02,
    UPDATES_TRIES => 6, UPDATES_POLL_S => 0.25,
    STUCK_MAX_S   => 60, # orders that wait, of which none ends for so long, will not end
};
my @SERVERS = qw(gateway product-service order-service product-db order-db product-redis order-redis rabbitmq);

# new(dir, home, offset, replicas): a stack that is not started yet. `home` and `dir` are absolute; replicas: 1.
sub new {
    my ($class, %of) = @_;
    return bless { replicas => 1, %of }, $class;
}

sub port { my ($self, $port) = @_; return $port + $self->{offset} }
sub gateway { my ($self) = @_; return 'http://127.0.0.1:' . $self->port(4000) }
sub order_service { my ($self) = @_; return 'http://127.0.0.1:' . $self->port(3002) }

sub commit {
    my ($self) = @_;
    return Bench::Util::commit_of($self->{dir});
}

# environment(): what the control script needs to know
sub environment {
    my ($self) = @_;
    return (PRODORDER_HOME => $self->{home}, PRODORDER_PORT_OFFSET => $self->{offset}, PRODORDER_LISTEN => '127.0.0.1');
}

# control(ARGS...): runs ./prodorder; its output as one text, and whether it went well
sub control {
    my ($self, @arguments) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if ($pid == 0) {
        chdir $self->{dir} or die "$self->{dir}: $!\n";
        %ENV = (%ENV, $self->environment);
        open STDERR, '>&', \*STDOUT or die;
        exec './prodorder', @arguments or POSIX::_exit(127);
    }
    my $said = do { local $/; <$out> } // '';
    return ($said, close $out);
}

sub must {
    my ($self, @arguments) = @_;
    my ($said, $well) = $self->control(@arguments);
    die_clearly("./prodorder @arguments failed in $self->{dir}:\n$said") unless $well;
    return $said;
}

# start(): anew, with empty databases and the first products
sub start {
    my ($self) = @_;
    progress("starting a stack in $self->{home}");
    $self->{started} = 1;
    $self->control('clean');
    delete $self->{clients};
    my ($said, $well) = $self->control('up', $self->{replicas} > 1 ? ('--replicas', $self->{replicas}) : ());
    die_clearly("the stack did not start\n$said") unless $well;
    return $self;
}

# clean(): begins to stop and delete what was started; the process that does it, if any
sub clean {
    my ($self) = @_;
    delete $self->{started} or return;
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        $self->control('clean');
        POSIX::_exit(0);
    }
    return $pid;
}

# ---- the databases ----

# client(SIDE): the variables with which psql and pgbench reach the database "order" or "product"
sub client {
    my ($self, $side) = @_;
    return $self->{clients}{$side} //= { $self->must('env', "$side-db") =~ /^(\w+)=(.*)$/mg };
}

# sql(SIDE, TEXT): what psql prints: lines, columns with | between them
sub sql {
    my ($self, $side, $text) = @_;
    local %ENV = (%ENV, %{ $self->client($side) }, PGOPTIONS => '-c client_min_messages=warning');
    open my $out, '-|', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', $text or die "psql: $!\n";
    my $said = do { local $/; <$out> } // '';
    close $out or die_clearly("psql $side: a statement failed: " . substr($text, 0, 200));
    chomp $said;
    return $said;
}

# broker(): the address with which the services reach it
sub broker {
    my ($self) = @_;
    my ($url) = $self->must('env', 'rabbitmq') =~ /^RABBITMQ_URL=(.*)$/m;
    return $url // 'amqp://guest:guest@127.0.0.1:' . $self->port(5673) . '/';
}

# ---- what the services count ----

# get(PORT, TARGET): status and body of an answer; status 0 when there is none. The connection is kept.
sub get {
    my ($self, $port, $target) = @_;
    for my $try (1, 2) {
        my $socket = $self->{sockets}{$port} //= IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => ANSWER_MAX_S) or return (0, '');
        setsockopt $socket, SOL_SOCKET, SO_RCVTIMEO, pack 'l!l!', ANSWER_MAX_S, 0;
        my ($answer, $end_s) = ('', time + ANSWER_MAX_S);
        syswrite $socket, "GET $target HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        while (time < $end_s) {
            last unless sysread $socket, $answer, 65536, length $answer;
            my ($head) = $answer =~ /\A(.*?\r\n\r\n)/s or next;
            my ($bytes) = $head =~ /^Content-Length: (\d+)/im or last;
            next if length($answer) < length($head) + $bytes;
            my ($status) = $head =~ m{\AHTTP/1\.1 (\d+)};
            return ($status, substr $answer, length $head);
        }
        delete $self->{sockets}{$port}; # it was closed while nobody looked: once more
    }
    return (0, '');
}

# counters(): since the order-services were started: orders stored, finished and done; batches and what was in them
sub counters {
    my ($self) = @_;
    my $text = '';
    for my $replica (0 .. $self->{replicas} - 1) {
        my ($status, $body) = $self->get($self->port(3002 + 10 * $replica), '/metrics');
        die_clearly("the order-service does not answer GET /metrics (status $status)") unless $status == 200;
        $text .= "$body\n";
    }
    my $of = sub { return sum($text =~ /^prodorder_$_[0](?:\{[^}]*\})? (\S+)$/mg) };
    return {
        stored          => $of->('orders_stored_total'),
        finished        => $of->('orders_finished_total'),
        done            => sum($text =~ /^prodorder_orders_finished_total\{status="done"\} (\S+)$/mg),
        inserts         => $of->('insert_batch_orders_count'),
        inserted        => $of->('insert_batch_orders_sum'),
        finishes        => $of->('finish_batch_orders_count'),
        finish_rows     => $of->('finish_batch_orders_sum'),
        messages        => $of->('broker_published_total'),
    };
}

# settle(): until no order waits; counters() of then. Orders that are never decided are an error.
sub settle {
    my ($self) = @_;
    my ($counters, $last, $since_s) = (undef, -1, time);
    while (1) {
        $counters = $self->counters;
        return $counters if $counters->{finished} >= $counters->{stored};
        ($last, $since_s) = ($counters->{finished}, time) if $counters->{finished} != $last;
        die_clearly(sprintf '%d orders wait, and none has ended for %d s', $counters->{stored} - $counters->{finished},
            STUCK_MAX_S) if time - $since_s > STUCK_MAX_S;
        sleep SETTLE_POLL_S;
    }
}

# ---- processes ----

# trees(): { name => [pids] }: every server with all that it has started
sub trees {
    my ($self) = @_;
    return Bench::Util::trees($self->roots);
}

# roots(): { name => pid }
sub roots {
    my ($self) = @_;
    my %roots;
    for my $name (@SERVERS, map { ("product-service-$_", "order-service-$_") } 2 .. $self->{replicas}) {
        open my $in, '<', "$self->{home}/run/$name.pid" or next;
        $roots{$name} = $1 if (<$in> // '') =~ /^(\d+)/;
    }
    return \%roots;
}

# cpu(): { name => seconds } of each server and of all that it started, ended ones included
sub cpu {
    my ($self) = @_;
    return Bench::Util::cpu_of($self->roots);
}

# peaks_forget(), peaks(): { name => MB }: the most memory that the largest process of each server had since then
sub peaks_forget {
    my ($self) = @_;
    for my $pid (map { @$_ } values %{ $self->trees }) {
        open my $out, '>', "/proc/$pid/clear_refs" or next;
        print {$out} "5\n";
        close $out;
    }
    return;
}

sub peaks {
    my ($self) = @_;
    my %peaks;
    my $trees = $self->trees;
    for my $name (keys %$trees) {
        for my $pid (@{ $trees->{$name} }) {
            open my $in, '<', "/proc/$pid/status" or next;
            my ($kb) = (do { local $/; <$in> } // '') =~ /^VmHWM:\s+(\d+) kB/m or next;
            my $mb = sprintf('%.1f', $kb / 1024) + 0;
            $peaks{$name} = $mb if $mb > ($peaks{$name} // 0);
        }
    }
    return \%peaks;
}

# ---- a run, from its begin to its end ----

sub snapshot {
    my ($self) = @_;
    my %wal = map { $_ => $self->sql($_, q{SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')}) } qw(order product);
    my ($updates, $hot) = $self->_updates;
    return { wal => \%wal, updates => $updates, hot => $hot, log => $self->_log_bytes, counters => $self->settle,
        cpu => $self->cpu, at_s => time };
}

# since(SNAPSHOT): what was used since then, once no order waits. { seconds, orders, done, us_per_order, us_by_process,
# wal_bytes_per_order, log_bytes_per_order, hot_share, insert_batch, finish_batch, messages_per_order }
sub since {
    my ($self, $before) = @_;
    my $counters = $self->settle;
    my $seconds = time - $before->{at_s};
    my $cpu = $self->cpu;
    my %now = map { $_ => $counters->{$_} - $before->{counters}{$_} } keys %$counters;
    my $orders = $now{finished} or die_clearly('not one order was fulfilled');
    my $each = sub { my ($value, $digits) = @_; return sprintf("%.*f", $digits, $value / $orders) + 0 };
    my %us = map { $_ => $each->(($cpu->{$_} - ($before->{cpu}{$_} // 0)) * 1e6, 1) } keys %$cpu;
    my %wal = map { $_ => $each->($self->sql($_, q{SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')})
        - $before->{wal}{$_}, 0) } qw(order product);
    my $log = $self->_log_bytes;
    my %log = map { $_ => $each->($log->{$_} - ($before->{log}{$_} // 0), 0) }
        grep { $log->{$_} > ($before->{log}{$_} // 0) } keys %$log;
    my ($updates, $hot) = $self->_updates($before->{updates});
    $updates -= $before->{updates};
    return {
        seconds => sprintf('%.3f', $seconds) + 0, orders => $orders, done => $now{done},
        us_per_order => sprintf('%.1f', sum(values %us)) + 0, us_by_process => \%us,
        wal_bytes_per_order => { %wal, all => sum(values %wal) }, log_bytes_per_order => { %log, all => sum(values %log) },
        hot_share => $updates > 0 ? sprintf('%.4f', ($hot - $before->{hot}) / $updates) + 0 : undef,
        insert_batch => $now{inserts} ? sprintf('%.1f', $now{inserted} / $now{inserts}) + 0 : undef,
        finish_batch => $now{finishes} ? sprintf('%.1f', $now{finish_rows} / $now{finishes}) + 0 : undef,
        messages_per_order => $each->($now{messages}, 3),
    };
}

# _updates([MORE_THAN]): how many updates of orders there were, and how many of them were HOT. A process of PostgreSQL
# tells its statistics at most once a second, so the last ones may be missing; waits up to 1.5 s for any.
sub _updates {
    my ($self, $more_than) = @_;
    my @said;
    for my $try (1 .. UPDATES_TRIES) {
        @said = split /\|/, $self->sql('order',
            q{SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'orders'});
        last if !defined $more_than || $said[0] > $more_than;
        sleep UPDATES_POLL_S;
    }
    return @said;
}

sub _log_bytes {
    my ($self) = @_;
    return { map { m{/([^/]+)\.log$} ? ($1 => -s) : () } grep { -f } glob "$self->{home}/log/*.log" };
}

1;
