# The scripts of the container images: health check, loader of the catalogue, the gateway's entrypoint and its
# watcher of names. They are laid out as the Dockerfiles say; names are looked up in a file of ours.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);
use IO::Socket::IP;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(time);

use Prodorder::Control;

my $dir = scratch();
my $offset = free_offset(4000, 4443, 3001, 3002);
my ($port, $tls_port, $product_port, $order_port) = map { $_ + $offset } 4000, 4443, 3001, 3002;
my (@servers, $gateway);

# with({VARIABLE => VALUE}, COMMAND... or CODE): run with these in the environment
sub with {
    my ($set, @command) = @_;
    local %ENV = (%ENV, %$set);
    return ref $command[0] ? $command[0]->() : run(@command);
}

# serve(ADDRESS, PORT, HANDLER): a server in a process of its own. HANDLER gets method, path and body, and
# returns status and body, or text to send as it is.
sub serve {
    my ($address, $at, $handler) = @_;
    my $listening = IO::Socket::IP->new(LocalHost => $address, LocalPort => $at, Listen => 16, ReuseAddr => 1)
        or die "cannot listen on $address:$at: $!\n";
    my $pid = fork // die "cannot fork: $!\n";
    if ($pid) {
        push @servers, $pid;
        return $pid;
    }
    local $SIG{PIPE} = 'IGNORE';
    while (my $client = $listening->accept) {
        my ($head, $body) = ('', '');
        while (defined(my $line = <$client>)) {
            last if $line eq "\r\n";
            $head .= $line;
        }
        read $client, $body, $1 if $head =~ /^Content-Length: (\d+)/mi;
        my ($method, $path) = split / /, $head;
        my ($status, $answer) = $handler->($method, $path, $body);
        print {$client} defined $answer
            ? "HTTP/1.1 $status X\r\nContent-Type: application/json\r\nContent-Length: " . length($answer)
                . "\r\nConnection: close\r\n\r\n$answer"
            : $status;
        close $client;
    }
    POSIX::_exit(0);
}

sub stop {
    my ($pid) = @_;
    kill KILL => $pid;
    waitpid $pid, 0;
    @servers = grep { $_ != $pid } @servers;
    return;
}

# image(FOLDER): a directory with what the images of docker/FOLDER/Dockerfile copy from the repository
sub image {
    my ($name) = @_;
    my $tree = "$dir/image-$name";
    my $text = read_file("docker/$name/Dockerfile") =~ s/.*?^(?=WORKDIR \/opt\/prodorder$)//msr =~ s/\\\n/ /gr;
    for my $line ($text =~ /^COPY (?!--from)(.*)/mg) {
        my (@sources) = split ' ', $line;
        my $to = pop @sources;
        make_path($to =~ m{/$} ? "$tree/$to" : dirname("$tree/$to"));
        is(run('cp', '-R', @sources, "$tree/$to")->{status}, 0, "$name: COPY $line");
    }
    return $tree;
}

my %image = map { $_ => image($_) } qw(services api-gateway);

sub health {
    my (@arguments) = @_;
    return with({ PORT => $product_port }, "$image{services}/docker/health", @arguments);
}

# ---- docker/health ----

