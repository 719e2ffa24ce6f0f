#!/usr/bin/perl
# The container files: t/images/run.sh --quick finds nothing wrong with ours, and finds each of these
# mistakes in a copy.
use strict;
use warnings;

use File::Path qw(make_path);

use Prodorder::Control;

# quick(PIECE, DIR): its exit status, and what it says
sub quick {
    my ($piece, $dir) = @_;
    return reverse said('t/images/run.sh', '--quick', '--root', $dir, $piece);
}

# What is copied, so that it can be changed; the rest are links.
my @OURS = qw(.env.example docker-compose.yml Makefile docker scripts/lib
    services/product/.env.example services/order/.env.example);
my @LINKS = qw(configure.sh conf docs mock nginx.conf ngx_prodorder_gateway openapi.json asyncapi.json
    scripts/build-docs.sh scripts/install-packages.sh);

sub copy {
    my $dir = scratch();
    make_path("$dir/scripts", "$dir/services/product", "$dir/services/order");
    system('cp', '-R', "$ROOT/$_", "$dir/$_") == 0 or die "cannot copy $_\n" for @OURS;
    symlink "$ROOT/$_", "$dir/$_" or die "$_: $!\n" for @LINKS;
    return $dir;
}

my $compose = 'docker-compose.yml';
my ($services, $gateway) = map { "docker/$_/Dockerfile" } qw(services api-gateway);

