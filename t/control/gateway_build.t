# ngx_prodorder_gateway/build.sh by way of the Makefile, on a small module with the same folders: what of
# openapi/ and base/ is compiled when a file or a header is added, changed or removed.
use strict;
use warnings;

use Prodorder::Control;

delete $ENV{BUILD};
my $top = scratch();
run('cp', '-R', "$ROOT/Makefile", "$ROOT/configure.sh", "$ROOT/scripts", $top);
run('mkdir', "$top/ngx_prodorder_gateway");
run('cp', map({ "$ROOT/ngx_prodorder_gateway/$_" } qw(build.sh config module.map)), "$top/ngx_prodorder_gateway");
write_file("$top/base/two.h", "#define TWO \"two\"\n");
write_file("$top/base/two.c", "#include \"base/two.h\"\nchar *two(void);\nchar *two(void) {\n    return TWO;\n}\n");
write_file("$top/openapi/schema/deep/deep.h", "#define DEEP \"deep-1\"\n");
write_file("$top/ngx_prodorder_gateway/src/ngx_http_prodorder_module.c", <<'END');
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "openapi/schema/deep/deep.h"

static ngx_http_module_t  ctx;
char *prodorder_texts[] = { DEEP };

ngx_module_t  ngx_http_prodorder_gateway_module = {
    NGX_MODULE_V1, &ctx, NULL, NGX_HTTP_MODULE, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NGX_MODULE_V1_PADDING
};
END

# What became of the module: 'the same file', or the texts in it.
my $module = "$top/build/ngx_http_prodorder_gateway_module.so";
my $last = '';

sub made {
    my $result = run('make', '-C', $top, 'gateway');
    die "$result->{out}$result->{err}" if $result->{status} != 0;
    my $inode = join ' ', (stat $module)[1];
    my $same = $inode eq $last;
    $last = $inode;
    return 'the same file' if $same;
    my $text = read_file($module);
    return join ' ', map { $text =~ /\b($_-\d)\0/ ? $1 : () } qw(deep new);
}

is(made(), 'deep-1', 'the module is built');
is(made(), 'the same file', 'again: nothing to do');

write_file("$top/openapi/schema/deep/deep.h", "#define DEEP \"deep-2\"\n");
is(made(), 'deep-2', 'a header changed, two folders down: what includes it is compiled');

my $new = "extern char prodorder_new[];\nchar prodorder_new[] = \"new-1\";\n";
write_file("$top/openapi/schema/deep/new.c", $new);
write_file("$top/openapi/tools/tool.c", "int main(void) {\n    return 0;\n}\n");
is(made(), 'deep-2 new-1', 'a file was added, two folders down: it is compiled');
unlike(run('nm', $module)->{out}, qr/ T main$/m, 'but not what is in tools/');

write_file("$top/openapi/schema/deep/new.c", $new =~ s/new-1/new-2/r);
is(made(), 'deep-2 new-2', 'it changed: likewise');

unlink "$top/openapi/schema/deep/new.c" or die;
is(made(), 'deep-2', 'it was removed: it is gone');

write_file("$top/base/two.h", "#define TWO \"three\"\n#define OTHER 1\n");
isnt(made(), 'the same file', 'a header of base/ changed: likewise');

write_file("$top/base/warned.c", "int warned(void);\nint warned(void) {\n    int unused;\n    return 2;\n}\n");
isnt(run('make', '-C', $top, 'gateway')->{status}, 0, 'a warning is an error');
my @build = ("$top/ngx_prodorder_gateway/build.sh", '--sanitize=address,undefined', "$top/build/sanitized");
is(run(@build)->{status}, 0, 'but with a sanitizer, for which gcc warns of what is not there');

done_testing();
