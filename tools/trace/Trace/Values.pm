package Trace::Values;

# JSON objects whose values keep their kind: a number of the log is a number in the report, a text that
# looks like one is a text.

use strict;
use warnings;

use B ();
use JSON::PP ();

my $json = JSON::PP->new->utf8->allow_nonref(0);

# decode(BYTES): { MEMBER => VALUE..., numbers => { MEMBER => 1... } }; undef: no JSON object. Members that
# are objects or arrays become undef. Which are numbers is noted now: Perl forgets it in use.
sub decode {
    my ($bytes) = @_;
    my $object = eval { $json->decode($bytes) };
    return if ref $object ne 'HASH';
    my %is_number = map { $_ => 1 } grep { _is_number($object->{$_}) } keys %$object;
    $object->{$_} = undef for grep { ref $object->{$_} && !JSON::PP::is_bool($object->{$_}) } keys %$object;
    $object->{numbers} = \%is_number;
    return $object;
}

# As the decoder left it. JSON has no infinity: 1e999 is kept as a text.
sub _is_number {
    my $flags = B::svref_2object(\$_[0])->FLAGS;
    return $flags & (B::SVp_IOK | B::SVp_NOK) && !($flags & B::SVp_POK) && $_[0] - $_[0] == 0;
}

# value(OBJECT, MEMBER): for as_json(): a fresh number, text or boolean, or undef.
sub value {
    my ($object, $name) = @_;
    my $value = $object->{$name};
    return $value if !defined $value || JSON::PP::is_bool($value);
    return $object->{numbers}{$name} ? 0 + $value : "$value";
}

# text(VALUE): as a person reads it.
sub text {
    my ($value) = @_;
    return JSON::PP::is_bool($value) ? ($value ? 'true' : 'false') : "$value";
}

1;
