#!/usr/bin/perl
# README.md, docs/http.md, docs/events.md and docs/operations.md prove themselves: on a fresh stack, every command block
# of the four is run in order, as a reader would paste it, and must print what the page says (Prodorder::Docs has the rules).
#
# PRODORDER_DOCS_UPDATE=1 writes what the commands print into the pages, where they say something else and have
# no ellipsis; PRODORDER_DOCS_UPDATE=all also where only times and ids differ. Look at the difference before you
# commit it.
use strict;
use warnings;
use utf8;

use Encode qw(decode encode);
use Time::HiRes qw(sleep time);

use Prodorder::Control;
use Prodorder::Docs;
use Prodorder::Stack;

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

use constant { BLOCK_LIMIT_S => 120, REST_LIMIT_S => 20, LOG_FLUSH_S => 1.2 };

# In this order: what is shown in one goes on from the last.
my @PAGES = qw(README.md docs/http.md docs/events.md docs/operations.md);

# Ports that the pages name, where this stack has others.
my @ports = (4000, 3001, 3002, 5433, 5434, 6381, 6382, 5673, 15672, 15673, 15674);
my $home = scratch() . '/home';
my $update = $ENV{PRODORDER_DOCS_UPDATE} // '';
# What is written into the page has the ports that its readers have.
my $offset = $update ? 0 : free_offset(@ports);
@ENV{qw(PRODORDER_HOME PRODORDER_PORT_OFFSET)} = ($home, $offset);
my $port_pattern = join '|', @ports;

# Only ever the stack of this test: END runs even when this file cannot be compiled.
END {
    my $status = $?;
    if (defined $home) {
        local $ENV{PRODORDER_HOME} = $home;
        run('./prodorder', 'clean');
    }
    $? = $status;
}

# run_block(CODE): { status, out } of a block, as the page has it: its ports, its place of the data.
sub run_block {
    my ($code) = @_;
    $code =~ s/(127\.0\.0\.1|localhost):($port_pattern)\b/"$1:" . ($2 + $offset)/ge;
    my $result = run('timeout', BLOCK_LIMIT_S, 'bash', '-eo', 'pipefail', '-c', encode('UTF-8', $code));
    my $out = decode('UTF-8', $result->{out});
    $out =~ s/(127\.0\.0\.1|localhost):(\d+)/"$1:" . ($2 - $offset)/ge;
    $out =~ s/\Q$home\E/var/g;
    return { status => $result->{status}, out => $out, err => $result->{err} };
}

# A reader takes a moment between two blocks: until no order waits, and the gateway has written its log.
sub pause {
    my ($next) = @_;
    return if !-e "$home/run/gateway.pid";
    my $deadline = time + REST_LIMIT_S;
    while (Prodorder::Stack::sql_value(order => "SELECT count(*) FROM orders WHERE status = 'waiting'") > 0) {
        die "orders are still waiting after ${\REST_LIMIT_S} s\n" if time > $deadline;
        sleep 0.02;
    }
    sleep LOG_FLUSH_S if $next =~ /\btrace\b/;
    return;
}

# wrong_with(BLOCK): undef, or why what it does is not what the page says.
sub wrong_with {
    my ($block) = @_;
    my $result = run_block($block->{code});
    $block->{said} = $result->{out};
    return "exit $result->{status}\n$result->{err}$result->{out}" if $result->{status} != 0;
    return undef if !$block->{expected};
    return Prodorder::Docs::difference($block->{expected}, $result->{out});
}

sub first_line {
    my ($text) = @_;
    my ($line) = $text =~ /^\s*(.+)$/m;
    return length $line > 100 ? substr($line, 0, 100) . '…' : $line;
}

# ---- the pages ----

my (%text, @blocks);
for my $page (@PAGES) {
    $text{$page} = decode('UTF-8', read_file($page));
    my @here = map { { %$_, page => $page } } Prodorder::Docs::blocks($text{$page});
    cmp_ok(scalar @here, '>=', 3, "$page has command blocks");
    push @blocks, @here;
}
cmp_ok(scalar @blocks, '>=', 30, 'they are as many as ever');
my @run = grep { !defined $_->{why_not} } @blocks;
cmp_ok(scalar(@blocks) - scalar @run, '<=', 8, 'nearly all of them are run here');

for my $block (@run) {
    pause($block->{code});
    my $wrong = wrong_with($block);
    is($wrong, undef, "$block->{page}, line $block->{line}: " . first_line($block->{code}))
        or diag("the commands of $block->{page}, line $block->{line}:\n$block->{code}");
}

if ($update) {
    # From the end: what stands above keeps its lines.
    for my $block (reverse grep { $_->{expected} && $_->{expected}{text} !~ /…/ } @run) {
        $text{ $block->{page} } = Prodorder::Docs::with_output($text{ $block->{page} }, $block, $block->{said})
            if $update eq 'all' || defined Prodorder::Docs::difference($block->{expected}, $block->{said});
    }
    write_file($_, encode('UTF-8', $text{$_})) for @PAGES;
    diag "@PAGES: updated";
}

# ---- each of these mistakes in a page is found ----

my ($list) = grep { $_->{code} =~ m{^curl -s http://127\.0\.0\.1:4000/products/25$}m } @run;
my ($pages) = grep { $_->{code} =~ /^\.\/prodorder psql/m } @run;
ok($list && $pages, 'the blocks that mistakes are planted into are there');
my %mistake = (
    'a path that is not there'          => [$list, code => sub { s{/products/25}{/product/25} }],
    'a program that is not there'       => [$list, code => sub { s/^curl/curll/ }],
    'an option that is not there'       => [$list, code => sub { s/ -s / --silently / }],
    'a command that is not there'       => [$pages, code => sub { s/prodorder psql/prodorder sql/ }],
    'a column that is not there'        => [$pages, code => sub { s/\bstatus\b/state/ }],
    'another value in the answer'       => [$list, expected => sub { s/"qty":\d+/"qty":7/ }],
    'a member that the answer has not'  => [$list, expected => sub { s/"price":/"prize":/ }],
    'a member missing from the answer'  => [$list, expected => sub { s/"name":"[^"]*",// }],
    'a line of output too many'         => [$pages, expected => sub { $_ .= "and so on\n" }],
);
for my $what (sort keys %mistake) {
    my ($good, $where, $plant) = @{ $mistake{$what} };
    my %bad = (%$good, $good->{expected} ? (expected => { %{ $good->{expected} } }) : ());
    my $before = $where eq 'code' ? $bad{code} : $bad{expected}{text};
    $plant->() for $where eq 'code' ? $bad{code} : $bad{expected}{text};
    isnt($where eq 'code' ? $bad{code} : $bad{expected}{text}, $before, "$what: planted");
    isnt(wrong_with(\%bad), undef, "$what: found");
}
done_testing();
