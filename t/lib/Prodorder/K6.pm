package Prodorder::K6;

# tools/k6_profile/, for its tests.
#
#     Prodorder::K6::need('wrk', 'curl');                     # and Node.js; else the file is skipped
#     my $run = profile({ RATE => 10 }, 'steady');            # { said, status, result }

use strict;
use warnings;

use Exporter 'import';
use File::Temp ();
use JSON::PP ();
use Test::More ();

use Prodorder::Node;

our @EXPORT = qw(output_of profile written);

# module.register()
use constant NODE_MIN => '18.19';

my $dir = File::Temp->newdir;
my $runs = 0;

sub need {
    my (@programs) = @_;
    my ($missing) = grep { my $program = $_; !grep { -x "$_/$program" } split /:/, $ENV{PATH} } @programs;
    my $why_not = $missing ? "$missing is missing (Debian package: $missing)" : Prodorder::Node::missing(NODE_MIN);
    Test::More::plan(skip_all => $why_not) if $why_not;
    return;
}

# output_of({ VARIABLE => VALUE }, COMMAND...): both outputs as one text, and the exit status
sub output_of {
    my ($environment, @command) = @_;
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        delete @ENV{qw(BASE_URL GATEWAY_URL PRODUCT_IDS RATE DURATION STOCK ORDERS BUYERS WAIT BENCH_SECONDS)};
        @ENV{ keys %$environment } = values %$environment;
        exec @command or exit 127;
    }
    my $said = do { local $/; <$out> } // '';
    close $out;
    return ($said, $? >> 8);
}

# profile({ VARIABLE => VALUE }, ARGS...): what main.mjs says, its exit status, and its line of JSON
sub profile {
    my ($environment, @arguments) = @_;
    my $file = "$dir/" . ++$runs;
    my ($said, $status) = output_of($environment, 'tools/k6_profile/main.mjs', '--json', $file, @arguments);
    my $run = { said => $said, status => $status };
    open my $in, '<', $file or return $run;
    $run->{result} = JSON::PP::decode_json(scalar <$in>);
    return $run;
}

# written(NAME, TEXT): the path of a file with that text
sub written {
    my ($name, $text) = @_;
    open my $out, '>', "$dir/$name" or die "$dir/$name: $!\n";
    print {$out} $text;
    close $out or die "$dir/$name: $!\n";
    return "$dir/$name";
}

1;
