#!/usr/bin/perl
# Our validator against ajv, and against a plain model of the specification, on random documents.
#
# The seed is PRODORDER_SEED, else 1: a failure is seen again by running the test again.
use strict;
use warnings;

use JSON::PP;
use Test::More;

use Prodorder::Npm;

my $build = $ENV{PRODORDER_BUILD} // 'build';
my $seed  = $ENV{PRODORDER_SEED}  // 1;

Prodorder::Npm::need('t/differential');
for my $tool ('schema-check', 'openapi-check') {
    -x "$build/$tool" or BAIL_OUT("$build/$tool is missing: run make");
}

# compare(PART, COUNT): what compare.mjs found
sub compare {
    my ($part, $count) = @_;
    open my $out, '-|', 'node', 't/differential/compare.mjs', $part, '--seed', $seed, '--count', $count
        or die "cannot run node: $!\n";
    my $said = do { local $/; <$out> };
    close $out or die "node t/differential/compare.mjs $part: exit status " . ($? >> 8) . "\n";
    return JSON::PP->new->utf8->decode($said);
}

# agree(FOUND, WHAT): no difference; each one that there is, is shown
sub agree {
    my ($found, $what) = @_;
    my $json = JSON::PP->new->utf8->canonical;
    is(scalar @{ $found->{differences} }, 0, "$what: $found->{pairs} pairs, no difference (seed $seed)")
        or diag(map { $json->encode($_) . "\n" } @{ $found->{differences} });
}

subtest 'schemas and instances' => sub {
    my $found = compare('schemas', 400);
    agree($found, 'schemas');
    cmp_ok($found->{pairs}, '>=', 9000, 'there are thousands of pairs');
    my $share = $found->{valid} / $found->{pairs};
    ok($share > 0.2 && $share < 0.8, sprintf 'some are valid, some are not (%.0f%%)', 100 * $share);

    # Known mistakes of ajv's are few: were there more, ours would need another look.
    cmp_ok($found->{ajvAlone}, '<', $found->{pairs} / 100, "ajv alone is wrong in $found->{ajvAlone}");

    my @asserting = qw(type const enum multipleOf minimum maximum exclusiveMinimum exclusiveMaximum
        minLength maxLength pattern format minItems maxItems uniqueItems minProperties maxProperties
        required dependentRequired anyOf oneOf not if contains propertyNames unevaluatedItems
        unevaluatedProperties);
    is_deeply([grep { !$found->{decided}{$_} } @asserting], [], 'each asserting keyword has refused something');
    my @others = qw($ref $dynamicRef $anchor $id $dynamicAnchor allOf then else prefixItems items
        minContains maxContains properties patternProperties additionalProperties dependentSchemas);
    my %used = (%{ $found->{uses} }, map { $_ => 1 } qw($anchor $id $dynamicAnchor));
    is_deeply([grep { !$used{$_} } @others], [], 'each other keyword was used');
};

subtest 'regular expressions' => sub {
    my $found = compare('patterns', 2000);
    agree($found, 'patterns');
    cmp_ok($found->{valid}, '>=', 200, "$found->{valid} are regular expressions");
    cmp_ok($found->{matches}, '>=', 40, "$found->{matches} match their text");
};

subtest 'formats' => sub {
    my $found = compare('formats', 500);
    agree($found, 'formats');
    my $share = $found->{valid} / $found->{pairs};
    ok($share > 0.2 && $share < 0.8, sprintf 'some are valid, some are not (%.0f%%)', 100 * $share);
};

subtest 'bodies of openapi.json' => sub {
    my $found = compare('bodies', 400);
    agree($found, 'bodies');
    cmp_ok($found->{operations}, '>=', 4, "$found->{operations} operations take a body");
    my $share = $found->{valid} / $found->{pairs};
    ok($share > 0.2 && $share < 0.8, sprintf 'some are valid, some are not (%.0f%%)', 100 * $share);
};

done_testing();
