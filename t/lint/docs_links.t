#!/usr/bin/perl
# Every Markdown page: links lead somewhere, command blocks can be parsed, and the commands, targets and files that
# they name are there. The pictures belong to their sources.
use strict;
use warnings;
use utf8;

use Digest::SHA qw(sha256_hex);
use Encode qw(decode encode);
use File::Basename qw(dirname);
use File::Find qw(find);

use Prodorder::Control;
use Prodorder::Docs;

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

my (@pages, @sources);
find({
    no_chdir => 1,
    wanted   => sub {
        $File::Find::prune = 1 if m{/(?:node_modules|\.git|build|var)$};
        push @pages, s{^\./}{}r if /\.md$/;
        push @sources, s{^\./}{}r if /\.[ch]$/;
    },
}, '.');
@pages = sort @pages;
@sources = sort @sources;
cmp_ok(scalar @pages, '>=', 20, 'pages were found');

# The names by which headings are linked to.
my %anchors;
sub anchors {
    my ($page) = @_;
    return $anchors{$page} //= do {
        my $text = decode('UTF-8', read_file($page)) =~ s/^```.*?^```//gmsr;
        +{ map { (lc($_) =~ s/`|\*|[^\w\s-]//gr =~ s/ /-/gr) => 1 } $text =~ /^#+ +(.+?) *$/mg };
    };
}

sub wrong_links {
    my ($page, $text) = @_;
    my @wrong;
    my $prose = $text =~ s/^```.*?^```//gmsr =~ s/`[^`\n]*`//gr;
    while ($prose =~ /\]\(([^)\s]+)\)/g) {
        my ($file, $anchor) = $1 =~ /^([^#]*)(?:#(.*))?$/;
        next if $file =~ m{^(?:https?|mailto):};
        my $path = $file eq '' ? $page : dirname($page) . '/' . $file =~ s/%20/ /gr;
        $path =~ s{^\./}{};
        push @wrong, "$file is not there" if !-e $path;
        push @wrong, "$file has no heading #$anchor" if defined $anchor && -f $path && !anchors($path)->{$anchor};
    }
    return @wrong;
}

my %targets = map { $_ => 1 } read_file('Makefile') =~ /^([a-z_-]+(?: [a-z_-]+)*):/mg;
%targets = map { $_ => 1 } map { split / / } keys %targets;
my %commands = map { $_ => 1 } run('./prodorder', 'help')->{out} =~ /^  ([a-z]+)\b/mg;

# What command lines name: ./prodorder COMMAND, make TARGET, scripts and files of the repository.
sub wrong_commands {
    my ($code) = @_;
    my @wrong;
    my $syntax = run('bash', '-n', '-c', encode('UTF-8', $code));
    push @wrong, "bash cannot read it: $syntax->{err}" if $syntax->{status} != 0;
    push @wrong, map { "./prodorder has no command $_" } grep { !$commands{$_} } $code =~ m{(?:^|[\s;(])\./prodorder ([a-z]\w*)}mg;
    push @wrong, map { "make has no target $_" } grep { !$targets{$_} } $code =~ /(?:^|&& )make ([a-z][\w-]*)/mg;
    push @wrong, map { "$_ is not there" } grep { !-e } $code =~ m{(?:^|[\s'"])((?:\./)?(?:scripts|tools|bench|k6|docker|fuzz|mock|t)/[\w./-]*\w)}mg;
    return @wrong;
}

for my $page (@pages) {
    my $text = decode('UTF-8', read_file($page));
    is(join("\n", wrong_links($page, $text)), '', "$page: its links lead somewhere");
    my @blocks = eval { Prodorder::Docs::blocks($text) };
    is($@, '', "$page: its blocks are closed");
    is(join("\n", map { my $line = $_->{line}; map { "line $line: $_" } wrong_commands($_->{code}) } @blocks), '',
        "$page: its commands are there") if @blocks;
}

# C files that pages and comments name are there: whole, or by the end of a path. Not what a test writes and not what
# a page says of another day (docs/adr/, CHANGELOG.md); x.c and NAME.c stand for any.
my (%tails, %read);
for my $file (@sources) {
    my $tail = $file;
    do { $tails{$tail} = 1 } while $tail =~ s{^[^/]+/}{};
}

sub wrong_names {
    my ($text) = @_;
    return grep { !$tails{ s{^(?:\.\.?/)+}{}r } && !m{(?:^|[_/])x\.|NAME|^_} } $text =~ m{(?<![\w./+-])((?:[\w.-]+/)*[\w-]+\.[ch])(?![\w.])}g;
}

for my $file (grep { !m{^(?:docs/adr/|CHANGELOG\.md$)} } @pages, @sources) {
    my $text = decode('UTF-8', read_file($file));
    my @said = $file =~ /md$/ ? $text =~ /`([^`\n]+)`/g : $text =~ m{(/\*.*?\*/|//[^\n]*)}gs;
    my @wrong = grep { !m{^nginx_src/|^src/core/} } map { wrong_names($_) } @said;
    is(join(' ', @wrong), '', "$file: the files that it names are there") if @wrong || $file =~ /md$/;
    $read{ $file =~ /([a-z]+)$/ ? $1 : '' }++;
}
cmp_ok($read{$_}, '>=', 10, "$_ files were read for names") for qw(md c h);

# These mistakes are found.
is(join(' ', wrong_names('gone.c, openapi/pattern.h and pg/pg.h; x.c')), 'gone.c openapi/pattern.h', 'files that are not there are found');
is(scalar(wrong_links('README.md', '[x](docs/nowhere.md) [y](#nothing) [z](docs/gateway.md#the-logs)')), 2, 'broken links are found');
for my $code ("./prodorder upp\n", "make everything\n", "scripts/nothing.sh\n", "echo 'x\n") {
    is(scalar(wrong_commands($code)), 1, 'a wrong command is found: ' . $code =~ s/\n//r);
}

for my $source (glob 'docs/*.dot') {
    my $picture = $source =~ s/\.dot$/.svg/r;
    my ($hash) = read_file($picture) =~ /Made by make diagrams from \S+, sha256 ([0-9a-f]{64})/;
    is($hash, sha256_hex(read_file($source)), "$picture is made of $source as it is (else: make diagrams)");
}
done_testing();
