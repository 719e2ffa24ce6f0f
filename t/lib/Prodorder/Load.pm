package Prodorder::Load;

# Many requests at once, over kept-alive connections, remembering what became of each.
#
#     my $answers = Prodorder::Load::run(url => $url, connections => 64, requests => \&next);
#
#     my $load = Prodorder::Load->start(url => $url, connections => 8, requests => \&next);
#     ...kill things...
#     my $answers = $load->stop;
#
# Options
#   url          http://HOST:PORT
#   connections  how many; each has at most one request under way
#   requests     called with 0, 1, 2, …; returns [METHOD, TARGET, BODY, { HEADER => VALUE }], undef: no more
#   rate_per_s   at most so many requests a second (default: as fast as they are answered)
#   timeout_s    of one request (default 20)
#   after        called with each answer and the request's number; may return one more request, which
#                leaves next, on the same connection (not with start: it runs in another process)
#
# An answer is { n, status, body, headers, sent (time), seconds, request }. Status 0: the request was sent and no
# answer came, `error` says why. A connection that is refused is tried again, no request is used up by
# it; nothing is ever sent twice. run() ends after the last request; start() runs in a process of its own
# until stop(), which sends no new request and waits for the answers under way; it ends with its test, too.

use strict;
use warnings;

use Errno qw(EAGAIN EINTR);
use File::Temp ();
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Prodorder::Client;

use constant { TIMEOUT_S => 20, RECONNECT_S => 0.02, CONNECT_LIMIT_S => 60 };

my $json = JSON::PP->new->utf8->canonical;

sub run {
    my (%options) = @_;
    my $self = bless {
        timeout_s => TIMEOUT_S, next => 0, answers => [], read => '', write => '', by_fd => {}, %options
    }, __PACKAGE__;
    ($self->{host}, $self->{port}) = Prodorder::Client::address($self->{url});
    local $SIG{PIPE} = 'IGNORE';
    my @connections = map { { again_at => 0 } } 1 .. $self->{connections};
    $self->{begin} = $self->{progress} = time;
    while (1) {
        my $now = time;
        $self->_begin($_, $now) for grep { !$_->{request} } @connections;
        my @busy = grep { $_->{request} } @connections;
        last if !@busy && $self->{exhausted};
        die "Prodorder::Load: nobody listens at $self->{url}\n" if $now - $self->{progress} > CONNECT_LIMIT_S;
        $self->_wait;
        $now = time;
        $self->_lose($_, 'timeout') for grep { $_->{request} && $now > $_->{deadline} } @busy;
    }
    _close($self, $_) for @connections;
    return $self->{answers};
}

sub _may_send {
    my ($self, $now) = @_;
    if ($self->{stop} && $self->{stop}->()) {
        $self->{exhausted} = 1;
    }
    return 0 if $self->{exhausted};
    return !$self->{rate_per_s} || $self->{next} <= ($now - $self->{begin}) * $self->{rate_per_s};
}

# Give a connection without a request its next one.
sub _begin {
    my ($self, $connection, $now) = @_;
    return if !$connection->{extra} && !$self->_may_send($now);
    return if !$self->_connect($connection, $now);
    my $request = delete $connection->{extra};
    if (!$request) {
        $request = $self->{requests}->($self->{next});
        if (!$request) {
            $self->{exhausted} = 1;
            return;
        }
        $self->{next}++;
    }
    @$connection{qw(request n in sent deadline)} =
        ($request, $self->{next} - 1, '', time, time + $self->{timeout_s});
    $self->{progress} = $now;
    $connection->{out} = Prodorder::Client::request_bytes($self->{host}, @$request);
    vec($self->{read}, $connection->{fd}, 1) = 1;
    $self->_send($connection);
    return;
}

sub _connect {
    my ($self, $connection, $now) = @_;
    if ($connection->{socket}) {
        # Closed by the other side while nothing was under way: replaced.
        my $there = sysread $connection->{socket}, my $byte, 1;
        return 1 if !defined $there && $! == EAGAIN;
        die "Prodorder::Load: bytes that nobody asked for: $byte\n" if $there;
        _close($self, $connection);
    }
    return 0 if $now < $connection->{again_at};
    my $socket = IO::Socket::INET->new(PeerHost => $self->{host}, PeerPort => $self->{port});
    if (!$socket) {
        $connection->{again_at} = $now + RECONNECT_S;
        return 0;
    }
    $socket->blocking(0);
    @$connection{qw(socket fd)} = ($socket, fileno $socket);
    $self->{by_fd}{ $connection->{fd} } = $connection;
    return 1;
}

