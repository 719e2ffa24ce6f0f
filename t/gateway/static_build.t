#!/usr/bin/perl
# nginx's own way: configure --add-module in a clean tree of nginx's sources. The module is compiled into
# the server then: nothing of it is hidden, no option of ours reaches nginx's core, nothing clashes.
#
# Distributions ship nginx's headers and no sources: with those the module's objects are linked with each
# other, and what they lack is nginx's. With ./configure.sh --with-nginx-src=DIR the server is linked, too.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp ();
use Test::More;

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Nginx;

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or return '';
    local $/;
    return scalar <$in> // '';
}

my $build = $ENV{PRODORDER_BUILD} // 'build';
my ($nginx_src) = slurp("$build/config.mk") =~ /^NGINX_SRC := (\S+)$/m;
$nginx_src //= '/usr/share/nginx/src';
my $dir = File::Temp->newdir('prodorder-static-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $module_dir = abs_path('ngx_prodorder_gateway');

# The output is shown when the command fails.
sub run {
    my ($what, $command) = @_;
    my $status = system('/bin/sh', '-c', "cd $dir && { $command; } > log 2>&1");
    is($status, 0, $what) or BAIL_OUT("$what:\n" . join "\n", (split /\n/, slurp("$dir/log"))[-20 .. -1]);
    return;
}

chomp(my $cpus = `nproc`);
my $configure = -x "$nginx_src/configure" ? './configure' : 'auto/configure';
run('nginx is configured with --add-module, and without TLS', "cp -R $nginx_src/. . && $configure"
    . " --prefix=$dir --with-cc-opt=-O0 --without-http_rewrite_module --without-http_gzip_module --add-module=$module_dir");
my $makefile = slurp("$dir/objs/Makefile");
unlike($makefile, qr/version-script|visibility/, 'nothing of nginx\'s core would be hidden');
my %objects = map { $_ => 1 } $makefile =~ m{\b(objs/addon/\S+\.o)\b}g;
run('the module\'s objects are compiled', "make -j$cpus -f objs/Makefile objs/ngx_modules.o " . join ' ', sort keys %objects);

run('they are linked as far as they go', 'cc -o whole ' . join(' ', sort keys %objects)
    . ' -lpcre2-8 -Wl,--unresolved-symbols=report-all -Wl,--noinhibit-exec || test -f whole');
my $said = slurp("$dir/log");
unlike($said, qr/multiple definition/, 'no two of them define the same name');
my %missing = map { $_ => 1 } $said =~ /undefined reference to [`']([^']+)'/g;
is_deeply([grep { !/\Angx_(?!http_prodorder)/ && $_ ne 'main' } sort keys %missing], [], 'all that is missing is nginx\'s');

SKIP: {
    skip "no sources of nginx's core in $nginx_src: ./configure.sh --with-nginx-src=DIR", 3 if !-f "$nginx_src/src/core/nginx.c";
    run('the server is linked', "make -j$cpus -f objs/Makefile objs/nginx");
    local $ENV{TEST_NGINX_BINARY} = "$dir/objs/nginx";
    my $nginx = Prodorder::Gateway::Nginx->new;
    $nginx->write_conf(main => '', http => '', server => <<'END', is_static => 1);
        location = /livez { prodorder_health; }
END
    my $start = $nginx->start;
    is($start, undef, 'it starts');
    my $client = Prodorder::Gateway::Http->new($nginx->port, 5);
    $client->send_pieces(0, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    like($client->read_response('GET')->{body}, qr/\A\{"statusCode":200,"data":\{"status":"alive"\},/, 'and the module works');
    $client->close;
}

done_testing();
