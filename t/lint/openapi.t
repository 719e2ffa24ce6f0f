#!/usr/bin/perl
# openapi.json, as a linter of OpenAPI documents sees it, with the rules of redocly.yaml.
use strict;
use warnings;

use JSON::PP;

use Prodorder::Control;
use Prodorder::Npm;

Prodorder::Npm::need('t/lint');

# The linter would report its use, and look for a newer version of itself.
@ENV{qw(REDOCLY_TELEMETRY REDOCLY_SUPPRESS_UPDATE_NOTICE)} = ('off', 'true');

# lint(FILE...): for each, the rules that it breaks, with their places
sub lint {
    my (@files) = @_;
    my $said = run('node', 't/lint/node_modules/@redocly/cli/bin/cli.js', 'lint',
        '--config=t/lint/redocly.yaml', '--format=json', @files);
    my @reports = JSON::PP->new->utf8->incr_parse($said->{out}) or die "the linter failed: $said->{err}";
    my %broken = map { $_ => [] } @files;
    for my $problem (map { @{ $_->{problems} } } @reports) {
        my $place = $problem->{location}[0];
        my ($name) = $place->{source}{ref} =~ m{([^/]+)$};
        my ($file) = grep { m{(?:^|/)\Q$name\E$} } @files;
        push @{ $broken{ $file // $files[0] } }, "$problem->{ruleId} " . ($place->{pointer} // '');
    }
    return \%broken;
}

is_deeply(lint('openapi.json'), { 'openapi.json' => [] }, 'openapi.json breaks no rule');

# The rules are there: each of these mistakes breaks the one that is named.
my %mistake = (
    'no-unused-components'           => sub { $_[0]{components}{schemas}{Unused} = { type => 'string' } },
    'no-unresolved-refs'             => sub { $_[0]{paths}{'/orders'}{post}{responses}{409}{'$ref'} .= 's' },
    'no-invalid-media-type-examples' => sub {
        delete $_[0]{components}{responses}{Conflict}{content}{'application/json'}{example}{path};
    },
    'no-invalid-parameter-examples'  => sub { $_[0]{components}{parameters}{Limit}{example} = 0 },
    'no-invalid-schema-examples'     => sub { $_[0]{components}{schemas}{Name}{examples} = [''] },
    'response-contains-header'       => sub { delete $_[0]{components}{responses}{TooManyRequests}{headers}{'Retry-After'} },
    'operation-4xx-problem-details-rfc7807' => sub {
        delete $_[0]{components}{responses}{Conflict}{content}{'application/problem+json'};
    },
    'operation-operationId'          => sub { delete $_[0]{paths}{'/orders'}{post}{operationId} },
    'rule/operation-summary-is-short' => sub { $_[0]{paths}{'/orders'}{post}{summary} = 'Place an order.' },
    'tag-description'                => sub { delete $_[0]{tags}[0]{description} },
);
my $dir = File::Temp->newdir;
for my $rule (keys %mistake) {
    my $document = decode_json(read_file('openapi.json'));
    $mistake{$rule}->($document);
    open my $out, '>', "$dir/" . ($rule =~ s{/}{-}r) . '.json' or die "$dir: $!\n";
    print {$out} encode_json($document);
    close $out;
}
my %file = map { $_ => "$dir/" . (s{/}{-}r) . '.json' } keys %mistake;
my $broken = lint(values %file);
for my $rule (sort keys %mistake) {
    like(join("\n", @{ $broken->{ $file{$rule} } }), qr/^\Q$rule\E /m, "a document that breaks $rule is refused");
}
done_testing();
