package Prodorder::Node;

# Node.js, for the tests that run something with it.
#
#     my $why_not = Prodorder::Node::missing('18.19');    # undef: this version or a newer one is there
#     plan skip_all => $why_not if $why_not;
#
# Tests of bench/k6_profile/ ask for what that needs: Prodorder::Node::missing_for_k6_profile().

use strict;
use warnings;

# bench/k6_profile/main.mjs: module.register().
use constant K6_PROFILE => '18.19';

sub missing {
    my ($least) = @_;
    my $said = `node --version 2>/dev/null` // '';
    my ($major, $minor) = $said =~ /^v(\d+)\.(\d+)/ or return 'Node.js is missing (Debian package: nodejs)';
    my ($least_major, $least_minor) = split /\./, $least;
    return if $major > $least_major || ($major == $least_major && $minor >= $least_minor);
    return "Node.js $major.$minor is too old: $least is needed";
}

# What driving the load needs, too.
sub missing_for_k6_profile {
    my (@programs) = @_;
    for my $program (@programs) {
        return "$program is missing (Debian package: $program)"
            if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
    }
    return missing(K6_PROFILE);
}

1;
