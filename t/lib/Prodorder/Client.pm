package Prodorder::Client;

# An HTTP/1.1 client on one kept-alive connection, for tests that look at every header and byte.
#
#     my $client = Prodorder::Client->new('http://127.0.0.1:4000');
#     my $answer = $client->request(POST => '/orders', '{"productId":1,"quantity":2}');
#
# An answer is { status, headers (names in lower case), body, json (decoded, when it is JSON), seconds }.
# When there was none, status is 0 and `error` says why: nothing is ever sent twice.
# read_answer() is the parser alone, for Prodorder::Load.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time);

use constant TIMEOUT_S => 20;

my $json = JSON::PP->new->utf8;

sub new {
    my ($class, $url) = @_;
    my ($host, $port) = address($url);
    return bless { host => $host, port => $port, in => '' }, $class;
}

# address('http://HOST:PORT'): HOST and PORT.
sub address {
    my ($url) = @_;
    my ($host, $port) = $url =~ m{^http://([^:/]+):(\d+)/?$} or die "not an address: $url";
    return ($host, $port);
}

# request_bytes(HOST, METHOD, TARGET, BODY or undef, { HEADER => VALUE })
sub request_bytes {
    my ($host, $method, $target, $body, $headers) = @_;
    my %headers = (Host => $host, %{ $headers // {} });
    if (defined $body) {
        $headers{'Content-Type'} //= 'application/json';
        $headers{'Content-Length'} //= length $body;
    }
    my $lines = join '', map { "$_: $headers{$_}\r\n" } sort keys %headers;
    return "$method $target HTTP/1.1\r\n$lines\r\n" . ($body // '');
}

sub request {
    my ($self, $method, $target, $body, $headers) = @_;
    my $begin = time;
    my $deadline = $begin + TIMEOUT_S;
    $self->_connect or return _failure($begin, "cannot connect: $!");
    my $bytes = request_bytes($self->{host}, $method, $target, $body, $headers);
    local $SIG{PIPE} = 'IGNORE';
    while (length $bytes) {
        my $sent = syswrite $self->{socket}, $bytes;
        return $self->_give_up($begin, "cannot send: $!") if !$sent;
        substr $bytes, 0, $sent, '';
    }
    while (1) {
        my $answer = read_answer(\$self->{in}, $method);
        return $self->_complete($begin, $answer) if $answer;
        my $left = $deadline - time;
        return $self->_give_up($begin, 'timeout') if $left <= 0;
        next if !IO::Select->new($self->{socket})->can_read($left);
        sysread($self->{socket}, $self->{in}, 65536, length $self->{in})
            or return $self->_give_up($begin, 'closed without an answer');
    }
}

sub _complete {
    my ($self, $begin, $answer) = @_;
    $answer->{seconds} = time - $begin;
    $self->close if lc($answer->{headers}{connection} // '') eq 'close';
    return with_json($answer);
}

sub with_json {
    my ($answer) = @_;
    if (($answer->{headers}{'content-type'} // '') =~ m{^application/(?:problem\+)?json} && length $answer->{body}) {
        $answer->{json} = eval { $json->decode($answer->{body}) };
    }
    return $answer;
}

sub _failure {
    my ($begin, $why) = @_;
    return { status => 0, headers => {}, body => '', error => $why, seconds => time - $begin };
}

sub _give_up {
    my ($self, $begin, $why) = @_;
    $self->close;
    return _failure($begin, $why);
}

# A connection that the other side has closed meanwhile is replaced, before anything is sent on it.
sub _connect {
    my ($self) = @_;
    $self->close if $self->{socket} && IO::Select->new($self->{socket})->can_read(0);
    $self->{socket} //= IO::Socket::INET->new(
        PeerHost => $self->{host}, PeerPort => $self->{port}, Timeout => TIMEOUT_S);
    return $self->{socket};
}

sub close {
    my ($self) = @_;
    CORE::close delete $self->{socket} if $self->{socket};
    $self->{in} = '';
    return;
}

# read_answer(\BYTES, METHOD): take one complete answer off the front; undef when more is needed.
sub read_answer {
    my ($in, $method) = @_;
    while ($$in =~ /^HTTP\/1\.1 100 [^\r]*\r\n\r\n/) {
        substr $$in, 0, $+[0], '';
    }
    my $end = index $$in, "\r\n\r\n";
    return if $end < 0;
    my ($first, @lines) = split /\r\n/, substr $$in, 0, $end;
    my ($status) = $first =~ m{^HTTP/1\.1 (\d{3})} or die "not an HTTP answer: $first";
    my %headers;
    for my $line (@lines) {
        my ($name, $value) = $line =~ /^([^:]+):\s*(.*?)\s*$/ or die "not a header: $line";
        $name = lc $name;
        $headers{$name} = exists $headers{$name} ? "$headers{$name}, $value" : $value;
    }
    my $answer = { status => $status + 0, headers => \%headers, body => '' };
    my $rest = substr $$in, $end + 4;
    if ($method ne 'HEAD' && $status != 204 && $status != 304) {
        my $taken = _take_body($answer, \$rest);
        return if !$taken;
    }
    $$in = $rest;
    return $answer;
}

sub _take_body {
    my ($answer, $rest) = @_;
    if (($answer->{headers}{'transfer-encoding'} // '') eq 'chunked') {
        my $body = '';
        while ($$rest =~ /\G([0-9A-Fa-f]+)[^\r]*\r\n/gc) {
            my ($size, $at) = (hex $1, pos $$rest);
            return if length $$rest < $at + $size + 2;
            $body .= substr $$rest, $at, $size;
            pos($$rest) = $at + $size + 2;
            next if $size > 0;
            substr $$rest, 0, $at + 2, '';
            $answer->{body} = $body;
            return 1;
        }
        return;
    }
    my $length = $answer->{headers}{'content-length'} // die 'an answer without a length';
    return if length $$rest < $length;
    $answer->{body} = substr $$rest, 0, $length, '';
    return 1;
}

1;
