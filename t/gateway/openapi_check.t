#!/usr/bin/perl
# build/openapi-check: the verdict on a document, and on a request, without a gateway.
use strict;
use warnings;

use File::Temp ();
use IPC::Open3 qw(open3);
use JSON::PP qw(decode_json);
use Symbol qw(gensym);
use Test::More;

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Nginx;

my $tool = ($ENV{PRODORDER_BUILD} // 'build') . '/openapi-check';
die "$tool does not exist: make openapi\n" if !-x $tool;

my $dir = File::Temp->newdir('openapi-check-XXXXXX', TMPDIR => 1);

# Exit status, standard output, standard error; undef as body is no standard input.
sub check {
    my ($body, @arguments) = @_;
    my $stderr = gensym;
    my $pid = open3(my $in, my $out, $stderr, $tool, @arguments);
    local $SIG{PIPE} = 'IGNORE';
    print {$in} $body if defined $body;
    close $in;
    local $/;
    my ($said, $complained) = (scalar <$out>, scalar <$stderr>);
    waitpid $pid, 0;
    return ($? >> 8, $said // '', $complained // '');
}

sub write_document {
    my ($name, $text) = @_;
    open my $out, '>', "$dir/$name" or die "$dir/$name: $!\n";
    print {$out} $text;
    close $out;
    return "$dir/$name";
}

my ($status, $out, $err) = check(undef, 'openapi.json');
is($status, 0, 'our own document is good');
like($out, qr/\Aopenapi\.json: \d+ paths, \d+ operations, \d+ schemas: valid\n\z/, 'one line says so');
is($err, '', 'and nothing else');

my $bad = write_document('bad.json',
    '{"openapi":"3.1.0","info":{"title":"t"},"paths":{"a":{},"/b":{"get":{"responses":{"20":{"description":""}}}}}}');
($status, $out, $err) = check(undef, $bad);
is($status, 1, 'a document with mistakes');
is($out, '', 'nothing on standard output');
is($err, "$bad: #/info: the info object must have the member \"version\"\n"
    . "$bad: #/paths/~1b/get/responses/20: must be a status (200), a range (2XX) or default\n"
    . "$bad: #/paths/a: a path must begin with '/'\n", 'every mistake, one a line');
($status, $out, $err) = check('', $bad, 'GET', '/b');
is($status, 2, 'a request and a document with mistakes');
is($out, '', 'no verdict');

($status, $out, $err) = check(undef, "$dir/no.json");
is($status, 2, 'a document that is not there');
is($err, "$dir/no.json: cannot be opened: No such file or directory\n", 'is named');
($status, $out, $err) = check(undef, "$dir");
is($status, 2, 'a directory is no document');
is($err, "$dir: cannot be read: Is a directory\n", 'and it says so');

my $good = write_document('good.json', <<'END');
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "servers": [{"url": "http://h/v1"}],
 "paths": {
  "/items/{id}": {
    "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer", "minimum": 1}}],
    "get": {"operationId": "getItem", "responses": {"200": {"description": "d"}},
      "parameters": [
        {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}},
        {"name": "X-Mode", "in": "header", "schema": {"enum": ["fast", "slow"]}},
        {"name": "X-List", "in": "header", "schema": {"type": "array", "items": {"type": "integer"}}},
        {"name": "sid", "in": "cookie", "schema": {"type": "string", "minLength": 2}}]},
    "put": {"operationId": "putItem", "responses": {"default": {"description": "d"}},
      "requestBody": {"content": {
        "application/*+json": {"schema": {"required": ["suffix"]}},
        "application/json": {"schema": {"required": ["name"], "properties": {"name": {"type": "string"}}}},
        "text/plain": {}}}}},
  "/items": {"post": {"operationId": "addItem", "responses": {"201": {"description": "d"}},
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "array", "items": {"type": "null"}}}}}}}}}
END

