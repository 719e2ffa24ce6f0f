package Bench::K6;

# A script of k6/: with k6 when it is in PATH, else its load, checks and thresholds by tools/k6_profile.

use strict;
use warnings;

use Bench::Util qw(die_clearly round);
use File::Temp ();
use JSON::PP ();
use Time::HiRes qw(time);

# profiles(): the names of the scripts
sub profiles {
    return map { m{^k6/(.*)\.js$} } sort glob 'k6/*.js';
}

# with_k6(): is there a k6 that can do what is asked for?
sub with_k6 {
    return !defined $ENV{BENCH_SECONDS} && program_exists('k6');
}

sub program_exists {
    my ($program) = @_;
    return scalar grep { -x "$_/$program" } split /:/, $ENV{PATH};
}

# require_profiles(NAMES...): what is wrong with them, or with a variable, is said before a stack is started. Exits then.
sub require_profiles {
    my (@names) = @_;
    my @profiles = profiles();
    die_clearly("k6-profile: which one? @profiles") unless @names;
    my $k6 = with_k6();
    die_clearly('k6-profile needs Node.js, or k6 in PATH: apt-get install nodejs') unless $k6 || program_exists('node');
    die_clearly('wrk is not installed: ./configure.sh --install-deps') unless $k6 || program_exists('wrk');
    for my $name (@names) {
        die_clearly("k6-profile: there is no '$name'; there are: @profiles") unless grep { $_ eq $name } @profiles;
        local $ENV{K6_INCLUDE_SYSTEM_ENV_VARS} = 'true';
        my @command = $k6 ? ('k6', 'inspect', "k6/$name.js") : ('tools/k6_profile/main.mjs', _compressed(), '--plan', $name);
        open my $out, '-|', @command or die_clearly("$command[0]: $!");
        my @ignored = <$out>;
        close $out or exit(($? >> 8) || 1);
    }
    return;
}

sub _compressed {
    return defined $ENV{BENCH_SECONDS} ? ('--seconds', $ENV{BENCH_SECONDS}) : ();
}

# profile(STACK, NAME): 0 or the status of its broken thresholds, and its result if there is one
sub profile {
    my ($stack, $name) = @_;
    my $dir = File::Temp->newdir;
    local %ENV = (%ENV, BASE_URL => $stack->order_service, GATEWAY_URL => $stack->gateway);
    my ($before, $begin_s) = ($stack->cpu, time);
    my $k6 = with_k6();
    my @command = $k6 ? ('k6', 'run', '--summary-export', "$dir/result", "k6/$name.js")
        : ('tools/k6_profile/main.mjs', _compressed(), '--json', "$dir/result", $name);
    my $status = system(@command) == 0 ? 0 : $k6 ? 1 : ($? >> 8) || 1;
    my ($after, $wall_s) = ($stack->cpu, time - $begin_s);
    open my $in, '<', "$dir/result" or return ($status);
    my $said = JSON::PP::decode_json(do { local $/; <$in> } || return ($status));
    my $figures = $k6 ? _of_k6($said, $name, $status) : $said;
    return ($status, { bench => "k6-$name", %$figures,
        cores => { map { $_ => round(($after->{$_} - ($before->{$_} // 0)) / $wall_s, 2) } keys %$after } });
}

sub _of_k6 {
    my ($said, $name, $status) = @_;
    my ($of, $duration) = ($said->{metrics}, $said->{metrics}{http_req_duration});
    return { profile => $name, generator => 'k6', ok => $status ? JSON::PP::false : JSON::PP::true,
        connections => $of->{vus_max}{max} // 0, requests => $of->{http_reqs}{count},
        requests_per_s => round($of->{http_reqs}{rate}, 1), p50_ms => $duration->{med}, p95_ms => $duration->{'p(95)'},
        max_ms => $duration->{max}, errors => $of->{errors}{count} // 0, dropped => $of->{dropped_iterations}{count} // 0 };
}

1;
