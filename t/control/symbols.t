# scripts/check-symbols.sh on small trees of objects: a house in order passes, each way to break the rule
# is refused with file, symbol and what is expected.
use strict;
use warnings;

use File::Path qw(make_path);

use Prodorder::Control;

my $SRC = 'ngx_prodorder_gateway/src';

my %house = (
    'base/str.c'                          => 'const int TABLE[2] = { 1, 2 }; int str_is(void) { return TABLE[0]; } static int other;',
    'base/arena.c'                        => 'int str_is(void); int arena_alloc(void) { return str_is(); }',
    'openapi/schema/schema.c'             => 'int arena_alloc(void); int schema_check(void) { return arena_alloc(); }',
    'services/runtime/http/parser.c'      => 'int http_parser_feed(void) { return 0; }',
    'services/runtime/pg/pg.c'            => 'int pg_conn_send(void); int pg_query(void) { return pg_conn_send(); }',
    'services/runtime/pg/conn.c'          => 'int pg_conn_send(void) { return 0; }',
    'services/order/tables.c'             => 'const int ORDER_TABLE[] = { 1, 2 };',
    'services/order/app.c'                => 'int pg_query(void); int app_open(void) { return pg_query(); }',
    'services/order/main.c'               => 'int app_open(void); int main(void) { return app_open(); }',
    'services/product/app.c'              => 'int app_open(void) { return 0; }',
    'services/product/store.c'            => 'int app_open(void); int store_open(void) { return app_open(); }',
    "$SRC/ngx_http_prodorder_module.c"    =>
        'int ngx_http_prodorder_log(void); int (*ngx_http_prodorder_gateway_module)(void) = ngx_http_prodorder_log;',
    "$SRC/ngx_http_prodorder_log.c"       =>
        'extern int ngx_http_prodorder_gateway_module; int ngx_http_prodorder_log(void) { return ngx_http_prodorder_gateway_module; }',
);

my $tree = scratch();
run('cp', '-R', "$ROOT/scripts", $tree);

sub compile {
    my ($file, $text) = @_;
    my $object = $file =~ s/\.c\z/.o/r;
    $object = $object =~ m{\A\Q$SRC\E/(.*)} ? "$tree/build/nginx/objs/addon/src/$1" : "$tree/build/obj/$object";
    make_path($object =~ s{/[^/]+\z}{}r);
    write_file("$tree/$file", "$text\n");
    my $made = run('gcc', '-c', '-o', $object, "$tree/$file");
    die $made->{err} if $made->{status} != 0;
    return;
}

sub check { return run("$tree/scripts/check-symbols.sh", @_) }

is(check()->{status}, 2, 'nothing is built: not a pass');
compile($_, $house{$_}) for sort keys %house;
my $result = check();
is($result->{status}, 0, 'a house in order passes') or diag $result->{err};

compile('services/runtime/pg/conn.c', 'int pg_query(void); int pg_conn_send(void) { return pg_query(); }');
is(check()->{status}, 0, 'a circle with its reason in the script passes');
compile('services/runtime/pg/conn.c', $house{'services/runtime/pg/conn.c'});

my $ours = run("$ROOT/scripts/check-symbols.sh", $ENV{PRODORDER_BUILD} // 'build');
is($ours->{status}, 0, 'our own sources keep the rule') or diag $ours->{err};

my @violations = (
    ['a function without its file\'s name', 'base/str.c', 'int split(void) { return 0; }',
        'split, expected str_... or base_str_...'],
    ['a name that only begins alike', 'base/str.c', 'int string(void) { return 0; }', 'string, expected str_...'],
    ['a function in capitals', 'base/str.c', 'int SPLIT(void) { return 0; }', 'SPLIT, expected str_...'],
    ['a circle in one of two programs', 'services/runtime/pg/conn.c',
        'int app_open(void); int pg_conn_send(void) { return app_open(); }',
        'app_open is of services/order/app.c: a circle of 3 files'],
    ['the folder alone, in another file than the folder\'s', 'services/runtime/pg/conn.c',
        'int pg_conn_send(void) { return 0; } int pg_close(void) { return 0; }', 'pg_close, expected conn_... or pg_conn_...'],
    ['nginx\'s prefix without the file', "$SRC/ngx_http_prodorder_log.c",
        'int ngx_http_prodorder_log; int ngx_http_prodorder_write(void) { return 0; }',
        'ngx_http_prodorder_write, expected ngx_http_prodorder_log_...'],
    ['the module\'s name elsewhere', "$SRC/ngx_http_prodorder_other.c", 'int ngx_http_prodorder_gateway_module(void) { return 0; }',
        'ngx_http_prodorder_gateway_module, expected ngx_http_prodorder_other_...'],
    ['a circle of two', 'base/str.c', 'int arena_alloc(void); int str_is(void) { return arena_alloc(); }',
        'arena_alloc is of base/arena.c: a circle of 2 files'],
    ['a circle through an address', 'base/str.c', 'int arena_alloc(void); int (*str)(void) = arena_alloc; int str_is(void) { return 0; }',
        'arena_alloc is of base/arena.c: a circle of 2 files'],
    ['a circle up three floors', 'base/str.c', 'int schema_check(void); int str_is(void) { return schema_check(); }',
        'schema_check is of openapi/schema/schema.c: a circle of 3 files'],
    ['a circle in the module', "$SRC/ngx_http_prodorder_log.c",
        'int ngx_http_prodorder_module_init(void); int ngx_http_prodorder_log(void) { return ngx_http_prodorder_module_init(); }',
        'ngx_http_prodorder_module_init is of ngx_prodorder_gateway/src/ngx_http_prodorder_module.c: a circle of 2 files',
        "$SRC/ngx_http_prodorder_module.c",
        'int ngx_http_prodorder_log(void); int ngx_http_prodorder_module_init(void) { return ngx_http_prodorder_log(); }'],
);
for my $case (@violations) {
    my ($name, $file, $text, $expected, %more) = @$case;
    compile($_, $more{$_}) for keys %more;
    compile($file, $text);
    $result = check();
    is($result->{status}, 1, "$name: refused");
    like($result->{err}, qr{^\Q$file\E: \Q$expected\E}m, "$name: file, symbol and what is expected");
    for my $changed ($file, keys %more) {
        if ($house{$changed}) { compile($changed, $house{$changed}) }
        else                  { unlink "$tree/$changed" }
    }
}
is(check()->{status}, 0, 'what is left of a source that is gone does not count');

compile('services/runtime/pg/conn.c', 'int pg_query(void); int pg_conn_send(void) { return pg_query(); }');
run('sed', '-i', "s,^CIRCLES='\$,&\\nservices/runtime/pg/conn services/runtime/pg/pg services/runtime/pg/more,",
    "$tree/scripts/check-symbols.sh");
$result = check();
is($result->{status}, 0, 'a circle that is listed passes') or diag $result->{err};

is(check('--help')->{status}, 0, 'there is help');

done_testing();
