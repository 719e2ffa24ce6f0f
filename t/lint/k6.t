#!/usr/bin/perl
# k6/: every script is type-checked against k6's own types, and linted, as are the modules of
# tools/k6_profile/ that run them without k6.
use strict;
use warnings;

use File::Copy qw(copy);
use File::Path qw(make_path);

use Prodorder::Control;
use Prodorder::Npm;

Prodorder::Npm::need('t/lint');
my $lint = "$ROOT/t/lint";

# linted(DIR, PROGRAM, ARGS...): what a program of node_modules says there, and its exit status
sub linted {
    my ($dir, $program, @arguments) = @_;
    return said('env', '-C', $dir, 'node', "$lint/node_modules/$program", @arguments);
}

sub types {
    my ($dir, $config) = @_;
    return linted($dir, 'typescript/bin/tsc', '--project', $config);
}

sub rules {
    my ($dir, @what) = @_;
    return linted($dir, 'eslint/bin/eslint.js', '--config', "$lint/eslint.config.mjs", '--max-warnings=0', @what);
}

my @scripts = glob 'k6/*.js k6/lib/*.js';
is_deeply([grep { m{^k6/\w+\.js$} } @scripts], [map { "k6/$_.js" } qw(mixed script soak spike steady)],
    'all scripts are looked at');
is_deeply([types('.', "$lint/k6.tsconfig.json")], ['', 0], "k6/ breaks no rule of k6's types");
is_deeply([rules('.', qw(k6 tools/k6_profile))], ['', 0], 'k6/ and tools/k6_profile/ break no rule of the linter');

# The rules are there: each of these mistakes, in a copy, is found. [file, what, by what, which tool, its word]
my @mistakes = (
    ['script.js', 'preAllocatedVUs', 'preAllocatedVU', \&checked_types, qr/TS2561.*'preAllocatedVU'/],
    ['script.js', "'ramping-arrival-rate'", "'ramping-arrivals'", \&checked_types, qr/'"ramping-arrivals"'/],
    ['script.js', 'http.post(', 'http.send(', \&checked_types, qr/TS2339.*'send'/],
    ['script.js', 'r.timings.duration < 1000', 'r.timings.durations < 1000', \&checked_types, qr/'durations'/],
    ['steady.js', "count('RATE', 1000, 100000)", "count('RATE', '1000', 100000)", \&checked_types, qr/TS2345/],
    ['spike.js', 'sold === STOCK', 'sold === `${STOCK}`', \&checked_types, qr/TS2367/],
    ['mixed.js', "from 'k6/execution'", "from 'k6/executions'", \&checked_types, qr/TS2307.*'k6\/executions'/],
    ['mixed.js', 'const envelope =', 'envelope =', \&checked_rules, qr/no-undef/],
    ['mixed.js', 'catch (notJson)', 'catch', \&checked_rules, qr/Parsing error/],
    ['soak.js', '{ count, duration }', '{ address, count, duration }', \&checked_rules, qr/no-unused-vars/],
    ['lib/env.js', 'const text =', 'let text =', \&checked_rules, qr/prefer-const/],
    ['spike.js', 'ORDERS <= STOCK', 'ORDERS == STOCK', \&checked_rules, qr/eqeqeq/],
);

my $copies = scratch();
my $number = 0;

# planted(FILE, WHAT, BY): a copy of k6/ with that mistake
sub planted {
    my ($file, $what, $by) = @_;
    my $dir = "$copies/" . ++$number;
    make_path("$dir/k6/lib");
    copy($_, "$dir/$_") or die "cannot copy $_: $!\n" for @scripts;
    my $text = read_file("k6/$file");
    $text =~ s/\Q$what\E/$by/ or die "k6/$file has no '$what'\n";
    write_file("$dir/k6/$file", $text);
    return $dir;
}

sub checked_types {
    my ($dir) = @_;
    write_file("$dir/tsconfig.json",
        qq({"extends": "$lint/k6.tsconfig.json", "include": ["k6/**/*.js", "$lint/k6.globals.d.ts"]}\n));
    return types($dir, 'tsconfig.json');
}

sub checked_rules {
    my ($dir) = @_;
    return rules($dir, 'k6');
}

for my $mistake (@mistakes) {
    my ($file, $what, $by, $check, $word) = @$mistake;
    my ($text, $status) = $check->(planted($file, $what, $by));
    ok($status != 0 && $text =~ $word, "a $file with '$by' is refused") or diag $text;
}

my $whole = planted('script.js', 'QUANTITY_MAX = 5', 'QUANTITY_MAX = 6');
is_deeply([checked_types($whole), checked_rules($whole)], ['', 0, '', 0], 'a copy without a mistake is not');
done_testing();
