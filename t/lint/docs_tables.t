#!/usr/bin/perl
# The tables of README.md, docs/http.md and docs/operations.md say what the programs say: variables, ports, commands,
# suites, operations, files.
use strict;
use warnings;
use utf8;

use Encode qw(decode);
use JSON::PP qw(decode_json);

use Prodorder::Control;

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);
my $build = $ENV{PRODORDER_BUILD} || 'build';
my %page = map { $_ => decode('UTF-8', read_file($_)) } qw(README.md docs/http.md docs/operations.md);
cmp_ok(scalar(() = $page{'README.md'} =~ /\n/g), '<=', 350, 'README.md is the start and a map: at most 350 lines');

# table(HEADING CELL): the rows, each an array of cells, of the table whose first heading that is: in one of the pages.
sub table {
    my ($heading) = @_;
    my $head = qr/^\| \Q$heading\E \|[^\n]*\n\|(?: --- \|)+\n((?:\|[^\n]*\n)+)/m;
    my @found = map { $page{$_} =~ /$head/g } sort keys %page;
    is(scalar @found, 1, "the pages have one table of: $heading") or return ();
    return map { [map { s/^\s+|\s+$//gr } split /(?<!\\)\|/, s/^\|\s*//r] } split /\n/, $found[0];
}

sub code_of {
    my ($cell) = @_;
    return $cell =~ /`([^`]+)`/g;
}

# ---- variables of the services: as the programs print them ----

my (%variable, @names);
for my $side (qw(product order)) {
    my $printed = decode('UTF-8', run("$build/$side-service", '--print-env-example')->{out});
    is($printed, decode('UTF-8', read_file("services/$side/.env.example")),
        "services/$side/.env.example is what $side-service --print-env-example prints");
    while ($printed =~ /^# (.*): (.*?); (required|optional)\n(\w+)=(.*)$/mg) {
        my ($what, $limits, $needed, $name, $value) = ($1, $2, $3, $4, $5);
        push @names, $name if !$variable{$name};
        $variable{$name} //= { what => $what, limits => $limits, needed => $needed, value => {} };
        $variable{$name}{value}{$side} = $value;
    }
}
my @sides = qw(product order);
for my $needed (qw(required optional)) {
    my %row = map { (code_of($_->[0]))[0] => $_ } table($needed);
    my @wanted = grep { $variable{$_}{needed} eq $needed } @names;
    is_deeply([sort keys %row], [sort @wanted], "the table has every $needed variable");
    for my $name (grep { $row{$_} } @wanted) {
        my ($option, @cells) = ($variable{$name}, @{ $row{$name} });
        my @have = grep { defined $option->{value}{$_} } @sides;
        my $what = $option->{what} . (@have == 1 ? " ($have[0]-service only)" : '');
        is($cells[-1], $what, "$name: what it is");
        is($cells[-2], $option->{limits}, "$name: its limits");
        next if $needed eq 'required';
        my %different = map { $_ => 1 } values %{ $option->{value} };
        my @shown = keys %different == 1 ? keys %different : map { $option->{value}{$_} } @sides;
        is_deeply([code_of($cells[1])], \@shown, "$name: its default");
    }
}

# ---- the control script: commands, variables, suites, ports ----

my $help = run('./prodorder', 'help')->{out};
my %offered = map { $_ => 1 } $help =~ /^  ([a-z]+)\b/mg;
my %listed = map { my ($first) = $_->[0] =~ /`\.\/prodorder (\w+)/; map { $_ => 1 } $first, $_->[0] =~ /`, `(\w+)/g } table('command');
delete $offered{help};
is_deeply([sort keys %listed], [sort keys %offered], 'the commands are those that ./prodorder help lists');

my %explained = map { $_ => 1 } $help =~ /^  (PRODORDER_\w+)/mg;
my ($environment) = grep { $_->[0][0] =~ /PRODORDER_HOME/ } [table('variable')];
is_deeply([sort map { code_of($_->[0]) } @$environment], [sort keys %explained], 'and the variables, too');

my @suites = run('./prodorder', 'help', 'test')->{out} =~ /^  (\w+)   +\S/mg;
is_deeply([map { code_of($_->[0]) } table('`./prodorder test …`')], \@suites, 'and the suites of tests');

# The ports that compose publishes, by container: "...${NAME:-PORT}:INSIDE".
my (%published, $container);
for my $line (split /\n/, read_file('docker-compose.yml')) {
    $container = $1 if $line =~ /^  ([a-z-]+):$/;
    push @{ $published{$container} }, $1 if $line =~ /^ +- "\$\{PUBLISH_ADDRESS:-127\.0\.0\.1\}:\$\{\w+:-(\d+)\}:\d+"$/;
}
my %ports = read_file('scripts/lib/settings.sh') =~ /\[([a-z-]+)\]=(\d+)/g;
for my $row (table('process')) {
    my ($name) = code_of($row->[0]);
    my @wanted = grep { defined } @ports{$name, "$name-tls", "$name-management"};
    is_deeply([$row->[1] =~ /\d+/g], \@wanted, "the ports of $name");
    is_deeply([$row->[2] =~ /\d+/g], $published{ $name eq 'gateway' ? 'api-gateway' : $name }, "and in docker compose");
}

# ---- the contract: its operations ----

my $contract = decode_json(read_file('openapi.json'));
my %operation;
for my $path (keys %{ $contract->{paths} }) {
    $operation{ uc . " $path" } = 1 for grep { /^(?:get|post|patch|put|delete)$/ } keys %{ $contract->{paths}{$path} };
}
my %shown;
for my $row (table('request')) {
    my ($method);
    for my $code (code_of($row->[0])) {
        $method = $1 if $code =~ s/^([A-Z]+) //;
        $code =~ s/\?.*//;
        $shown{"$method $code"} = 1 if $code =~ m{^/};
    }
}
is_deeply([sort keys %shown], [sort keys %operation], 'the requests are the operations of openapi.json');

# ---- files that tables name ----

# files_of(WHERE, FOLDER, CELL): each file of that cell is there, in the folder of the last one unless it has its own.
sub files_of {
    my ($where, $folder, $cell) = @_;
    for my $file (grep { m{^[\w./-]+(?:\.\w+|/|^prodorder)$} } code_of($cell)) {
        my $path = $file =~ m{/.} || !defined $folder ? $file : "$folder/$file";
        $folder = $path =~ s{/[^/]*$}{}r if $file =~ m{/.};
        ok(-e $path, "$where: $path is there");
    }
    return;
}

for my $row (table('layer')) {
    my ($layer, @cells) = @$row;
    my @folders = ('services/product', 'services/order', undef);
    files_of($layer, $folders[$_], $cells[$_]) for 0 .. $#cells;
}
for my $row (table('to …')) {
    my ($task, $where) = @$row;
    files_of($task, undef, $where);
    ok($contract->{components}{schemas}{$_}, "$task: $_ is a schema of openapi.json") for grep { /^[A-Z][a-z]\w+$/ } code_of($where);
}

# What the map's first column names, and all rooms of services/runtime/.
my ($map) = $page{'README.md'} =~ /^## The map\n+```\n(.*?)^```/ms;
ok(-e, "$_, of the map, is there") for map { split ' ', substr $_, 0, 26 } grep { /^\S/ } split /\n/, $map;
my ($rooms) = $map =~ /^  runtime\/ .*?: ([^\n]*)/m;
is_deeply([sort split ' ', $rooms], [map { s{.*/}{}r . '/' } sort glob 'services/runtime/*'], 'the rooms of services/runtime/');
for my $row (table('promise')) {
    ok(-e $_, "$_, which tests a promise, is there") for code_of($row->[1]);
}
done_testing();
