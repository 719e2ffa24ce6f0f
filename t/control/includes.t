# scripts/check-includes.sh: passes on our sources, and fails on each way to break the rule.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Control qw(run scratch write_file);
use Test::More;

my @house = (
    ['services/common/loop.h',               '#include "err.h"'],
    ['services/common/err.h',                ''],
    ['services/common/pg.c',                 '#include <libpq-fe.h>'],
    ['services/common/pg_conn.c',            '#include <postgresql/libpq-fe.h>'],
    ['services/common/cache.c',              '#include <hiredis/async.h>'],
    ['services/common/broker_publisher.c',   '#include <amqp.h>'],
    ['services/contract/events.h',           '#include "common/err.h"'],
    ['services/product/stock.h',             ''],
    ['services/product/main.c',              "#include \"contract/events.h\"\n#include \"stock.h\""],
    ['services/order/main.c',                '#include "common/loop.h"'],
    ['ngx_prodorder_gateway/openapi/doc.h',  ''],
    ['ngx_prodorder_gateway/src/module.c',   "#include <ngx_http.h>\n#include \"openapi/doc.h\""],
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
    ['common includes contract', 'services/common/a.c',   '#include "contract/events.h"'],
    ['common includes product',  'services/common/a.c',   '#include "product/stock.h"'],
    ['contract includes order',  'services/contract/a.c', '#include "../order/main.c"'],
    ['order includes product',   'services/order/a.c',    '#include "product/stock.h"'],
    ['order includes product by a path', 'services/order/a.c', '  #  include "../product/stock.h"'],
    ['libpq in a service',       'services/order/a.c',    '#include <libpq-fe.h>'],
    ['libpq in common, not pg',  'services/common/loop.c', '#include <libpq-fe.h>'],
    ['hiredis outside cache',    'services/common/pgx.c', '#include <hiredis/hiredis.h>'],
    ['rabbitmq-c outside broker', 'services/product/a.c', '#include "amqp.h"'],
    ['the gateway includes services', 'ngx_prodorder_gateway/src/a.c', '#include "common/err.h"'],
    ['openapi includes services', 'ngx_prodorder_gateway/openapi/a.c', '#include "../../services/common/err.h"'],
    ['openapi includes nginx',   'ngx_prodorder_gateway/openapi/a.c', '#include <ngx_core.h>'],
    ['a service includes nginx', 'services/order/a.c',    '#include <ngx_core.h>'],
);
for my $case (@violations) {
    my ($name, $file, $line) = @$case;
    my $result = check(house([$file, "int first_line;\n$line"]));
    is($result->{status}, 1, "$name: refused");
    like($result->{err}, qr{^\Q$file\E:2: }m, "$name: file and line are named");
}

done_testing();
