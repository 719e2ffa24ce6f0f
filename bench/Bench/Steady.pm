package Bench::Steady;

# Orders at a constant rate: "rate" for a short time, "soak" for long. Latencies count from the time at which a request
# was due (open_loop.c); until "done" is what the rows say, updated_at - created_at.

use strict;
use warnings;

use Bench::Floor;
use Bench::Load;
use Bench::Orders;
use Bench::Util qw(die_clearly progress round);

use constant {
    RATE => 1000, RATE_SECONDS => 30,
    SOAK_SECONDS => 600, SOAK_SHARE => 0.8, SATURATION_SECONDS => 10,
    WARM_SECONDS => 3, FLOOR_SECONDS_MAX => 10,
    MINUTE_S => 60,
    # What a minute of "soak" is to stay below.
    P95_MS_MAX => 10, P99_MS_MAX => 25, BACKLOG_S_MAX => 1,
};

sub rate {
    my ($stack, $with) = @_;
    my $rate = $with->{rate} // RATE;
    return run('rate', $stack, $rate, $with->{seconds} // RATE_SECONDS);
}

sub soak {
    my ($stack, $with) = @_;
    my $seconds = $with->{seconds} // SOAK_SECONDS;
    my ($rate, $saturation) = $with->{rate};
    if (!defined $rate) {
        my $run = Bench::Orders::burst($stack, $stack->gateway, $with->{connections}[0],
            $seconds < SATURATION_SECONDS ? $seconds : SATURATION_SECONDS);
        $saturation = $run->{fulfilled_per_s};
        $rate = int($saturation * SOAK_SHARE) || 1;
        progress(sprintf 'saturation: %.0f fulfilled/s; %d/s from here on', $saturation, $rate);
    }
    my $result = run('soak', $stack, $rate, $seconds);
    $result->{saturation_per_s} = $saturation;
    my @met = grep { !$_->{errors} && $_->{p95_ms} <= P95_MS_MAX && $_->{p99_ms} <= P99_MS_MAX
        && $_->{backlog_s_max} <= BACKLOG_S_MAX } @{ $result->{intervals} };
    $result->{minutes_met} = round(@met / @{ $result->{intervals} }, 3);
    push @{ $result->{said} }, sprintf '%d of %d minutes met p95 %d ms, p99 %d ms, backlog %d s', scalar @met,
        scalar @{ $result->{intervals} }, P95_MS_MAX, P99_MS_MAX, BACKLOG_S_MAX;
    return $result;
}

# run(NAME, STACK, RATE, SECONDS): the figures of all of it and of each minute
sub run {
    my ($name, $stack, $rate, $seconds) = @_;
    my $url = $stack->gateway . '/orders';
    _send($url, $rate, $seconds < WARM_SECONDS ? $seconds : WARM_SECONDS);
    my (@backlog, @series);
    my $before = $stack->snapshot;
    $stack->peaks_forget;
    my $load = _send($url, $rate, $seconds, sub {
        my ($at_s) = @_;
        my $now = $stack->counters;
        my ($minute, $waiting) = (int($at_s / MINUTE_S), $now->{stored} - $now->{finished});
        $backlog[$minute] = $waiting if $waiting > ($backlog[$minute] // -1);
        push @series, [round($at_s, 3), $waiting];
    });
    my $peaks = $stack->peaks;
    my $used = $stack->since($before);
    for my $n (0 .. $#{ $load->{intervals} }) {
        $load->{intervals}[$n]{backlog_max} = $backlog[$n] // 0;
        $load->{intervals}[$n]{backlog_s_max} = round(($backlog[$n] // 0) / $rate, 4);
    }
    my $backlog_max = (sort { $b <=> $a } map { $_->{backlog_max} } @{ $load->{intervals} })[0];
    my $result = { bench => $name, %$used, %$load, %{ _until_done($stack, $load) },
        requests_per_s => round($load->{answers} / $load->{seconds}, 1), backlog => _thinned(@series),
        backlog_max => $backlog_max, backlog_s_max => round($backlog_max / $rate, 4), peak_mb => $peaks };
    my $floor = $result->{floor} = Bench::Floor::latency($stack, $rate, $used->{insert_batch} // 1,
        $seconds < FLOOR_SECONDS_MAX ? $seconds : FLOOR_SECONDS_MAX);
    $result->{floor_ratio_latency} = { map { $_ => $floor->{$_} > 0 ? round($result->{$_} / $floor->{$_}, 3) : undef }
        qw(p50_ms p95_ms p99_ms) };
    $result->{said} = [sprintf('%d/s: p95 %.2f ms; done p50 %.1f ms, p99 %.1f ms; backlog at most %.2f s', $rate,
        $result->{p95_ms}, $result->{done_p50_ms}, $result->{done_p99_ms}, $result->{backlog_s_max}),
        sprintf('nginx and a commit alone, just after: p50 %.2f ms, p99 %.2f ms', @$floor{qw(p50_ms p99_ms)}),
        'memory at most ' . join ', ', map { sprintf '%s %.0f MB', $_, $peaks->{$_} } sort { $peaks->{$b} <=> $peaks->{$a} }
            grep { $peaks->{$_} >= 1 } keys %$peaks];
    return $result;
}

sub _send {
    my ($url, $rate, $seconds, $sample) = @_;
    return Bench::Load::constant(Bench::Util::program('open_loop'), $url, $rate, $seconds, MINUTE_S, $sample);
}

# _until_done(STACK, LOAD): of the orders that this load has placed
sub _until_done {
    my ($stack, $load) = @_;
    die_clearly("not one order was accepted: $load->{first_error}") unless $load->{id_max};
    my ($done, @ms) = split /\|/, $stack->sql('order', 'SELECT count(*), '
        . join(', ', map { "percentile_cont($_) WITHIN GROUP (ORDER BY extract(epoch FROM updated_at - created_at) * 1000)" }
            qw(0.5 0.95 0.99))
        . " FROM orders WHERE id BETWEEN $load->{id_min} AND $load->{id_max} AND status <> 'waiting'");
    return { done_p50_ms => round($ms[0], 2), done_p95_ms => round($ms[1], 2), done_p99_ms => round($ms[2], 2) };
}

# _thinned(SERIES...): at most about 1,000 points, of each piece the highest
sub _thinned {
    my (@series) = @_;
    my $piece = int(@series / 1000) + 1;
    my @kept;
    while (my @some = splice @series, 0, $piece) {
        push @kept, (sort { $b->[1] <=> $a->[1] } @some)[0];
    }
    return \@kept;
}

1;
