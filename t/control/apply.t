# ./prodorder up and restart on a gateway that runs: a changed configuration is taken over without a
# refused connection, one that nginx refuses changes nothing. On a copy of the repository, with the build
# as it is: make has nothing to do there.
use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Prodorder::Control;
use Prodorder::Gateway::Http;

my $build = delete $ENV{PRODORDER_BUILD} // 'build';
$build = "$ROOT/$build" if $build !~ m{^/};
my $dir = scratch();
my $copy = "$dir/copy";
my $home = $ENV{PRODORDER_HOME} = "$dir/home";
my $offset = $ENV{PRODORDER_PORT_OFFSET} = free_offset(4000, 4443);
my ($plain, $tls) = map { $_ + $offset } 4000, 4443;
my $module = 'build/ngx_http_prodorder_gateway_module.so';

mkdir $_ for $copy, "$copy/build", "$dir/bin";
is(run('cp', '-R', (map { "$ROOT/$_" } qw(prodorder configure.sh scripts nginx.conf openapi.json asyncapi.json conf)), $copy)->{status}, 0,
    'a copy of the repository');
is(run('cp', '-R', (map { "$build/$_" } 'config.mk', $module =~ s{.*/}{}r), "$copy/build")->{status}, 0, 'with what was built');
write_file("$copy/build/docs/$_", "$_\n") for qw(index.html icon.svg);
program("$dir/bin/make", 'true');
$ENV{PATH} = "$dir/bin:$ENV{PATH}";

sub prodorder { return run('env', '-C', $copy, './prodorder', @_) }

sub pid {
    my ($pid) = read_file("$home/run/gateway.pid") =~ /^(\d+)/;
    return $pid // 0;
}

sub header {
    my ($name) = @_;
    my ($value) = run('curl', '-sS', '-m', '10', '-D', '-', '-o', '/dev/null', "http://127.0.0.1:$plain/livez")->{out}
        =~ /^\Q$name\E: (.*)\r$/mi;
    return $value // '';
}

# edit(FILE, CODE): CODE changes $_, the text of that file of the copy. Returns the text as it was.
sub edit {
    my ($file, $change) = @_;
    my $before = read_file("$copy/$file");
    local $_ = $before;
    $change->();
    isnt($_, $before, "$file: edited");
    write_file("$copy/$file", $_);
    return $before;
}

sub line_of {
    my ($file, $pattern) = @_;
    my @lines = split /\n/, read_file("$copy/$file");
    return (grep { $lines[ $_ - 1 ] =~ $pattern } 1 .. @lines)[0];
}

# with([CERT, KEY], ARGS...): ./prodorder with these in its environment.
sub with {
    my ($files, @args) = @_;
    local @ENV{qw(PRODORDER_TLS_CERT PRODORDER_TLS_KEY)} = @$files;
    return prodorder(@args);
}

sub subject {
    my ($found) = run('curl', '-sSvk', '-m', '10', "https://127.0.0.1:$tls/livez")->{err} =~ /subject: CN=(\S+)/;
    return $found // '';
}

