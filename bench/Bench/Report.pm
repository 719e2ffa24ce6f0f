package Bench::Report;

# What is kept and shown of the results: one JSON file a run, lines in the history, a table, plots.

use strict;
use warnings;

use Bench::Floor;
use Bench::Util qw(die_clearly progress);
use File::Path qw(make_path);
use JSON::PP ();
use POSIX qw(strftime);

use constant {
    RESULTS => $ENV{BENCH_RESULTS} || 'bench/results',
    HISTORY => 'bench/history.jsonl',
    COMMITS_SHOWN_MAX => 20, # in the plot over commits
};

sub json { return JSON::PP->new->canonical->utf8 }

# machine(): what the figures were measured on
sub machine {
    my $cpuinfo = do { local (@ARGV, $/) = ('/proc/cpuinfo'); <> } // '';
    my ($model) = $cpuinfo =~ /^model name\s*:\s*(.*)$/m;
    my ($kernel) = (POSIX::uname())[2];
    my $meminfo = do { local (@ARGV, $/) = ('/proc/meminfo'); <> } // '';
    my ($kb) = $meminfo =~ /^MemTotal:\s+(\d+)/m;
    return { processors => scalar(() = $cpuinfo =~ /^processor\b/mg), model => $model // 'unknown', kernel => $kernel,
        memory_mb => int(($kb // 0) / 1024) };
}

# begin(COMMIT, SETTINGS): a run without results yet
sub begin {
    my ($commit, $settings) = @_;
    my $stamp = strftime('%Y-%m-%dT%H%M%SZ', gmtime);
    return { commit => $commit, at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime), machine => machine(), settings => $settings,
        results => [], file => RESULTS . "/$stamp-" . $commit =~ s/\W//r . '.json' };
}

# add(RUN, RESULTS...): kept at once, so that what was measured before a failure is not lost
sub add {
    my ($run, @results) = @_;
    return unless @results;
    for my $result (@results) {
        push @{ $run->{results} }, { at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime), %$result };
    }
    beside_the_floor($run);
    make_path(RESULTS);
    my %kept = %$run;
    delete $kept{file};
    open my $out, '>', "$run->{file}.new" or die_clearly("$run->{file}: $!");
    print {$out} json()->pretty->encode(\%kept);
    close $out or die_clearly("$run->{file}: $!");
    rename "$run->{file}.new", $run->{file} or die_clearly("$run->{file}: $!");
    return;
}

# beside_the_floor(RUN): orders that were measured in the same run as the floor are given beside it
sub beside_the_floor {
    my ($run) = @_;
    my ($floor) = grep { $_->{bench} eq 'floor' } @{ $run->{results} } or return;
    for my $result (grep { $_->{bench} eq 'orders' } @{ $run->{results} }) {
        my %floor = %{ Bench::Floor::of_an_order($floor, $result) };
        $result->{floor_us} = \%floor;
        $result->{floor_ratio} = Bench::Util::round($result->{us_per_order} / $floor{all}, 3) if $floor{all};
    }
    return;
}

# ---- the history ----

# record(RUN): a line for each result, without what changes from moment to moment
sub record {
    my ($run) = @_;
    open my $out, '>>', HISTORY or die_clearly(HISTORY . ": $!");
    for my $result (@{ $run->{results} }) {
        my %figures = %$result;
        my %line = (commit => $run->{commit}, date => $run->{at}, machine => $run->{machine}, bench => delete $figures{bench});
        delete @figures{qw(at backlog intervals first_error)};
        print {$out} json()->encode({ %line, figures => \%figures }), "\n";
    }
    close $out or die_clearly(HISTORY . ": $!");
    progress('added to ' . HISTORY);
    return;
}

# ---- the table ----

sub table {
    my ($run) = @_;
    my @rows = (['bench', 'conns', 'requests/s', 'fulfilled/s', 'p50 ms', 'p99 ms', 'errors', 'more']);
    for my $result (@{ $run->{results} }) {
        push @rows, [$result->{bench}, map({ $result->{$_} // '-' } qw(connections requests_per_s fulfilled_per_s p50_ms
            p99_ms errors)), join '; ', _more($result)];
    }
    for my $row (@rows) {
        printf "%-12s %5s %11s %12s %9s %9s %7s  %s\n", @$row;
    }
    return;
}

sub _more {
    my ($result) = @_;
    my @said;
    my $us = $result->{us_by_process};
    push @said, sprintf('fulfilled/accepted %.3f, drain %.2f s, backlog at most %d', @$result{qw(fulfilled_of_accepted
        drain_s backlog_max)}) if defined $result->{drain_s};
    push @said, sprintf('%.0f us an order: %s', $result->{us_per_order}, join ', ', map { sprintf '%s %.0f', $_, $us->{$_} }
        sort { $us->{$b} <=> $us->{$a} } grep { $us->{$_} >= 1 } keys %$us) if $us;
    push @said, sprintf('WAL %d B, log %d B an order, HOT %.3f', $result->{wal_bytes_per_order}{all},
        $result->{log_bytes_per_order}{all}, $result->{hot_share} // 0) if $result->{wal_bytes_per_order};
    push @said, sprintf('%.2f of the floor (%.0f us)', $result->{floor_ratio}, $result->{floor_us}{all})
        if $result->{floor_ratio};
    if (ref $result->{ratio}) {
        push @said, map { sprintf '%s %.3f (%.3f to %.3f) of %s', $_, @{ $result->{ratio}{$_} }{qw(median min max)},
            $result->{against}{commit} } sort keys %{ $result->{ratio} };
    } elsif (defined $result->{ratio}) {
        push @said, sprintf 'ratio %s (%s to %s), nginx %s us, plain %s us', @$result{qw(ratio ratio_min ratio_max nginx_us
            plain_nginx_us)};
    }
    my $cores = $result->{cores};
    push @said, 'cores ' . join ', ', map { "$_ $cores->{$_}" } sort { $cores->{$b} <=> $cores->{$a} }
        grep { $cores->{$_} >= 0.02 } keys %$cores if $cores;
    push @said, @{ $result->{said} } if $result->{said};
    return @said;
}

1;
