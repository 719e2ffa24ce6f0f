package Prodorder::Stack;

# The stack that a test runs against, as ./prodorder runs it: its processes, databases, caches and broker.
#
# Which stack: PRODORDER_HOME and PRODORDER_PORT_OFFSET, as for ./prodorder (which sets them, and
# PRODORDER_TEST_{GATEWAY,PRODUCT,ORDER}_URL, for its tests). Run from the repository's root.

use strict;
use warnings;

use HTTP::Tiny;
use IO::Socket::INET;
use IPC::Open2 qw(open2);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Time::HiRes qw(sleep time);

use Prodorder::Client;

my %PORT = (gateway => 4000, product => 3001, order => 3002, 'rabbitmq-management' => 15672);
my @NAMES = qw(product-db order-db product-redis order-redis rabbitmq product-service order-service gateway);
my (%environment, $management, %child);

sub home {
    return $ENV{PRODORDER_HOME} || 'var';
}

# url('gateway' | 'product' | 'order' | 'rabbitmq-management')
sub url {
    my ($name) = @_;
    my $given = $ENV{ 'PRODORDER_TEST_' . uc($name) . '_URL' };
    return $given // 'http://127.0.0.1:' . ($PORT{$name} + ($ENV{PRODORDER_PORT_OFFSET} || 0));
}

# ---- processes: by the names that ./prodorder gives them ----

# control(COMMAND, ARGS...): ./prodorder; dies with its output when it fails.
sub control {
    my (@arguments) = @_;
    my $pid = open(my $out, '-|') // die "cannot fork: $!";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec './prodorder', @arguments or exit 127;
    }
    my $said = do { local $/; <$out> };
    close $out or die "./prodorder @arguments failed:\n$said";
    return $said;
}

# Nothing is built by starting this way.
sub start {
    my (@names) = @_;
    return control('restart', @names);
}

sub stop {
    my (@names) = @_;
    return control('down', @names);
}

# in_background(CODE): run it in a process of its own; returns its pid. What goes wrong is printed.
sub in_background {
    my ($code) = @_;
    my $pid = fork // die "cannot fork: $!";
    return $pid if $pid;
    my $good = eval { $code->(); 1 };
    print STDERR "in the background: $@" if !$good;
    POSIX::_exit($good ? 0 : 1);
}

# heal(): thaw what an earlier test has left frozen, start what it has left dead.
sub heal {
    my @dead;
    for my $name (@NAMES) {
        my $pid = pid($name);
        $pid ? kill(CONT => _tree($pid)) : push @dead, $name;
    }
    start(@dead) if @dead;
    return;
}

sub pid {
    my ($name) = @_;
    open my $in, '<', home() . "/run/$name.pid" or return;
    my ($pid) = split ' ', scalar(<$in>) // '';
    return $pid && _runs($pid) ? $pid : undef;
}

