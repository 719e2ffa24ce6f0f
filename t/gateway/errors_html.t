#!/usr/bin/perl
# No 4xx or 5xx of any origin reaches a client as HTML: a table of provocations, each with three
# Accept headers, over HTTP/1.1, and where the provocation can be made there, HTTP/1.0 and HTTP/2.
use strict;
use warnings;

use Cwd qw(getcwd);
use File::Path qw(make_path);
use IO::Socket::INET;
use JSON::PP;
use Test::More;

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Http2;
use Prodorder::Gateway::Mock;
use Prodorder::Gateway::Nginx;

my $nginx = Prodorder::Gateway::Nginx->new;
my $prefix = $nginx->prefix;
my $root = getcwd();
my %port = map { $_ => Prodorder::Gateway::Nginx::free_port() } qw(h2 tls mtls upstream refused silent);
# no 408: nginx closes the connection then
my @returned = (400 .. 406, 409 .. 417, 421, 422, 424, 425, 426, 428, 429, 431, 451,
    500 .. 508, 510, 511, 599);
# where nginx's own phrase is an older one, or none
my %phrase = (
    405 => 'Method Not Allowed', 413 => 'Content Too Large', 414 => 'URI Too Long',
    416 => 'Range Not Satisfiable', 418 => 'Client Error', 503 => 'Service Unavailable', 599 => 'Server Error',
);
my %accept = (
    'no Accept'    => undef,
    'browser'      => 'text/html,application/xhtml+xml,*/*;q=0.8',
    'problem+json' => 'application/problem+json',
);

# ---- the server ---------------------------------------------------------------------------------

my $returns = join '', map { "    location = /return/$_ { return $_; }\n" } @returned;
my $upstreams = join '', map { "    location = /$_ { proxy_pass http://127.0.0.1:$port{upstream}; }\n" }
    qw(html-400 html-500 text-404 json-409 xml-503 empty-500 gzip-500 html-408 html-418 html-599 cut garbage
       interim switch large-header nothing accel);
my $server = <<"END";
    client_header_buffer_size 1k;
    large_client_header_buffers 2 2k;
    client_max_body_size 2k;
    root html;
