# scripts/check-includes.sh: passes on our sources, and fails on each way to break the rule.
use strict;
use warnings;

use Prodorder::Control;

my @house = (
    ['base/err.h',                           ''],
    ['services/runtime/loop/loop.h',         '#include "base/err.h"'],
    ['services/runtime/loop/loop.c',         '#include "loop.h"'],
    ['services/runtime/pg/pg.c',             "#include <libpq-fe.h>\n#include \"runtime/loop/loop.h\""],
    ['services/runtime/pg/conn.c',           '#include <postgresql/libpq-fe.h>'],
    ['services/runtime/pg/pg.h',             ''],
    ['services/runtime/cache/cache.c',       '#include <hiredis/async.h>'],
    ['services/runtime/broker/publisher.c',  '#include <amqp.h>'],
    ['services/runtime/flow/flow.h',         ''],
    ['services/contract/events.h',           '#include "base/err.h"'],
    ['services/product/stock.h',             ''],
    ['services/product/main.c',              "#include \"contract/events.h\"\n#include \"stock.h\""],
    ['services/order/main.c',                '#include "runtime/loop/loop.h"'],
    ['openapi/report.h',                     '#include "base/err.h"'],
    ['openapi/pattern/pattern.h',            '#include "openapi/report.h"'],
    ['openapi/format/format.h',              '#include "openapi/pattern/pattern.h"'],
    ['openapi/schema/schema.h',              '#include "openapi/format/format.h"'],
    ['openapi/schema/compile.h',             '#include "schema.h"'],
    ['openapi/schema/compile.c',             '#include "compile.h"'],
    ['openapi/document/document.h',          '#include "openapi/schema/schema.h"'],
    ['openapi/request/request.h',            '#include "openapi/document/document.h"'],
    ['openapi/tools/tool.c',                 '#include "openapi/schema/schema.h"'],
    ['ngx_prodorder_gateway/src/module.c',   "#include <ngx_http.h>\n#include \"openapi/schema/schema.h\""],
);

sub house {
    my (@more) = @_;
    my $dir = scratch();
    write_file("$dir/$_->[0]", "$_->[1]\n") for @house, @more;
    return $dir;
}

sub check {
    return run('scripts/check-includes.sh', @_);
}

my $ours = check();
is($ours->{status}, 0, 'our own sources keep the rule') or diag $ours->{err};
is(check(house())->{status}, 0, 'a house in order passes');

my @violations = (
    ['base includes the runtime',    'base/a.c',                      '#include "runtime/loop/loop.h"'],
    ['runtime includes contract',    'services/runtime/process/a.c',  '#include "contract/events.h"'],
    ['runtime includes product',     'services/runtime/loop/a.c',     '#include "product/stock.h"'],
    ['the loop includes the flow',   'services/runtime/loop/a.c',     '#include "runtime/flow/flow.h"'],
    ['the cache includes pg',        'services/runtime/cache/a.c',    '#include "runtime/pg/pg.h"'],
    ['contract includes order',      'services/contract/a.c',         '#include "../order/main.c"'],
    ['order includes product',       'services/order/a.c',            '#include "product/stock.h"'],
    ['order includes product by a path', 'services/order/a.c',        '  #  include "../product/stock.h"'],
    ['libpq in a service',           'services/order/a.c',            '#include <libpq-fe.h>'],
    ['libpq in the runtime, not pg', 'services/runtime/loop/loop.c',  '#include <libpq-fe.h>'],
    ['hiredis outside cache',        'services/runtime/pg/cache.c',   '#include <hiredis/hiredis.h>'],
    ['rabbitmq-c outside broker',    'services/product/a.c',          '#include "amqp.h"'],
    ['the gateway includes services', 'ngx_prodorder_gateway/src/a.c', '#include "../../services/contract/events.h"'],
    ['openapi includes services',    'openapi/schema/a.c',            '#include "../../services/contract/events.h"'],
    ['openapi includes the gateway', 'openapi/schema/a.c',            '#include "../../ngx_prodorder_gateway/src/module.c"'],
    ['openapi includes its tools',   'openapi/schema/a.c',            '#include "openapi/tools/tool.c"'],
    ['the top of openapi includes a pattern', 'openapi/a.c',          '#include "openapi/pattern/pattern.h"'],
    ['patterns include formats',     'openapi/pattern/a.c',           '#include "openapi/format/format.h"'],
    ['formats include schemas',      'openapi/format/a.c',            '#include "../schema/schema.h"'],
    ['schemas include the document', 'openapi/schema/a.c',            '#include "openapi/document/document.h"'],
    ['the document includes requests', 'openapi/document/a.c',        '#include "openapi/request/request.h"'],
    ['requests include the gateway', 'openapi/request/a.c',           '#include "../../ngx_prodorder_gateway/src/module.c"'],
    ['openapi includes nginx',       'openapi/schema/a.c',            '#include <ngx_core.h>'],
    ['a service includes nginx',     'services/order/a.c',            '#include <ngx_core.h>'],
    ['a room without a floor',       'services/other/a.c',            '#include <stdio.h>'],
);
for my $case (@violations) {
    my ($name, $file, $line) = @$case;
    my $result = check(house([$file, "int first_line;\n$line"]));
    is($result->{status}, 1, "$name: refused");
    like($result->{err}, qr{^\Q$file\E:2: }m, "$name: file and line are named");
}

# A source and its header are one file of a circle; a header alone is in none.
my @two = (['openapi/schema/one.c', qq(#include "one.h"\n#include "two.h")], ['openapi/schema/one.h', ''],
    ['openapi/schema/two.h', '']);
is(check(house(@two, ['openapi/schema/two.c', '#include "two.h"']))->{status}, 0, 'one way is no circle');
is(check(house(@two, ['openapi/schema/two.h', '#include "one.h"']))->{status}, 0, 'a header alone is in no circle');
for my $way (['its source', ['openapi/schema/two.c', '#include "one.h"']],
    ['its header', ['openapi/schema/two.c', ''], ['openapi/schema/two.h', '#include "one.h"']],
    ['a third file', ['openapi/schema/two.c', '#include "compile.h"'], ['openapi/schema/compile.c', '#include "one.h"']])
{
    my ($name, @files) = @$way;
    my $result = check(house(@two, @files));
    is($result->{status}, 1, "a circle by $name: refused");
    like($result->{err}, qr{^circle: .*openapi/schema/one.*openapi/schema/two}m, "a circle by $name: its files are named");
}

done_testing();
