# Kill points are in a build of ./configure.sh --kill-points and in no other: the programs that people run have no
# trace of them (what t/fault/kill_points.t does with them is another matter).
use strict;
use warnings;

use Prodorder::Control;

my $dir = scratch();
my $build = $ENV{PRODORDER_BUILD} || 'build';

# What a program or an object has of kill points: symbols, and texts in what is loaded.
sub trace_of {
    my ($file) = @_;
    my $text = run('nm', $file)->{out} . run('strings', '-d', $file)->{out};
    return join ' ', sort grep { length } $text =~ /(\S*kill_?points?\S*)/gi;
}

write_file("$dir/passes.c", <<'END_OF_C');
#include "runtime/telemetry/kill_point.h"
int main(void) {
    KILL_POINT("order", "stored");
    return 0;
}
END_OF_C
for my $case (['without the option', '', qr/\A\z/], ['with it', '-DPRODORDER_KILL_POINTS', qr/kill_point_reach/]) {
    my ($what, $flag, $expected) = @$case;
    my $made = run('gcc', '-c', '-Iservices', ($flag) x !!$flag, '-o', "$dir/passes.o", "$dir/passes.c");
    is($made->{err}, '', "the macro compiles $what");
    like(trace_of("$dir/passes.o"), $expected, "what it leaves $what");
}

for my $name (qw(order-service product-service)) {
    ok(-x "$build/$name", "$name is built");
    is(trace_of("$build/$name"), '', 'and has no trace of a kill point');
}
my $objects = run('nm', '-A', glob "$build/lib{base,runtime,contract}.a")->{out};
like($objects, qr/teller_flush/, 'the libraries are built');
is(join(' ', $objects =~ /(\S*kill_point\S*)/g), '', 'no object in them has any');

my $refused = run('./configure.sh', '--kill-points');
is($refused->{status}, 2, './configure.sh --kill-points: exit 2');
like($refused->{err}, qr/--kill-points is not for services that people run: give a --build-dir/, 'and says why');
my $good = run('./configure.sh', '--quiet', '--kill-points', "--build-dir=$dir/build");
is($good->{status}, 0, 'with a --build-dir of its own it is configured') or diag $good->{err};
my $config = read_file("$dir/build/config.mk");
like($config, qr/^KILL_POINTS := yes$/m, 'config.mk: the option');
like($config, qr/^CONFIGURE_OPTIONS := .*--kill-points/m, 'and again for make');

done_testing();
