# What ./prodorder up ends with: addresses, three commands to try, how to stop; in colour on a terminal.
use strict;
use warnings;

use Prodorder::Control;

delete $ENV{NO_COLOR};
$ENV{TERM} = 'xterm';
# Not the stack in use, which may have other ports.
my $home = $ENV{PRODORDER_HOME} = scratch() . '/home';

# script(1) needs a pseudo-terminal, which a container or a sandbox may not have.
my $no_terminal = run('script', '-qec', 'true', '/dev/null');
$no_terminal = $no_terminal->{status} == 0 ? undef : "no pseudo-terminal: $no_terminal->{err}" =~ s/\s+/ /gr;

# summary(HOW, COMMAND to begin with): the function as `up` calls it, through a terminal or a pipe.
sub summary {
    my ($how, $before) = @_;
    my $code = "$before; set -euo pipefail; ROOT=$ROOT; for file in $ROOT/scripts/lib/*.sh; do . \$file; done; "
        . 'settings_load; help_after_up';
    my @command = ('bash', '-c', $code);
    @command = ('script', '-qec', 'bash -c ' . quoted($code), '/dev/null') if $how eq 'terminal';
    my $result = run(@command);
    is($result->{status}, 0, "$how: exit 0") or diag $result->{err}, $result->{out};
    return $result->{out} =~ s/\r//gr;
}

sub quoted {
    my ($text) = @_;
    return "'" . $text =~ s/'/'\\''/gr . "'";
}

my $plain = summary(pipe => ':');
unlike($plain, qr/\e/, 'no escape sequences into a pipe');
like($plain, qr/^prodorder is ready\.$/m, 'it says that it is ready');
for my $url (qw(http://127.0.0.1:4000 http://127.0.0.1:4000/docs/ http://127.0.0.1:3001 http://127.0.0.1:3002
    http://127.0.0.1:15672)) {
    like($plain, qr/^  \S.* \Q$url\E(?: |$)/m, "the address $url");
}
my @commands = $plain =~ /^  ((?:curl|\S+ \.\/prodorder) .*)$/mg;
is(scalar @commands, 3, 'three commands to try');
like($commands[0], qr{^curl -s http://127\.0\.0\.1:4000/orders -H 'Content-Type: application/json' -H 'X-Request-Id: try-1' -d '\{"productId":1,},
    'the first places an order');
is($commands[1], "PRODORDER_HOME=$home ./prodorder trace try-1", 'the second tells what became of it');
like($plain, qr{^To stop: PRODORDER_HOME=\Q$home\E \./prodorder down\b}m, 'how to stop');

SKIP: {
    skip $no_terminal, 5 if $no_terminal;
    my $coloured = summary(terminal => ':');
    like($coloured, qr/\e\[\d+m/, 'colours on a terminal');
    is($coloured =~ s/\e\[\d+m//gr, $plain, 'and the same text');
    unlike(summary(terminal => 'export NO_COLOR=1'), qr/\e\[\d+m/, 'no colours with NO_COLOR');
}

# Without a home of its own, a stack needs no variable.
is(run('bash', '-c', 'unset PRODORDER_HOME; ROOT=$PWD; . scripts/lib/help.sh; help_self; echo "$RET_SELF"')->{out},
    "./prodorder\n", 'with the usual home, the script alone');

# What it prints can be pasted where it is printed.
my $moved = summary(pipe => "cd /; export PRODORDER_PORT_OFFSET=100");
like($moved, qr{^  curl -s http://127\.0\.0\.1:4100/orders }m, 'with a port offset: its ports');
like($moved, qr{^  PRODORDER_HOME=\Q$home\E \Q$ROOT\E/prodorder status$}m, 'elsewhere, with another home: so are the commands');
done_testing();
