package Control;

# Helpers for the tests of the control script: run a command, a scratch directory, a listening port.

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;

our @EXPORT_OK = qw($ROOT run scratch write_file read_file listen_somewhere free_offset eventually);
our $ROOT = abs_path(dirname(__FILE__) . '/../..');

# run(COMMAND, ARGS...): {status, out, err}. Its standard input is empty.
sub run {
    my (@command) = @_;
    my $dir = tempdir(CLEANUP => 1);
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        chdir $ROOT or die;
        open STDIN,  '<', '/dev/null' or die;
        open STDOUT, '>', "$dir/out"  or die;
        open STDERR, '>', "$dir/err"  or die;
        exec @command or die "exec $command[0]: $!";
    }
    waitpid $pid, 0;
    return {
        status => $? & 127 ? 128 + ($? & 127) : $? >> 8,
        out    => read_file("$dir/out"),
        err    => read_file("$dir/err"),
    };
}

# A directory that others may enter (servers run as their own users), deleted at exit.
sub scratch {
    my $dir = tempdir('prodorder-control-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir or die;
    return $dir;
}

sub write_file {
    my ($path, $text) = @_;
    make_path(dirname($path));
    open my $out, '>', $path or die "$path: $!";
    print {$out} $text;
    close $out or die "$path: $!";
    return;
}

sub read_file {
    my ($path) = @_;
    open my $in, '<', $path or return '';
    local $/ = undef;
    return scalar <$in> // '';
}

# listen_somewhere(PORT): a listening socket on 127.0.0.1.
sub listen_somewhere {
    my ($port) = @_;
    return IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1);
}

# free_offset(PORT...): a port offset with which all of these are free. The search begins anywhere, so
# that two runs on one machine hardly ever meet.
sub free_offset {
    my (@ports) = @_;
    my $first = int rand 800;
    OFFSET: for my $try (map { 8000 + 10 * (($first + $_) % 800) } 0 .. 799) {
        for my $port (@ports) {
            listen_somewhere($port + $try) or next OFFSET;
        }
        return $try;
    }
    die "no port offset from 8000 to 16000 has all of @ports free";
}

# eventually(SECONDS, CODE): does CODE become true within that time?
sub eventually {
    my ($limit_s, $code) = @_;
    for (1 .. $limit_s * 20) {
        return 1 if $code->();
        select undef, undef, undef, 0.05;
    }
    return 0;
}

1;