sub _close {
    my ($self, $connection) = @_;
    my $socket = delete $connection->{socket} or return;
    my $fd = delete $connection->{fd};
    vec($self->{$_}, $fd, 1) = 0 for qw(read write);
    delete $self->{by_fd}{$fd};
    close $socket;
    return;
}

sub _wait {
    my ($self) = @_;
    my $count = select my $read = $self->{read}, my $write = $self->{write}, undef, 0.005;
    return if $count <= 0;
    for my $fd (keys %{ $self->{by_fd} }) {
        my $connection = $self->{by_fd}{$fd} or next;
        $self->_send($connection) if vec $write, $fd, 1;
        $self->_receive($connection) if vec($read, $fd, 1) && $connection->{request};
    }
    return;
}

sub _send {
    my ($self, $connection) = @_;
    my $sent = syswrite $connection->{socket}, $connection->{out};
    if (!defined $sent && $! != EAGAIN && $! != EINTR) {
        # The answer may be there already: reading finds it, or the end.
        $connection->{out} = '';
    }
    substr $connection->{out}, 0, $sent // 0, '';
    vec($self->{write}, $connection->{fd}, 1) = length $connection->{out} ? 1 : 0;
    return;
}

sub _receive {
    my ($self, $connection) = @_;
    my $got = sysread $connection->{socket}, $connection->{in}, 65536, length $connection->{in};
    return if !defined $got && ($! == EAGAIN || $! == EINTR);
    my $answer = Prodorder::Client::read_answer(\$connection->{in}, $connection->{request}[0]);
    if ($answer) {
        $self->_close($connection) if lc($answer->{headers}{connection} // '') eq 'close';
        $self->_note($connection, $answer);
    } elsif (!$got) {
        $self->_lose($connection, 'closed without an answer');
    }
    return;
}

sub _lose {
    my ($self, $connection, $why) = @_;
    $self->_close($connection);
    $self->_note($connection, { status => 0, headers => {}, body => '', error => $why });
    return;
}

sub _note {
    my ($self, $connection, $answer) = @_;
    $answer->{n} = $connection->{n};
    $answer->{sent} = $connection->{sent};
    $answer->{seconds} = time - $connection->{sent};
    $answer->{request} = delete $connection->{request};
    vec($self->{read}, $connection->{fd}, 1) = 0 if defined $connection->{fd};
    push @{ $self->{answers} }, $answer;
    $connection->{extra} = $self->{after}->($answer, $answer->{n}) if $self->{after};
    delete $connection->{extra} if !ref $connection->{extra};
    return;
}

# ---- in a process of its own ----

sub start {
    my ($class, %options) = @_;
    my $file = File::Temp->new;
    my $parent = $$;
    my $pid = fork // die "cannot fork: $!";
    if ($pid == 0) {
        my $stopped = 0;
        local $SIG{TERM} = sub { $stopped = 1 };
        my $answers = eval { run(%options, stop => sub { $stopped || getppid != $parent }) };
        print {$file} $json->encode($answers // { error => "$@" });
        $file->flush;
        POSIX::_exit(0);
    }
    return bless { pid => $pid, file => $file, begin => time }, $class;
}

# is_over: whether it has sent all that `requests` gave, and heard of it.
sub is_over {
    my ($self) = @_;
    delete $self->{pid} if $self->{pid} && waitpid($self->{pid}, POSIX::WNOHANG()) != 0;
    return !$self->{pid};
}

# stop: the answers.
sub stop {
    my ($self) = @_;
    if (!$self->is_over) {
        kill TERM => $self->{pid};
        waitpid delete $self->{pid}, 0;
    }
    open my $in, '<', $self->{file}->filename or die "cannot read the answers: $!";
    my $answers = $json->decode(do { local $/; <$in> } || '{"error":"the process of the load died"}');
    die $answers->{error} if ref $answers eq 'HASH';
    return $answers;
}

sub DESTROY {
    my ($self) = @_;
    kill KILL => $self->{pid} if $self->{pid};
    return;
}

# ---- what one usually wants to know ----

# accepted(ANSWERS): the ids of the orders that were accepted, in the order of their answers.
sub accepted {
    my ($answers) = @_;
    return map { $_->{body} =~ /"id":(\d+)/ ? $1 : () } grep { $_->{status} =~ /^2/ } @$answers;
}

# statuses(ANSWERS): { STATUS => how many }, status 0 being those without an answer.
sub statuses {
    my ($answers) = @_;
    my %count;
    $count{ $_->{status} }++ for @$answers;
    return \%count;
}

1;