is(health()->{status}, 1, 'health: nothing listens: 1');
for my $case (
    [[200, '{}'],                          0, qr/^$/,                                         '200'],
    [[503, '{"status":"starting"}'],       1,
        qr{^health: /readyz answers 503: \{"status":"starting"\}$}, '503, with what was answered'],
    ["SSH-2.0-x\r\n",                      1, qr/no complete answer.*not HTTP: SSH-2\.0/,     'no HTTP'],
    ['',                                   1, qr/no complete answer.*no status line/,         'closed at once'],
    ["HTTP/1.1 200 OK\r\nContent-Le",      1, qr/its header does not end/,                    'half a header'],
    ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", 1, qr/its body does not end/,          'half a body'],
) {
    my ($answer, $status, $message, $what) = @$case;
    my $server = serve('127.0.0.1', $product_port, sub { return ref $answer ? @$answer : ($answer) });
    my $got = health();
    is($got->{status}, $status, "health: $what: $status");
    like($got->{out}, $message, "health: $what: what it says");
    stop($server);
}
{
    my $server = serve('127.0.0.1', $product_port, sub { return $_[1] eq '/livez' ? (200, '{}') : (503, '{}') });
    is(health('/livez')->{status}, 0, 'health: another path');
    is(health('livez')->{status}, 1, 'health: what is no path');
    is(run('docker/health')->{status}, 1, 'health: without PORT');
    stop($server);
    my $frozen = listen_somewhere($product_port);
    is(health()->{status}, 1, 'health: a server that answers nothing');
}
{
    my $server = serve('127.0.0.5', $product_port, sub { return (200, '{}') });
    is(with({ LISTEN_ADDRESS => '127.0.0.5' }, sub { health() })->{status}, 0, 'health: at LISTEN_ADDRESS');
    is(health()->{status}, 1, 'health: and nowhere else');
    stop($server);
    $server = serve('127.0.0.1', $product_port, sub { return (200, '{}') });
    is(with({ LISTEN_ADDRESS => '0.0.0.0' }, sub { health() })->{status}, 0, 'health: at every address of IPv4');
    stop($server);
    SKIP: {
        skip 'this machine has no IPv6', 2 if !IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
        $server = serve('::1', $product_port, sub { return (200, '{}') });
        is(with({ LISTEN_ADDRESS => $_ }, sub { health() })->{status}, 0, "health: at $_") for '::', '[::]';
        stop($server);
    }
}
my ($wait_s) = read_file('docker/lib/http.sh') =~ /^HTTP_WAIT_S=(\d+)$/m;
for my $name (sort keys %image) {
    like(run("$image{$name}/docker/health", '--help')->{out}, qr/^Usage: health/m, "health: is in $name");
    my ($limit_s) = read_file("docker/$name/Dockerfile") =~ /^HEALTHCHECK .*--timeout=(\d+)s/m;
    cmp_ok($wait_s, '<', $limit_s, "health: says what was wrong before the HEALTHCHECK of $name gives it up");
}

# ---- docker/services/load-catalogue ----

# The file as the image has it, and a name whose length in bytes is another than in characters.
my $products = run('jq', '-c', '.[]', 'mock/products.json')->{out} . qq({"name":"Caf\xc3\xa9","price":1.50,"qty":3}\n);
write_file("$dir/products.jsonl", $products);

# catalogue(FIRST STATUS, {NUMBER => [STATUS, BODY]}): a product-service that is not ready at first; what is
# posted goes to posted.jsonl, but the request of that number has that answer, '' for none.
sub catalogue {
    my ($unready, $answers) = @_;
    my $number = 0;
    return serve('127.0.0.1', $product_port, sub {
        my ($method, $path, $body) = @_;
        return (503, '{}') if $unready-- > 0;
        my @posted = split /^/, read_file("$dir/posted.jsonl");
        if ($method eq 'GET') {
            my ($limit) = $path =~ m{^/products\?limit=(\d+)$} or return (404, '{}');
            my $id = 0;
            my @page = map { s/^\{(.*)\}\n/'{"id":' . ++$id . ",$1,\"createdAt\":\"now\"}"/er } @posted;
            return (200, '[' . join(',', grep { defined } @page[0 .. $limit - 1]) . ']');
        }
        my $answer = $answers->{ ++$number };
        return @$answer if $answer && $answer->[0] ne 'late';
        open my $out, '>>', "$dir/posted.jsonl" or die $!;
        print {$out} "$body\n";
        close $out;
        return $answer ? '' : (201, $body);
    });
}

sub load {
    my (%set) = @_;
    return with({ PRODUCT_SERVICE_URL => "http://127.0.0.1:$product_port", LOAD_WAIT_S => 20, %set },
        "$image{services}/docker/services/load-catalogue", "$dir/products.jsonl");
}