# What it is; standard input; the arguments; status code, operation, errors as "path keyword".
my @requests = (
    ['a valid request', '', ['GET', '/v1/items/7'], 200, 'getItem'],
    ['HEAD is GET', '', ['HEAD', '/v1/items/7'], 200, 'getItem'],
    ['without the base path', '', ['GET', '/items/7'], 404, undef],
    ['an escaped digit', '', ['GET', '/v1/%69tems/%37'], 200, 'getItem'],
    ['no such method', '', ['POST', '/v1/items/7'], 405, undef],
    ['a path parameter', '', ['GET', '/v1/items/0'], 400, 'getItem', 'path/id minimum'],
    ['a query that repeats', '', ['GET', '/v1/items/7?tag=1&tag=2'], 200, 'getItem'],
    ['too often, and wrong', '', ['GET', '/v1/items/7?tag=1&tag=2&tag=x'], 400, 'getItem',
        'query/tag maxItems', 'query/tag/2 type'],
    ['a header', '', ['-H', 'X-Mode: fast', 'GET', '/v1/items/7'], 200, 'getItem'],
    ['a wrong header, in small letters', '', ['GET', '/v1/items/7', '-H', 'x-mode:no'], 400, 'getItem', 'header/X-Mode enum'],
    ['a header twice', '', ['-H', 'X-Mode: fast', '--header=X-Mode: fast', 'GET', '/v1/items/7'], 400, 'getItem',
        'header/X-Mode maxItems'],
    ['a list in two headers', '', ['-H', 'X-List: 1, 2', '-H', 'X-List: x', 'GET', '/v1/items/7'], 400, 'getItem',
        'header/X-List/2 type'],
    ['a cookie', '', ['-H', 'Cookie: a=b; sid=x', 'GET', '/v1/items/7'], 400, 'getItem', 'cookie/sid minLength'],
    ['a body', '{"name":"n"}', ['PUT', '/v1/items/7'], undef, 'putItem'],
    ['a body that may be absent', '', ['PUT', '/v1/items/7'], undef, 'putItem'],
    ['a body that must not be', '', ['POST', '/v1/items'], 400, 'addItem', ' required'],
    ['parameters and body together', '{"name":1}', ['PUT', '/v1/items/x'], 400, 'putItem', 'path/id type', '/name type'],
    ['another schema for another type', '{}', ['-H', 'Content-Type: application/a+json', 'PUT', '/v1/items/7'], 400,
        'putItem', ' required'],
    ['a type that is not looked into', '{', ['-H', 'Content-Type: text/plain', 'PUT', '/v1/items/7'], undef, 'putItem'],
    ['a type that is not taken', '{}', ['-H', 'Content-Type: text/html', 'PUT', '/v1/items/7'], 415, 'putItem'],
    ['a compressed body', '{}', ['-H', 'Content-Encoding: gzip', 'PUT', '/v1/items/7'], 415, 'putItem'],
    ['no JSON', '{"name":}', ['PUT', '/v1/items/7'], 400, 'putItem', ' json'],
    ['a body as long as the limit', '{"name":"n"}', ['--body-limit=12', 'PUT', '/v1/items/7'], undef, 'putItem'],
    ['a longer one', '{"name":"n"}', ['--body-limit=11', 'PUT', '/v1/items/7'], 413, 'putItem'],
    ['as deep as allowed', '[[]]', ['--json-depth=2', 'POST', '/v1/items'], 400, 'addItem', '/0 type'],
    ['deeper', '[[]]', ['--json-depth=1', 'POST', '/v1/items'], 400, 'addItem', ' json'],
    ['as many values as allowed', '[null,null]', ['--json-values=3', 'POST', '/v1/items'], 201, 'addItem'],
    ['more', '[null,null]', ['--json-values=2', 'POST', '/v1/items'], 400, 'addItem', ' json'],
    ['no more errors than asked for', '[1,2,3]', ['--max-errors=2', 'POST', '/v1/items'], 400, 'addItem', '/0 type', '/1 type'],
);

# The same document in a real gateway, in front of a service that answers everything.
my $nginx = Prodorder::Gateway::Nginx->new;
my $service = Prodorder::Gateway::Nginx::free_port();
my %directive = ('body-limit' => 'prodorder_body_limit', 'max-errors' => 'prodorder_max_errors',
    'json-depth' => 'prodorder_json_depth', 'json-values' => 'prodorder_json_values');

