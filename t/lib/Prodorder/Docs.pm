package Prodorder::Docs;

# Markdown pages as tests: their command blocks, and what they say that the commands print.
#
#     for my $block (Prodorder::Docs::blocks($text)) {
#         my $said = ...;                                        # the output of $block->{code}
#         my $why = Prodorder::Docs::difference($block->{expected}, $said);
#     }
#
# A command block is fenced as ```sh. A block fenced as ```json, ```http or ```text that follows it, with
# nothing but blank lines between, is its output. A comment <!-- not run: REASON --> right before a command
# block says why a test cannot run it.
#
# What is compared: everything but what differs each time. Any time, UUID or trace id is as good as another;
# in ```text so is any number, and any run of blanks or dashes. An ellipsis (…) stands for anything. After a comment
# <!-- lines in any order --> the lines of an output are compared without their order.

use strict;
use warnings;
use utf8;

# blocks(TEXT): the command blocks in order: { line (of the fence), code, why_not (the reason, or undef),
# expected => { line, kind, text, any_order } or undef }. TEXT and all parts are characters, not bytes.
sub blocks {
    my ($text) = @_;
    my (@blocks, $open, $last, $why_not, $any_order);
    my $number = 0;
    for my $line (split /\n/, $text) {
        $number++;
        if ($open) {
            if ($line =~ /^```\s*$/) {
                $last = _close(\@blocks, $open, $last);
                undef $open;
            } else {
                $open->{text} .= "$line\n";
            }
        } elsif (my ($kind) = $line =~ /^```(\w*)\s*$/) {
            $open = { line => $number, kind => $kind, text => '', why_not => $why_not, any_order => $any_order };
            ($why_not, $any_order) = ();
        } elsif ($line =~ /^<!-- not run: (.+?) -->\s*$/) {
            $why_not = $1;
        } elsif ($line =~ /^<!-- lines in any order -->\s*$/) {
            $any_order = 1;
        } elsif ($line =~ /\S/) {
            ($last, $why_not, $any_order) = ();
        }
    }
    die "the block of line $open->{line} has no end\n" if $open;
    return @blocks;
}

# A block has ended: a command, which the next block may be the output of, or that.
sub _close {
    my ($blocks, $open, $last) = @_;
    if ($open->{kind} eq 'sh') {
        push @$blocks, { line => $open->{line}, code => $open->{text}, why_not => $open->{why_not}, expected => undef };
        return $blocks->[-1];
    }
    $last->{expected} = $open if $last && $open->{kind} =~ /^(?:json|http|text)$/;
    return;
}

# difference(EXPECTED, OUTPUT): undef when the output is as expected, else the first line that is not, for a
# person to read.
sub difference {
    my ($expected, $output) = @_;
    my @wanted = _lines($expected->{text}, $expected->{kind});
    my @found = _lines($output, $expected->{kind});
    if ($expected->{any_order}) {
        @wanted = sort @wanted;
        @found = sort @found;
    }
    my $pattern = join "\n", map { _pattern($_) } @wanted;
    return undef if join("\n", @found) =~ /\A$pattern\z/;
    my $first = 0;
    $first++ while $first < @wanted && $first < @found && $wanted[$first] ne '…'
        && $found[$first] =~ /\A${\_pattern($wanted[$first])}\z/;
    my $is = $found[$first] // '(nothing more)';
    my $should = $wanted[$first] // '(nothing more)';
    return sprintf "line %d of the output\n  is        %s\n  should be %s", $first + 1, $is, $should;
}

# An ellipsis on a line of its own may stand for several lines.
sub _pattern {
    my ($line) = @_;
    return '(?s:.*?)' if $line eq '…';
    return join '[^\n]*?', map { quotemeta } split /…/, $line, -1;
}

sub _lines {
    my ($text, $kind) = @_;
    $text =~ s/\r//g;
    $text =~ s/\s+\z//;
    return map { _without_variables($_, $kind) } split /\n/, $text;
}

sub _without_variables {
    my ($line, $kind) = @_;
    $line =~ s/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+\d\d(?::\d\d)?)?/<time>/g;
    $line =~ s/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/<uuid>/g;
    $line =~ s/\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b/<hex>/g;
    if ($kind eq 'text') {
        $line =~ s/\d+(?:[.,:]\d+)*/<n>/g;
        $line =~ s/-{3,}/---/g;
        $line =~ s/\s+/ /g;
    }
    if ($kind eq 'http') {
        $line =~ s/^(Date: ).*/$1<time>/;
        $line =~ s/^(Content-Length: )\d+/$1<n>/;
    }
    return $line =~ s/\s+$//r;
}

# with_output(TEXT, BLOCK, OUTPUT): TEXT, with OUTPUT as what BLOCK prints.
sub with_output {
    my ($text, $block, $output) = @_;
    my @lines = split /\n/, $text, -1;
    my $first = $block->{expected}{line};
    my $count = () = $block->{expected}{text} =~ /\n/g;
    splice @lines, $first, $count, split /\n/, $output =~ s/\r//gr =~ s/\s+\z//r;
    return join "\n", @lines;
}

1;
