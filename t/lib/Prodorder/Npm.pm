package Prodorder::Npm;

# Development tools from npm: installed beside the test that uses them, exactly as its lockfile says.
#
#     Prodorder::Npm::need('t/lint');                       # else the file, or the subtest, is skipped
#     my $why_not = Prodorder::Npm::missing('t/lint');      # undef: DIR/node_modules is complete
#
# Nothing of a package is run by installing it. Without npm, its registry, or a Node.js that is new
# enough, the answer is a sentence that says so.

use strict;
use warnings;

use POSIX ();
use Test::More ();

use Prodorder::Node;

use constant NODE_MIN => '18.0';

# As short as a slow network allows: a test that cannot run should say so soon.
my @NPM = qw(npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000);

sub need {
    my ($dir) = @_;
    my $why_not = missing($dir);
    Test::More::plan(skip_all => $why_not) if $why_not;
    return;
}

sub missing {
    my ($dir) = @_;
    my $why_not = Prodorder::Node::missing(NODE_MIN);
    return $why_not if $why_not;
    return if _is_installed($dir);
    return 'npm is missing (Debian package: npm)' if !defined _output('npm', '--version');
    my ($status, $said) = _run($dir, @NPM);
    return $status == 0 ? undef : "npm ci in $dir failed: " . _first_line($said);
}

# npm writes the hidden lockfile last.
sub _is_installed {
    my ($dir) = @_;
    my $installed = (stat "$dir/node_modules/.package-lock.json")[9] or return 0;
    return !grep { (stat "$dir/$_")[9] > $installed } qw(package.json package-lock.json);
}

sub _first_line {
    my ($said) = @_;
    my ($line) = grep { /\S/ && !/A complete log/ } split /\n/, $said;
    return $line // 'it does not say why';
}

# _run(DIR, COMMAND...): its status, and what it wrote to both outputs.
sub _run {
    my ($dir, @command) = @_;
    my $pid = open(my $out, '-|') // die "cannot fork: $!";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        chdir $dir or POSIX::_exit(126);
        { no warnings 'exec'; exec @command; }
        POSIX::_exit(127);
    }
    my $said = do { local $/; <$out> } // '';
    close $out;
    return ($?, $said);
}

sub _output {
    my ($status, $said) = _run('.', @_);
    return $status == 0 ? $said : undef;
}

1;
