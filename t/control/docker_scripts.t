# The scripts of the container images: health check, loader of the catalogue, the gateway's entrypoint and its
# watcher of names. They are laid out as in the image; names are looked up in a file of ours.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Control qw($ROOT run scratch write_file read_file free_offset listen_somewhere eventually);
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

chdir $ROOT or die;
delete @ENV{grep { /^PRODORDER_(?!BUILD)/ } keys %ENV};
my $dir = scratch();
my $offset = free_offset(4000, 4443, 3001, 3002);
my ($port, $tls_port, $product_port, $order_port) = map { $_ + $offset } 4000, 4443, 3001, 3002;
my @servers;

# with({VARIABLE => VALUE}, COMMAND...): run with these in the environment
sub with {
    my ($set, @command) = @_;
    local %ENV = (%ENV, %$set);
    return run(@command);
}

# serve(ADDRESS, PORT, HANDLER): a server in a process of its own. HANDLER gets method, path and body, and
# returns status and body, or text to send as it is.
sub serve {
    my ($address, $at, $handler) = @_;
    my $listening = IO::Socket::INET->new(LocalAddr => $address, LocalPort => $at, Listen => 16, ReuseAddr => 1)
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

sub health {
    my (@arguments) = @_;
    return with({ PORT => $product_port }, 'docker/health', @arguments);
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
    my $begin = time;
    is(health()->{status}, 1, 'health: a server that answers nothing');
    cmp_ok(time - $begin, '<', 3.9, 'health: sooner than the 4 s that HEALTHCHECK gives');
}

# ---- docker/product-service/load-catalogue ----

# The file as the image has it, and a name whose length in bytes is another than in characters.
my $products = run('jq', '-c', '.[]', 'mock/products.json')->{out} . qq({"name":"Caf\xc3\xa9","price":1.50,"qty":3}\n);
write_file("$dir/products.jsonl", $products);

# catalogue(HANDLER before, FIRST STATUS): a product-service; what is posted goes to posted.jsonl
sub catalogue {
    my ($unready, $refused) = @_;
    unlink "$dir/posted.jsonl";
    return serve('127.0.0.1', $product_port, sub {
        my ($method, $path, $body) = @_;
        return (503, '{}') if $unready-- > 0;
        my @posted = split /^/, read_file("$dir/posted.jsonl");
        return (200, @posted ? '[' . $posted[0] . ']' : '[]') if "$method $path" eq 'GET /products?limit=1';
        return (400, '{"message":"no"}') if $refused && @posted + 1 == $refused;
        open my $out, '>>', "$dir/posted.jsonl" or die $!;
        print {$out} "$body\n";
        close $out;
        return (201, $body);
    });
}

sub load {
    my (%set) = @_;
    return with({ PRODUCT_SERVICE_URL => "http://127.0.0.1:$product_port", LOAD_WAIT_S => 10, %set },
        'docker/product-service/load-catalogue', "$dir/products.jsonl");
}

{
    my $server = catalogue(2);
    my $loaded = load();
    is($loaded->{status}, 0, 'load-catalogue: a service that is just being started is waited for')
        or diag $loaded->{err};
    like($loaded->{out}, qr/: 25 products loaded$/, 'load-catalogue: it says how many');
    is(read_file("$dir/posted.jsonl"), $products, 'load-catalogue: each product once, in order, byte for byte');
    my $again = load();
    is($again->{status}, 0, 'load-catalogue: again');
    like($again->{out}, qr/not empty: nothing to do/, 'load-catalogue: says that there is nothing to do');
    is(read_file("$dir/posted.jsonl"), $products, 'load-catalogue: and does nothing');
    stop($server);
    $server = catalogue(0, 3);
    my $refused = load();
    is($refused->{status}, 1, 'load-catalogue: a product is refused: 1');
    like($refused->{err}, qr/product 3 of \S+ is refused with 400: \{"name":"Running shoe.*: \{"message":"no"\}/,
        'load-catalogue: which, and why');
    stop($server);
    $server = catalogue(1000);
    my $late = load(LOAD_WAIT_S => 1);
    is($late->{status}, 1, 'load-catalogue: a service that does not become ready: 1');
    like($late->{err}, qr/is not ready after 1 s: GET \/products answers 503/, 'load-catalogue: says so');
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

# As in the image.
my $image = "$dir/image";
my $build = $ENV{PRODORDER_BUILD} || 'build';
write_file("$image/$_/.keep", '') for qw(docker scripts/lib build);
run('cp', '-R', $_, "$image/docker/") for qw(docker/lib docker/health docker/api-gateway);
run('cp', "scripts/lib/$_.sh", "$image/scripts/lib/") for qw(ui tls gateway_render);
run('cp', '-R', qw(conf nginx.conf openapi.json), "$image/");
run('cp', "$build/ngx_http_prodorder_gateway_module.so", "$image/build/");

# Names are in a file: NAME ADDRESS...
write_file("$dir/bin/getent", <<"SCRIPT");
#!/bin/sh
grep "^\$2 " "$dir/names" | tr ' ' '\\n' | sed '1d; s/\$/ STREAM \$2/'
SCRIPT
chmod 0755, "$dir/bin/getent" or die;
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
    open STDOUT, '>', "$dir/out" or die;
    open STDERR, '>', "$dir/err" or die;
    exec "$image/docker/api-gateway/entrypoint" or POSIX::_exit(127);
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

write_file("$dir/names", "order-service 127.0.0.1\n");
my $gateway = start();
ok(eventually(10, sub { get('/livez') =~ /^200/ }), 'entrypoint: the gateway answers when a name has no address')
    or diag read_file("$dir/err");
is(get('/products/1'), '502', 'entrypoint: that service is 502');
like(read_file("/proc/$gateway/cmdline"), qr/^nginx: master/, 'entrypoint: it became nginx');
my $first = serve('127.0.0.5', $product_port, product('first'));
my $second = serve('127.0.0.6', $product_port, product('second'));
write_file("$dir/names", "order-service 127.0.0.1\nproduct-service 127.0.0.5\n");
ok(eventually(10, sub { get('/products/1') eq '200 first' }), 'watch-names: a name that gets an address');
is(reloads(), 1, 'watch-names: reloaded once');
write_file("$dir/names", "order-service 127.0.0.1\nproduct-service 127.0.0.6\n");
ok(eventually(10, sub { get('/products/1') eq '200 second' }), 'watch-names: one that gets another address');
write_file("$dir/names", "order-service 127.0.0.1\n");
sleep 3;
is(get('/products/1'), '200 second', 'watch-names: one that is lost keeps its last address');
is(reloads(), 2, 'watch-names: no reload without a change');
write_file("$dir/names", "product-service 127.0.0.6 127.0.0.5\norder-service 127.0.0.1\n");
ok(eventually(10, sub { my %seen = map { get('/products/1') => 1 } 1 .. 4; $seen{'200 first'} && $seen{'200 second'} }),
    'watch-names: one with two addresses');
write_file("$dir/names", "product-service 127.0.0.5 127.0.0.6\norder-service 127.0.0.1\n");
sleep 3;
is(reloads(), 3, 'watch-names: their order is no change');
my ($watcher) = grep { read_file("/proc/$_/cmdline") =~ /watch-names/ }
    split ' ', read_file("/proc/$gateway/task/$gateway/children");
ok($watcher, 'watch-names: it is a child of nginx');
kill QUIT => $gateway;
waitpid $gateway, 0;
is($?, 0, 'entrypoint: QUIT ends it with code 0');
ok(eventually(5, sub { !-e "/proc/$watcher" || read_file("/proc/$watcher/cmdline") eq '' }),
    'watch-names: it ends with nginx');
unlike(read_file("$dir/err"), qr/\[(?:alert|emerg|crit)\]/, 'nginx: no alert');

# ---- TLS, and a second start in the same directory ----

run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem");
$gateway = start(PRODORDER_TLS_CERT => "$dir/cert.pem", PRODORDER_TLS_KEY => "$dir/key.pem", TLS_PORT => $tls_port);
my @tls = ('curl', '-sk', '-m', '5', "https://127.0.0.1:$tls_port/livez");
ok(eventually(10, sub { run(@tls)->{status} == 0 }), 'entrypoint: TLS')
    or diag read_file("$dir/err");
kill QUIT => $gateway;
waitpid $gateway, 0;
$gateway = start();
ok(eventually(10, sub { get('/livez') =~ /^200/ }), 'entrypoint: a start without TLS after one with it');
isnt(run(@tls)->{status}, 0, 'entrypoint: nothing listens for TLS');
kill QUIT => $gateway;
waitpid $gateway, 0;
stop($_) for my @left = @servers;
done_testing();

END { kill KILL => @servers if @servers; }
