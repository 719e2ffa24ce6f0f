package Bench::Plots;

# SVG plots, by gnuplot: of a run the backlog over time, the latencies of a soak by minute, and growth; of the history what
# an order costs, commit by commit. Without gnuplot there are none.

use strict;
use warnings;

use Bench::Report;
use Bench::Util qw(die_clearly progress);
use JSON::PP ();

use constant { WIDTH => 900, HEIGHT => 450 };
my @SERVERS = qw(rabbitmq order-db product-db order-service product-service gateway order-redis product-redis);

# last_run(): the newest file of results
sub last_run {
    my ($file) = reverse sort glob Bench::Report::RESULTS . '/*.json';
    return $file // die_clearly('there are no results in ' . Bench::Report::RESULTS);
}

# draw(FILE): the plots of that run, and of the history
sub draw {
    my ($file) = @_;
    if (!grep { -x "$_/gnuplot" } split /:/, $ENV{PATH}) {
        print {*STDERR} "no plots: gnuplot is not installed (Debian package: gnuplot-nox)\n";
        return;
    }
    open my $in, '<', $file or die_clearly("$file: $!");
    my $run = JSON::PP::decode_json(do { local $/; <$in> });
    my $prefix = $file =~ s/\.json$//r;
    my @results = @{ $run->{results} };
    _backlog("$prefix-backlog.svg", $run, grep { @{ $_->{backlog} // [] } } @results);
    _soak("$prefix-$_->{bench}.svg", $run, $_) for grep { $_->{bench} eq 'soak' } @results;
    _growth("$prefix-growth.svg", $run, $_) for grep { $_->{bench} eq 'growth' } @results;
    _history(Bench::Report::RESULTS . '/history-us.svg');
    return;
}

sub _name { my ($result) = @_; return $result->{bench} . (defined $result->{connections} ? ", $result->{connections} connections" : '') }

# _quoted(TEXT): for gnuplot, within double quotes
sub _quoted { my ($text) = @_; return '"' . $text =~ s/["\\`\n]/ /gr . '"' }

# _plot(FILE, TITLE, SETTINGS, [COMMAND, ROWS]...): one picture; each command is what stands behind its data
sub _plot {
    my ($file, $title, $settings, @series) = @_;
    my ($data, @commands) = ('');
    for my $n (0 .. $#series) {
        my ($command, @rows) = @{ $series[$n] };
        $data .= "\$data$n << END\n" . join('', map { join(' ', map { $_ // 'NaN' } @$_) . "\n" } @rows) . "END\n";
        push @commands, "\$data$n $command";
    }
    open my $out, '|-', 'gnuplot' or die_clearly("gnuplot: $!");
    print {$out} 'set terminal svg size ', WIDTH, ',', HEIGHT, " noenhanced background '#ffffff'\n",
        'set output ', _quoted($file), "\nset title ", _quoted($title), "\nset grid\n$settings\n$data",
        'plot ', join(', ', @commands), "\n";
    close $out or die_clearly("gnuplot failed for $file");
    print {*STDERR} "drawn: $file\n";
    return;
}

sub _backlog {
    my ($file, $run, @results) = @_;
    return unless @results;
    _plot($file, "orders that wait, $run->{commit}", qq{set xlabel "seconds"\nset ylabel "orders"\nset yrange [0:*]},
        map { ['using 1:2 with lines title ' . _quoted(_name($_)), @{ $_->{backlog} }] } @results);
    return;
}

sub _soak {
    my ($file, $run, $result) = @_;
    my @rows = map { [$_->{from_s} / 60, @{$_}{qw(p50_ms p95_ms p99_ms)}] } @{ $result->{intervals} };
    _plot($file, "soak at $result->{rate} orders/s, $run->{commit}",
        qq{set xlabel "minute"\nset xrange [-0.5:} . (@rows - 0.5) . qq{]\nset ylabel "ms until the answer"\nset logscale y},
        map { ["using 1:$_->[0] with linespoints title \"$_->[1]\"", @rows] } [2, 'p50'], [3, 'p95'], [4, 'p99']);
    return;
}

sub _growth {
    my ($file, $run, $result) = @_;
    my @rows = map { my $size = $_; [$size->{stored} / 1e6, map { $size->{ratio}{$_}{median} } qw(fulfilled_per_s
        us_per_order p99_ms)] } @{ $result->{sizes} };
    unshift @rows, [0, 1, 1, 1];
    _plot($file, "with stored orders, by an empty system; $run->{commit}",
        qq{set xlabel "million stored orders"\nset ylabel "ratio"\nset yrange [0:1.5<*]},
        map { ["using 1:$_->[0] with linespoints title \"$_->[1]\"", @rows] } [2, 'fulfilled/s'], [3, 'us an order'],
            [4, 'p99 of the answer']);
    return;
}

# What an order costs, by server, in the last commits of the history that have "orders".
sub _history {
    my ($file) = @_;
    open my $in, '<', Bench::Report::HISTORY or return;
    my @lines = grep { $_->{bench} eq 'orders' } map { JSON::PP::decode_json($_) } grep { /\S/ } <$in>;
    splice @lines, 0, @lines - Bench::Report::COMMITS_SHOWN_MAX if @lines > Bench::Report::COMMITS_SHOWN_MAX;
    return unless @lines;
    my @rows = map { my $line = $_; ["\"$line->{commit}/$line->{figures}{connections}\"",
        map { $line->{figures}{us_by_process}{$_} // 0 } @SERVERS] } @lines;
    _plot($file, 'processor time of a fulfilled order, by commit and connections', join("\n",
        'set ylabel "us"', 'set yrange [0:*]', 'set style data histograms', 'set style histogram rowstacked',
        'set style fill solid 0.8 border -1', 'set boxwidth 0.7', 'set xtics rotate by -45', 'set bmargin 7', 'set key outside reverse Left'),
        map { ['using ' . ($_ + 2) . ($_ ? '' : ':xtic(1)') . " title \"$SERVERS[$_]\"", @rows] } 0 .. $#SERVERS);
    return;
}

1;
