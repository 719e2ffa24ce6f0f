package Prodorder::Gateway::Harness;

# What Prodorder::Gateway is, unless PRODORDER_TEST_NGINX=upstream: on Debian's Test::Base.

use strict;
use warnings;

use Cwd qw(getcwd);
use Test::Base -Base;
use Test::More ();
use Time::HiRes qw(sleep);

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

our @EXPORT = qw(run_tests add_block_preprocessor);

my (%port, $nginx, $running, $log_start, @findings, @preprocessors);

no_diff();

sub _port() {
    my ($n) = @_;
    return $port{$n} //= Prodorder::Gateway::Nginx::free_port();
}

sub _expand() {
    my ($text) = @_;
    return $text if !defined $text || ref $text;
    my $prefix = $nginx->prefix;
    my $root = getcwd();
    $text =~ s/\$TEST_NGINX_RAND_PORT_([1-9])\b/_port($1)/ge;
    $text =~ s/\$TEST_NGINX_PREFIX\b/$prefix/g;
    $text =~ s/\$TEST_NGINX_ROOT\b/$root/g;
    $text =~ s/\$ServerPort\b/$nginx->port/ge;
    return $text;
}

# A section's value, or undef; a section without text is ''.
sub _value() {
    my ($block, $name) = @_;
    return if !defined $block->$name;
    my $value = $block->$name;
    return _expand(ref $value ? $value : $value);
}

# Called with each block before it runs, to fill in sections with $block->set_value(NAME => VALUE).
sub add_block_preprocessor() {
    my ($code) = @_;
    push @preprocessors, $code;
}

sub run_tests() {
    plan('no_plan') if !Test::More->builder->has_plan;
    $nginx = Prodorder::Gateway::Nginx->new;
    for my $block (blocks()) {
        $_->($block) for @preprocessors;
        if (defined $block->SKIP) {
            SKIP: { Test::More::skip($block->name . ': ' . $block->SKIP, 1) }
            next;
        }
        _run($block);
    }
    my $status = $nginx->stop;
    Test::More::is($status, 0, 'nginx stopped gracefully');
    push @findings, $nginx->findings;
    Test::More::is(join("\n", @findings), '', 'the error log is clean');
}