$returns
$upstreams
    location = /static/dir/ { alias html/dir/; }
    location /static/ { alias html/; }
    location = /loop { rewrite ^ /loop last; }
    location = /password { auth_basic realm; auth_basic_user_file passwd; }
    location = /no-passwords { auth_basic realm; auth_basic_user_file none; }
    location = /any { satisfy any; deny all; auth_basic realm; auth_basic_user_file passwd; }
    location = /ask-401 { auth_request /return/401; }
    location = /ask-403 { auth_request /return/403; }
    location = /ask-404 { auth_request /return/404; }
    location = /denied { deny all; }
    location = /get-only { limit_except GET { deny all; } }
    location = /internal { internal; }
    location = /try { try_files /none =404; }
    location = /try-500 { try_files /none \@loop; }
    location \@loop { try_files /none \@loop; }
    location = /requests-429 { limit_req zone=requests; limit_req_status 429; }
    location = /requests-503 { limit_req zone=requests; }
    location = /connections { limit_conn connections 1; proxy_pass http://127.0.0.1:$port{silent}; }
    location = /dead-host { set \$host_name nowhere.invalid; proxy_pass http://\$host_name; }
    location = /refused { proxy_pass http://127.0.0.1:$port{refused}; }
    location = /dead-group { proxy_pass http://dead; }
    location = /slow { proxy_read_timeout 50ms; proxy_pass http://127.0.0.1:$port{silent}; }
    location = /fastcgi { fastcgi_pass 127.0.0.1:$port{refused}; }
    location = /body { proxy_pass http://127.0.0.1:$port{refused}; }
    location = /page { error_page 404 /sorry.html; return 404; }
    location = /page-proxied { error_page 404 /html-500; return 404; }
    location = /page-other { error_page 404 =503 /sorry.html; return 404; }
    location = /page-named { error_page 404 = \@refused; return 404; }
    location \@refused { proxy_pass http://127.0.0.1:$port{refused}; }
    location = /intercept { proxy_intercept_errors on; error_page 500 /sorry.html;
        proxy_pass http://127.0.0.1:$port{upstream}/html-500; }
    location = /if { if (\$arg_x) { return 403; } return 404; }
    location /dav/ { alias dav/; dav_methods PUT DELETE MKCOL COPY MOVE; }
    location ~ ^/(?:orders|products) {
        prodorder_openapi $root/openapi.json;
        prodorder_body_limit 1k;
        proxy_pass http://127.0.0.1:$port{refused};
    }
END

sub listen_silently {
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port{silent}, Listen => 128,
        ReuseAddr => 1) // die "listen: $!\n";
}

sub make_certificate {
    my ($name) = @_;
    system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$name -keyout $prefix/$name-key.pem"
        . " -out $prefix/$name-cert.pem 2> $prefix/openssl.log") == 0 or die "openssl failed\n";
    return;
}

sub start {
    make_path("$prefix/html/dir", "$prefix/dav");
    $nginx->write_file('html/f.txt', 'text');
    $nginx->write_file('html/sorry.html', '<html>nginx is sorry</html>');
    $nginx->write_file('passwd', "user:{PLAIN}secret\n");
    make_certificate('own');
    my $tls = 'ssl_certificate own-cert.pem; ssl_certificate_key own-key.pem;';
    $nginx->write_conf(main => '', http2 => 0, server => $server, http => <<"END");
    limit_req_zone \$server_name zone=requests:1m rate=1r/m;
    limit_conn_zone \$server_name zone=connections:1m;
    upstream dead { server 127.0.0.1:$port{refused} max_fails=1 fail_timeout=60s;
        server 127.0.0.1:$port{refused} max_fails=1 fail_timeout=60s; }
    server { listen 127.0.0.1:$port{h2} http2; server_name localhost;
$server
    }
    server { listen 127.0.0.1:$port{tls} ssl; $tls }
    server { listen 127.0.0.1:$port{mtls} ssl; $tls ssl_client_certificate own-cert.pem; ssl_verify_client on; }
END
    my $said = $nginx->start;
    BAIL_OUT("nginx does not start: $said") if defined $said;
    return;
}

sub answer {
    my ($request) = @_;
    my ($path) = $request =~ m{\A\S+ /(\S+)};
    my $html = '<html><center>nginx/1.2.3</center> at main.c:12';
    return '' if $path eq 'nothing';
    return "panic at main.c:12\n$html" if $path eq 'garbage';
    return "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" if $path eq 'interim';
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n$html" if $path eq 'switch';
    return "HTTP/1.1 200 OK\r\nX: " . 'x' x 9000 . "\r\n\r\n" if $path eq 'large-header';
    return "HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"message\":\"$html"
        if $path eq 'cut';
    return "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /static/none\r\nContent-Type: text/html\r\n\r\n$html"
        if $path eq 'accel';
    my ($kind, $status) = $path =~ /\A(\w+)-(\d+)\z/;
    my %body = (html => $html, text => "nginx/1.2.3\nat main.c", xml => "<html/>", empty => '', gzip => "\x1f\x8b\x08",
        json => '{"message":"as the service says","stack":"nginx at main.c"}');
    my %type = (html => 'text/html', text => 'text/plain', xml => 'application/xml', empty => 'text/html',
        json => 'application/json', gzip => "text/html\r\nContent-Encoding: gzip");
    return "HTTP/1.1 $status Oops\r\nServer: nginx/1.2.3\r\nX-Powered-By: nginx\r\nContent-Type: $type{$kind}\r\n"
        . 'Content-Length: ' . length($body{$kind}) . "\r\n\r\n$body{$kind}";
}

# ---- the provocations ---------------------------------------------------------------------------

# NAME, STATUS, "METHOD TARGET", { headers, body, has => fields of the answer, bare => the target ends
# it all, so that nobody reads Accept; message }
sub requests {
    my $json = [['Content-Type', 'application/json']];
    return (
        (map { ["return $_", $_, "GET /return/$_"] } @returned),
        ['a file that is not there', 404, 'GET /static/none'],
        ['a directory', 403, 'GET /static/dir/'],
        ['a directory as a file', 404, 'GET /static/f.txt/x'],
        ['POST to a file', 405, 'POST /static/f.txt', { body => 'x=1', has => { allow => 'GET, HEAD' } }],
        ['a range behind the end', 416, 'GET /static/f.txt', { headers => [['Range', 'bytes=9-']] }],
        ['If-Match', 412, 'GET /static/f.txt', { headers => [['If-Match', '"other"']] }],
        ['If-Unmodified-Since', 412, 'GET /static/f.txt',
            { headers => [['If-Unmodified-Since', 'Mon, 01 Jan 2001 00:00:00 GMT']] }],
        ['a zero byte', 400, 'GET /%00', { bare => 1 }],
        ['above the root', 400, 'GET /../x', { bare => 1 }],
        ['a percent sign', 400, 'GET /%zz', { bare => 1 }],
        ['a rewrite that goes round', 500, 'GET /loop'],
        ['try_files that goes round', 500, 'GET /try-500'],
        ['try_files =404', 404, 'GET /try'],
        ['no password', 401, 'GET /password', { has => { 'www-authenticate' => 'Basic realm="realm"' } }],
        ['a wrong password', 401, 'GET /password', { headers => [['Authorization', 'Basic dXNlcjp4']] }],
        ['no password file', 403, 'GET /no-passwords', { headers => [['Authorization', 'Basic dXNlcjp4']] }],
        ['satisfy any', 401, 'GET /any', { has => { 'www-authenticate' => 'Basic realm="realm"' } }],
        ['auth_request 401', 401, 'GET /ask-401'],
        ['auth_request 403', 403, 'GET /ask-403'],
        ['auth_request that fails', 500, 'GET /ask-404'],
        ['deny', 403, 'GET /denied'],
        ['limit_except', 403, 'POST /get-only', { body => 'x' }],
        ['internal', 404, 'GET /internal'],
        ['if', 403, 'GET /if?x=1'],
        ['limit_req 429', 429, 'GET /requests-429', { has => { 'retry-after' => 1 } }],
        ['limit_req 503', 503, 'GET /requests-503', { has => { 'retry-after' => 1 } }],
        ['limit_conn', 503, 'GET /connections', { has => { 'retry-after' => 1 } }],
        ['TRACE', 405, 'TRACE /', { has => { allow => 'GET, HEAD' } }],
        ['a body over the limit', 413, 'POST /body', { body => 'x' x 3000, message => qr/ limit of 2048 bytes\z/ }],
        ['a status by configuration, with a body', 413, 'POST /return/413', { body => 'x', message => qr/ the limit\z/ }],
        ['another by configuration', 414, 'GET /return/414?x', { message => qr/ target is too long\z/ }],
        ['an unknown host', 502, 'GET /dead-host'],
        ['a refused connection', 502, 'GET /refused'],
        ['a group with nobody alive', 502, 'GET /dead-group'],
        ['FastCGI, refused', 502, 'GET /fastcgi'],
        ['an upstream that is silent', 504, 'GET /slow'],
        ['an upstream that closes', 502, 'GET /nothing'],
        ['no HTTP', 502, 'GET /garbage'],
        ['an interim status', 502, 'GET /interim'],
        ['an upgrade that nobody asked for', 502, 'GET /switch'],
        ['an upstream header that is too large', 502, 'GET /large-header'],
        ['an upstream body that is cut off', 400, 'GET /cut'],
        ['X-Accel-Redirect to nowhere', 404, 'GET /accel'],
        (map { ["an upstream's $_", /(\d+)/, "GET /$_"] }
            qw(html-400 html-500 text-404 json-409 xml-503 empty-500 gzip-500 html-408 html-418 html-599)),
        ['error_page', 404, 'GET /page'],
        ['error_page from an upstream', 404, 'GET /page-proxied'],
        ['error_page with another status', 503, 'GET /page-other'],
        ['error_page to a named location', 502, 'GET /page-named'],
        ['proxy_intercept_errors', 500, 'GET /intercept'],
        ['DAV: DELETE of nothing', 404, 'DELETE /dav/none'],
        ['DAV: PUT to a collection', 409, 'PUT /dav/', { body => 'x' }],
        ['DAV: MKCOL without a parent', 409, 'MKCOL /dav/a/b/'],
        ['DAV: MKCOL with a body', 415, 'MKCOL /dav/c/', { body => 'x', message => qr/ not supported\z/ }],
        ['DAV: COPY to nowhere', 400, 'COPY /dav/x'],
        ['validation', 400, 'POST /orders', { headers => $json, body => '{}' }],
        ['malformed JSON', 400, 'POST /orders', { headers => $json, body => '{<html>' }],
        ['a parameter', 400, 'GET /products/%3Chtml%3E'],
        ['an unknown route', 404, 'GET /orders/1/2'],
        ['another method', 405, 'DELETE /orders', { has => { allow => 'POST, GET, HEAD' } }],
        ['another media type', 415, 'POST /orders', { headers => [['Content-Type', 'text/html']], body => '<html>',
            message => qr/ media type .*: send Content-Type: application\/json\z/ }],
        ['another charset', 415, 'POST /orders', { body => '{}', message => qr/ charset .* UTF-8\z/,
            headers => [['Content-Type', 'application/json; charset=latin1']] }],
        ['a validated body over the limit', 413, 'POST /orders', { headers => $json, body => ' ' x 1500,
            message => qr/ limit of 1024 bytes\z/ }],
        ['a valid order, the service gone', 502, 'POST /orders',
            { headers => $json, body => '{"productId":1,"quantity":1}' }],
    );
}

# NAME, STATUS, bytes in which VERSION and ACCEPT are filled in, { versions => [...] }
sub raw_requests {
    my $head = "HTTP/VERSION\r\nHost: x\r\nACCEPT";
    my $post = "POST /body $head";
    my $only = { versions => ['1.1'] };
    return (
        ['no request line', 400, "NONSENSE HERE TODAY\r\nACCEPT\r\n", { bare => 1, versions => ['1.1'] }],
        ['a method in small letters', 400, "get / $head\r\n", { bare => 1, versions => ['1.1'] }],
        ['a version that is none', 400, "GET / HTTP/x\r\n\r\n", { bare => 1, versions => ['1.1'] }],
        ['version 3.0', 505, "GET / HTTP/3.0\r\n\r\n", { bare => 1, versions => ['1.1'] }],
        ['a target that is too long', 414, 'GET /' . 'x' x 5000 . " $head\r\n",
            { bare => 1, message => qr/ limit of 2048 bytes\z/ }],
        ['a header that is too large', 400, "GET / ${head}X: " . 'x' x 5000 . "\r\n\r\n",
            { message => qr/header fields are too large/ }],
        ['headers that are too many', 400, "GET / $head" . join('', map { "X$_: " . 'x' x 1000 . "\r\n" } 1 .. 9) . "\r\n",
            { message => qr/header fields are too large/ }],
        ['a header with a control character', 400, "GET / ${head}X\1: y\r\n\r\n"],
        ['no Host', 400, "GET / HTTP/1.1\r\nACCEPT\r\n", $only],
        ['two Hosts', 400, "GET / ${head}Host: y\r\n\r\n"],
        ['a Host that is none', 400, "GET / HTTP/VERSION\r\nACCEPT" . "Host: a/b\r\n\r\n"],
        ['two lengths', 400, "${post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"],
        ['a length that is none', 400, "${post}Content-Length: x\r\n\r\n"],
        ['a length and chunks', 400, "${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", $only],
        ['an unknown transfer coding', 501, "${post}Transfer-Encoding: gzip\r\n\r\n",
            { %$only, message => qr/transfer coding is not supported/ }],
        ['chunks in HTTP/1.0', 400, "${post}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", { versions => ['1.0'] }],
        ['a chunk that is none', 400, "${post}Transfer-Encoding: chunked\r\n\r\nxyz\r\n", $only],
        ['chunks over the limit', 413, "${post}Transfer-Encoding: chunked\r\n\r\nbb8\r\n" . 'x' x 3000 . "\r\n0\r\n\r\n",
            { %$only, message => qr/ limit of 2048 bytes\z/ }],
        ['CONNECT', 405, "CONNECT /x $head\r\n", $only],
        ['Expect, and refused', 413, "${post}Expect: 100-continue\r\nContent-Length: 3000\r\n\r\n", $only],
        ['Expect, and refused by the validator', 415,
            "POST /orders ${head}Content-Type: text/html\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n", $only],
        ['plain HTTP to a TLS port', 400, "GET / $head\r\n", { port => 'tls', message => qr/HTTPS/ }],
    );
}

# ---- asking and judging -------------------------------------------------------------------------

sub ask_http1 {
    my ($version, $row, $accept) = @_;
    my ($name, $status, $line, $option) = @$row;
    my @headers = (@{ $option->{headers} // [] }, ['Host', 'localhost'], ['Connection', 'close']);
    push @headers, ['Accept', $accept] if defined $accept;
    push @headers, ['Content-Length', length $option->{body}] if defined $option->{body};
    my $text = "$line HTTP/$version\r\n" . join('', map { "$_->[0]: $_->[1]\r\n" } @headers) . "\r\n";
    return talk($nginx->port, $text . ($option->{body} // ''), $line);
}

sub talk {
    my ($to, $text, $line) = @_;
    my $client = Prodorder::Gateway::Http->new($to, 10);
    $client->send_pieces(0, $text);
    my $response = $client->read_response($line =~ /\A(\S+)/);
    $client->close;
    return $response;
}

sub ask_raw {
    my ($version, $row, $accept) = @_;
    my ($name, $status, $text, $option) = @$row;
    my $field = defined $accept ? "Accept: $accept\r\n" : '';
    $text =~ s/VERSION/$version/;
    $text =~ s/ACCEPT/$field/;
    return talk($option->{port} ? $port{ $option->{port} } : $nginx->port, $text, $text);
}

my $h2;

sub ask_http2 {
    my ($row, $accept) = @_;
    my ($name, $status, $line, $option) = @$row;
    my ($method, $target) = split / /, $line;
    my @headers = map { [lc $_->[0], $_->[1]] } @{ $option->{headers} // [] };
    push @headers, ['accept', $accept] if defined $accept;
    $h2 = Prodorder::Gateway::Http2->new($port{h2}) if !$h2 || $h2->goaway || $h2->closed;
    my $stream = $h2->request($method, $target, headers => \@headers, body => $option->{body});
    return $h2->response($stream);
}

my (%provoked, $answers);

sub judge {
    my ($at, $row, $accept_name, $response) = @_;
    my ($name, $status, undef, $option) = @$row;
    my @wrong = !$response ? 'no response' : faults($row, $accept_name, $response);
    $provoked{$name} = 1;
    $answers++;
    return @wrong ? "$at, $accept_name: " . join '; ', @wrong : ();
}

sub faults {
    my ($row, $accept_name, $response) = @_;
    my ($name, $status, undef, $option) = @$row;
    my $is_problem = $accept_name eq 'problem+json' && !$option->{bare};
    my %header = map { lc $_->[0] => $_->[1] } @{ $response->{headers} };
    my @wrong;
    push @wrong, $response->{problem} if $response->{problem};
    push @wrong, "status $response->{status}" if $response->{status} != $status;
    my $type = $header{'content-type'} // 'none';
    push @wrong, "type $type" if $type ne ($is_problem ? 'application/problem+json' : 'application/json');
    push @wrong, 'a Server header' if exists $header{server};
    push @wrong, '100 Continue first' if $response->{continued};
    push @wrong, 'Cache-Control: ' . ($header{'cache-control'} // 'none') if ($header{'cache-control'} // '') ne 'no-store';
    my ($phrase) = ($response->{head} // '') =~ m{\AHTTP/1\.\d \d+ (.*?)\r\n};
    push @wrong, "phrase '$phrase'" if defined $phrase && $phrase{$status} && $phrase ne $phrase{$status};
    push @wrong, "HTML or nginx: $response->{head}$response->{body}"
        if "$response->{head}$response->{body}" =~ /<html|nginx|main\.c/i;
    my $json = eval { JSON::PP->new->utf8->decode($response->{body}) };
    return (@wrong, "no JSON: $response->{body}") if ref $json ne 'HASH';
    push @wrong, 'another status in the body' if ($json->{$is_problem ? 'status' : 'statusCode'} // 0) != $status;
    push @wrong, "title '$json->{title}', phrase '$phrase'" if $is_problem && defined $phrase && $json->{title} ne $phrase;
    push @wrong, 'data' if !$is_problem && (!exists $json->{data} || defined $json->{data});
    push @wrong, 'no text' if !length($json->{$is_problem ? 'detail' : 'message'} // '');
    push @wrong, 'another id in the body' if ($json->{requestId} // '') ne ($header{'x-request-id'} // 'none');
    push @wrong, "message '$json->{message}'"
        if $option->{message} && !$is_problem && $json->{message} !~ $option->{message};
    for my $field (sort keys %{ $option->{has} // {} }) {
        push @wrong, "$field: " . ($header{$field} // 'none') if ($header{$field} // '') ne $option->{has}{$field};
    }
    return @wrong;
}

sub provoke {
    my ($row, @asks) = @_;
    my @wrong;
    for my $ask (@asks) {
        my ($at, $code) = @$ask;
        for my $accept_name (sort keys %accept) {
            push @wrong, judge($at, $row, $accept_name, $code->($accept{$accept_name}));
        }
    }
    is(join("\n", @wrong), '', "$row->[1] $row->[0] (" . join(', ', map { $_->[0] } @asks) . ')');
    return;
}

my $silent = listen_silently();
my $mock = Prodorder::Gateway::Mock->start($port{upstream}, "$prefix/mock.txt", reply => \&answer);
start();

# what the limits count before
talk($nginx->port, "GET /requests-$_ HTTP/1.0\r\n\r\n", 'GET') for 429;
my $holder = Prodorder::Gateway::Http->new($nginx->port, 10);
$holder->send_pieces(0, "GET /connections HTTP/1.1\r\nHost: x\r\n\r\n");
talk($nginx->port, "GET /dead-group HTTP/1.0\r\n\r\n", 'GET');

for my $row (requests()) {
    provoke($row, ['1.1', sub { ask_http1('1.1', $row, @_) }], ['1.0', sub { ask_http1('1.0', $row, @_) }],
        ['2', sub { ask_http2($row, @_) }]);
}
for my $row (raw_requests()) {
    my @versions = @{ $row->[3]{versions} // ['1.1', '1.0'] };
    provoke($row, map { my $version = $_; [$version, sub { ask_raw($version, $row, @_) }] } @versions);
}

# Over TLS, without the certificate that the server wants, and with another one.
sub provoke_tls {
    my ($name, $message, $option) = @_;
    my $text = `curl -sik --max-time 10 $option https://127.0.0.1:$port{mtls}/`;
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my @fields = map { [split /: /, $_, 2] } grep { /:/ } split /\r\n/, $head;
    my ($status) = $head =~ m{\AHTTP/1.1 (\d+)};
    my %response = (head => "$head\r\n", headers => \@fields, body => $body, status => $status);
    is(join("\n", judge('TLS', [$name, 400, undef, { message => $message }], 'no Accept', \%response)), '', "400 $name");
    return;
}

make_certificate('other');
provoke_tls('no client certificate', qr/client certificate is required/, '');
provoke_tls('another client certificate', qr/client certificate is not accepted/,
    "--cert $prefix/other-cert.pem --key $prefix/other-key.pem");
provoke_tls('no client certificate, no Host', qr/malformed/, "-H 'Host:'");
provoke_tls('no client certificate, no length', qr/malformed/, "-H 'Content-Length: x'");
provoke_tls('no client certificate, a length and chunks', qr/malformed/,
    "-X POST -H 'Content-Length: 1' -H 'Transfer-Encoding: chunked'");

cmp_ok(scalar keys %provoked, '>=', 30, scalar(keys %provoked) . " provocations, $answers answers");

# HTTP/0.9 has no header at all.
for my $line ('GET /return/404', 'GET /denied', 'GET /refused', 'GET /html-500', 'HEAD /', 'POST /x') {
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    $client->send_pieces(0, "$line\r\n");
    my $json = eval { decode_json($client->rest) };
    like($json->{statusCode} // 'no JSON', qr/\A[45]\d\d\z/, "HTTP/0.9: $line");
    $client->close;
}

$holder->close;
$h2->close;
$mock->stop;
is($nginx->stop, 0, 'nginx stopped gracefully');
is(join("\n", $nginx->findings), '', 'the error log is clean');
done_testing();
