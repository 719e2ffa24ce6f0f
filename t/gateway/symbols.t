#!/usr/bin/perl
# nginx loads all modules into one name space. Ours shows only what nginx looks for, and lives beside a
# module that defines everything that ours does, whichever of the two is loaded first.
use strict;
use warnings;

use Cwd qw(abs_path);
use Test::More;

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Nginx;

my $module = Prodorder::Gateway::Nginx::module_path();
my $tree = $module =~ s{[^/]+\z}{nginx}r;

# NAME => the letter of its section, as nm has it
sub symbols {
    my (@command) = @_;
    open my $in, '-|', 'nm', '--defined-only', @command or die "nm: $!\n";
    return map { /^[0-9a-f]+ ([A-Z]) (\S+)$/ ? ($2 => $1) : () } <$in>;
}

my %exported = symbols('-D', $module);
is_deeply([sort keys %exported], [qw(ngx_module_names ngx_module_order ngx_modules)],
    'the module shows what nginx looks for, and nothing else');

# ---- a neighbour that defines the names of our functions and variables -----------------------------

my %ours = symbols(glob "$tree/objs/addon/*/*.o");
cmp_ok(scalar keys %ours, '>', 100, 'our objects define ' . scalar(keys %ours) . ' names');

my $nginx = Prodorder::Gateway::Nginx->new;
my $prefix = $nginx->prefix;

# Each name has a hidden alias: where the two differ, the linker has taken somebody else's.
my @functions = sort grep { $ours{$_} eq 'T' } keys %ours;
my @variables = sort grep { $ours{$_} =~ /[BDR]/ } keys %ours;
$nginx->write_file('names.c',
    (map { "static int own_$_(void) { return 0; }\nint $_(void) __attribute__((alias(\"own_$_\")));\n" } @functions),
    (map { "static int own_$_;\nextern int $_ __attribute__((alias(\"own_$_\")));\n" } @variables),
    "int neighbour_taken(void)\n{\n    int n = 0;\n",
    (map { "    n += (void *) &$_ != (void *) &own_$_;\n" } @functions, @variables),
    "    return n;\n}\n");
$nginx->write_file('neighbour.c', <<'END');
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

int neighbour_taken(void);

static ngx_int_t
neighbour_init(ngx_cycle_t *cycle)
{
    ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0, "neighbour: %d names are another's", neighbour_taken());
    return NGX_OK;
}

static ngx_http_module_t  neighbour_ctx;

ngx_module_t  neighbour_module = {
    NGX_MODULE_V1, &neighbour_ctx, NULL, NGX_HTTP_MODULE, NULL, neighbour_init, NULL, NULL, NULL, NULL, NULL,
    NGX_MODULE_V1_PADDING
};

ngx_module_t *ngx_modules[] = { &neighbour_module, NULL };
char *ngx_module_names[] = { "neighbour_module", NULL };
char *ngx_module_order[] = { NULL };
END
my @include = map { "-I$tree/$_" } qw(objs src/core src/event src/event/modules src/os/unix src/http src/http/modules);
my @compile = ($ENV{CC} // 'gcc', qw(-shared -fPIC -w -fno-builtin), @include, '-o', "$prefix/neighbour.so",
    "$prefix/names.c", "$prefix/neighbour.c");
is(system(@compile), 0, 'the neighbour is compiled') or BAIL_OUT("@compile");

# ---- both in one nginx ----------------------------------------------------------------------------

my $document = abs_path('openapi.json');

sub ask {
    my ($text) = @_;
    my $client = Prodorder::Gateway::Http->new($nginx->port, 5);
    $client->send_pieces(0, $text);
    my $response = $client->read_response('GET') // {};
    $client->close;
    return $response;
}

for my $order ('first', 'main') {
    my $which = $order eq 'first' ? 'the neighbour before ours' : 'ours before the neighbour';
    $nginx->write_conf(first => '', main => '', $order => "load_module $prefix/neighbour.so;\n",
        http => "    prodorder_openapi $document;\n", server => <<'END');
        location /plain { prodorder_validate off; default_type application/json; return 200 '{"a":1}'; }
END
    my $said = $nginx->start;
    is($said, undef, "$which: nginx starts") or next;
    like(ask("GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n")->{body} // '',
        qr/\A\{"statusCode":200,"data":\{"a":1\},/, "$which: a success is wrapped");
    my $body = '{"productId":0,"quantity":"many"}';
    my $invalid = ask("POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body");
    is($invalid->{status}, 400, "$which: an invalid order is refused");
    like($invalid->{body} // '', qr{"path":"/productId".*"path":"/quantity"}, "$which: with what is wrong with it");
    is($nginx->stop, 0, "$which: a clean stop");
    like($nginx->error_log, qr/neighbour: 0 names are another's/, "$which: and it has its own functions");
    is_deeply([$nginx->findings], [], "$which: a clean error log");
    unlink "$prefix/logs/error.log";
}

done_testing();