# [what is wrong, file, what is replaced, by what, what is said about it]
my %mistakes = (
    compose => [
        ['a syntax error',           $compose, qr/^services:/m, 'services',           qr/docker-compose refuses/],
        ['a key that there is not',  $compose, qr/^    hostname:/m, '    host_name:',
            qr/docker-compose refuses.*host_name/s],
        ['a file named twice',       $compose, qr{ENV_FILE:-\./services/order}, 'ENV_FILE:-services/order',
            qr/non-unique/],
        ['what 1.29 does not know',  $compose, qr/^services:/m, "include: [a.yml]\nservices:",
            qr/docker-compose refuses/],
        ['another port',             $compose, qr/:-5434\}/, ':-5435}',
            qr/order-db: what is published is \{"5435":5432\}/],
        ['a port for everyone',      $compose,
            qr/"\$\{PUBLISH_ADDRESS:-127\.0\.0\.1\}:\$\{GATEWAY/, '"0.0.0.0:${GATEWAY',
            qr/api-gateway: port 4000 is published where that is "0\.0\.0\.0"/],
        ['a port in the container',  $compose, qr/:6379"(?=\n\n  order-redis)/, ':6380"',
            qr/product-redis: what is published/],
        ['another name',             $compose, qr/^  order-redis:\n/m, "  orders-redis:\n",
            qr/docker-compose refuses.*order-service.*order-redis/s],
        ['no waiting',               $compose,
            qr/      rabbitmq:\n        condition: service_healthy\n(?=      product-service)/, '',
            qr/order-service: depends_on is/],
        ['a setting that is not decided', $compose, qr/      DB_HOST: product-db\n/, '',
            qr/product-service: DB_HOST is "127\.0\.0\.1"/],
        ['an example that does not count', $compose,
            qr{(      - services/order/\.env\.example\n)(      - \S+\n)}, sub { "$2$1" },
            qr/what a copied example changes does not count/],
        ['one name for two',         $compose, qr/(  product-redis:\n    <<: \*redis\n)(.*?  order-redis:\n)/s,
            sub { "$1    container_name: cache\n$2    container_name: cache\n" }, qr/no-duplicate-container-names/],
        ['a root that can be written to', $compose, qr/  read_only: true\n/, '',
            qr/order-service: read_only is null, not true/],
        ['capabilities',             $compose, qr/  cap_drop:\n    - ALL\n(?=  # A)/, '',
            qr/api-gateway: cap_drop is null/],
        ['no time to drain',         $compose, qr/stop_grace_period: 15s/, 'stop_grace_period: 10s',
            qr/api-gateway: stop_grace_period 10s is within/],
        ['more cores than there may be', $compose, qr/SERVICE_CPUS:-1\.0/, 'SERVICE_CPUS:-4.0',
            qr/order-service: cpus is 4/],
        ['no limit of memory',       $compose, qr/  mem_limit: \$\{DB_MEMORY.*\n/, '',
            qr/order-db: mem_limit is undefined/],
        ['a cache that is kept',     $compose, qr/    - "no"\n/, qq{    - "yes"\n},
            qr/order-redis: its command has no --appendonly no/],
        ['fsync off',                $compose, qr/-cfsync=on/, '-cfsync=off',
            qr/order-db: no -cfsync=on/],
        ['no hostname',              $compose, qr/    hostname: rabbitmq\n/, '', qr/rabbitmq: without a hostname/],
        ['data in no volume',        $compose, qr{      - order-db:/var/lib/postgresql/data\n}, "      - ./x:/y\n",
            qr/order-db: the volume of its data/],
        ['logs without end',         $compose, qr/    max-file: "3"\n/, '', qr/the log's max-file/],
        ['no directory to write to', $compose, qr{    volumes:\n      - api-gateway:/run/prodorder\n}, '',
            qr/api-gateway: the volume of its data is "none"/],
        ['the role of the other database', $compose, qr/DB_USER: product/, 'DB_USER: order',
            qr/product-service: DB_USER, beside product-db's POSTGRES_USER, is "order", not "product"/],
        ['its password',             $compose, qr/ DB_PASSWORD: \$\{ORDER\S+/,
            ' DB_PASSWORD: ${PRODUCT_DB_PASSWORD:-product}',
            qr/order-service: DB_PASSWORD, beside order-db's POSTGRES_PASSWORD, is "product", not "order"/],
        ['another account of the broker', $compose, qr/DEFAULT_USER: \S+/, 'DEFAULT_USER: admin',
            qr/order-service: RABBITMQ_URL is "amqp:\/\/guest:guest@/],
        ['a program that is not there', $compose, qr{entrypoint: \["/opt/prodorder/docker/}, 'entrypoint: ["/opt/',
            qr{catalogue: entrypoint: /opt/services/load-catalogue is not in the image of product-service}],
        ['a health check that always succeeds', $compose, qr/"pg_isready/, '"true || pg_isready',
            qr/order-db: its health check is \["CMD-SHELL","true \|\| pg_isready/],
        ['a release that is over',   $compose, qr/PRODORDER_VERSION:-[\d.]+/, 'PRODORDER_VERSION:-0.0.9',
            qr/product-service: the version that is built in is "0\.0\.9", not/],
        ['the image of the other service', $compose, qr/      target: order-service/, '      target: product-service',
            qr/order-service: its target there is "product-service"/],
        ['processes without end',    $compose, qr/  pids_limit: .*\n/, '', qr/k6: pids_limit is null/],
        ['k6 against another port',  $compose, qr{(?<=BASE_URL: http://order-service:)3002}, 3001,
            qr/k6: BASE_URL/],
        ['a default that differs',   '.env.example', qr/^REDIS_IMAGE=redis:7/m, 'REDIS_IMAGE=redis:6',
            qr/REDIS_IMAGE: its default in \.env\.example is "redis:6", not "redis:7"/],
        ['a variable that is unused', '.env.example', qr/\z/, "WIBBLE=1\n",
            qr/WIBBLE: its default in \.env\.example is "1", not null/],
        ['a variable that is not listed', '.env.example', qr/^K6_CPUS=.*\n/m, '',
            qr/K6_CPUS: its default in \.env\.example is null/],
    ],
    dockerfiles => [
        ['an instruction that there is not', $services, qr/^STOPSIGNAL/m, 'STOPSIGNALS',
            qr/line \d+: Unknown instruction: STOPSIGNALS/],
        ['another base',          $gateway, qr/^FROM debian:bookworm-slim\n/m, "FROM debian:latest\n",
            qr/FROM debian:latest is not/],
        ['root',                  $services, qr/^USER .*\n/m, '',
            qr/product-service: USER '' is not two numbers.*order-service: USER '' is not/s],
        ['root by number',        $gateway, qr/^USER .*/m, 'USER 0:0',               qr/USER '0:0' is not two numbers/],
        ['a name as user',        $gateway, qr/^USER .*/m, 'USER www-data',          qr/USER 'www-data' is not/],
        ['no health check',       $services, qr/^HEALTHCHECK .*\n/m, '',
            qr/HEALTHCHECK '' is not of the exec form/],
        ['a health check that is not there', $services,
            qr{CMD \["/opt/prodorder/docker/health"}, 'CMD ["/opt/prodorder/docker/heath"',
            qr/HEALTHCHECK .*: nothing is copied there/],
        ['a shell around the program', $services, qr/^ENTRYPOINT .*/m, 'ENTRYPOINT product-service',
            qr/ENTRYPOINT 'product-service' is not of the exec form/],
        ['another signal',        $gateway, qr/SIGQUIT/, 'SIGTERM',                  qr/STOPSIGNAL is not SIGQUIT/],
        ['a label less',          $services, qr/ \\\n    \S+licenses="MIT"/, '',
            qr/LABEL org\.opencontainers\.image\.licenses is missing/],
        ['a release that is over', 'Makefile', qr/^RELEASE := .*/m, 'RELEASE := 9.9.9',
            qr/ARG VERSION=\S+: the Makefile's RELEASE is 9\.9\.9/],
        ['recommended packages',  $gateway, qr/ --no-install-recommends/, '',
            qr/apt-get install without --no-install-recommends/],
        ["apt's lists",           $services, qr{/var/lib/apt/lists/\* }, '',          qr/a layer keeps apt's lists/],
        ['a tool in the image',   $gateway, qr/libpcre2-8-0/, 'curl libpcre2-8-0', qr/the image has curl/],
        ['a file that is not there', $gateway, qr/^COPY conf conf/m, 'COPY config config',
            qr/COPY config: there is no such file/],
        ['files that only their owner may read', $gateway, qr{chmod -R a\+rX /opt/prodorder}, 'true',
            qr{api-gateway.*: no RUN chmod -R a\+rX /opt/prodorder}],
        ['a target that is not there', $services, qr/^FROM service AS order-service$/m, 'FROM service AS orders-service',
            qr/there is no stage order-service/],
        ['another port',          $services, qr/PORT=3002/, 'PORT=3000',              qr/ENV does not have PORT=3002/],
    ],
    settings => [
        ['a setting less',        'services/order/.env.example', qr/^LOG_LEVEL=.*\n/m, '',
            qr/services\/order.*LOG_LEVEL=info/s],
        ['another default',       'docker/api-gateway/.env.example', qr/^TLS_PORT=4443/m, 'TLS_PORT=443',
            qr/docker\/api-gateway.*TLS_PORT=443\b/s],
        ['a setting that nothing reads', 'docker/api-gateway/.env.example', qr/\z/, "WIBBLE=1\n", qr/WIBBLE=1/],
    ],
    shell => [
        ['a mistake',             'docker/health', qr/\[ -n "\$\{PORT:-\}" \]/, '[ -n ${PORT:-} ]', qr/SC2070/],
    ],
);

for my $piece (sort keys %mistakes) {
    SKIP: {
        my ($status, $said) = quick($piece, $ROOT);
        skip "$piece: $said", 1 + @{ $mistakes{$piece} } if $status == 77;
        is($status, 0, "$piece: ours are good") or diag $said;
        for my $mistake (@{ $mistakes{$piece} }) {
            my ($what, $file, $from, $to, $message) = @$mistake;
            my $dir = copy();
            my $text = read_file("$dir/$file");
            $text =~ s/$from/ref $to ? $to->() : $to/e or die "$piece, $what: $file has no $from\n";
            write_file("$dir/$file", $text);
            ($status, $said) = quick($piece, $dir);
            ok($status == 1 && $said =~ $message, "$piece: $what") or diag "exit $status: $said";
        }
    }
}
done_testing();
