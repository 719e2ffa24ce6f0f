#!/usr/bin/perl
# SIGTERM: every request that was sent is answered, the process is gone within 10 s, with status 0.
use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

use Prodorder::Flow;
use Prodorder::Load;

use constant { ROUNDS => 5, LIMIT_S => 10, CONNECTIONS => 16, RATE_PER_S => 600 };

my %REQUEST = ('order-service' => \&order_service, 'product-service' => \&product_service);
my $child;

# The service as a child of ours, in the place of the stack's own: only a parent learns the exit status.
sub run_service {
    my ($name) = @_;
    $child = Prodorder::Stack::spawn($name);
    wait_until("$name is ready", 20, sub { $REQUEST{$name}->(GET => '/readyz')->{status} == 200 });
    return;
}

# SIGTERM, and what became of it: (exit status, seconds).
sub terminate {
    my ($pid) = @_;
    my $begin = time;
    my $status = Prodorder::Stack::ended($pid) // die "$pid does not end\n";
    return ($status, time - $begin);
}

sub raw_connection {
    my ($name) = @_;
    my ($host, $port) = Prodorder::Client::address(Prodorder::Stack::url($name =~ s/-service//r));
    return IO::Socket::INET->new(PeerHost => $host, PeerPort => $port) // die "cannot connect: $!";
}

sub read_all {
    my ($socket) = @_;
    local $SIG{ALRM} = sub { die "no end of the answer\n" };
    alarm 15;
    my $text = do { local $/; <$socket> };
    alarm 0;
    return $text // '';
}

sub drain_under_load {
    my ($name, $requests) = @_;
    my @wrong;
    my @answers;
    for my $round (1 .. ROUNDS) {
        run_service($name);
        my $load = Prodorder::Load->start(
            url => Prodorder::Stack::url($name =~ s/-service//r), connections => CONNECTIONS, rate_per_s => RATE_PER_S,
            requests => $requests);
        sleep 0.2 + rand 0.3;
        my ($status, $seconds) = terminate($child);
        my $all = $load->stop;
        push @answers, @$all;
        push @wrong, "round $round: exit status $status" if $status != 0;
        push @wrong, sprintf 'round %d: gone after %.1f s', $round, $seconds if $seconds > LIMIT_S;
        push @wrong, map { "round $round: $_->{request}[0] $_->{request}[1]: $_->{status} " . ($_->{error} // $_->{body}) }
            grep { $_->{status} !~ /^2/ } @$all;
    }
    is_deeply(\@wrong, [], ROUNDS . " times under load: every request is answered, and $name exits with 0 within 10 s");
    cmp_ok(scalar @answers, '>', ROUNDS * CONNECTIONS / 2, scalar(@answers) . ' requests were under way or done before');
    return \@answers;
}

# Requests that are only partly there, or queued behind others, when the signal comes.
sub drain_connections {
    my ($name, $target, $body) = @_;
    run_service($name);
    my $request = Prodorder::Client::request_bytes('x', POST => $target, $body);
    my %socket = map { $_ => raw_connection($name) } qw(half pipelined idle fresh);
    syswrite $socket{idle}, Prodorder::Client::request_bytes('x', GET => '/livez');
    sysread $socket{idle}, my $first, 4096;
    syswrite $socket{half}, substr $request, 0, -5;
    sleep 0.05;
    syswrite $socket{pipelined}, $request x 5;
    my $rest = fork // die "cannot fork: $!";
    if ($rest == 0) {
        sleep 0.2;
        syswrite $socket{half}, substr $request, -5;
        POSIX::_exit(0);
    }
    my ($status, $seconds) = terminate($child);
    waitpid $rest, 0;
    my %text = map { $_ => read_all($socket{$_}) } sort keys %socket;
    like($text{half}, qr{^HTTP/1\.1 20[01] }, "a request whose end comes after the signal is answered ($name)");
    like($text{half}, qr{^Connection: close\r$}mi, "and told that the connection ends ($name)");
    is(scalar(() = $text{pipelined} =~ m{HTTP/1\.1 20[01] }g), 5, "five pipelined requests have five answers ($name)");
    is($text{idle}, '', "an idle connection is closed ($name)");
    is($text{fresh}, '', "so is one on which nothing ever came ($name)");
    is($status, 0, "the exit status is 0 ($name)");
    cmp_ok($seconds, '<', LIMIT_S, "within 10 s ($name)");
    return map { /"id":(\d+)/g } $text{half}, $text{pipelined};
}

subtest 'order-service' => sub {
    my $product = new_product(qty => 1_000_000);
    Prodorder::Stack::stop('order-service');
    my $answers = drain_under_load('order-service', sub { [POST => '/orders', order_body($product, 1)] });
    my @more = drain_connections('order-service', '/orders', order_body($product, 2));
    Prodorder::Stack::start('order-service');
    check_rest();
    check_orders($product, [Prodorder::Load::accepted($answers), @more]);
    is(sql_value(order => "SELECT count(*) FROM orders WHERE product_id = $product->{id}"), @$answers + @more,
        'there is an order for each answer');
    check_caches($product);
};

subtest 'product-service' => sub {
    my $product = new_product(qty => 0);
    my $id = $product->{id};
    Prodorder::Stack::stop('product-service');
    my $answers = drain_under_load('product-service', sub {
        my ($n) = @_;
        return $n % 3 == 0 ? [POST => "/products/$id/restock", '{"quantity":1}'] : [GET => "/products/$id"];
    });
    drain_connections('product-service', "/products/$id/restock", '{"quantity":1}');
    Prodorder::Stack::start('product-service');
    my $restocks = grep { $_->{request}[0] eq 'POST' } @$answers;
    is(product_now($product)->{qty}, $restocks + 6, 'each restock that was answered has happened once');
    check_rest();
    check_orders($product, [], restocked => $restocks + 6);
    check_caches($product);
};

# The product service leaves while it decides orders: what it had begun is finished, the rest waits for the next one.
subtest 'product-service, while it decides' => sub {
    my $product = new_product(qty => 300);
    my $first = order_ok($product, 1); # the order service has asked for it
    Prodorder::Stack::stop('product-service');
    my $load = Prodorder::Load->start(
        url => Prodorder::Stack::url('order'), connections => 8, rate_per_s => 400,
        requests => sub { [POST => '/orders', order_body($product, 1)] });
    my @statuses;
    for (1 .. 3) {
        run_service('product-service');
        sleep rand 0.5;
        push @statuses, (terminate($child))[0];
    }
    is(join(' ', @statuses), '0 0 0', 'the exit status is 0');
    my $answers = $load->stop;
    is_deeply(Prodorder::Load::statuses($answers), { 200 => scalar @$answers }, 'orders are accepted all the time');
    Prodorder::Stack::start('product-service');
    check_rest();
    check_orders($product, [$first->{id}, Prodorder::Load::accepted($answers)]);
};

flow_done();
