# scripts/run-tests: what counts as passed and as failed, on programs that print TAP.
use strict;
use warnings;

use Prodorder::Control;

# run_programs(NAME => SHELL, ...): the suite `unit` with these programs as its tests.
sub run_programs {
    my (%program) = @_;
    my $build = scratch();
    program("$build/unit/test_$_", $program{$_}) for keys %program;
    local $ENV{PRODORDER_BUILD} = $build;
    return run('scripts/run-tests', 'unit');
}

sub last_line {
    my ($result) = @_;
    return (split /\n/, $result->{out})[-1];
}

my $good = 'echo 1..2; echo ok 1; echo ok 2';
for my $case (
    ['all pass',            { a => $good, b => $good },                          0, '4 passed, 0 failed'],
    ['one test fails',      { a => $good, b => 'echo 1..1; echo not ok 1' },     1, '2 passed, 1 failed'],
    ['fewer than planned',  { a => 'echo 1..3; echo ok 1' },                     1, '1 passed, 1 failed'],
    ['no plan at all',      { a => $good, b => 'true' },                         1, '2 passed, 1 failed'],
    ['dies after its tests', { a => "$good; kill -9 \$\$" },                     1, '2 passed, 1 failed'],
    ['ends with 1',         { a => "$good; exit 1" },                            1, '2 passed, 1 failed'],
    ['a skipped test',      { a => 'echo 1..2; echo ok 1; echo "ok 2 # SKIP x"' }, 0, '1 passed, 0 failed'],
    ['no tests',            {},                                                  2, '0 passed, 0 failed'],
) {
    my ($name, $programs, $status, $line) = @$case;
    my $result = run_programs(%$programs);
    is($result->{status}, $status, "$name: exit $status");
    is(last_line($result), $line, "$name: $line");
}

my $noisy = run_programs(quiet => "echo unseen >&2; $good", loud => 'echo seen >&2; echo 1..1; echo not ok 1');
like($noisy->{out}, qr/^    seen$/m, 'the standard error of a failed test is shown');
unlike($noisy->{out} . $noisy->{err}, qr/unseen/, 'that of the others is not');

my $totals = scratch() . '/totals';
write_file($totals, "10 3\n");
my $build = scratch();
program("$build/unit/test_a", "$good; echo not ok 3; echo 1..3" =~ s/echo 1\.\.2; //r);
{
    local $ENV{PRODORDER_BUILD} = $build;
    is(run('scripts/run-tests', '--totals', $totals, 'unit')->{status}, 1, '--totals: exit 1');
}
is(read_file($totals), "12 4\n", '--totals adds to the file');

my $usage = run('scripts/fuzz-smoke.sh', '--help');
is($usage->{status}, 0, 'fuzz-smoke.sh --help');
like($usage->{out}, qr/^Usage: fuzz-smoke\.sh BUILD_DIR.*FUZZ_SECONDS/ms, 'prints its usage');
unlike($usage->{out}, qr/^set |^#/m, 'and nothing else');
is(run('scripts/fuzz-smoke.sh')->{status}, 2, 'fuzz-smoke.sh without a build directory: exit 2');

done_testing();
