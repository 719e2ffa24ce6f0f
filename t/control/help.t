# Every program that a checkout offers has --help, which explains it instead of doing its work.
use strict;
use warnings;

use File::Find qw(find);

use Prodorder::Control;

# Programs: what may be executed, of the folders that hold any.
my @programs;
find({
    no_chdir => 1,
    wanted   => sub {
        $File::Find::prune = 1 if /(?:^|\/)node_modules$/;
        push @programs, $_ if -f && -x;
    },
}, grep { -e } qw(.ci prodorder configure.sh scripts tools bench fuzz mock docker k6 ngx_prodorder_gateway t));
@programs = sort @programs;
cmp_ok(scalar @programs, '>=', 15, 'programs were found');

for my $program (@programs) {
    for my $option ('--help', '-h') {
        my $result = run("./$program", $option);
        is($result->{status}, 0, "$program $option: exit 0") or diag $result->{err};
        is($result->{err}, '', "$program $option: no complaint");
        like($result->{out}, qr/^(?:Usage: |    \S*\/)/m, "$program $option: says how it is called");
        cmp_ok(length $result->{out}, '<', 8000, "$program $option: does not run");
    }
}
my $build = $ENV{PRODORDER_BUILD} || 'build';
for my $program (map { "$build/$_" } qw(product-service order-service openapi-check schema-check)) {
    my $result = run($program, '--help');
    is($result->{status}, 0, "$program --help: exit 0");
    like($result->{out}, qr/^Usage: /mi, "$program --help: says how it is called");
}
done_testing();