sub _run() {
    my ($block) = @_;
    my $name = $block->name;
    my $must_die = defined $block->must_die;
    my $mock = _start_mock($block);
    my $said = _start_nginx($block, $must_die);
    if ($must_die || defined $said) {
        Test::More::is(defined $said ? 1 : 0, $must_die ? 1 : 0, "$name - nginx "
            . ($must_die ? 'refuses to start' : 'starts')) or Test::More::diag($said // '');
    }
    if (!$must_die && !defined $said) {
        my @responses = defined $block->http2 ? _curl($block) : _talk($block);
        _check($block, \@responses);
    }
    _check_mock($block, $mock) if $mock;
    _check_log($block, $said);
    $mock->stop if $mock;
}

sub _start_mock() {
    my ($block) = @_;
    my $listen = _value($block, 'tcp_listen') // return;
    my $file = $nginx->prefix . '/mock.txt';
    unlink $file;
    return Prodorder::Gateway::Mock->start(
        $listen, $file,
        reply     => _value($block, 'tcp_reply') // '',
        delay     => $block->tcp_reply_delay // 0,
        keepalive => defined $block->tcp_keepalive,
        reset     => defined $block->tcp_reset,
    );
}

# Start, or go on with the one that runs when the configuration is the same.
sub _start_nginx() {
    my ($block, $must_die) = @_;
    my %part = (
        main   => _value($block, 'main_config') // '',
        http   => _value($block, 'http_config') // '',
        server => _value($block, 'config') // '',
        http2  => defined $block->http2,
    );
    my $wanted = join "\0", map { $_, $part{$_} } sort keys %part;
    _write_files($block);
    if (!defined $running || $running ne $wanted) {
        my $status = $nginx->stop;
        push @findings, "nginx exited with $status" if $status ne '0';
        $nginx->write_conf(%part);
        $log_start = length $nginx->error_log;
        my $said = $nginx->start;
        $running = defined $said ? undef : $wanted;
        if (defined $said && $must_die) {
            # what it said is expected, and is not a finding
            $said = substr $said, $log_start;
            truncate $nginx->prefix . '/logs/error.log', $log_start;
            truncate $nginx->prefix . '/logs/output.log', 0;
        }
        return $said if defined $said;
    }
    $log_start = length $nginx->error_log;
    return;
}

# ">>> NAME" begins a file in html/
sub _write_files() {
    my ($block) = @_;
    my $text = _value($block, 'user_files') // return;
    my @parts = split /^>>> +(\S+)[^\n]*\n/m, $text;
    shift @parts;
    while (my ($file, $content) = splice @parts, 0, 2) {
        open my $out, '>', $nginx->prefix . "/html/$file" or die "$file: $!";
        print {$out} $content;
        close $out;
    }
}

# The bytes to send, and the method of each request.
sub _requests() {
    my ($block) = @_;
    if (defined $block->raw_request) {
        my $raw = _value($block, 'raw_request');
        my @pieces = map { _expand($_) } ref $raw ? @$raw : ($raw);
        my ($method) = $pieces[0] =~ /\A(\S+)/;
        return ([$method], @pieces);
    }
    my $pipelined = _value($block, 'pipelined_requests');
    my @requests = defined $pipelined ? @$pipelined : (_value($block, 'request') // 'GET /');
    my @methods;
    my $text = '';
    for my $i (0 .. $#requests) {
        my ($line, $body) = split /\n/, _expand($requests[$i]), 2;
        $line =~ s/\s+\z//;
        $line .= ' HTTP/1.1' if $line !~ m{ HTTP/\d\.\d\z};
        push @methods, $line =~ /\A(\S+)/;
        $text .= _request($block, $line, $body, $i == $#requests);
    }
    return (\@methods, $text);
}

sub _request() {
    my ($block, $line, $body, $is_last) = @_;
    my $more = _value($block, 'more_headers') // '';
    $more =~ s/\r?\n/\r\n/g;
    $more .= "\r\n" if length $more && $more !~ /\r\n\z/;
    my $host = $more =~ /^Host:/mi ? '' : "Host: localhost\r\n";
    my $length = '';
    if (defined $body && length $body) {
        chomp $body if !ref $block->request;
        $length = 'Content-Length: ' . length($body) . "\r\n" if $more !~ /^(?:Content-Length|Transfer-Encoding):/mi;
    }
    my $close = $is_last && $more !~ /^Connection:/mi ? "Connection: close\r\n" : '';
    return "$line\r\n$host$close$more$length\r\n" . ($body // '');
}

sub _talk() {
    my ($block) = @_;
    my ($methods, @pieces) = _requests($block);
    my $client = Prodorder::Gateway::Http->new($nginx->port, $block->timeout // 10);
    $client->send_pieces($block->raw_request_middle_delay // 0, @pieces);
    if (defined $block->abort) {
        sleep($block->timeout // 0.1);
        $client->close;
        sleep 0.1;
        return;
    }
    my @responses;
    for my $method (@$methods) {
        push @responses, $client->read_response($method);
    }
    $client->close;
    return @responses;
}

# HTTP/2 with prior knowledge, by curl.
sub _curl() {
    my ($block) = @_;
    my ($line, $body) = split /\n/, _value($block, 'request') // 'GET /', 2;
    my ($method, $target) = $line =~ /\A(\S+) (\S+)/;
    my @command = ('curl', '-sS', '-i', '--http2-prior-knowledge', '--path-as-is', '--max-time',
        $block->timeout // 10);
    push @command, $method eq 'HEAD' ? '-I' : ('-X', $method);
    push @command, map { ('-H', $_) } grep { length } split /\r?\n/, _value($block, 'more_headers') // '';
    if (defined $body) {
        chomp $body;
        push @command, '-H', 'Expect:', '--data-binary', $body;
    }
    open my $in, '-|', @command, 'http://127.0.0.1:' . $nginx->port . $target or die "curl: $!";
    my $text = do { local $/; <$in> } // '';
    my $ended = close $in;
    my ($head, $content) = split /\r\n\r\n/, $text, 2;
    my %response = (head => "$head\r\n", body => $content // '', headers => []);
    ($response{status}) = $head =~ m{\AHTTP/2 (\d{3})};
    $response{problem} = 'curl failed with ' . ($? >> 8) if !$ended;
    for my $field (split /\r\n/, $head) {
        push @{ $response{headers} }, [$1, $2] if $field =~ /\A([^:\s]+): ?(.*)\z/;
    }
    return \%response;
}

# A section of pipelined requests has one value a response.
sub _each() {
    my ($block, $name, $i) = @_;
    my $value = _value($block, $name) // return;
    return ref $value eq 'ARRAY' ? _expand($value->[$i]) : $value;
}

sub _check() {
    my ($block, $responses) = @_;
    my $name = $block->name;
    return if defined $block->abort;
    my ($methods) = defined $block->http2 ? [1] : _requests($block);
    for my $i (0 .. $#$methods) {
        my $response = $responses->[$i];
        my $at = @$methods > 1 ? "$name - response $i" : $name;
        if (!$response) {
            Test::More::ok(defined $block->broken_response, "$at - there is a response");
            next;
        }
        _check_one($block, $response, $i, $at);
    }
}

sub _check_one() {
    my ($block, $response, $i, $at) = @_;
    if (defined $block->broken_response) {
        Test::More::ok($response->{problem}, "$at - the response is cut off");
    }
    else {
        Test::More::is($response->{problem}, undef, "$at - the framing is right");
    }
    my $code = _each($block, 'error_code', $i) // 200;
    chomp $code;
    Test::More::is($response->{status}, $code, "$at - status")
        or Test::More::diag($response->{head} . substr $response->{body}, 0, 2000);
    my $body = _each($block, 'response_body', $i);
    Test::More::is($response->{body}, $body, "$at - response_body") if defined $body;
    for my $kind (qw(response_body raw_response_headers)) {
        my $text = $kind eq 'response_body' ? $response->{body} : $response->{head};
        my $like = _each($block, "${kind}_like", $i);
        my $unlike = _each($block, "${kind}_unlike", $i);
        Test::More::like($text, _regex($like), "$at - ${kind}_like") if defined $like;
        Test::More::unlike($text, _regex($unlike), "$at - ${kind}_unlike") if defined $unlike;
    }
    _check_headers($response, scalar _each($block, 'response_headers', $i), $at);
}

sub _regex() {
    my ($text) = @_;
    return $text if ref $text;
    chomp $text;
    return qr/$text/sm;
}

# "Name: value" must be there exactly so, "! Name" or "!Name" not at all.
sub _check_headers() {
    my ($response, $expected, $at) = @_;
    for my $line (grep { /\S/ } split /\r?\n/, $expected // '') {
        if ($line =~ /\A!\s*(\S+)/) {
            my @values = Prodorder::Gateway::Http::values_of($response, $1);
            Test::More::is("@values", '', "$at - no header $1");
            next;
        }
        my ($name, $value) = $line =~ /\A([^:]+):\s*(.*?)\s*\z/;
        my @values = Prodorder::Gateway::Http::values_of($response, $name);
        Test::More::is(join(' | ', @values), $value, "$at - header $name");
    }
}

sub _check_mock() {
    my ($block, $mock) = @_;
    return if !defined $block->tcp_query;
    my $expected = _value($block, 'tcp_query');
    for my $one (ref $expected eq 'ARRAY' ? @$expected : $expected) {
        my $received = $mock->received;
        if (ref $one) {
            # what follows the response may still be on its way
            for (1 .. 50) {
                last if $received =~ $one;
                sleep 0.02;
                $received = $mock->received;
            }
            Test::More::like($received, $one, $block->name . ' - tcp_query');
        }
        else {
            Test::More::is($received, $one, $block->name . ' - tcp_query');
        }
    }
}

sub _check_log() {
    my ($block, $said) = @_;
    my @wanted = _lines(_value($block, 'error_log'));
    my @unwanted = _lines(_value($block, 'no_error_log'));
    return if !@wanted && !@unwanted;
    my $log = $said // '';
    for (1 .. 100) {
        last if defined $said;
        $log = substr $nginx->error_log, $log_start;
        last if !grep { $log !~ (ref $_ ? $_ : qr/\Q$_\E/) } @wanted;
        sleep 0.02;
    }
    for my $text (@wanted) {
        Test::More::like($log, ref $text ? $text : qr/\Q$text\E/, $block->name . " - error_log");
    }
    for my $text (@unwanted) {
        Test::More::unlike($log, ref $text ? $text : qr/\Q$text\E/, $block->name . " - no_error_log");
    }
}

sub _lines() {
    my ($value) = @_;
    return if !defined $value;
    return @$value if ref $value eq 'ARRAY';
    return $value if ref $value;
    return grep { length } split /\n/, $value;
}

1;
