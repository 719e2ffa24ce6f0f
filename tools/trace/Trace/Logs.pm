package Trace::Logs;

# The logs of gateway and services as decoded lines. grep -F finds them, at the speed of the disk; JSON
# decides what they say. The earlier log that ./prodorder keeps of each process (NAME.log.1) counts too.

use strict;
use warnings;

use List::Util qw(any);
use Time::Local qw(timegm);

use Trace::Values;

use constant {
    LINES_MAX => 2000,      # for each needle and file; more is cut, and said
    BYTES_MAX => 67108864,  # appended bytes read at once
};

my @NAMES = qw(gateway order-service product-service);

sub new {
    my ($class, $dir) = @_;
    my $self = bless { dir => $dir, unreadable => 0, cut => {} }, $class;
    $self->{size}{$_} = -s "$dir/$_.log" // 0 for @NAMES;
    return $self;
}

sub _files {
    my ($self, $name) = @_;
    my @processes = ($name, $name =~ /-service$/ ? map { "$name-$_" } 2 .. 9 : ());    # ./prodorder up --replicas
    return grep { -f } map { my $one = $_; map { "$self->{dir}/$one.log$_" } '.1', '' } @processes;
}

# search(NEEDLE...): the lines that contain one of these, oldest log first. The greps run side by side,
# one for each needle, because grep is several times slower with two.
sub search {
    my ($self, @needles) = @_;
    return $self->_search(\@NAMES, @needles);
}

# The same without the gateway's, which know no order's number.
sub search_services {
    my ($self, @needles) = @_;
    return $self->_search([grep { $_ ne 'gateway' } @NAMES], @needles);
}

sub _search {
    my ($self, $names, @needles) = @_;
    my (@greps, @lines, %seen);
    for my $name (@$names) {
        for my $file ($self->_files($name)) {
            push @greps, map { [$name, $file, _grep($file, $_)] } @needles;
        }
    }
    for my $grep (@greps) {
        my ($name, $file, $out) = @$grep;
        my $count = 0;
        while (my $raw = readline $out) {
            $count++;
            push @lines, $self->_decode($name, $raw) if !$seen{$raw}++;
        }
        close $out; # its status says only whether there was a line
        $self->{cut}{$file} = 1 if $count == LINES_MAX;
    }
    return @lines;
}

sub _grep {
    my ($file, $needle) = @_;
    local $ENV{LC_ALL} = 'C';
    open my $out, '-|', 'grep', '-ahF', '-m', LINES_MAX, '-e', $needle, '--', $file or die "cannot run grep: $!\n";
    return $out;
}

# appended(NAME, NEEDLE...): what has come to the end of that log since new() or the last call.
sub appended {
    my ($self, $name, @needles) = @_;
    open my $in, '<:raw', "$self->{dir}/$name.log" or return;
    $self->{size}{$name} = 0 if $self->{size}{$name} > -s $in; # begun anew
    seek $in, $self->{size}{$name}, 0;
    read $in, my $bytes, BYTES_MAX;
    my $end = rindex($bytes, "\n") + 1; # the rest of a line comes later
    $self->{size}{$name} += $end;
    return map { $self->_decode($name, $_) } grep { my $raw = $_; any { index($raw, $_) >= 0 } @needles } split /^/, substr $bytes, 0, $end;
}

# A line that is no JSON object with a time is counted and left out.
sub _decode {
    my ($self, $name, $raw) = @_;
    my $line = Trace::Values::decode($raw);
    my $at_ms = $line ? time_ms($line->{ts} // '') : undef;
    if (!defined $at_ms) {
        $self->{unreadable}++;
        return;
    }
    return { %$line, service => $name, at_ms => $at_ms, raw => $raw };
}

# time_ms(RFC 3339 or PostgreSQL's JSON, in UTC): whole milliseconds since 1970, cut; undef: not a time.
sub time_ms {
    my ($text) = @_;
    $text =~ /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|\+00(?::?00)?)\z/ or return;
    my $seconds = eval { timegm($6, $5, $4, $3, $2 - 1, $1) };
    return defined $seconds ? $seconds * 1000 + substr(($7 // '') . '000', 0, 3) : undef;
}

# What the reader should know about the search.
sub notes {
    my ($self) = @_;
    my @notes = map { "$_ has more than " . LINES_MAX . ' lines of it: the rest is not shown' } sort keys %{ $self->{cut} };
    push @notes, "lines that could not be read: $self->{unreadable}" if $self->{unreadable};
    return @notes;
}

# Which logs there are, and from when on: a sentence for each.
sub coverage {
    my ($self) = @_;
    return map {
        my ($first) = $self->_files($_);
        defined $first ? "searched $_.log, which begins " . _begin($first) : "there is no $_.log";
    } @NAMES;
}

sub _begin {
    my ($file) = @_;
    open my $in, '<:raw', $file or return 'with a line that cannot be read';
    for (1 .. 100) { # the first lines may be another program's
        my $line = readline $in // last;
        return "at $1" if $line =~ /"ts":"(\d{4}-\d\d-\d\dT[0-9:.]+Z)"/;
    }
    return 'without a time';
}

1;
