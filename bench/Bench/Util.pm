package Bench::Util;

# What all benchmarks share: messages, arithmetic, processes, settings from the environment.

use strict;
use warnings;

use Exporter 'import';
use POSIX ();

our @EXPORT_OK = qw(die_clearly progress sum median ratio_of round setting setting_list);

use constant TICKS_PER_S => POSIX::sysconf(POSIX::_SC_CLK_TCK());

sub die_clearly {
    my ($message) = @_;
    chomp $message;
    die "bench: $message\n";
}

sub progress {
    my ($message) = @_;
    print {*STDERR} "== $message\n";
    return;
}

sub sum {
    my $sum = 0;
    $sum += $_ for @_;
    return $sum;
}

# round(VALUE, DIGITS): a number of at most so many decimals; undef stays undef
sub round {
    my ($value, $digits) = @_;
    return defined $value ? sprintf('%.*f', $digits, $value) + 0 : undef;
}

sub median {
    my @sorted = sort { $a <=> $b } grep { defined } @_;
    return undef unless @sorted; ## no critic: a value that JSON has, too
    return @sorted % 2 ? $sorted[$#sorted / 2] : ($sorted[@sorted / 2 - 1] + $sorted[@sorted / 2]) / 2;
}

# ratio_of(RATIOS...): { median, min, max }
sub ratio_of {
    my @sorted = sort { $a <=> $b } @_;
    return { median => round(median(@sorted), 3), min => round($sorted[0], 3), max => round($sorted[-1], 3) };
}

# ---- settings ----

# setting(NAME, DEFAULT, MIN, MAX): a whole number from the environment, or the default
sub setting {
    my ($name, $default, $min, $max) = @_;
    my $value = $ENV{$name};
    return $default unless defined $value && $value ne '';
    die_clearly("$name must be a whole number from $min to $max, not '$value'")
        unless $value =~ /^\d{1,12}$/ && $value >= $min && $value <= $max;
    return $value + 0;
}

# setting_list(NAME, [DEFAULTS], MIN, MAX): several of them, with spaces or commas
sub setting_list {
    my ($name, $defaults, $min, $max) = @_;
    my @values = grep { length } split /[\s,]+/, $ENV{$name} // '';
    return @$defaults unless @values;
    for my $value (@values) {
        die_clearly("$name must be whole numbers from $min to $max, not '$value'")
            unless $value =~ /^\d{1,12}$/ && $value >= $min && $value <= $max;
    }
    return map { $_ + 0 } @values;
}

# ---- our own programs ----

# build_programs(): what is written in C; program(NAME): where it then is
sub build_programs {
    my $build = _build();
    system(qw(make -s), "BUILD=$build", map { "$build/bench/$_" } qw(open_loop floor_broker)) == 0
        or die_clearly('the load generators could not be built');
    return;
}

sub program { my ($name) = @_; return _build() . "/bench/$name" }

sub _build { return $ENV{PRODORDER_BUILD} || 'build' }

# ---- commits and processes ----

# commit_of(DIR): the short name of what is checked out there, "none" without git; with "+" when a file was changed
sub commit_of {
    my ($dir) = @_;
    my $commit = qx{git -C '$dir' rev-parse --short HEAD 2> /dev/null} || 'none';
    chomp $commit;
    my $changed = $commit eq 'none' ? '' : qx{git -C '$dir' status --porcelain -uno -- . ':!bench' 2> /dev/null};
    return $commit . ($changed eq '' ? '' : '+');
}

# first_line(FILE): without its newline; '' when it cannot be read
sub first_line {
    my ($file) = @_;
    open my $in, '<', $file or return '';
    my $line = <$in> // '';
    chomp $line;
    return $line;
}

# _stats(): { pid => [parent, ticks] } of every process that there is
sub _stats {
    my %stats;
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $file or next;
        my $line = <$in> // next;
        my ($pid) = $line =~ /^(\d+)/;
        my @fields = split ' ', $line =~ s/.*\) //r; # from the state on, which is field 3 of proc(5)
        $stats{$pid} = [$fields[1], sum(@fields[11 .. 14])];
    }
    return \%stats;
}

# _trees(STATS, { name => pid }): { name => [pids] }
sub _trees {
    my ($stats, $roots) = @_;
    my %name_of = reverse %$roots;
    my %trees = map { $_ => [] } keys %$roots;
    for my $pid (keys %$stats) {
        my $at = $pid;
        $at = $stats->{$at} ? $stats->{$at}[0] : 0 while $at > 1 && !$name_of{$at};
        push @{ $trees{ $name_of{$at} } }, $pid if $name_of{$at};
    }
    return \%trees;
}

sub trees {
    my ($roots) = @_;
    return _trees(_stats(), $roots);
}

# cpu_of({ name => pid }): { name => seconds } of those processes and of all their descendants, ended ones included
sub cpu_of {
    my ($roots) = @_;
    my $stats = _stats();
    my $trees = _trees($stats, $roots);
    return { map { $_ => sum(map { $stats->{$_}[1] } @{ $trees->{$_} }) / TICKS_PER_S } keys %$trees };
}

1;
