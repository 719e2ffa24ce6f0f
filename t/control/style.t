# scripts/check-style.sh: passes on our sources, fails on what it is there to find.
use strict;
use warnings;

use Prodorder::Control;

sub check_source {
    my ($source) = @_;
    my $dir = scratch();
    write_file("$dir/base/a.c", $source);
    return run('scripts/check-style.sh', $dir);
}

sub function_of {
    my ($lines, $head) = @_;
    return ($head // "int f(void)\n{\n") . ("    if (x) {\n    }\n" x ($lines / 2)) . ("    g();\n" x ($lines % 2)) . "}\n";
}

my $ours = run('scripts/check-style.sh');
is($ours->{status}, 0, 'our own sources pass') or diag $ours->{err};

is(check_source(function_of(70))->{status}, 0, 'a function of 70 lines');
is(check_source(function_of(71))->{status}, 1, 'a function of 71 lines');
is(check_source(function_of(71, "int f(int a,\n      int b) {\n"))->{status}, 1, 'with the brace on the line of its parameters');
is(check_source(function_of(40) . "struct a {\n    int b;\n};\n" . function_of(40))->{status}, 0, 'two functions of 40 lines');
is(check_source("int a;\n" x 700)->{status}, 0, 'a file of 700 lines');
is(check_source("int a;\n" x 701)->{status}, 1, 'a file of 701 lines');

is(check_source('/* ' . 'x' x 94 . " */\n")->{status}, 0, 'a line of 100 columns');
my $wide = check_source("int a;\n/* " . 'x' x 95 . " */\n");
is($wide->{status}, 1, 'a line of 101 columns');
like($wide->{err}, qr{base/a\.c:2: more than 100 columns}, 'file and line are named');
is(check_source('/* ' . "\x{c2}\x{a7}" x 94 . " */\n")->{status}, 0, 'columns are characters, not bytes');
my $nginx = scratch();
write_file("$nginx/ngx_prodorder_gateway/src/a.c", '/* ' . 'x' x 95 . " */\n");
is(run('scripts/check-style.sh', $nginx)->{status}, 0, "nginx code has nginx's own layout");

for my $call (qw(strcpy strcat sprintf vsprintf gets atoi atol strtok)) {
    my $result = check_source("int a;\nint b = $call(x);\n");
    is($result->{status}, 1, "$call() is refused");
    like($result->{err}, qr{base/a\.c:2:}, "$call(): file and line are named");
}
is(check_source("int a = snprintf(b, n, \"x\");\nint c = my_atoi(s);\n")->{status}, 0, 'snprintf is not sprintf');
is(check_source("/* strcpy() has no bound */\n * as sprintf( does\n")->{status}, 0, 'comments may name them');
is(check_source('/* ' . 'TO' . "DO: later */\n")->{status}, 1, 'work left for later');

done_testing();
