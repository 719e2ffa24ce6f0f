package Prodorder::Node;

# Node.js, for the tests that run something with it.
#
#     my $why_not = Prodorder::Node::missing('18.19');    # undef: this version or a newer one is there
#     plan skip_all => $why_not if $why_not;

use strict;
use warnings;

sub missing {
    my ($least) = @_;
    my $said = `node --version 2>/dev/null` // '';
    my ($major, $minor) = $said =~ /^v(\d+)\.(\d+)/ or return 'Node.js is missing (Debian package: nodejs)';
    my ($least_major, $least_minor) = split /\./, $least;
    return if $major > $least_major || ($major == $least_major && $minor >= $least_minor);
    return "Node.js $major.$minor is too old: $least is needed";
}

1;