# A process whose first thread has ended keeps its sockets as long as it has others.
sub _runs {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/stat" or return 0;
    my ($state) = (scalar(<$in>) // '') =~ /\) (\S) /s or return 0;
    return 1 if $state !~ /[ZX]/;
    my @threads = glob "/proc/$pid/task/*";
    return @threads > 1;
}

# kill -9, and wait until it is gone.
sub kill_hard {
    my ($name) = @_;
    my $pid = pid($name) // die "$name does not run";
    kill KILL => $pid or die "cannot kill $name ($pid): $!";
    my $deadline = time + 10;
    while (_runs($pid)) {
        die "$name ($pid) does not die" if time > $deadline;
        sleep 0.01;
    }
    return;
}

# away(NAME, 'killed' | 'stopped' | 'frozen'): make it go away; returns how it comes back, as code.
# A frozen process (SIGSTOP) is the nastiest: its port still takes connections, and nothing answers.
sub away {
    my ($name, $how) = @_;
    if ($how eq 'frozen') {
        my @pids = _tree(pid($name) // die "$name does not run");
        kill STOP => @pids;
        return sub { kill CONT => reverse @pids; return };
    }
    $how eq 'killed' ? kill_tree($name) : stop($name);
    return sub { start($name); return };
}

# kill -9 of it with its children: a backend of a PostgreSQL that lost its postmaster would go on with what it has been sent, and answer.
sub kill_tree {
    my ($name) = @_;
    my $top = pid($name) // die "$name does not run";
    kill STOP => $top;    # no child more
    my (undef, @children) = _tree($top);
    kill KILL => @children if @children;
    kill_hard($name);
    return;
}

# A process and its children: a PostgreSQL is frozen, and dead, only with its backends.
sub _tree {
    my ($top) = @_;
    my %children;
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $file or next;
        my ($pid, $parent) = (scalar(<$in>) // '') =~ /^(\d+) .*\) \S (\d+) /s or next;
        push @{ $children{$parent} }, $pid;
    }
    my @found = ($top);
    for (my $i = 0; $i < @found; $i++) {
        push @found, @{ $children{ $found[$i] } // [] };
    }
    return @found;
}

# spawn(NAME, { KEY => VALUE }): a service as a child of ours (only a parent learns the exit status), started as the stack's own
# and writing to its log; returns its pid.
sub spawn {
    my ($name, $more) = @_;
    my $log = _log($name);
    my %environment = (%ENV, %{ environment($name) }, %{ $more // {} });
    my $pid = fork // die "cannot fork: $!";
    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT;
        local %ENV = %environment;
        exec +($ENV{PRODORDER_BUILD} || 'build') . "/$name" or POSIX::_exit(127);
    }
    $child{$pid} = $$;
    return $pid;
}

# replica(NAME, { KEY => VALUE }): likewise, beside the stack's own, once it is ready: { pid, url }.
sub replica {
    my ($name, $more) = @_;
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') // die "no port: $!";
    my $port = $socket->sockport;
    close $socket;
    my $replica = { url => "http://127.0.0.1:$port", pid => spawn($name, { %{ $more // {} }, PORT => $port }) };
    my $deadline = time + 20;
    until (Prodorder::Client->new($replica->{url})->request(GET => '/readyz')->{status} == 200) {
        die "a second $name is not ready\n" if time > $deadline;
        sleep 0.02;
    }
    return $replica;
}

# ended(PID): what spawn() has started is sent SIGTERM; its exit status, undef when it has not ended after 30 s.
sub ended {
    my ($pid) = @_;
    kill TERM => $pid;
    my $deadline = time + 30;
    while (waitpid($pid, POSIX::WNOHANG()) == 0) {
        return if time > $deadline;
        sleep 0.01;
    }
    delete $child{$pid};
    return $?;
}

END {
    my $status = $?;
    kill KILL => grep { $child{$_} == $$ } keys %child;
    $? = $status;
}

# environment(NAME): what ./prodorder starts it with.
sub environment {
    my ($name) = @_;
    return $environment{$name} //= { map { /^(\w+)=(.*)$/ } split /\n/, control('env', $name) };
}

# ---- what is stored ----

# sql('product' | 'order', QUERY): an array of rows, each an array of its values as text.
sub sql {
    my ($side, $query) = @_;
    local %ENV = (%ENV, %{ environment("$side-db") }, PGCONNECT_TIMEOUT => 5);
    my @rows = map { [split /\x1f/, $_, -1] } split /\n/, _output('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-F', "\x1f", '-c', $query);
    return \@rows;
}

# sql_value(SIDE, QUERY): the first value of the first row.
sub sql_value {
    my ($side, $query) = @_;
    my $rows = sql($side, $query);
    return @$rows ? $rows->[0][0] : undef;
}

# hold(SIDE, STATEMENT): a transaction that has done this and stays open; returns how it is rolled back, as code.
sub hold {
    my ($side, $statement) = @_;
    local %ENV = (%ENV, %{ environment("$side-db") }, PGCONNECT_TIMEOUT => 5);
    my $pid = open2(my $out, my $in, 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1');
    print {$in} "BEGIN; $statement;\n\\echo held\n";
    $in->flush;
    while (1) {
        my $line = <$out> // die "not done: $statement\n";
        last if $line eq "held\n";
    }
    # Said, since processes that were started meanwhile have the pipe, too.
    return sub { print {$in} "ROLLBACK;\n\\q\n"; close $in; waitpid $pid, 0; return };
}

# redis('product' | 'order', COMMAND...): what redis-cli prints.
sub redis {
    my ($side, @command) = @_;
    my $address = environment("$side-redis");
    my $said = _output('redis-cli', '-h', $address->{REDIS_HOST}, '-p', $address->{REDIS_PORT}, @command);
    chomp $said;
    return $said;
}

sub _output {
    my (@command) = @_;
    open my $out, '-|', @command or die "cannot run $command[0]: $!";
    my $said = do { local $/; <$out> };
    close $out or die "$command[0] failed: $?\n";
    return $said // '';
}

# rabbitmq(METHOD, PATH below /api, DATA): the management API's answer, decoded; dies on failure.
sub rabbitmq {
    my ($method, $path, $data) = @_;
    $management //= HTTP::Tiny->new(timeout => 10);
    my %request = (headers => { Authorization => 'Basic ' . encode_base64('guest:guest', ''), 'Content-Type' => 'application/json' });
    $request{content} = JSON::PP::encode_json($data) if $data;
    my $answer = $management->request($method, url('rabbitmq-management') . "/api$path", \%request);
    die "RabbitMQ: $method $path: $answer->{status} $answer->{content}\n" if !$answer->{success};
    return length($answer->{content} // '') ? JSON::PP::decode_json($answer->{content}) : undef;
}

# rabbitmqctl(COMMAND...): what it prints.
sub rabbitmqctl {
    my (@command) = @_;
    local %ENV = (%ENV, %{ environment('rabbitmq') });
    my $script = '/usr/lib/rabbitmq/bin/rabbitmqctl';    # Debian's in PATH changes users by itself
    return _output(-x $script ? $script : 'rabbitmqctl', '-q', @command);
}

# queued(): { QUEUE => messages in it } for the services' queues that have any, dead letters too; of a quorum queue
# as it was at its last tick, up to half a second ago.
sub queued {
    my $queues = rabbitmq(GET => '/queues?disable_stats=true&enable_queue_totals=true');
    return { map { $_->{name} => $_->{messages} }
        grep { $_->{name} =~ /^(?:order|product)\.(?:created|updated|cancelled)\./ && $_->{messages} } @$queues };
}

# ---- logs ----

# log_size(NAME), log_lines(NAME, FROM): the log as lines from a byte on, across one rotation.
sub log_size {
    my ($name) = @_;
    return -s _log($name) // 0;
}

sub log_lines {
    my ($name, $from) = @_;
    my $file = _log($name);
    my @lines;
    if (($from // 0) > (-s $file // 0)) {
        push @lines, _read_lines("$file.1", $from);
        $from = 0;
    }
    return (@lines, _read_lines($file, $from));
}

sub _log {
    my ($name) = @_;
    return home() . "/log/$name.log";
}

sub _read_lines {
    my ($file, $from) = @_;
    open my $in, '<', $file or return;
    seek $in, $from // 0, 0;
    return <$in>;
}

1;