{
    my $server = catalogue(2, {});
    my $loaded = load();
    is($loaded->{status}, 0, 'load-catalogue: a service that is just being started is waited for')
        or diag $loaded->{err};
    like($loaded->{out}, qr/: 25 products loaded$/, 'load-catalogue: it says how many');
    is(read_file("$dir/posted.jsonl"), $products, 'load-catalogue: each product once, in order, byte for byte');
    my $again = load();
    is($again->{status}, 0, 'load-catalogue: again');
    like($again->{out}, qr/not empty: nothing to do/, 'load-catalogue: says that there is nothing to do');
    is(read_file("$dir/posted.jsonl"), $products, 'load-catalogue: and does nothing');
    write_file("$dir/posted.jsonl", qq({"name":"Mine","price":1,"qty":1}\n));
    $again = load();
    like("$again->{status} $again->{out}", qr/^0 .*is not this one, and not empty/, 'load-catalogue: other products');
    is(read_file("$dir/posted.jsonl"), qq({"name":"Mine","price":1,"qty":1}\n), 'load-catalogue: are left alone');
    stop($server);
    unlink "$dir/posted.jsonl";

    $server = catalogue(0, { 3 => [400, '{"message":"no"}'] });
    my $refused = load();
    is($refused->{status}, 1, 'load-catalogue: a product is refused: 1');
    like($refused->{err}, qr/product 3 of \S+ is refused with 400: \{"name":"Running shoe.*: \{"message":"no"\}/,
        'load-catalogue: which, and why');
    my $rest = load();
    like($rest->{out}, qr/: 23 products loaded$/, 'load-catalogue: half of the catalogue is there: the other half');
    is(read_file("$dir/posted.jsonl"), $products, 'load-catalogue: and each product once');
    stop($server);
    unlink "$dir/posted.jsonl";

    $server = catalogue(0, { 2 => [503, '{}'], 5 => ['late'], 9 => [''] });
    my $shaky = load();
    is($shaky->{status}, 0, 'load-catalogue: a service that fails now and then') or diag $shaky->{err};
    is(read_file("$dir/posted.jsonl"), $products, 'load-catalogue: gets each product once, even without an answer');
    stop($server);
    unlink "$dir/posted.jsonl";

    $server = catalogue(1000, {});
    my $late = load(LOAD_WAIT_S => 1);
    is($late->{status}, 1, 'load-catalogue: a service that does not become ready: 1');
    like($late->{err}, qr{0 of 25 products are there after 1 s: GET /products\?limit=25 answers 503},
        'load-catalogue: why');
    stop($server);
    $server = serve('127.0.0.1', $product_port, sub { return (200, '{}') });
    like(load()->{err}, qr/answers 200, and no list of products: \{\}/, 'load-catalogue: no list');
    stop($server);
}

# ./prodorder up has the same rule, with curl and jq.
sub prodorder_load {
    return run('bash', '-c', <<'SCRIPT', 'bash', "http://127.0.0.1:$product_port");
set -euo pipefail
ROOT=$PWD base=$1
. scripts/lib/ui.sh
. scripts/lib/catalogue.sh
settings_url() { echo "$base"; }
catalogue_load
SCRIPT
}

{
    my $ours = join '', (split /^/, $products)[0 .. 23];
    unlink "$dir/posted.jsonl";
    my $server = catalogue(0, { 3 => [503, '{}'] });
    my $failed = prodorder_load();
    is($failed->{status}, 1, 'catalogue_load: a product that is not taken: 1');
    like($failed->{err}, qr{no product was made of \{"name":"Running shoe.*To try again: \./prodorder up}s,
        'catalogue_load: which, and what to do');
    my $rest = prodorder_load();
    is($rest->{status}, 0, 'catalogue_load: again') or diag $rest->{err};
    is(read_file("$dir/posted.jsonl"), $ours, 'catalogue_load: the rest');
    is(prodorder_load()->{status}, 0, 'catalogue_load: once more');
    is(read_file("$dir/posted.jsonl"), $ours, 'catalogue_load: nothing is there twice');
    write_file("$dir/posted.jsonl", qq({"name":"Mine","price":1,"qty":1}\n));
    is(prodorder_load()->{status}, 0, 'catalogue_load: other products');
    is(read_file("$dir/posted.jsonl"), qq({"name":"Mine","price":1,"qty":1}\n), 'catalogue_load: are left alone');
    stop($server);
}
for my $case (
    [{ PRODUCT_SERVICE_URL => '' },            qr/PRODUCT_SERVICE_URL must be/],
    [{ PRODUCT_SERVICE_URL => 'https://a:1' }, qr/PRODUCT_SERVICE_URL must be http:.*'https:\/\/a:1'/],
    [{ LOAD_WAIT_S => 'x' },                   qr/LOAD_WAIT_S must be/],
) {
    my $wrong = load(%{ $case->[0] });
    is($wrong->{status}, 2, "load-catalogue: @{[ %{ $case->[0] } ]}: 2");
    like($wrong->{err}, $case->[1], 'load-catalogue: which variable');
}

# ---- docker/api-gateway/entrypoint ----

my $image = $image{'api-gateway'};
my $build = $ENV{PRODORDER_BUILD} || 'build';
write_file("$image/build/.keep", '');
run('cp', "$build/ngx_http_prodorder_gateway_module.so", "$image/build/");
my ($watch_names, $nginx_conf) = map { read_file("$image/$_") } qw(docker/api-gateway/watch-names nginx.conf);
my ($pause_s) = $watch_names =~ /^RELOAD_PAUSE_S=(\d+)$/m;
my ($shutdown_s) = $nginx_conf =~ /^worker_shutdown_timeout (\d+)s;$/m;
cmp_ok($pause_s, '>=', $shutdown_s, 'watch-names: two reloads do not leave three generations of workers');
$pause_s = 4; # here it shall not take so long
write_file("$image/docker/api-gateway/watch-names", $watch_names =~ s/^RELOAD_PAUSE_S=\K\d+/$pause_s/mr);

# Names are in a file: NAME ADDRESS...
program("$dir/bin/getent", <<"SCRIPT");
[ ! -e "$dir/slow" ] || { sleep 60; rm -f "$dir/slow"; }
grep "^\$2 " "$dir/names" | tr ' ' '\\n' | sed '1d; s/\$/ STREAM \$2/'
SCRIPT
my %settings = (
    PATH => "$dir/bin:$ENV{PATH}:/usr/sbin", PORT => $port, LISTEN_ADDRESS => '127.0.0.1', RUN_DIRECTORY => "$dir/run",
    PRODUCT_SERVICE_ADDRESS => "product-service:$product_port", ORDER_SERVICE_ADDRESS => "order-service:$order_port",
    RESOLVE_INTERVAL_S => 1,
);
write_file("$dir/run/.keep", '');

for my $case (
    [PORT => '80'], [PORT => 'x'], [PORT => '70000'], [LISTEN_ADDRESS => 'localhost'], [TLS_PORT => '-1'],
    [PRODUCT_SERVICE_ADDRESS => 'product-service'], [ORDER_SERVICE_ADDRESS => 'a;b:1'], [RESOLVE_INTERVAL_S => '0'],
    [RUN_DIRECTORY => 'run'], [RUN_DIRECTORY => '/proc/nowhere'], [PRODORDER_TLS_CERT => "$dir/none"],
    [LISTEN_ADDRESS => '999.1.1.1'], [ORDER_SERVICE_ADDRESS => 'order-service:70000'], [WORKERS => '0'],
) {
    my ($name, $value) = @$case;
    my $wrong = with({ %settings, $name => $value }, "$image/docker/api-gateway/entrypoint");
    is($wrong->{status}, 2, "entrypoint: $name=$value: 2");
    like($wrong->{err}, qr/$name/, 'entrypoint: which variable');
}

sub start {
    my (%set) = @_;
    my $pid = fork // die "cannot fork: $!\n";
    return $pid if $pid;
    %ENV = (%ENV, %settings, %set);
    # As an engine starts it. What a shell runs in the background ignores these, and so would bash for good.
    @SIG{qw(INT QUIT TERM)} = ('DEFAULT') x 3;
    open STDOUT, '>', "$dir/out" or die;
    open STDERR, '>', "$dir/err" or die;
    exec "$image/docker/api-gateway/entrypoint" or POSIX::_exit(127);
}

sub children {
    my ($pid) = @_;
    return split ' ', read_file("/proc/$pid/task/$pid/children");
}

sub descendants {
    my ($pid) = @_;
    return map { ($_, descendants($_)) } children($pid);
}

# get(PATH): the status of the gateway's answer, and the name in it
sub get {
    my ($path) = @_;
    my $said = run('curl', '-s', '-m', '10', '-w', "\n%{http_code}", "http://127.0.0.1:$port$path")->{out};
    my ($json, $status) = $said =~ /\A(.*)\n(\d+)\z/s;
    my $answer = eval { decode_json($json) };
    my $name = $answer && $answer->{data} && $answer->{data}{name};
    return ($status // '000') . (defined $name ? " $name" : '');
}

sub product {
    my ($name) = @_;
    return sub { return (200, qq({"name":"$name"})) };
}

sub reloads {
    my $lines = () = read_file("$dir/err") =~ /^watch-names: reloading/mg;
    return $lines;
}

# A name server that does not answer, and a signal meanwhile.
write_file("$dir/names", "order-service 127.0.0.1\n");
write_file("$dir/slow", '');
$gateway = start();
ok(eventually(20, sub { grep { read_file("/proc/$_/cmdline") =~ /getent/ } descendants($gateway) }),
    'entrypoint: looks names up');
kill QUIT => $gateway;
ok(eventually(20, sub { waitpid($gateway, POSIX::WNOHANG) == $gateway && $? == 0 }),
    'entrypoint: a signal before nginx is there ends it with code 0') or stop($gateway);
ok(-e "$dir/slow", 'entrypoint: without waiting for the name server');
unlink "$dir/slow";

$gateway = start();
ok(eventually(20, sub { get('/livez') =~ /^200/ }), 'entrypoint: the gateway answers when a name has no address')
    or diag read_file("$dir/err");
is(get('/products/1'), '502', 'entrypoint: that service is 502');
like(read_file("/proc/$gateway/cmdline"), qr/^nginx: master/, 'entrypoint: it became nginx');
is(scalar(grep { read_file("/proc/$_/cmdline") =~ /^nginx: worker/ } descendants($gateway)), 2, 'entrypoint: WORKERS');
my $first = serve('127.0.0.5', $product_port, product('first'));
my $second = serve('127.0.0.6', $product_port, product('second'));
my $begin = time;
write_file("$dir/names", "order-service 127.0.0.1\nproduct-service 127.0.0.5\n");
ok(eventually(20, sub { get('/products/1') eq '200 first' }), 'watch-names: a name that gets an address');
is(reloads(), 1, 'watch-names: reloaded once');
write_file("$dir/names", "order-service 127.0.0.1\nproduct-service 127.0.0.6\n");
ok(eventually(20, sub { get('/products/1') eq '200 second' }), 'watch-names: one that gets another address');
cmp_ok(time - $begin, '>', $pause_s, 'watch-names: some time after the last');
write_file("$dir/names", "order-service 127.0.0.1\n");
sleep $pause_s + 4;
is(get('/products/1'), '200 second', 'watch-names: one that is lost keeps its last address');
is(reloads(), 2, 'watch-names: no reload without a change');

# What watches may end: it begins again, and knows what nginx runs with.
my ($watcher) = grep { read_file("/proc/$_/cmdline") =~ /watch-names/ } children($gateway);
ok($watcher, 'watch-names: it is a child of nginx');
kill KILL => children($watcher);
ok(eventually(20, sub { read_file("$dir/err") =~ /^watch-names: ended with 137; begin/m && children($watcher) }),
    'watch-names: begins again');
write_file("$dir/names", "product-service 127.0.0.6 127.0.0.5\norder-service 127.0.0.1\n");
ok(eventually(20, sub { my %seen = map { get('/products/1') => 1 } 1 .. 4; $seen{'200 first'} && $seen{'200 second'} }),
    'watch-names: one with two addresses');
write_file("$dir/names", "product-service 127.0.0.5 127.0.0.6\norder-service 127.0.0.1\n");
sleep $pause_s + 4;
is(reloads(), 3, 'watch-names: their order is no change');

# A configuration that nginx refuses, as of a nginx.conf that was mounted and edited.
write_file("$image/nginx.conf", "$nginx_conf\nwibble on;\n");
write_file("$dir/names", "product-service 127.0.0.6\norder-service 127.0.0.1\n");
ok(eventually(20, sub { read_file("$dir/err") =~ /unknown directive "wibble".*^watch-names: no new nginx\.conf/ms }),
    'watch-names: nginx refuses the configuration');
unlike(read_file("$dir/run/nginx.conf"), qr/wibble/, 'watch-names: it is not put into effect');
write_file("$image/nginx.conf", $nginx_conf);
ok(eventually(30, sub { my %seen = map { get('/products/1') => 1 } 1 .. 4; !$seen{'200 first'} }),
    'watch-names: it is tried again');
my $emergencies = () = read_file("$dir/err") =~ /\[(?:alert|emerg|crit)\](?!.*wibble)/g;
is($emergencies, 0, 'nginx: no other alert');
kill QUIT => $gateway;
waitpid $gateway, 0;
is($?, 0, 'entrypoint: QUIT ends it with code 0');
ok(eventually(20, sub { !-e "/proc/$watcher" || read_file("/proc/$watcher/cmdline") eq '' }),
    'watch-names: it ends with nginx');
write_file("$image/nginx.conf", "$nginx_conf\nwibble on;\n");
my $wrong = with(\%settings, "$image/docker/api-gateway/entrypoint");
like("$wrong->{status} $wrong->{err}", qr/^2 .*wibble.*nginx refuses its configuration/s,
    'entrypoint: a nginx.conf that nginx refuses: 2');
write_file("$image/nginx.conf", $nginx_conf);

# ---- TLS, and a second start in the same directory ----

run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem");
$gateway = start(PRODORDER_TLS_CERT => "$dir/cert.pem", PRODORDER_TLS_KEY => "$dir/key.pem", TLS_PORT => $tls_port);
my @tls = ('curl', '-sk', '-m', '5', "https://127.0.0.1:$tls_port/livez");
ok(eventually(20, sub { run(@tls)->{status} == 0 }), 'entrypoint: TLS')
    or diag read_file("$dir/err");
kill QUIT => $gateway;
waitpid $gateway, 0;
$gateway = start();
ok(eventually(20, sub { get('/livez') =~ /^200/ }), 'entrypoint: a start without TLS after one with it');
isnt(run(@tls)->{status}, 0, 'entrypoint: nothing listens for TLS');
kill QUIT => $gateway;
waitpid $gateway, 0;
undef $gateway;
$wrong = with({ %settings, PRODORDER_TLS_CERT => "$dir/cert.pem", PRODORDER_TLS_KEY => "$dir/key.pem",
    TLS_PORT => $port }, "$image/docker/api-gateway/entrypoint");
like("$wrong->{status} $wrong->{err}", qr/^2 .*TLS_PORT is '$port', as PORT is/, 'entrypoint: one port for two: 2');
stop($_) for my @left = @servers;
done_testing();

# nginx takes its workers along when it is told to stop, and not when it is killed.
END {
    kill TERM => $gateway if $gateway;
    kill KILL => @servers if @servers;
}
