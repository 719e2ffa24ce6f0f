#!/usr/bin/perl
# The JSON Schema Test Suite, draft 2020-12, through build/schema-check: every group is one run of the
# tool, every test of it one line in and one line out.
#
# The suite is read from $PRODORDER_SCHEMA_SUITE, or from ../shared/json-schema-suite beside the
# repository; it is not part of it. Tests that are skipped are named below, each with its reason.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Find qw(find);
use File::Temp qw(tempdir);
use IPC::Open3 qw(open3);
use JSON::PP;
use Test::More;

binmode $_, ':utf8' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $root  = dirname(__FILE__) . '/../..';
my $suite = ($ENV{PRODORDER_SCHEMA_SUITE} || "$root/../shared/json-schema-suite") . '/draft2020-12';
my $build = $ENV{PRODORDER_BUILD} || "$root/build";
my $tool  = "$build/schema-check";

my $REMOTE = 'needs a schema of another server: references are resolved within the document only';

# File, or file and group ("file | group"), or file, group and test: the reason.
my %SKIPPED = (
    'refRemote.json'  => $REMOTE,
    'vocabulary.json' => 'a metaschema of its own, on another server: only draft 2020-12 is known',
    'dynamicRef.json | tests for implementation dynamic anchor and reference link' => $REMOTE,
    'dynamicRef.json | $ref and $dynamicAnchor are independent of order - $ref first' => $REMOTE,
    'optional/cross-draft.json' =>
        'a schema of draft 2019-09, on another server: only draft 2020-12 is known',
    'optional/format/idn-hostname.json' =>
        'idn-hostname is not asserted: it needs the tables of IDNA 2008 (RFC 5892)',
    'optional/format-assertion.json' =>
        'a metaschema of its own, on another server: whether formats are asserted is an option',
);

# Files of which every test is run with formats asserted; elsewhere "format" is an annotation.
sub asserts_formats { return scalar($_[0] =~ m{^optional/format/}) }

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or die "cannot read $file: $!\n";
    local $/;
    return scalar <$in>;
}

# Numbers must reach the tool as the suite writes them (1.0, 1e308, more digits than a double has):
# the text of "data" and "schema" is cut out of the file rather than decoded and encoded again.
my $STRING = qr/"(?:[^"\\]|\\.)*+"/s;
my $VALUE;
{
    use re 'eval';
    $VALUE = qr/(?:$STRING|[-+.0-9a-zA-Z]++|\[(?:\s*+(?:(??{$VALUE})\s*+,?+))*+\s*+\]|\{(?:\s*+$STRING\s*+:\s*+(??{$VALUE})\s*+,?+)*+\s*+\})/s;
}

# The elements of an array, or the members of an object as a hash, each as text.
sub elements {
    my ($text) = @_;
    my @elements;
    $text =~ s/\A\s*\[//;
    while ($text =~ /\G\s*($VALUE)\s*,?/gc) { push @elements, $1 }
    return @elements;
}

sub members {
    my ($text) = @_;
    my %members;
    $text =~ s/\A\s*\{//;
    while ($text =~ /\G\s*($STRING)\s*:\s*($VALUE)\s*,?/gc) {
        $members{ JSON::PP->new->utf8->allow_nonref->decode($1) } = $2;
    }
    return %members;
}

sub text_of { return JSON::PP->new->utf8->allow_nonref->decode($_[0]) }

# On one line, as the tool wants it: white space between tokens can only be outside of strings.
sub one_line {
    my ($text) = @_;
    $text =~ s/($STRING)|\s+/defined $1 ? $1 : ' '/ge;
    return $text;
}

my $dir = tempdir(CLEANUP => 1);

# The verdicts of one schema on many instances: (undef, message) when the schema is refused.
sub judge {
    my ($schema, $with_formats, @instances) = @_;
    open my $out, '>:raw', "$dir/schema.json" or die $!;
    print $out $schema;
    close $out or die $!;
    open $out, '>:raw', "$dir/instances" or die $!;
    print $out map { one_line($_) . "\n" } @instances;
    close $out or die $!;
    my @options = $with_formats ? '--format' : ();
    my $command = join ' ', "'$tool'", @options, "'$dir/schema.json' < '$dir/instances' 2> '$dir/err'";
    my @lines = `$command`;
    return (undef, 'exit ' . ($? >> 8) . ': ' . slurp("$dir/err")) if $?;
    return map { JSON::PP->new->utf8->decode($_) } @lines;
}

sub run_group {
    my ($file, %group) = @_;
    my $name   = text_of($group{description});
    my @tests  = map { { members($_) } } elements($group{tests});
    my $reason = $SKIPPED{$file} || $SKIPPED{"$file | $name"};
    my @verdicts = $reason ? () : judge($group{schema}, asserts_formats($file), map { $_->{data} } @tests);
    for my $i (0 .. $#tests) {
        my $about = "$file | $name | " . text_of($tests[$i]{description});
        my $why = $reason || $SKIPPED{$about};
        if ($why) {
            SKIP: { skip $about . ': ' . $why, 1 }
            next;
        }
        if (!defined $verdicts[0]) {
            fail($about);
            diag("the schema is refused, $verdicts[1]");
            next;
        }
        my $verdict  = $verdicts[$i];
        my $expected = $tests[$i]{valid} eq 'true';
        my $is_right = $verdict && !!$verdict->{valid} == $expected
            && $expected == !@{ $verdict->{errors} };
        ok($is_right, $about)
            or diag("instance $tests[$i]{data}: expected $tests[$i]{valid}, got "
                . ($verdict ? JSON::PP->new->encode($verdict) : 'nothing'));
    }
}

if (!-d $suite) {
    plan tests => 1;
    SKIP: { skip "the JSON Schema Test Suite is not in $suite; set PRODORDER_SCHEMA_SUITE", 1 }
    exit;
}
die "$tool is missing: run make openapi\n" if !-x $tool;

my @files;
find({ no_chdir => 1, wanted => sub { push @files, substr $_, length "$suite/" if /\.json$/ } }, $suite);
for my $file (sort @files) {
    my @groups = elements(slurp("$suite/$file"));
    run_group($file, members($_)) for @groups;
    is(scalar @groups, scalar @{ JSON::PP->new->utf8->decode(slurp("$suite/$file")) },
        "$file: every group was run");
}
done_testing();
