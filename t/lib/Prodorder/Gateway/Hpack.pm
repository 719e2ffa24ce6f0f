package Prodorder::Gateway::Hpack;

# HPACK (RFC 7541) for the tests' HTTP/2 client: writes every field as a literal, reads everything.

use strict;
use warnings;

# Appendix A, from index 1.
my @STATIC = map { my ($name, $value) = split /=/, $_, 2; [$name, $value // ''] } qw(
    :authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https
    :status=200 :status=204 :status=206 :status=304 :status=400 :status=404 :status=500
    accept-charset accept-encoding=gzip accept-language accept-ranges accept
    access-control-allow-origin age allow authorization cache-control content-disposition
    content-encoding content-language content-length content-location content-range content-type
    cookie date etag expect expires from host if-match if-modified-since if-none-match if-range
    if-unmodified-since last-modified link location max-forwards proxy-authenticate
    proxy-authorization range referer refresh retry-after server set-cookie
    strict-transport-security transfer-encoding user-agent vary via www-authenticate
);
$STATIC[15][1] = 'gzip, deflate';

# Appendix B: how many bits the code of each byte has, "a" is 5. The codes are canonical.
my $LENGTHS = 'isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhfibcccccccccccccccccccc'
    . 'ccdcdioijbkabababbbaccbbbabcbaabccccckgjixprpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrq'
    . 'srssprrrsrrsvvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqrqqsrruuttvsvwvvwwwwwxwwwwwv';
my %byte_of = _codes();

sub _codes {
    my @length = map { ord($_) - ord('a') + 5 } split //, $LENGTHS;
    my ($code, $bits, %byte) = (0, 0);
    for my $byte (sort { $length[$a] <=> $length[$b] || $a <=> $b } 0 .. 255) {
        $code <<= $length[$byte] - $bits;
        $bits = $length[$byte];
        $byte{ substr unpack('B32', pack 'N', $code), 32 - $bits } = chr $byte;
        $code++;
    }
    return %byte;
}

sub new {
    my ($class) = @_;
    return bless { dynamic => [] }, $class;
}

# The block of header fields [NAME, VALUE]...
sub encode {
    my ($self, @fields) = @_;
    return join '', map { "\0" . _string($_->[0]) . _string($_->[1]) } @fields;
}

sub _string {
    my ($text) = @_;
    my $length = length $text;
    return chr($length) . $text if $length < 127;
    my $prefix = chr 127;
    for ($length -= 127; $length >= 128; $length >>= 7) {
        $prefix .= chr(128 | $length & 127);
    }
    return $prefix . chr($length) . $text;
}

# The fields of a whole block.
sub decode {
    my ($self, $block) = @_;
    my @fields;
    while (length $block) {
        my $first = ord $block;
        if ($first & 0x80) {
            push @fields, $self->_entry(_integer(\$block, 7));
            next;
        }
        if (($first & 0xe0) == 0x20) {
            _integer(\$block, 5);
            next;
        }
        my $kept = $first & 0x40;
        my $index = _integer(\$block, $kept ? 6 : 4);
        my $name = $index ? $self->_entry($index)->[0] : _text(\$block);
        my $field = [$name, _text(\$block)];
        unshift @{ $self->{dynamic} }, $field if $kept;
        push @fields, $field;
    }
    return @fields;
}

sub _entry {
    my ($self, $index) = @_;
    my $entry = $index <= @STATIC ? $STATIC[$index - 1] : $self->{dynamic}[$index - 1 - @STATIC];
    return $entry // die "HPACK index $index\n";
}

sub _integer {
    my ($block, $bits) = @_;
    my $max = (1 << $bits) - 1;
    my $value = ord(substr $$block, 0, 1, '') & $max;
    return $value if $value < $max;
    for (my $shift = 0;; $shift += 7) {
        my $byte = ord substr $$block, 0, 1, '';
        $value += ($byte & 127) << $shift;
        return $value if $byte < 128;
    }
}

sub _text {
    my ($block) = @_;
    my $is_coded = ord($$block) & 0x80;
    my $length = _integer($block, 7);
    my $text = substr $$block, 0, $length, '';
    return $text if !$is_coded;
    my ($code, $plain) = ('', '');
    for my $bit (split //, unpack 'B*', $text) {
        $code .= $bit;
        next if !defined $byte_of{$code};
        $plain .= $byte_of{$code};
        $code = '';
    }
    return $plain;
}

1;
