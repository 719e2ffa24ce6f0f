package Prodorder::Gateway::Shipped;

# The repository's own nginx.conf, conf/tls.conf.example, openapi.json and asyncapi.json, with other ports,
# run as ./prodorder runs them: the stack's own addresses in the place of the default ones.
#
#     my $gateway = Prodorder::Gateway::Shipped->new;         # or new(3001 => PORT, 3002 => PORT): of services that run
#     $gateway->start;                        # or start(EXTRA): more directives in its http block
#     my $answer = $gateway->ask("POST /orders\n{}", 'X-Request-Id: a');
#     $gateway->done;

use strict;
use warnings;

use Cwd qw(getcwd);
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Nginx;

sub new {
    my ($class, %given) = @_;
    my $dir = File::Temp->newdir('prodorder-conf-XXXXXX', TMPDIR => 1);
    my %port = map { $_ => $given{$_} // Prodorder::Gateway::Nginx::free_port() } 4000, 4443, 3001, 3002;
    mkdir "$dir/$_" for qw(logs temp conf build build/docs);
    symlink getcwd() . "/$_", "$dir/$_" for qw(openapi.json asyncapi.json);
    return bless { dir => $dir, port => \%port }, $class;
}

sub dir { return "$_[0]{dir}" }

# port(DEFAULT): which one takes its place
sub port { return $_[0]{port}{ $_[1] } }

# read(FILE), a path from the gateway's directory on unless it begins with a slash
sub read {
    my ($self, $file) = @_;
    open my $in, '<', $file =~ m{^/} ? $file : "$self->{dir}/$file" or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub write {
    my ($self, $file, $text) = @_;
    open my $out, '>', "$self->{dir}/$file" or die "$file: $!\n";
    print {$out} $text;
    close $out or die "$file: $!\n";
    return;
}

# shipped(FILE): the repository's, with our ports
sub shipped {
    my ($self, $file) = @_;
    my $text = $self->read(getcwd() . "/$file");
    $text =~ s/127\.0\.0\.1:(4000|4443|3001|3002)\b/127.0.0.1:$self->{port}{$1}/g;
    return $text;
}

sub start {
    my ($self, $extra) = @_;
    my $conf = $self->shipped('nginx.conf');
    my $module = Prodorder::Gateway::Nginx::module_path();
    $conf =~ s/^load_module .*$/load_module $module;/m or die "nginx.conf does not load the module\n";
    $conf =~ s/^http \{$/http {\n$extra/m or die "nginx.conf has no http block\n" if $extra;
    $self->write('nginx.conf', ($> == 0 ? "user root;\n" : '') . $conf);
    $self->{pid} = fork // die "fork: $!\n";
    $self->_exec if $self->{pid} == 0;
    for (1 .. 200) {
        return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}{4000});
        sleep 0.02;
    }
    die "nginx does not listen:\n" . $self->read('error.log');
}

sub _exec {
    my ($self) = @_;
    open STDOUT, '>>', "$self->{dir}/access.log";
    open STDERR, '>>', "$self->{dir}/error.log";
    $ENV{LD_PRELOAD} = $ENV{PRODORDER_TEST_PRELOAD} if $ENV{PRODORDER_TEST_PRELOAD};
    $ENV{ASAN_OPTIONS} //= 'detect_leaks=0';
    exec $ENV{TEST_NGINX_BINARY} // 'nginx', '-p', "$self->{dir}/", '-e', 'stderr', '-c', 'nginx.conf'
        or POSIX::_exit(127);
}

sub signal {
    my ($self, $signal) = @_;
    kill $signal, $self->{pid};
    return;
}

sub stop {
    my ($self) = @_;
    $self->signal('QUIT');
    return $self->ended;
}

# ended(): wait until it has, after a signal
sub ended {
    my ($self) = @_;
    waitpid delete $self->{pid}, 0;
    is($?, 0, 'nginx stopped gracefully');
    return;
}

sub client { return Prodorder::Gateway::Http->new($_[0]{port}{4000}, 10) }

# ask("METHOD TARGET\nBODY", HEADER...): the answer to one request, on a connection of its own
sub ask {
    my ($self, $request, @headers) = @_;
    my ($line, $body) = split /\n/, $request, 2;
    push @headers, 'Host: localhost', 'Connection: close';
    push @headers, 'Content-Type: application/json', 'Content-Length: ' . length $body if defined $body;
    my $client = $self->client;
    $client->send_pieces(0, join("\r\n", "$line HTTP/1.1", @headers, '', '') . ($body // ''));
    my $response = $client->read_response($line =~ /\A(\S+)/);
    $client->close;
    is($response->{problem}, undef, "$line - the framing is right");
    return $response;
}

# header(ANSWER, NAME): its value, several as one list; empty when there is none
sub header {
    my ($self, $response, $name) = @_;
    return join ', ', Prodorder::Gateway::Http::values_of($response, $name);
}

sub done {
    my ($self) = @_;
    $self->stop if $self->{pid};
    unlike($self->read('error.log'), qr/\[(?:alert|crit|emerg)\]|Sanitizer|runtime error/, 'the error log is clean');
    done_testing();
    return;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    if ($self->{pid}) {
        kill 'QUIT', $self->{pid};
        waitpid $self->{pid}, 0;
    }
    return;
}

1;
