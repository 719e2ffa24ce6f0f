package Prodorder::Gateway::Http2;

# An HTTP/2 client (RFC 9113) for what command-line clients do not do: a body in as many frames as a
# test likes, streams reset half way, windows of a few bytes. One connection, many streams.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use Prodorder::Gateway::Hpack;

use constant {
    DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6, GOAWAY => 7,
    WINDOW_UPDATE => 8, CONTINUATION => 9,
    END_STREAM => 1, ACK => 1, END_HEADERS => 4,
    SETTINGS_INITIAL_WINDOW_SIZE => 4,
};

# connect PORT; timeout in seconds for each response; window: what the server may send on a stream
# before it is told to go on, which happens by itself unless manual is set.
sub new {
    my ($class, $port, %option) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5)
        or die "cannot connect to 127.0.0.1:$port: $!\n";
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    my $self = bless {
        socket => $socket, buffer => '', next => 1, stream => {}, hpack => Prodorder::Gateway::Hpack->new,
        timeout => $option{timeout} // 10, manual => $option{manual}, send_window => 65535,
        stream_window => 65535,
    }, $class;
    my $settings = defined $option{window}
        ? pack('nN', SETTINGS_INITIAL_WINDOW_SIZE, $option{window}) : '';
    $self->_write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    $self->frame(SETTINGS, 0, 0, $settings);
    return $self;
}

sub _write {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    while (length $bytes) {
        my $n = syswrite $self->{socket}, $bytes;
        return if !defined $n;
        substr $bytes, 0, $n, '';
    }
    return;
}

sub frame {
    my ($self, $type, $flags, $stream, $payload) = @_;
    $self->_write(substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload);
    return;
}

# Begin a request; returns the stream's number. headers => [[NAME, VALUE]...], body => BYTES (one DATA
# frame), open => 1: more follows. A list of all fields replaces the usual ones: fields => [...].
sub request {
    my ($self, $method, $path, %option) = @_;
    my $stream = $self->{next};
    $self->{next} += 2;
    my @fields = @{ $option{fields} // [
        [':method', $method], [':scheme', 'http'], [':path', $path], [':authority', 'localhost'],
        @{ $option{headers} // [] },
    ] };
    $self->{stream}{$stream} = { head => '', body => '', headers => [], method => $method };
    $self->{stream}{$stream}{send_window} = $self->{stream_window};
    my $ends = !defined $option{body} && !$option{open};
    my ($first, @more) = unpack '(a16384)*', $self->{hpack}->encode(@fields);
    $self->frame(HEADERS, ($ends ? END_STREAM : 0) | (@more ? 0 : END_HEADERS), $stream, $first);
    while (defined(my $part = shift @more)) {
        $self->frame(CONTINUATION, @more ? 0 : END_HEADERS, $stream, $part);
    }
    $self->data($stream, $option{body}, !$option{open}) if defined $option{body};
    return $stream;
}

# One DATA frame, when the windows allow it; false when the stream or the connection ended before.
sub data {
    my ($self, $stream, $bytes, $ends) = @_;
    my $state = $self->{stream}{$stream};
    my $length = length $bytes;
    while ($length > $self->{send_window} || $length > $state->{send_window}) {
        return 0 if $state->{done} || !$self->_read_frame;
    }
    $self->{send_window} -= $length;
    $state->{send_window} -= $length;
    $self->frame(DATA, $ends ? END_STREAM : 0, $stream, $bytes);
    return 1;
}

sub reset_stream {
    my ($self, $stream, $code) = @_;
    $self->frame(RST_STREAM, 0, $stream, pack 'N', $code);
    $self->{stream}{$stream}{done} = 1;
    return;
}

# Let the server send more: stream 0 is the connection.
sub window {
    my ($self, $stream, $bytes) = @_;
    $self->frame(WINDOW_UPDATE, 0, $stream, pack 'N', $bytes);
    return;
}

# { status, head, headers, body, problem, reset }, as Http.pm's; undef: nothing of it came.
sub response {
    my ($self, $stream) = @_;
    my $state = $self->{stream}{$stream};
    my $deadline = time + $self->{timeout};
    while (!$state->{done} && time < $deadline) {
        last if !$self->_read_frame($deadline);
    }
    $state->{problem} //= 'the stream does not end' if !$state->{ended};
    return $state->{status} ? $state : undef;
}