# What it says to a request with the tool's arguments: status code, errors.
sub ask_gateway {
    my ($body, @arguments) = @_;
    my ($settings, @fields) = ('');
    my $has_type = 0;
    for (reverse 0 .. $#arguments) {
        if ($arguments[$_] eq '-H') {
            unshift @fields, (splice @arguments, $_, 2)[1];
        } elsif ($arguments[$_] =~ /^--header=(.*)/) {
            unshift @fields, $1;
            splice @arguments, $_, 1;
        } elsif ($arguments[$_] =~ /^--([a-z-]+)=(.*)/) {
            $settings .= "$directive{$1} $2;";
            splice @arguments, $_, 1;
        }
    }
    push @fields, 'Content-Type: application/json' if !grep { /^content-type:/i } @fields;
    push @fields, 'Content-Length: ' . length $body if length $body;
    $nginx->stop;
    $nginx->write_conf(main => '', http => <<"END", server => <<"END2");
server { listen 127.0.0.1:$service; prodorder_gateway off; default_type application/json; location / { return 200 '{}'; } }
END
prodorder_openapi $good;
$settings
location / { proxy_pass http://127.0.0.1:$service; }
END2
    die $_ for grep { defined } $nginx->start;
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    $client->send_pieces(0, join "\r\n", "$arguments[0] $arguments[1] HTTP/1.1", 'Host: h', 'Connection: close', @fields, '', $body);
    my $response = $client->read_response($arguments[0]);
    $client->close;
    return ($response->{status}, decode_json($response->{body} || '{}')->{errors} // []);
}

for my $request (@requests) {
    my ($name, $body, $arguments, $code, $operation, @errors) = @$request;
    ($status, $out, $err) = check($body, $good, @$arguments);
    like($out, qr/\A[^\n]+\n\z/, "$name: one line");
    my $verdict = eval { decode_json($out) } // {};
    my $is_valid = !defined $code || $code < 400;
    is($status, $is_valid ? 0 : 1, "$name: exit status");
    is($verdict->{statusCode}, $code, "$name: status code");
    is($verdict->{operation}, $operation, "$name: operation");
    is($verdict->{valid} ? 1 : 0, $is_valid ? 1 : 0, "$name: valid");
    is_deeply([sort map { "$_->{path} $_->{keyword}" } @{ $verdict->{errors} }], [sort @errors], "$name: errors");
    is($err, '', "$name: no complaint");
    my ($answered, $errors) = ask_gateway($body, @$arguments);
    is($answered, $code // 200, "$name: the gateway's status code");
    is_deeply($errors, $verdict->{errors}, "$name: the gateway's errors");
}
$nginx->stop;
($status, $out) = check('', $good, 'DELETE', '/v1/items/1');
is(decode_json($out)->{allow}, 'GET, HEAD, PUT', '405 says which methods there are');

# A refusal without errors says in words what it is about.
for my $case (
    ['no such path', '', ['GET', '/items'], 'no path of the document fits'],
    ['no such method', '', ['POST', '/v1/items/7'], 'the path has no such method'],
    ['a long body', '{"name":"n"}', ['--body-limit=11', 'PUT', '/v1/items/7'], 'the body is longer than the limit'],
    ['another type', '{}', ['-H', 'Content-Type: text/html', 'PUT', '/v1/items/7'],
        'the operation takes no body of this Content-Type'],
    ['an encoding', '{}', ['-H', 'Content-Encoding: gzip', 'PUT', '/v1/items/7'],
        'the body has a Content-Encoding, which is not supported'],
    ['a wrong body', '{}', ['-H', 'Content-Type: application/json', 'PUT', '/v1/items/7'], undef],
) {
    my ($name, $body, $arguments, $message) = @$case;
    ($status, $out) = check($body, $good, @$arguments);
    is(decode_json($out)->{message}, $message, "$name: the message");
}

# An answer that nobody gets, and a body that cannot be read, are no verdict.
for my $case (
    ["$good > /dev/full", 'the answer cannot be written'],
    ["$good >&-", 'the answer cannot be written'],
    ["$good GET /v1/items/7 > /dev/full", 'the answer cannot be written'],
    ['--help > /dev/full', 'the answer cannot be written'],
    ["$good POST /v1/items < $dir", 'the body cannot be read: Is a directory'],
    ["$good POST /v1/items <&-", 'the body cannot be read: Bad file descriptor'],
) {
    my $said = `{ $tool $case->[0]; } 2>&1`;
    is($? >> 8, 2, "$case->[1]: exit status");
    is($said, "openapi-check: $case->[1]\n", "$case->[1]: said");
}

for my $case (
    [[], 'needs DOCUMENT, or DOCUMENT METHOD TARGET'],
    [[$good, 'GET'], 'needs DOCUMENT, or DOCUMENT METHOD TARGET'],
    [[$good, 'GET', 'items'], "TARGET must begin with '/': items"],
    [['-H', 'Accept', $good, 'GET', '/'], 'a header must be written NAME: VALUE: Accept'],
    [['--max-errors=0', $good], '--max-errors must be from 1 to 1000: 0'],
    [['--max-errors=1001', $good], '--max-errors must be from 1 to 1000: 1001'],
    [['--body-limit=0', $good], '--body-limit must be from 1 to 1073741824: 0'],
    [['--body-limit=-1', $good], '--body-limit must be from 1 to 1073741824: -1'],
    [['--body-limit=1k', $good], '--body-limit must be from 1 to 1073741824: 1k'],
    [['--json-depth=129', $good], '--json-depth must be from 1 to 128: 129'],
    [['--json-values=10000001', $good], '--json-values must be from 1 to 10000000: 10000001'],
    [['--fast', $good], 'this option is not known, or lacks its value: --fast'],
    [['-xH', $good], 'this option is not known, or lacks its value: -x'],
    [[$good, '-H'], 'this option is not known, or lacks its value: -H'],
    [[$good, '--header'], 'this option is not known, or lacks its value: --header'],
) {
    ($status, $out, $err) = check(undef, @{ $case->[0] });
    is($status, 2, "wrong usage: $case->[1]");
    is($err, "openapi-check: $case->[1]\nTry openapi-check --help\n", 'is said clearly');
}
($status, $out, $err) = check(undef, '--help');
is($status, 0, '--help');
like($out, qr/^Usage: openapi-check .*--header.*--body-limit.*--max-errors.*--json-depth.*--json-values/s, 'lists every option');

done_testing();
