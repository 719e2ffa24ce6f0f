package Prodorder::Gateway::Http;

# A client for tests: writes exactly the bytes it is given, reads responses strictly, and says what
# was wrong with their framing. Nothing is retried or repaired.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

# connect PORT, SECONDS for each wait
sub new {
    my ($class, $port, $timeout) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5)
        or die "cannot connect to 127.0.0.1:$port: $!\n";
    $socket->autoflush(1);
    return bless { socket => $socket, timeout => $timeout, buffer => '', eof => 0 }, $class;
}

# Send pieces with a pause between them; an error of the peer's is for the reader to see.
sub send_pieces {
    my ($self, $delay, @pieces) = @_;
    local $SIG{PIPE} = 'IGNORE';
    for my $i (0 .. $#pieces) {
        sleep $delay if $i > 0 && $delay;
        my $piece = $pieces[$i];
        while (length $piece) {
            my $n = syswrite $self->{socket}, $piece;
            return if !defined $n;
            substr $piece, 0, $n, '';
        }
    }
    return;
}

sub close {
    my ($self) = @_;
    $self->{socket}->close;
    return;
}

# More bytes into the buffer; false at the end or after the timeout.
sub _fill {
    my ($self) = @_;
    return 0 if $self->{eof};
    if (!IO::Select->new($self->{socket})->can_read($self->{timeout})) {
        $self->{timed_out} = 1;
        return 0;
    }
    my $n = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
    return 1 if $n;
    $self->{eof} = 1;
    return 0;
}

sub _take {
    my ($self, $length) = @_;
    while (length $self->{buffer} < $length) {
        last if !$self->_fill;
    }
    return substr $self->{buffer}, 0, $length, '';
}

sub _take_line {
    my ($self) = @_;
    while ($self->{buffer} !~ /\r\n/) {
        return if !$self->_fill;
    }
    $self->{buffer} =~ s/\A(.*?)\r\n//s;
    return $1;
}

# One response to METHOD: { status, head, headers => [[name, value]...], body, problem, closed }.
# undef: the connection ended without a byte of it.
sub read_response {
    my ($self, $method) = @_;
    my %response = (body => '', headers => []);
    my $status_line = $self->_take_line;
    return if !defined $status_line;
    ($response{status}) = $status_line =~ m{\AHTTP/1\.[01] (\d{3})(?: |\z)};
    $response{problem} = "status line '$status_line'" if !$response{status};
    $response{head} = "$status_line\r\n";
    while (1) {
        my $line = $self->_take_line;
        if (!defined $line) {
            $response{problem} //= 'the header does not end';
            last;
        }
        $response{head} .= "$line\r\n";
        last if $line eq '';
        my ($name, $value) = $line =~ /\A([^:\s]+):[ ]?(.*)\z/s;
        $response{problem} //= "header line '$line'" if !defined $name;
        push @{ $response{headers} }, [$name, $value] if defined $name;
    }
    if ($response{status} && $response{status} == 100) {
        my $final = $self->read_response($method);
        $final->{continued} = 1 if $final;
        return $final;
    }
    $self->_read_body(\%response, $method);
    $response{problem} //= 'the response did not come in time' if $self->{timed_out};
    return \%response;
}

# What comes before a response to who expects it: its status line; undef: nothing came.
sub read_continue {
    my ($self) = @_;
    my $status_line = $self->_take_line;
    $self->_take_line;
    return $status_line;
}

sub values_of {
    my ($response, $name) = @_;
    return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $response->{headers} };
}

sub _read_body {
    my ($self, $response, $method) = @_;
    my @lengths = values_of($response, 'Content-Length');
    my @codings = values_of($response, 'Transfer-Encoding');
    $response->{problem} //= 'Content-Length twice' if @lengths > 1;
    $response->{problem} //= 'both Content-Length and Transfer-Encoding' if @lengths && @codings;
    return if ($method // '') eq 'HEAD' || ($response->{status} // 0) =~ /\A(?:204|304)\z/;
    if (@codings) {
        $self->_read_chunks($response);
    }
    elsif (@lengths) {
        $response->{body} = $self->_take($lengths[0]);
        my $got = length $response->{body};
        $response->{problem} //= "body of $got bytes, Content-Length $lengths[0]"
            if $got != $lengths[0];
    }
    else {
        1 while $self->_fill;
        $response->{body} = $self->{buffer};
        $self->{buffer} = '';
    }
    return;
}

sub _read_chunks {
    my ($self, $response) = @_;
    while (1) {
        my $line = $self->_take_line;
        if (!defined $line || $line !~ /\A([0-9a-fA-F]+)\z/) {
            $response->{problem} //= 'the chunks do not end';
            return;
        }
        my $length = hex $1;
        last if $length == 0;
        my $chunk = $self->_take($length);
        $response->{body} .= $chunk;
        if (length $chunk < $length || $self->_take(2) ne "\r\n") {
            $response->{problem} //= 'a chunk is cut';
            return;
        }
    }
    while (1) {
        my $line = $self->_take_line;
        $response->{problem} //= 'the trailer does not end' if !defined $line;
        last if !defined $line || $line eq '';
    }
    return;
}

# Whether anything but the end of the connection follows.
sub rest {
    my ($self) = @_;
    1 while $self->_fill;
    return $self->{buffer};
}

1;
