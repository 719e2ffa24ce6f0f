# The Makefile, on a small tree with the same layout: what is rebuilt when, and how unit tests are linked.
use strict;
use warnings;

use Prodorder::Control;

delete $ENV{BUILD};
my $top = scratch();
run('cp', '-R', "$ROOT/Makefile", "$ROOT/configure.sh", "$ROOT/scripts", $top);
write_file("$top/base/two.h",     "int two(void);\n");
write_file("$top/base/two.c",     "#include \"two.h\"\nint two(void) {\n    return 2;\n}\n");
write_file("$top/services/contract/three.h", "int three(void);\n");
write_file("$top/services/contract/three.c",
    "#include \"contract/three.h\"\n#include \"base/two.h\"\nint three(void) {\n    return two() + 1;\n}\n");
write_file("$top/services/product/app.c",
    "#include \"contract/three.h\"\nint app(void);\nint app(void) {\n    return three();\n}\n");
write_file("$top/services/runtime/process/main.c", <<'END');
#include <stdio.h>
int app(void);
int main(void) {
    printf("%s %d\n", PRODORDER_VERSION, app());
    return 0;
}
END
my $test = <<'END';
#include "contract/three.h"
#include <stdio.h>
int main(void) {
    printf("1..1\n%sok 1 - %d\n", three() == WANTED ? "" : "not ", three());
    return 0;
}
END
write_file("$top/t/unit/contract/test_three.c", $test =~ s/WANTED/3/r);
write_file("$top/t/unit/fake_two.c",   "#include \"base/two.h\"\nint two(void) {\n    return 40;\n}\n");
write_file("$top/t/unit/contract/test_fake.c",
    "/* link: services/contract/three.c\n *       t/unit/fake_two.c */\n" . ($test =~ s/WANTED/41/r));

sub make { return run('make', '-C', $top, @_) }

sub compiled {
    my ($result) = @_;
    return join ' ', sort $result->{out} =~ /^  CC\s+(\S+)/mg;
}

my $first = make('all', 'unit');
is($first->{status}, 0, 'make before configure.sh configures and builds') or diag $first->{out}, $first->{err};
ok(-e "$top/build/config.mk", 'config.mk was written');
is(run("$top/build/product-service")->{out}, "0.1.0 3\n", 'a service; its version without git is the last release');

is(run("$top/build/unit/contract/test_three")->{out}, "1..1\nok 1 - 3\n", 'a unit test is linked with the libraries');
is(run("$top/build/unit/contract/test_fake")->{out}, "1..1\nok 1 - 41\n", 'a marker replaces them by the sources that it names');

is(compiled(make('all', 'unit')), '', 'again: nothing is compiled');

write_file("$top/base/gone.c", "int gone(void);\nint gone(void) {\n    return 0;\n}\n");
is(compiled(make('all')), 'base/gone.c', 'a source was added: it is compiled');
like(run('ar', 't', "$top/build/libbase.a")->{out}, qr/^gone\.o$/m, 'into its library');
unlink "$top/base/gone.c" or die;
make('all');
unlike(run('ar', 't', "$top/build/libbase.a")->{out}, qr/^gone\.o$/m, 'it was removed: it is gone from there');

write_file("$top/services/product/gone.c", "int gone(void);\nint gone(void) {\n    return 0;\n}\n");
make('all');
like(run('nm', "$top/build/product-service")->{out}, qr/ T gone$/m, 'a source of a service was added: it is in the program');
unlink "$top/services/product/gone.c" or die;
make('all');
unlike(run('nm', "$top/build/product-service")->{out}, qr/ T gone$/m, 'it was removed: it is gone from there');

write_file("$top/base/two.h", "int two(void);\n");
is(compiled(make('all', 'unit')), 'base/two.c services/contract/three.c t/unit/fake_two.c',
    'a header changed: what includes it is compiled');

is(compiled(make('all', 'CFLAGS_EXTRA=-DX')),
    'base/two.c services/contract/three.c services/product/app.c services/runtime/process/main.c',
    'other flags: everything is compiled');

is(compiled(make('all', 'CFLAGS_EXTRA=-DX', 'VERSION=9')), 'services/runtime/process/main.c',
    'another version: only main.c');

write_file("$top/base/two.c", "#include \"two.h\"\nint two(void) {\n    int unused;\n    return 2;\n}\n");
isnt(make('services')->{status}, 0, 'a warning is an error');
is(make('services', 'WERROR=')->{status}, 0, 'WERROR= lets it pass');

write_file("$top/t/unit/contract/test_lost.c", "/* link: services/contract/none.c */\n");
my $lost = make('unit');
isnt($lost->{status}, 0, 'a marker that names no file is an error');
like($lost->{err}, qr{t/unit/contract/test_lost\.c: its link marker names services/contract/none\.c}, 'and says which');

is(make('clean')->{status}, 0, 'clean');
ok(!-e "$top/build", 'clean leaves nothing built');

my $help = run('make', '-C', $top, 'help');
is($help->{status}, 0, 'help works without a configuration');
like($help->{out}, qr/^  $_\b/m, "help lists $_") for qw(all check test asan fuzz cov tidy format install clean);

done_testing();
