#!/usr/bin/perl
# The Postman collection, run by newman: all of it on a healthy stack, twice, and each folder of Outages
# under the condition that it names.
#
# TEST_POSTMAN_EXAMPLES=1 writes the answers into the collection, as its saved examples.
use strict;
use warnings;

use File::Temp ();
use Time::HiRes qw(sleep);

use Prodorder::Client;
use Prodorder::Collection;
use Prodorder::Flow;
use Prodorder::Gateway::Shipped;
use Prodorder::Npm;

use constant {
    READY_LIMIT_S => 60,
    HELD_REQUESTS => 100,       # limit_conn of nginx.conf
    HELD_BYTE_EVERY_S => 2,     # client_body_timeout is 10 s
    HELD_LIMIT_S => 120,
    PAUSE_S => 0.05,
};

Prodorder::Npm::need('t/e2e');

my $COLLECTION = 'docs/Product Order.postman_collection.json';
my $ENVIRONMENT = 'docs/Product Order.postman_environment.json';
my $PUBLIC = 'X-Forwarded-For: 203.0.113.7';    # what the collection sends, too
my $json = JSON::PP->new->utf8->canonical;
my (%answers, %count, %undo);
my @REQUESTS = Prodorder::Collection->new(
    map { $json->decode(text_of($_)) } $COLLECTION, 'openapi.json')->requests;
my %EXPECTED = map { $_->{place} => $_->{status} } @REQUESTS;

sub text_of {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

# ---- newman ----

# newman(FOLDER or '', VARIABLE => VALUE...): what t/e2e/newman.mjs saw
sub newman {
    my ($folder, %variable) = @_;
    %variable = (gateway => Prodorder::Stack::url('gateway'), productService => Prodorder::Stack::url('product'),
        orderService => Prodorder::Stack::url('order'), %variable);
    open my $out, '-|', 'node', 't/e2e/newman.mjs', $COLLECTION, $ENVIRONMENT, $folder,
        map { "$_=$variable{$_}" } sort keys %variable or die "cannot run node: $!\n";
    my $said = do { local $/; <$out> };
    close $out or die "newman failed: $?\n";
    return $json->decode($said);
}

# check_run(WHAT, SEEN): a test for each request, which names the assertions that failed
sub check_run {
    my ($what, $seen) = @_;
    is_deeply($seen->{errors}, [], "$what: newman has nothing to complain of");
    my ($requests, $assertions) = (scalar @{ $seen->{requests} }, 0);
    for my $request (@{ $seen->{requests} }) {
        my @failed = grep { defined $_->{error} } @{ $request->{assertions} };
        $assertions += @{ $request->{assertions} };
        my $expected = $EXPECTED{ $request->{place} } // 0;
        ok(!@failed && $request->{answer}{code} == $expected, "$what: $request->{place}")
            or diag map({ utf8::encode(my $text = "  $_->{name}: $_->{error}\n"); $text } @failed),
            "expected: $expected, answer: $request->{answer}{code} " . $json->encode([$request->{answer}{body}]);
        $answers{ $request->{place} } //= $request->{answer};
    }
    $count{requests} += $requests;
    $count{assertions} += $assertions;
    note("$what: $requests requests, $assertions assertions");
    return;
}

# ---- conditions ----

# folders(): { CONDITION => FOLDER }, as the folders of the collection say it in their scripts
sub folders {
    my %folder;
    my ($outages) = grep { $_->{name} eq 'Outages' } @{ $json->decode(text_of($COLLECTION))->{item} };
    for my $folder (@{ $outages->{item} }) {
        my $script = join "\n", map { @{ $_->{script}{exec} } } @{ $folder->{event} };
        my ($condition) = $script =~ /'condition'\) !== '([\w-]+)'/;
        $folder{ $condition // "no condition in $folder->{name}" } = $folder->{name};
    }
    return \%folder;
}

# end(CONDITION): undo what it has done, once
sub end {
    my ($condition) = @_;
    my $undo = delete $undo{$condition} or return;
    $undo->();
    return;
}

$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);

END {
    local $?;
    for my $condition (keys %undo) {
        eval { end($condition); 1 } or print STDERR "cannot undo $condition: $@";
    }
}

