package Prodorder::Gateway::Mock;

# An upstream that answers as a test says: in pieces, cut off, compressed, with a wrong length.
# It runs in a child process, and writes every request that it received to a file.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(sleep);

# start PORT, FILE for requests, reply => TEXT | [PIECES] | sub ($request, $number), delay, keepalive,
# reset. Instead of a piece, \'close' and \'reset' end the connection, the latter as a crash does.
sub start {
    my ($class, $port, $file, %option) = @_;
    my $listen = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 512, ReuseAddr => 1
    ) or die "mock upstream: cannot listen on 127.0.0.1:$port: $!\n";
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        eval { _serve($listen, $file, %option); 1 } or warn $@;
        POSIX::_exit(0);
    }
    return bless { pid => $pid, file => $file, owner => $$ }, $class;
}

# Everything that it received so far; waits a moment for the last request to be written.
sub received {
    my ($self) = @_;
    for (1 .. 50) {
        last if -s $self->{file};
        sleep 0.02;
    }
    open my $in, '<', $self->{file} or return '';
    local $/;
    return scalar <$in> // '';
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    kill 'KILL', $pid;
    waitpid $pid, 0;
    return;
}

# A test that dies leaves no upstream behind.
sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    $self->stop if $self->{owner} == $$;
    return;
}

sub _serve {
    my ($listen, $file, %option) = @_;
    my $number = 0;
    my $select = IO::Select->new($listen);
    my %buffer;
    local $SIG{PIPE} = 'IGNORE';
    while (1) {
        for my $socket ($select->can_read) {
            if ($socket == $listen) {
                my $client = $listen->accept or next;
                $client->autoflush(1);
                $buffer{$client} = '';
                $select->add($client);
                next;
            }
            my $n = sysread $socket, $buffer{$socket}, 65536, length $buffer{$socket};
            my $closes = !$n;
            while (!$closes && defined(my $request = _take_request(\$buffer{$socket}))) {
                open my $out, '>>', $file or die "$file: $!\n";
                print {$out} $request;
                close $out;
                $closes = _answer($socket, $request, $number++, %option);
            }
            if ($closes) {
                $select->remove($socket);
                delete $buffer{$socket};
                close $socket;
            }
        }
    }
    return;
}

# A whole request from the buffer, or undef.
sub _take_request {
    my ($buffer) = @_;
    return if $$buffer !~ /\A(.*?\r\n\r\n)/s;
    my $length = length $1;
    if ($1 =~ /^Content-Length: *(\d+)/mi) {
        $length += $1;
    }
    return if length $$buffer < $length;
    return substr $$buffer, 0, $length, '';
}

# True when the connection is to be closed.
sub _answer {
    my ($socket, $request, $number, %option) = @_;
    my $reply = $option{reply};
    $reply = $reply->($request, $number) if ref $reply eq 'CODE';
    my @pieces = ref $reply eq 'ARRAY' ? @$reply : ($reply);
    for my $i (0 .. $#pieces) {
        sleep $option{delay} if $option{delay} && $i > 0;
        my $piece = $pieces[$i];
        return _end($socket, $$piece) if ref $piece;
        while (length $piece) {
            my $n = syswrite $socket, $piece;
            return 1 if !defined $n;
            substr $piece, 0, $n, '';
        }
    }
    return $option{reset} ? _end($socket, 'reset') : !$option{keepalive};
}

# With SO_LINGER of 0, close() sends RST.
sub _end {
    my ($socket, $how) = @_;
    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 if $how eq 'reset';
    return 1;
}

1;
