# The docs page's build: with npm, without it, and with a registry that cannot be reached.
use strict;
use warnings;

use JSON::PP;

use Prodorder::Control;

my $dir = scratch();

sub build {
    my (@arguments) = @_;
    return run('scripts/build-docs.sh', @arguments);
}

# check_plain(BUILD, WHY): the page is a table of all operations that says why.
sub check_plain {
    my ($build, $why) = @_;
    my $page = read_file("$build/docs/index.html");
    like($page, $why, 'the page says so');
    like($page, qr{<a href="/$_\.json">}, "it leads to $_.json") for qw(openapi asyncapi);
    unlike($page, qr/<script|style=|https?:/, 'needs no script, no inline style, nothing from elsewhere');
    my $paths = decode_json(read_file('openapi.json'))->{paths};
    for my $path (sort keys %$paths) {
        for my $method (grep { ref $paths->{$path}{$_} eq 'HASH' && $paths->{$path}{$_}{operationId} } sort keys %{ $paths->{$path} }) {
            my $request = uc($method) . " $path";
            like($page, qr{<code>\Q$request\E</code>}, "it lists $request");
        }
    }
    ok(-s "$build/docs/$_", "$_ is there") for qw(docs.css icon.svg);
    ok(!-e "$build/docs/docs.js", 'nothing is there that the page does not use');
    return;
}

{
    local $ENV{PATH} = path_without('npm');
    my $built = build("$dir/none");
    is($built->{status}, 0, 'without npm, a build goes on');
    like($built->{err}, qr/npm is missing \(Debian package: npm\).*make docs-ui/, 'and says what is missing');
    check_plain("$dir/none", qr/npm is missing/);
    is(build('--require', "$dir/none")->{status}, 1, 'make docs-ui fails');
}
SKIP: {
    skip 'npm is missing', 1 if run('npm', '--version')->{status} != 0;
    local @ENV{qw(npm_config_registry npm_config_cache)} = ('http://127.0.0.1:9/', "$dir/cache");
    my $begin = time;
    my $built = build("$dir/away");
    is($built->{status}, 0, 'without a registry, a build goes on');
    cmp_ok(time - $begin, '<', 60, 'soon');
    like($built->{err}, qr/npm could not fetch swagger-ui-dist \(.*ECONNREFUSED/, 'and says why');
    check_plain("$dir/away", qr/npm could not fetch/);
}
SKIP: {
    my $built = build('--require', "$dir/full");
    skip "swagger-ui cannot be fetched here: $built->{err}", 1 if $built->{status} != 0;
    my $page = read_file("$dir/full/docs/index.html");
    for my $file ($page =~ /(?:src|href)="([^"\/][^"]*)"/g) {
        ok(-s "$dir/full/docs/$file", "the page's $file is there");
    }
    unlike($page, qr/<script>|<style|style=|\son\w+=|https?:/, 'the page has nothing inline, and nothing from elsewhere');
    like(read_file("$dir/full/docs/swagger-ui.LICENSE.txt"), qr/Apache License/, 'with the licence');
    local $ENV{PATH} = path_without('npm');
    is(build('--require', "$dir/full")->{status}, 0, 'what was fetched is kept');
    open my $out, '>>', "$dir/full/docs-npm/fetched" or die $!;
    print {$out} "\n";
    close $out;
    is(build('--require', "$dir/full")->{status}, 1, 'until the lockfile is another');
}
done_testing();