sub away {
    my ($condition, $name, $how) = @_;
    $undo{$condition} = Prodorder::Stack::away($name, $how);
    return ();
}

# A table that raises an error of its own, as a broken trigger does: what no SQLSTATE class covers.
sub break_table {
    my ($condition, $side, $table) = @_;
    $undo{$condition} = sub { mend_table($side, $table) };
    sql($side, <<"END");
ALTER TABLE $table RENAME TO ${table}_away;
CREATE FUNCTION ${table}_read() RETURNS SETOF ${table}_away LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'broken'; END \$\$;
CREATE FUNCTION ${table}_written() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'broken'; END \$\$;
CREATE VIEW $table AS SELECT * FROM ${table}_read();
CREATE TRIGGER written INSTEAD OF INSERT OR UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION ${table}_written()
END
    return;
}

# hold(CODE): in a process of its own, until stop_process
sub hold {
    my ($code) = @_;
    return Prodorder::Stack::in_background(sub {
        $SIG{$_} = 'DEFAULT' for qw(HUP INT TERM);
        $code->();
    });
}

sub stop_process {
    my ($pid) = @_;
    kill TERM => $pid;
    waitpid $pid, 0;
    return;
}

# While the table of keys is locked, a request with a key waits, until it is answered 503: then another one.
sub hold_key {
    my ($condition) = @_;
    my $key = "in-flight-$$-" . time;
    my %first = (order => ['/orders', order_body(1, 1)], product => ['/products', '{"name":"Postman key","price":1,"qty":1}']);
    my (@pids, @pipes);
    $undo{$condition} = sub { stop_process($_) for reverse @pids; close $_ for @pipes };
    for my $side (sort keys %first) {
        local %ENV = (%ENV, %{ Prodorder::Stack::environment("$side-db") });
        push @pids, open(my $psql, '|-', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null') // die "cannot run psql: $!\n";
        push @pipes, $psql;
        $psql->autoflush(1);
        print {$psql} "BEGIN; LOCK TABLE idempotency_keys;\n";
        wait_until('the table is locked', READY_LIMIT_S, sub {
            sql_value($side => q(SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted)
                . q( AND relation = 'idempotency_keys'::regclass)) });
        my ($path, $body) = @{ $first{$side} };
        push @pids, hold(sub {
            my $client = Prodorder::Client->new(Prodorder::Stack::url('gateway'));
            my $end = time + HELD_LIMIT_S;
            while (time < $end) {
                my $answer = $client->request(POST => $path, $body, { 'Idempotency-Key' => $key });
                sleep PAUSE_S if $answer->{status} == 409;
            }
        });
        wait_until('the key is in flight', READY_LIMIT_S, sub {
            gateway(POST => $path, $body, { 'Idempotency-Key' => $key })->{status} == 409 });
    }
    return (inFlightKey => $key);
}

sub mend_table {
    my ($side, $table) = @_;
    sql($side, "DROP VIEW IF EXISTS $table; DROP FUNCTION IF EXISTS ${table}_read(), ${table}_written();"
        . " ALTER TABLE ${table}_away RENAME TO $table");
    return;
}

# What a test that was killed has left behind.
sub heal_table {
    my ($side, $table) = @_;
    return if sql_value($side, "SELECT to_regclass('${table}_away') IS NULL") eq 't';
    diag("the table $table was still broken");
    return mend_table($side, $table);
}

# A second gateway in front of the same services: nginx.conf as it is, but that it believes X-Forwarded-For.
my $public_gateway;

sub public_gateway {
    my ($condition) = @_;
    if (!$public_gateway) {
        my %port = map { $_->[0] => (Prodorder::Client::address(Prodorder::Stack::url($_->[1])))[1] }
            [3001 => 'product'], [3002 => 'order'];
        $public_gateway = Prodorder::Gateway::Shipped->new(%port);
        $public_gateway->start("set_real_ip_from 127.0.0.1;\nreal_ip_header X-Forwarded-For;\n");
    }
    return (gateway => 'http://127.0.0.1:' . $public_gateway->port(4000));
}

# One address has as many requests under way as it may have: their bodies come slowly.
sub hold_requests {
    my ($condition) = @_;
    my %variable = public_gateway();
    my $holder = hold(sub {
        my @clients = map { $public_gateway->client } 1 .. HELD_REQUESTS;
        $_->send_pieces(0, join("\r\n", 'POST /orders HTTP/1.1', 'Host: x', $PUBLIC, 'Content-Type: application/json',
            'Content-Length: 1000', '', '')) for @clients;
        for (1 .. HELD_LIMIT_S / HELD_BYTE_EVERY_S) {
            sleep HELD_BYTE_EVERY_S;
            $_->send_pieces(0, ' ') for @clients;
        }
    });
    $undo{$condition} = sub { stop_process($holder) };
    my $client = Prodorder::Client->new($variable{gateway});
    wait_until('the address has all the requests that it may have', READY_LIMIT_S, sub {
        $client->request(GET => '/livez', undef, { split /: /, $PUBLIC })->{status} == 429 });
    return %variable;
}

# Each brings its condition about, sets how it is undone, and returns variables for newman.
my %condition = (
    (map { my $name = $_; ("$name-stopped" => sub { away($_[0], $name, 'stopped') }) }
        qw(product-service order-service product-db order-db)),
    (map { my $name = $_; ("$name-frozen" => sub { away($_[0], $name, 'frozen') }) } qw(product-service order-service)),
    'product-table-broken' => sub { break_table($_[0], product => 'products') },
    'order-table-broken' => sub { break_table($_[0], order => 'orders') },
    'key-in-flight' => \&hold_key,
    'public-address' => \&public_gateway,
    'too-many-requests' => \&hold_requests,
);

# ---- a healthy stack, new and used ----

heal_table(product => 'products');
heal_table(order => 'orders');

my $folders = folders();
is_deeply([sort keys %$folders], [sort keys %condition], 'this test can bring about what the folders of Outages name');

# places(PATTERN): the requests of the collection whose place it fits, in order
sub places {
    my ($pattern) = @_;
    return grep { /$pattern/ } map { $_->{place} } @REQUESTS;
}

sub sent {
    my ($seen) = @_;
    return map { $_->{place} } @{ $seen->{requests} };
}

sub run_all {
    my ($what) = @_;
    my $seen = newman('');
    check_run($what, $seen);
    is_deeply([sent($seen)], [places(qr{^(?!Outages / )})], "$what: all was sent but Outages");
    is_deeply($seen->{skipped}, [places(qr{^Outages / })], "$what: which was skipped");
    return;
}

run_all('the first run');
check_rest();
run_all('the second run');

# ---- outages ----

for my $condition (sort keys %$folders) {
    my $bring_about = $condition{$condition} or next;
    subtest $condition => sub {
        my @variables = $bring_about->($condition);
        my @run = ($folders->{$condition}, condition => $condition, @variables);
        my $seen = newman(@run);
        # Between two that hold the key it is free for a moment; who comes then waits himself, for 503.
        $seen = newman(@run) if $condition eq 'key-in-flight' && $seen->{requests}[0]{answer}{code} == 503;
        is_deeply([sent($seen)], [places(qr{^Outages / \Q$folders->{$condition}\E / })], 'every request was sent');
        check_run($condition, $seen);
        end($condition);
        ok(wait_until('the stack is ready', READY_LIMIT_S, sub {
            gateway(GET => '/readyz')->{status} == 200 }), 'the stack is ready again');
        ok(wait_until('an order is accepted', READY_LIMIT_S, sub {
            gateway(POST => '/orders', order_body(1, 1))->{status} == 201 }), 'and accepts orders');
    };
}
if ($public_gateway) {
    $public_gateway->stop;
    unlike($public_gateway->read('error.log'), qr/\[(?:alert|crit|emerg)\]/,
        'the error log of the other gateway is clean');
}
check_rest();
diag("newman: $count{requests} requests, $count{assertions} assertions");

if ($ENV{TEST_POSTMAN_EXAMPLES} && !Test::More->builder->is_passing) {
    diag('no examples were written: they would have the answers of a run that failed');
} elsif ($ENV{TEST_POSTMAN_EXAMPLES}) {
    my $file = File::Temp->new;
    print {$file} $json->encode(\%answers);
    close $file or die "$file: $!\n";
    is(system('node', 't/e2e/examples.mjs', $COLLECTION, "$file"), 0, 'the examples were written');
}
flow_done();
