package Prodorder::Control;

# What tests of programs share: run a command, files, a scratch directory, ports.
#
#     use Prodorder::Control;
#     my $home = $ENV{PRODORDER_HOME} = scratch() . '/home';
#     is(run('./prodorder', 'up', 'product-redis')->{status}, 0, 'up');
#
# Test::More comes with it. A test that uses it begins in the repository's root, and knows nothing of a stack that is in
# use, nor of a make that called it: of the variables that mean those, only PRODORDER_BUILD is kept.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;

our @EXPORT = (@Test::More::EXPORT, qw($ROOT run said scratch write_file read_file program path_without certificate
    listen_somewhere free_offset eventually));
our $ROOT = abs_path(dirname(__FILE__) . '/../../..');

chdir $ROOT or die "$ROOT: $!\n";
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};
delete @ENV{grep { /^(?:PRODORDER|TRACE|BENCH|FUZZ)_/ && !/^PRODORDER_(?:BUILD|DOCS_UPDATE)$/ } keys %ENV};

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

# said(COMMAND, ARGS...): both its outputs as one text, and its exit status.
sub said {
    my (@command) = @_;
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec @command or exit 127;
    }
    my $text = do { local $/ = undef; <$out> } // '';
    close $out;
    return ($text, $? >> 8);
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

# program(PATH, TEXT): a shell script that can be run.
sub program {
    my ($path, $text) = @_;
    write_file($path, "#!/bin/sh\n$text\n");
    chmod 0755, $path or die "$path: $!";
    return;
}

# path_without(NAME...): a PATH with links to every program but these.
sub path_without {
    my (%missing) = map { $_ => 1 } @_;
    my $bin = scratch();
    for my $from (qw(/usr/sbin /usr/bin /sbin /bin)) {
        for my $program (glob "$from/*") {
            my ($name) = $program =~ m{([^/]+)$};
            symlink $program, "$bin/$name" unless $missing{$name} || -e "$bin/$name";
        }
    }
    return $bin;
}

# certificate(DIR, NAME): the files of a certificate for NAME and for 127.0.0.1, and of its key.
sub certificate {
    my ($dir, $name) = @_;
    my $made = run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
        '-days', '2', '-subj', "/CN=$name", '-addext', "subjectAltName=DNS:$name,IP:127.0.0.1",
        '-keyout', "$dir/$name.key", '-out', "$dir/$name.pem");
    is($made->{status}, 0, "a certificate for $name") or diag $made->{err};
    return ("$dir/$name.pem", "$dir/$name.key");
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
