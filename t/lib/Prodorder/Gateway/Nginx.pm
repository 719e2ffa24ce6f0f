package Prodorder::Gateway::Nginx;

# A private nginx with our module, in a temporary prefix, on a free port.
#
# PRODORDER_BUILD          where the module is (build)
# PRODORDER_TEST_PRELOAD   a library for LD_PRELOAD, for a module built with a sanitizer
# TEST_NGINX_USE_VALGRIND  run under valgrind; its findings make the error log unclean
# TEST_NGINX_BINARY       another nginx than the one in PATH
# TEST_NGINX_KEEP          do not delete the prefix

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(make_path);
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

my %used_port;

sub free_port {
    for (1 .. 100) {
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1)
            or die "no free port: $!\n";
        my $port = $socket->sockport;
        return $port if !$used_port{$port}++;
    }
    die "no free port\n";
}

sub module_path {
    my $file = ($ENV{PRODORDER_BUILD} // 'build') . '/ngx_http_prodorder_gateway_module.so';
    die "$file does not exist: make gateway\n" if !-f $file;
    return abs_path($file);
}

sub new {
    my ($class) = @_;
    my $keep = $ENV{TEST_NGINX_KEEP} ? 1 : 0;
    my $prefix = File::Temp->newdir('prodorder-gateway-XXXXXX', TMPDIR => 1, CLEANUP => !$keep);
    make_path("$prefix/logs", "$prefix/html", "$prefix/temp");
    print "# prefix $prefix\n" if $keep;
    return bless { prefix => $prefix, port => free_port(), pid => undef }, $class;
}

sub prefix { return "$_[0]{prefix}" }
sub port   { return $_[0]{port} }

sub error_log {
    my ($self) = @_;
    open my $in, '<', "$self->{prefix}/logs/error.log" or return '';
    local $/;
    return scalar <$in> // '';
}

# A file below the prefix.
sub write_file {
    my ($self, $name, @text) = @_;
    open my $out, '>', "$self->{prefix}/$name" or die "$name: $!\n";
    print {$out} @text;
    close $out or die "$name: $!\n";
    return;
}

# { main, http, server }: texts that go into the configuration, first: before our module is loaded;
# http2, is_static (there is no module to load): flags; workers: how many
sub write_conf {
    my ($self, %part) = @_;
    my $load = $part{is_static} ? '' : 'load_module ' . module_path() . ';';
    my $user = $> == 0 ? 'user root;' : '';
    my $temps = join '',
        map { "    ${_}_temp_path temp/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
    my $listen = "127.0.0.1:$self->{port}" . ($part{http2} ? ' http2' : '');
    open my $out, '>', "$self->{prefix}/nginx.conf" or die "nginx.conf: $!\n";
    print {$out} $part{first} // '', <<"END";
$load
daemon off;
worker_processes @{[$part{workers} // 1]};
pid logs/nginx.pid;
error_log logs/error.log info;
$user
$part{main}
events {
    worker_connections 256;
}
http {
$temps
    access_log logs/access.log;
    default_type text/plain;
    server_tokens off;
    prodorder_gateway on;
$part{http}
    server {
        listen $listen;
        server_name localhost;
$part{server}
    }
}
END
    close $out;
    return;
}

sub _command {
    my ($self, @more) = @_;
    my @command = ($ENV{TEST_NGINX_BINARY} // 'nginx', '-p', "$self->{prefix}/", '-c', 'nginx.conf', '-e', 'logs/error.log', @more);
    unshift @command, 'valgrind', '-q', '--error-exitcode=99', '--trace-children=no',
        '--leak-check=no', "--log-file=$self->{prefix}/logs/valgrind.log"
        if $ENV{TEST_NGINX_USE_VALGRIND};
    return @command;
}

sub _exec {
    my ($self, @more) = @_;
    open STDOUT, '>>', "$self->{prefix}/logs/output.log";
    open STDERR, '>>&', \*STDOUT;
    $ENV{LD_PRELOAD} = $ENV{PRODORDER_TEST_PRELOAD} if $ENV{PRODORDER_TEST_PRELOAD};
    $ENV{ASAN_OPTIONS} //= 'detect_leaks=0';
    exec $self->_command(@more) or POSIX::_exit(127);
}

# Returns what nginx said when it did not start, else undef.
sub start {
    my ($self) = @_;
    $self->{pid} = fork // die "fork: $!\n";
    $self->_exec if $self->{pid} == 0;
    my $deadline = time + ($ENV{TEST_NGINX_USE_VALGRIND} ? 30 : 10);
    while (time < $deadline) {
        if (waitpid($self->{pid}, POSIX::WNOHANG) == $self->{pid}) {
            $self->{pid} = undef;
            return $self->error_log . $self->_read('logs/output.log');
        }
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port});
        return if $socket;
        sleep 0.01;
    }
    $self->stop;
    return 'nginx does not listen';
}

# The exit status after a graceful stop; 0 when it was not running.
sub stop {
    my ($self) = @_;
    my $pid = $self->{pid} or return 0;
    kill 'QUIT', $pid;
    for (1 .. 500) {
        if (waitpid($pid, POSIX::WNOHANG) == $pid) {
            $self->{pid} = undef;
            return $?;
        }
        sleep 0.01;
    }
    kill 'TERM', $pid;
    waitpid $pid, 0;
    $self->{pid} = undef;
    return 'did not stop';
}

sub pid { return $_[0]{pid} }

# The workers' process ids, without those that are shutting down: the log says so, and so it is known
# under valgrind, too, where processes have no titles.
sub workers {
    my ($self) = @_;
    my %leaving = map { $_ => 1 }
        $self->error_log =~ /^\S+ \S+ \[notice\] (\d+)#\d+: gracefully shutting down$/mg;
    my $children = "/proc/$self->{pid}/task/$self->{pid}/children";
    open my $in, '<', $children or return;
    return grep { !$leaving{$_} } split ' ', <$in> // '';
}

# What the workers have used, user and system time together.
sub cpu_seconds {
    my ($self) = @_;
    my $ticks = 0;
    for my $pid ($self->workers) {
        open my $in, '<', "/proc/$pid/stat" or next;
        my @field = split ' ', (<$in> =~ /\) (.*)/)[0] // '';
        $ticks += $field[11] + $field[12];
    }
    return $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# SIGHUP, and wait until only new workers serve. False when that does not come within some seconds,
# because the new configuration is refused.
sub reload {
    my ($self) = @_;
    my %old = map { $_ => 1 } $self->workers;
    kill 'HUP', $self->{pid};
    for (1 .. ($ENV{TEST_NGINX_USE_VALGRIND} ? 1500 : 300)) {
        my @now = $self->workers;
        return 1 if @now && !grep { $old{$_} } @now;
        sleep 0.01;
    }
    return 0;
}

sub _read {
    my ($self, $name) = @_;
    open my $in, '<', "$self->{prefix}/$name" or return '';
    local $/;
    return scalar <$in> // '';
}

# Lines that a healthy nginx never writes.
sub findings {
    my ($self) = @_;
    my @lines = grep { /\[(?:alert|crit|emerg)\]|Sanitizer|runtime error|exited on signal/ }
        split /\n/, $self->error_log . $self->_read('logs/output.log');
    push @lines, grep { /\S/ } split /\n/, $self->_read('logs/valgrind.log');
    return @lines;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    $self->stop if $self->{pid};
    return;
}

1;