# client(STOP): a process that asks over a kept-alive connection until the file STOP is there. A connection
# that ended between two answers is replaced by a new one, as any client does; that one must answer.
# Prints the number of answers, then what was wrong.
sub client {
    my ($stop) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    return $out if $pid;
    my ($answers, $http, @wrong) = (0);
    until (-e $stop || @wrong) {
        my $fresh = !$http;
        $http //= eval { Prodorder::Gateway::Http->new($plain, 10) } or push @wrong, "no connection: $@" and last;
        $http->send_pieces(0, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        my $response = $http->read_response('GET');
        $answers += $response ? 1 : 0;
        push @wrong, 'a new connection without an answer' if !$response && $fresh;
        push @wrong, "status $response->{status}" if $response && $response->{status} != 200;
        undef $http if !$response || grep { lc eq 'close' } Prodorder::Gateway::Http::values_of($response, 'Connection');
        sleep 0.002;
    }
    print "$answers\n", map { "$_\n" } @wrong;
    close STDOUT;
    POSIX::_exit(0);
}

# without_a_failure(WHAT, CODE): clients ask while CODE runs.
sub without_a_failure {
    my ($what, $code) = @_;
    my $stop = "$dir/stop";
    unlink $stop;
    my @clients = map { client($stop) } 1 .. 3;
    sleep 0.3;
    $code->();
    sleep 0.3;
    write_file($stop, '');
    for my $client (@clients) {
        my ($answers, @wrong) = <$client>;
        cmp_ok($answers, '>', 20, "$what: a client had its answers");
        is("@wrong", '', "$what: none failed");
    }
    return;
}

my $up = prodorder('up', 'gateway');
if (!is($up->{status}, 0, 'up gateway')) {
    diag $up->{out}, $up->{err};
    prodorder('clean');
    done_testing();
    exit 1;
}
my $pid = pid();
unlike(prodorder('up', 'gateway')->{out}, qr/reload|restart/, 'up again: nothing to do');

# ---- changed ----

my $etag = run('curl', '-sSI', '-m', '10', "http://127.0.0.1:$plain/openapi.json")->{out} =~ /^ETag: (.*)\r$/mi ? $1 : 'none';
without_a_failure('nginx.conf', sub {
    for my $value (qw(one two three)) {
        edit('nginx.conf', sub { s/(add_header Referrer-Policy) \S+/$1 $value/ });
        my $applied = prodorder('up', 'gateway');
        is($applied->{status}, 0, 'up with a changed nginx.conf') or diag $applied->{err};
        is(header('Referrer-Policy'), $value, 'it is in effect when up ends');
    }
});
is(pid(), $pid, 'the same nginx');
like(run('curl', '-sSI', '-m', '10', "http://127.0.0.1:$plain/openapi.json")->{out}, qr/^ETag: \Q$etag\E\r$/mi,
    'what has not changed keeps its ETag');

without_a_failure('the rest', sub {
    edit($_, sub { s/"title": *"[^"]*"/"title": "Another title"/ }) for qw(openapi.json asyncapi.json);
    write_file("$copy/build/docs/new.js", "'new';\n");
    unlink "$copy/build/docs/icon.svg";
    write_file("$copy/conf/more.conf", "add_header X-More yes always;\n");
    edit('nginx.conf', sub { s{^http \{$}{http \{ include conf/more.conf;}m });
    is(prodorder('up', 'gateway')->{status}, 0, 'up with changed contracts, docs and conf');
});
is(pid(), $pid, 'the same nginx');
like(run('curl', '-sS', '-m', '10', "http://127.0.0.1:$plain/$_")->{out}, qr/Another title/, "$_ is the new one")
    for qw(openapi.json asyncapi.json);
is(run('curl', '-sS', '-m', '10', "http://127.0.0.1:$plain/docs/new.js")->{out}, "'new';\n", 'a new file of the docs page');
is(run('curl', '-sS', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}', "http://127.0.0.1:$plain/docs/icon.svg")->{out}, 404,
    'one that is gone');
is(header('X-More'), 'yes', 'conf/*.conf can be included');

my @first = certificate($dir, 'first');
my @second = certificate($dir, 'second');
without_a_failure('TLS', sub {
    is(with(\@first, 'up', 'gateway')->{status}, 0, 'TLS is switched on');
    is(subject(), 'first', 'with that certificate');
    run('cp', $second[$_], $first[$_]) for 0, 1;
    is(prodorder('up', 'gateway')->{status}, 0, 'up with a renewed certificate');
    is(subject(), 'second', 'takes it over');
});
is(pid(), $pid, 'the same nginx');
like(prodorder('env', 'gateway')->{out}, qr{^PRODORDER_GATEWAY_TLS_URL=https://127\.0\.0\.1:$tls$}m, 'env tells the https address');

# The rate limit, tried on this machine as docs/gateway.md says.
{
    my $before = edit('nginx.conf', sub { s/^http \{/http { set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;/m });
    is(prodorder('up', 'gateway')->{status}, 0, 'X-Forwarded-For is believed');
    my @codes = split /\n/, run('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}\n',
        '-H', 'X-Forwarded-For: 203.0.113.7', "http://127.0.0.1:$plain/livez?[1-600]")->{out};
    is_deeply([@codes[0, 199]], [200, 200], 'the burst is answered');
    cmp_ok(scalar(grep { $_ == 429 } @codes), '>', 0, 'what is beyond is 429');
    write_file("$copy/nginx.conf", $before);
    is(prodorder('up', 'gateway')->{status}, 0, 'as it was');
}

# ---- refused ----

# refused(WHAT, MESSAGE, UP): by up and restart; the old gateway goes on.
sub refused {
    my ($what, $message, $command) = @_;
    for my $arg (qw(up restart)) {
        without_a_failure("$what, $arg", sub {
            my $result = $command->($arg, 'gateway');
            is($result->{status}, 1, "$what, $arg: exit 1");
            like($result->{err}, $message, "$what, $arg: says what and where");
            like($result->{err}, qr/The gateway keeps running with its previous configuration \(pid $pid\)/, "$what, $arg: and what runs");
            unlike($result->{err}, qr{gateway/next|\Q$home\E/gateway/}, "$what, $arg: names no copy");
            unlike($result->{out}, qr/stopped/, "$what, $arg: stops nothing");
        });
        is(pid(), $pid, "$what, $arg: the same nginx");
    }
    return;
}

sub no_upgrade {
    my @result = prodorder('up', 'gateway');
    unlike($result[0]{err}, qr/After an upgrade/, 'it has nothing to do with an upgrade of nginx');
    return;
}

{
    my $before = edit('nginx.conf', sub { s/server_tokens off;/server_tokens off/ });
    my $line = line_of('nginx.conf', qr/server_tokens off$/) + 1;
    refused('a missing semicolon', qr{in \Q$copy\E/nginx\.conf:$line\b}, \&prodorder);
    no_upgrade();
    write_file("$copy/nginx.conf", $before);
}
{
    my $before = edit('openapi.json', sub { s/"type": *"integer"/"type": "intger"/ });
    refused('a mistake in openapi.json', qr{\Q$copy\E/openapi\.json: .*"intger" is not a type}, \&prodorder);
    write_file("$copy/openapi.json", $before);
}
{
    my $remembered = read_file("$home/run/tls");
    my @third = certificate($dir, 'third');
    refused('a key that does not fit', qr{key values mismatch.*PRODORDER_TLS_CERT is \Q$second[0]\E, PRODORDER_TLS_KEY is \Q$third[1]\E}s,
        sub { with([$second[0], $third[1]], @_) });
    is(read_file("$home/run/tls"), $remembered, 'it is not remembered');
    is(prodorder('up', 'gateway')->{status}, 0, 'up without it');
    is(subject(), 'second', 'TLS is as it was');
}
{
    my $before = edit($module, sub { s/^.*?\K8,4,8,0/8,4,8,1/s });
    refused('a module for another nginx', qr{\Q$copy/$module\E" is not binary compatible.*After an upgrade of nginx: make clean}s, \&prodorder);
    write_file("$copy/$module", $before);
}
{
    # nginx -t does not mind a taken port, a reload does.
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die;
    my $port = $socket->sockport;
    my $before = edit('nginx.conf', sub { s/^( *listen) .*$/$& listen 127.0.0.1:$port;/m });
    for my $again (1, 2) {
        without_a_failure('a taken port', sub {
            my $result = prodorder('up', 'gateway');
            is($result->{status}, 1, 'a taken port: exit 1');
            like($result->{err}, qr/could not bind.*keeps running with its previous configuration/s, 'a taken port: says so');
        });
    }
    close $socket;
    is(prodorder('up', 'gateway')->{status}, 0, 'once it is free it is taken over');
    ok(!listen_somewhere($port), 'and listened on');
    write_file("$copy/nginx.conf", $before);
    is(prodorder('up', 'gateway')->{status}, 0, 'and given back');
    ok(eventually(20, sub { listen_somewhere($port) }), 'once the old workers have ended');
}
{
    is(with(['', ''], 'up', 'gateway')->{status}, 0, 'TLS is switched off');
    ok(eventually(20, sub { listen_somewhere($tls) }), 'nothing listens at its port');
    my $socket = listen_somewhere($tls) or die "$tls: $!";
    refused('a taken port for TLS', qr/port $tls, needed for gateway-tls, is in use by/, sub { with(\@second, @_) });
    ok(!-e "$home/run/tls", 'it is not remembered');
}

# ---- restart ----

is(prodorder('restart', 'gateway')->{status}, 0, 'restart');
isnt(pid(), $pid, 'is a restart');
$pid = pid();
open my $out, '>>', "$copy/$module" or die "$module: $!";
print {$out} "\0";
close $out;
like(prodorder('up', 'gateway')->{out}, qr/gateway\s+changed since it was started: restarting it/, 'a module built anew: a restart');
isnt(pid(), $pid, 'another nginx');
edit('nginx.conf', sub { s/server_tokens off;/server_tokens off/ });
is(prodorder('down')->{status}, 0, 'down');
like(prodorder('up', 'gateway')->{err}, qr/The gateway does not run/, 'refused when none runs: does not claim that one does');
is(prodorder('up', 'product-redis', 'gateway')->{status}, 1, 'up of more than the gateway: exit 1');
ok(!-e "$home/run/product-redis.pid", 'nothing else was started either');
edit('nginx.conf', sub { s/server_tokens off$/server_tokens off;/m });

# ---- the two logs ----

is(prodorder('up', 'gateway')->{status}, 0, 'up once more');
header('X');
$pid = pid();
run('curl', '-sS', '-m', '10', "http://127.0.0.1:$plain/products/1");
ok(eventually(5, sub { read_file("$home/log/gateway-errors.log") =~ /\[error\].*connect\(\) failed/ }), 'nginx says there that a service is down');
ok(eventually(5, sub { read_file("$home/log/gateway.log") =~ m{/products/1} }), 'the access log has the request');
my @lines = split /\n/, read_file("$home/log/gateway.log");
is(scalar(grep { ref(eval { JSON::PP::decode_json($_) } // '') ne 'HASH' } @lines), 0, 'every line of the access log is a JSON object');
my $logs = prodorder('logs', 'gateway');
is($logs->{out}, join("\n", @lines[($#lines > 99 ? $#lines - 99 : 0) .. $#lines], ''), 'logs gateway: the access log');
like(prodorder('logs', 'gateway-errors')->{out}, qr/\[error\].*connect\(\) failed/, 'logs gateway-errors: nginx\'s messages');
like(prodorder('logs')->{out}, qr{/products/1.*\[error\].*connect\(\) failed}s, 'logs: both');
{
    write_file("$home/log/gateway-errors.log", 'x' x (64 * 1024 * 1024));
    is(prodorder('restart', 'gateway')->{status}, 0, 'restart with a large error log');
    is(-s "$home/log/gateway-errors.log.1", 64 * 1024 * 1024, 'it is rotated');
}
{
    # The test accepts it, and nginx ends after all.
    my $real = run('sh', '-c', 'command -v nginx')->{out} =~ s/\n//r;
    program("$dir/bin/nginx", "case \" \$* \" in *' -t '* | *' -v '*) exec $real \"\$@\" ;; esac\necho '[emerg] out of cheese' >&2\nexit 1");
    my $ended = prodorder('restart', 'gateway');
    is($ended->{status}, 1, 'a gateway that ends while it starts: exit 1');
    like($ended->{err}, qr/gateway ended while it was starting.*gateway-errors\.log since it was started:.*out of cheese/s, 'the end of the error log is shown');
    local $ENV{PRODORDER_HOME} = $home;
    like(run("$copy/scripts/check-logs")->{out}, qr/^not ok \d+ - gateway-errors\.log/m, 'check-logs reads it');
}
is(prodorder('clean')->{status}, 0, 'clean');
ok(!-e $home, 'clean leaves nothing');

done_testing();