# Whether the stream has a first byte of body, waiting for it.
sub wait_for_body {
    my ($self, $stream, $bytes) = @_;
    my $state = $self->{stream}{$stream};
    my $deadline = time + $self->{timeout};
    while (length $state->{body} < ($bytes // 1) && !$state->{done}) {
        return 0 if !$self->_read_frame($deadline);
    }
    return length $state->{body} >= ($bytes // 1);
}

# Read what comes within SECONDS.
sub idle {
    my ($self, $seconds) = @_;
    my $deadline = time + $seconds;
    1 while $self->_read_frame($deadline);
    return;
}

sub goaway { return $_[0]{goaway} }
sub closed { return $_[0]{eof} }

sub close {
    my ($self) = @_;
    $self->{socket}->close;
    return;
}

sub _fill {
    my ($self, $length, $deadline) = @_;
    while (length $self->{buffer} < $length) {
        my $left = ($deadline // time + $self->{timeout}) - time;
        return 0 if $left <= 0 || !IO::Select->new($self->{socket})->can_read($left);
        my $n = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
        if (!$n) {
            $self->{eof} = 1;
            return 0;
        }
    }
    return 1;
}

# Take one frame; false at the end of the connection or of the time.
sub _read_frame {
    my ($self, $deadline) = @_;
    return 0 if !$self->_fill(9, $deadline);
    my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $self->{buffer};
    my $length = $high << 16 | $low;
    return 0 if !$self->_fill(9 + $length, $deadline);
    substr $self->{buffer}, 0, 9, '';
    my $payload = substr $self->{buffer}, 0, $length, '';
    if ($type == SETTINGS && !($flags & ACK)) {
        $self->_settings($payload);
    }
    elsif ($type == PING && !($flags & ACK)) {
        $self->frame(PING, ACK, 0, $payload);
    }
    elsif ($type == GOAWAY) {
        $self->{goaway} = { last => unpack('N', $payload), code => unpack('x4N', $payload) };
    }
    elsif ($type == WINDOW_UPDATE) {
        ($stream ? $self->{stream}{$stream}{send_window} : $self->{send_window}) += unpack 'N', $payload;
    }
    elsif ($stream && $self->{stream}{$stream}) {
        $self->_stream_frame($self->{stream}{$stream}, $stream, $type, $flags, $payload);
    }
    return 1;
}

sub _settings {
    my ($self, $payload) = @_;
    while (length $payload) {
        my ($name, $value) = unpack 'nN', substr $payload, 0, 6, '';
        next if $name != SETTINGS_INITIAL_WINDOW_SIZE;
        $_->{send_window} += $value - $self->{stream_window} for values %{ $self->{stream} };
        $self->{stream_window} = $value;
    }
    $self->frame(SETTINGS, ACK, 0, '');
    return;
}

sub _stream_frame {
    my ($self, $state, $stream, $type, $flags, $payload) = @_;
    $state->{problem} //= 'a frame after the end' if $state->{ended} && $type != RST_STREAM;
    if ($type == HEADERS || $type == CONTINUATION) {
        $state->{block} = ($state->{block} // '') . $payload;
        $self->_headers($state) if $flags & END_HEADERS;
    }
    elsif ($type == DATA) {
        $state->{body} .= $payload;
        $state->{frames}++;
        if (length $payload && !$self->{manual}) {
            $self->window(0, length $payload);
            $self->window($stream, length $payload) if !($flags & END_STREAM);
        }
    }
    elsif ($type == RST_STREAM) {
        $state->{reset} = unpack 'N', $payload;
        $state->{done} = 1;
    }
    if (($type == DATA || $type == HEADERS) && $flags & END_STREAM) {
        $state->{ended} = $state->{done} = 1;
        $self->_check_length($state);
    }
    return;
}

sub _headers {
    my ($self, $state) = @_;
    for my $field ($self->{hpack}->decode(delete $state->{block})) {
        $state->{head} .= "$field->[0]: $field->[1]\r\n";
        $state->{status} = $field->[1] if $field->[0] eq ':status';
        push @{ $state->{headers} }, $field;
    }
    return;
}

sub _check_length {
    my ($self, $state) = @_;
    my @lengths = map { $_->[1] } grep { $_->[0] eq 'content-length' } @{ $state->{headers} };
    my $got = length $state->{body};
    $state->{problem} //= 'content-length twice' if @lengths > 1;
    $state->{problem} //= "body of $got bytes, content-length $lengths[0]"
        if @lengths && $state->{method} ne 'HEAD' && $lengths[0] != $got;
    return;
}

1;
