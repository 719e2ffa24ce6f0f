package Bench::Load;

# What makes the load: wrk, which sends as fast as it is answered, and open_loop (open_loop.c), which keeps a rate.

use strict;
use warnings;

use Bench::Util qw(die_clearly);
use IO::Select;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time);

use constant SAMPLE_S => 0.25;

# wrk(URL, SCRIPT, CONNECTIONS, SECONDS, [SAMPLE]): the figures that bench/report.lua prints. SAMPLE is called with the
# seconds since the begin, four times a second.
sub wrk {
    my ($url, $script, $connections, $seconds, $sample) = @_;
    my $said = _run($sample, 'wrk', '-t1', "-c$connections", "-d${seconds}s", '-s', $script, $url);
    my ($json) = $said =~ /^(\{.*\})$/m or die_clearly("wrk says nothing about $url:\n$said");
    return JSON::PP::decode_json($json);
}

# constant(PROGRAM, URL, RATE, SECONDS, INTERVAL_S, [SAMPLE]): the figures of open_loop
sub constant {
    my ($program, $url, $rate, $seconds, $interval_s, $sample) = @_;
    my $said = _run($sample, $program, '-r', $rate, '-d', $seconds, '-i', $interval_s, $url);
    my ($json) = $said =~ /^(\{.*\})$/m or die_clearly("open_loop says nothing about $url:\n$said");
    return JSON::PP::decode_json($json);
}

# _run(SAMPLE, COMMAND...): its output. Between its lines, the sample is taken here, in this process: the load generator
# has one processor, and the system the other.
sub _run {
    my ($sample, @command) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT or die;
        exec @command or POSIX::_exit(127);
    }
    my ($said, $begin_s, $n) = ('', time, 0);
    my $ready = IO::Select->new($out);
    while (1) {
        my $wait_s = $sample ? $begin_s + $n * SAMPLE_S - time : undef;
        if (!defined $wait_s || $wait_s > 0) {
            next unless $ready->can_read($wait_s);
            last unless sysread $out, $said, 65536, length $said;
        } else {
            $sample->(time - $begin_s);
            $n = int((time - $begin_s) / SAMPLE_S) + 1; # one that came late is not made up for
        }
    }
    close $out or die_clearly("$command[0] failed:\n$said");
    return $said;
}

1;
