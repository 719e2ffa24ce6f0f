package Bench::Orders;

# Orders as fast as they are taken: what is accepted and fulfilled, what waits meanwhile, and what an order costs; one
# stack alone, or two in turn.

use strict;
use warnings;

use Bench::Load;
use Bench::Util qw(die_clearly median progress ratio_of round);
use Time::HiRes qw(sleep time);

use constant {
    REST_S    => 1,   # between two bursts, so that neither pays for the other's checkpoint or garbage
    SERIES_MAX => 1000, # samples that are kept of a run
};

# What medians are taken of, over several runs; figures of each process or database likewise.
my @FIGURES = qw(requests_per_s accepted_per_s fulfilled_per_s fulfilled_of_accepted drain_s backlog_max p50_ms p95_ms p99_ms
    us_per_order generator_us hot_share insert_batch finish_batch messages_per_order);
my @TABLES = qw(us_by_process wal_bytes_per_order log_bytes_per_order);

# burst(STACK, URL, CONNECTIONS, SECONDS): one run, until no order waits
sub burst {
    my ($stack, $url, $connections, $seconds) = @_;
    my (@series, $load_ended_s);
    my $before = $stack->snapshot;
    my $begin_s = time;
    my @children = (times)[2, 3];
    my $load = Bench::Load::wrk("$url/orders", 'bench/orders.lua', $connections, $seconds, sub {
        my ($at_s) = @_;
        my $now = $stack->counters;
        push @series, [round($at_s, 3), $now->{stored} - $now->{finished}] if @series < SERIES_MAX;
    });
    my $load_s = time - $begin_s;
    my $used = $stack->since($before);
    my @after = (times)[2, 3];
    my $all_s = $used->{seconds};
    return {
        %$load, %$used,
        accepted_per_s => round($used->{orders} / $load_s, 1),
        fulfilled_per_s => round($used->{orders} / $all_s, 1),
        fulfilled_of_accepted => round($load_s / $all_s, 4),
        drain_s => round($all_s - $load_s, 3),
        backlog => \@series, backlog_max => (sort { $b <=> $a } map { $_->[1] } @series)[0] // 0,
        generator_us => round(($after[0] + $after[1] - $children[0] - $children[1]) * 1e6 / $used->{orders}, 1),
    };
}

# summary(RUNS...): the medians of several runs; the series of the one in the middle
sub summary {
    my (@runs) = @_;
    my %of = map { my $figure = $_; $figure => round(median(map { $_->{$figure} } @runs), 4) } @FIGURES;
    for my $table (@TABLES) {
        my %names = map { %{ $_->{$table} } } @runs;
        for my $name (keys %names) {
            $of{$table}{$name} = round(median(map { $_->{$table}{$name} // 0 } @runs), 1);
        }
    }
    my @by_speed = sort { $a->{fulfilled_per_s} <=> $b->{fulfilled_per_s} } @runs;
    $of{backlog} = $by_speed[$#by_speed / 2]{backlog};
    for my $all (qw(orders done errors)) {
        $of{$all} = Bench::Util::sum(map { $_->{$all} } @runs);
    }
    $of{runs} = scalar @runs;
    return \%of;
}

# in_turn(STACK, OTHER, URL_OF, CONNECTIONS, SECONDS, ROUNDS): both in the order other, this, this, other, then the
# reverse. Summaries of both and the ratios, this to the other, of the rounds: a machine that is slow for a minute is
# slow for both.
sub in_turn {
    my ($this, $other, $url_of, $connections, $seconds, $rounds) = @_;
    my %runs = (this => [], other => []);
    my %ratios;
    for my $round (1 .. $rounds) {
        my %of_round;
        for my $which ($round % 2 ? qw(other this this other) : qw(this other other this)) {
            my $stack = $which eq 'this' ? $this : $other;
            my $run = burst($stack, $url_of->($stack), $connections, $seconds);
            progress(sprintf '  round %d of %d, %s: %.0f fulfilled/s, %.0f us an order', $round, $rounds, $which,
                $run->{fulfilled_per_s}, $run->{us_per_order});
            push @{ $runs{$which} }, $run;
            push @{ $of_round{$which} }, $run;
            sleep REST_S if $seconds > REST_S;
        }
        for my $figure (qw(fulfilled_per_s us_per_order p99_ms)) {
            my %sum = map { my $which = $_; $which => Bench::Util::sum(map { $_->{$figure} } @{ $of_round{$which} }) }
                qw(this other);
            push @{ $ratios{$figure} }, $sum{this} / $sum{other} if $sum{other} > 0;
        }
    }
    return (summary(@{ $runs{this} }), summary(@{ $runs{other} }), { map { $_ => ratio_of(@{ $ratios{$_} }) } keys %ratios });
}

# measure(NAME, STACK, AGAINST or undef, URL_OF, SETTINGS): a result for each number of connections
sub measure {
    my ($name, $stack, $against, $url_of, $settings) = @_;
    my @results;
    for my $connections (@{ $settings->{connections} }) {
        progress("$name, $connections connections");
        my %result = (bench => $name, connections => $connections);
        if ($against) {
            my ($this, $other, $ratio) = in_turn($stack, $against, $url_of, $connections, $settings->{seconds},
                $settings->{rounds});
            delete $other->{backlog};
            push @results, { %result, %$this, against => { commit => $against->commit, %$other }, ratio => $ratio };
            next;
        }
        my @runs;
        for my $round (1 .. $settings->{rounds}) {
            sleep REST_S if @runs;
            push @runs, burst($stack, $url_of->($stack), $connections, $settings->{seconds});
        }
        push @results, { %result, %{ summary(@runs) } };
    }
    return @results;
}

1;
