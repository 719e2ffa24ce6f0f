#!/usr/bin/perl
# What nginx -t says about a document: every mistake, one line each, with file, JSON Pointer, reason.
#
# Each case changes a good document at some JSON Pointers and names the lines that must come of it:
# those, and no other. Then many of the changes are made at once.
use strict;
use warnings;

use JSON::PP ();
use Test::More;

use Prodorder::Gateway::Nginx;

my $json = JSON::PP->new->canonical->ascii;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

# Always a new one, for a case changes it.
sub good_document {
    my %ok = (200 => { description => 'd' });
    return {
        openapi => '3.1.0',
        info    => { title => 't', version => '1', contact => { name => 'n' }, license => { name => 'MIT' } },
        servers => [{ url => 'https://api.example.com/v1' }],
        tags    => [{ name => 'orders' }, { name => 'products' }],
        paths   => {
            '/orders' => {
                get => {
                    operationId => 'listOrders',
                    parameters  => [
                        { name => 'limit', in => 'query', schema => { type => 'integer', minimum => 1 }, example => 5 },
                        { '$ref' => '#/components/parameters/Cursor' },
                        { name => 'ids', in => 'query', schema => { type => 'array', items => { type => 'integer' } } },
                        { name => 'X-Mode', in => 'header', schema => { type => 'string' } },
                    ],
                    responses => {
                        200 => {
                            description => 'd',
                            headers => { 'X-Total' => { schema => { type => 'integer' }, example => 3 } },
                            content => { 'application/json' => { schema => { type => 'array' }, example => [] } },
                            links   => { first => { operationId => 'getOrder' } },
                        },
                    },
                },
                post => {
                    operationId => 'createOrder',
                    security    => [{ key => [] }],
                    requestBody => {
                        required => $true,
                        content  => {
                            'application/json' => {
                                schema   => { '$ref' => '#/components/schemas/NewOrder' },
                                examples => { one => { value => { quantity => 1 } } },
                            },
                        },
                    },
                    callbacks => { done => { '{$request.body#/url}' => { post => { responses => {%ok} } } } },
                    responses => { 201 => { '$ref' => '#/components/responses/Created' } },
                },
            },
            '/orders/{id}' => {
                parameters => [{ name => 'id', in => 'path', required => $true, schema => { type => 'integer' } }],
                get    => { operationId => 'getOrder', responses => {%ok} },
                delete => { operationId => 'deleteOrder', responses => {%ok}, externalDocs => { url => 'd.html' } },
            },
            '/products/{id}' => { '$ref' => '#/components/pathItems/Product' },
        },
        webhooks   => { changed => { post => { responses => {%ok} } } },
        components => {
            schemas => {
                NewOrder => {
                    type       => 'object',
                    required   => ['quantity'],
                    properties => { quantity => { type => 'integer', minimum => 1, default => 1, examples => [2] } },
                },
            },
            parameters      => { Cursor => { name => 'cursor', in => 'query', schema => { type => 'string' } } },
            responses       => { Created => { description => 'd' } },
            examples        => { Two => { value => 2 } },
            headers         => { Rate => { schema => { type => 'integer' } } },
            securitySchemes => { key => { type => 'apiKey', name => 'k', in => 'header' } },
            pathItems       => {
                Product => {
                    get => {
                        parameters => [{ name => 'id', in => 'path', required => $true, schema => { type => 'string' } }],
                        responses  => {%ok},
                    },
                },
            },
        },
    };
}

my $get = '/paths/~1orders/get';
my $post = '/paths/~1orders/post';
my $limit = "$get/parameters/0";
my $ids = "$get/parameters/2";
my $mode = "$get/parameters/3";
my $body = "$post/requestBody";
my $media = "$body/content/application~1json";
my $one = '/paths/~1orders~1{id}';
my $id = "$one/parameters/0";
my $new = '/components/schemas/NewOrder';
my $single = 'must be single values; describe the parameter by "content" with application/json instead';

# Each: what it is; the changes, POINTER => VALUE (undef: delete); the lines from '#' on. A case that
# begins with '+' goes into the document with many mistakes, too.
my @cases = (
    ['no version', ['/openapi' => undef], '#: an OpenAPI document must have the member "openapi"'],
    ['another version', ['/openapi' => '3.0.3'], '#/openapi: must be a version 3.1, for example "3.1.0"'],
    ['no info', ['/info' => undef], '#: an OpenAPI document must have the member "info"'],
    ['+no title', ['/info/title' => undef], '#/info: the info object must have the member "title"'],
    ['no paths', ['/paths' => undef], '#: an OpenAPI document must have the member "paths"'],
    ['paths that are no object', ['/paths' => []], '#/paths: the paths object must be an object'],
    ['+a mistyped member', ['/info/licence' => {}],
        '#/info/licence: "licence" is not a member of the info object; did you mean "license"?'],
    ['+a member of nothing', ['/basePath' => '/v2'], '#/basePath: "basePath" is not a member of an OpenAPI document'],
    ['+an address that is none', ['/info/contact/email' => 'nobody'],
        '#/info/contact/email: must be an email address'],
    ['+a URL that is none', ['/info/contact/url' => 'a b'],
        '#/info/contact/url: must be a URI or a relative reference'],
    ['+a license with two texts', ['/info/license/url' => 'l', '/info/license/identifier' => 'MIT'],
        '#/info/license: a license has either "identifier" or "url", not both'],
    ['+a tag twice', ['/tags/1/name' => 'orders'], '#/tags/1: the tag "orders" is declared twice'],
    ['+documentation without a URL', ["$one/delete/externalDocs/url" => undef],
        "#$one/delete/externalDocs: external documentation must have the member \"url\""],
    ['another dialect', ['/jsonSchemaDialect' => 'https://example.com/d'],
        '#/jsonSchemaDialect: only the dialects https://spec.openapis.org/oas/3.1/dialect/base and '
        . 'https://json-schema.org/draft/2020-12/schema are supported'],

    # servers
    ['+two base paths', ['/servers/1' => { url => '/v2' }],
        '#/servers/1: the base path "/v2" differs from "/v1": all servers must have the same'],
    ['another base path for one operation', ["$get/servers" => [{ url => 'http://a/v3' }]],
        "#$get/servers/0: the base path \"/v3\" differs from \"/v1\": all servers must have the same"],
    ['a relative server', ['/servers/0/url' => 'v1'],
        '#/servers/0/url: must be an absolute URL or begin with \'/\': where the document is read from is no base for it'],
    ['a server with a query', ['/servers/0/url' => '/v1?a=b'],
        '#/servers/0/url: a server\'s URL has neither query nor fragment'],
    ['a server variable that is not described', ['/servers/0/url' => 'https://{host}/v1'],
        '#/servers/0/url: the variable {host} is not described in "variables"'],
    ['+a server variable that is not used', ['/servers/0/variables' => { port => { default => '1' } }],
        '#/servers/0/variables/port: the URL has no variable {port}'],
    ['a base path with a choice',
        ['/servers/0' => { url => '/{v}', variables => { v => { default => 'v1', enum => ['v1', 'v2'] } } }],
        '#/servers/0/url: the variable {v} in the path of a server must have one value only'],

    ['a base path with a bad escape', ['/servers/0/url' => '/v%1'],
        '#/servers: \'%\' must be followed by two hexadecimal digits'],

    # paths
    ['a path without its slash', ['/paths/items' => {}], '#/paths/items: a path must begin with \'/\''],
    ['+a path with a query', ['/paths/~1a?b=c' => {}],
        '#/paths/~1a?b=c: a path has neither query nor fragment: describe a query by parameters'],
    ['+an empty segment', ['/paths/~1a~1~1b' => {}], '#/paths/~1a~1~1b: a path must not have empty segments ("//")'],
    ['+a dot segment', ['/paths/~1a~1..' => {}], '#/paths/~1a~1..: "." and ".." are no segments of a path'],
    ['+a bad escape', ['/paths/~1a%2' => {}], '#/paths/~1a%2: \'%\' must be followed by two hexadecimal digits'],
    ['+a part of a segment', ['/paths/~1{a}.json' => {}],
        '#/paths/~1{a}.json: a template must be a whole segment between slashes: {name}'],
    ['+a template twice', ['/paths/~1{a}~1{a}' => {}], '#/paths/~1{a}~1{a}: the template {a} stands twice in the path'],
    ['the same path twice', ['/paths/~1orders~1{order}' => {}],
        '#/paths/~1orders~1{order}: matches the same requests as "/orders/{id}"'],
    ['a method that is none', ["$one/fetch" => {}], "#$one/fetch: \"fetch\" is not a member of a path item; did you mean \"patch\"?"],
    ['+TRACE', ["$one/trace" => { responses => { 200 => { description => 'd' } }, operationId => 'x' }],
        "#$one/trace: nginx answers every TRACE request with 405 itself"],
    ['a path item beside its reference', ['/paths/~1products~1{id}/get' => {}],
        '#/paths/~1products~1{id}/get: has no effect beside "$ref"'],

    # references
    ['a path item that is nowhere', ['/paths/~1products~1{id}/$ref' => '#/components/pathItems/No'],
        '#/paths/~1products~1{id}: the reference "#/components/pathItems/No" leads nowhere'],
    ['+a parameter that is nowhere', ["$get/parameters/1/\$ref" => '#/components/parameters/No'],
        "#$get/parameters/1: the reference \"#/components/parameters/No\" leads nowhere"],
    ['a parameter in another file', ["$get/parameters/1/\$ref" => 'parameters.json'],
        "#$get/parameters/1: only references within the document (\"#/...\") are supported"],
    ['a parameter that is a schema', ["$get/parameters/1/\$ref" => '#/components/schemas/NewOrder'],
        "#$new: a parameter must have the member \"name\"",
        "#$new: a parameter must have the member \"in\"",
        "#$new: a parameter must have either \"schema\" or \"content\"",
        "#$new/properties: \"properties\" is not a member of a parameter",
        "#$new/required: must be true or false",
        "#$new/type: \"type\" is not a member of a parameter"],
    ['a reference that leads to itself', ['/components/parameters/Cursor' => { '$ref' => '#/components/parameters/Cursor' }],
        '#/components/parameters/Cursor: references lead from one to the next without end'],

    # operations
    ['+an operationId twice', ["$one/delete/operationId" => 'createOrder'],
        "#$one/delete/operationId: the id \"createOrder\" is already that of #$post/operationId"],
    ['an operationId without a letter', ["$get/operationId" => ''],
        "#$get/operationId: must be a string that is not empty"],
    ['+tags that are no strings', ["$one/get/tags" => ['a', 1]], "#$one/get/tags/1: must be a string"],
    ['no response', ["$one/get/responses" => {}], "#$one/get/responses: must be an object with at least one response"],
    ['+a status that is none', ["$one/get/responses/2xx" => { description => 'd' }],
        "#$one/get/responses/2xx: must be a status (200), a range (2XX) or default"],
    ['+a response without its description', ["$one/delete/responses/200" => {}],
        "#$one/delete/responses/200: a response must have the member \"description\""],
    ['+Content-Type as a header of a response',
        ["$get/responses/200/headers/Content-Type" => { schema => { type => 'string' } }],
        "#$get/responses/200/headers/Content-Type: has no effect: Content-Type is described by \"content\""],
    ['+a link to no operation', ["$get/responses/200/links/first/operationId" => 'no'],
        "#$get/responses/200/links/first/operationId: there is no operation with the id \"no\""],
    ['a link to two', ["$get/responses/200/links/first/operationRef" => '#/paths'],
        "#$get/responses/200/links/first: a link must have either \"operationRef\" or \"operationId\", not both"],
    ['+a scheme that is not there', ["$post/security/0/no" => []],
        "#$post/security/0/no: there is no security scheme \"no\" in the components"],
    ['+a scheme of no type', ['/components/securitySchemes/key/type' => 'password'],
        '#/components/securitySchemes/key/type: must be "apiKey", "http", "mutualTLS", "oauth2" or "openIdConnect"'],
    ['a scheme without its name', ['/components/securitySchemes/key/name' => undef],
        '#/components/securitySchemes/key: a security scheme of type apiKey must have the member "name"'],
    ['+a component\'s name', ['/components/headers/X%20Y' => { schema => {} }],
        '#/components/headers/X%20Y: a component\'s name is made of letters, digits, \'.\', \'-\' and \'_\''],
    ['+a mistake in a callback', ["$post/callbacks/done/{\$request.body#~1url}/post/deprecated" => 'no'],
        "#$post/callbacks/done/{\$request.body#~1url}/post/deprecated: must be true or false"],
    ['+a mistake in a webhook', ['/webhooks/changed/post/summary' => 1], '#/webhooks/changed/post/summary: must be a string'],

    # parameters
    ['a parameter without a name', ["$mode/name" => undef], "#$mode: a parameter must have the member \"name\""],
    ['+a parameter in the body', ["$mode/in" => 'body'],
        "#$mode/in: must be \"path\", \"query\", \"header\" or \"cookie\""],
    ['a parameter without a schema', ["$mode/schema" => undef],
        "#$mode: a parameter must have either \"schema\" or \"content\""],
    ['a parameter with both', ["$mode/content" => { 'application/json' => {} }],
        "#$mode: a parameter must have either \"schema\" or \"content\", not both"],
    ['the same header twice', ["$get/parameters/4" => { name => 'x-mode', in => 'header', schema => {} }],
        "#$get/parameters/4: the parameter \"x-mode\" is given twice"],
    ['a header that has no effect', ["$mode/name" => 'accept'],
        "#$mode/name: has no effect: Accept is described by the media types of the responses"],
    ['a style of another place', ["$mode/style" => 'form'], "#$mode/style: \"form\" is not a style for the header"],
    ['a style that is not supported', ["$id/style" => 'matrix'],
        "#$id/style: the style \"matrix\" is not supported, \"simple\" is"],
    ['an optional path parameter', ["$id/required" => $false], "#$id/required: must be true for a path parameter"],
    ['+a path parameter of no template',
        ["$get/parameters/4" => { name => 'no', in => 'path', required => $true, schema => {} }],
        "#$get/parameters/4: the path has no template {no}"],
    ['a template without a parameter', ["$one/parameters" => undef],
        "#$one/delete: the path parameter \"id\" is not described", "#$one/get: the path parameter \"id\" is not described"],
    ['an empty value in a header', ["$mode/allowEmptyValue" => $true],
        "#$mode/allowEmptyValue: is for query parameters only"],
    ['deepObject without an object', ["$ids/style" => 'deepObject'],
        "#$ids: the style \"deepObject\" is for objects only"],
    ['pipes that explode', ["$ids/style" => 'pipeDelimited', "$ids/explode" => $true],
        "#$ids/explode: must be false in this style"],
    ['+an array of arrays', ["$ids/schema/items" => { type => 'array' }],
        "#$ids/schema: the items of a parameter $single"],
    ['an object with an object', ["$ids/schema" => { type => 'object', properties => { a => { type => 'object' } } }],
        "#$ids/schema: the properties of a parameter $single"],
    ['a parameter of two kinds', ["$ids/schema" => { type => ['array', 'string'] }],
        "#$ids/schema: a parameter must be a single value, an array or an object: nothing in its text says which of them it is"],
    ['an array in a cookie', ["$ids/in" => 'cookie'],
        "#$ids: an array or object in a cookie must have \"explode\": false"],
    ['a parameter as XML', ["$mode/schema" => undef, "$mode/content" => { 'application/xml' => {} }],
        "#$mode/content: only application/json is supported here"],
    ['a parameter in two media types',
        ["$mode/schema" => undef, "$mode/content" => { 'application/json' => {}, 'text/json' => {} }],
        "#$mode/content: must have exactly one media type"],
    ['a mark that is no boolean', ["$mode/x-prodorder-unchecked" => 'yes'],
        "#$mode/x-prodorder-unchecked: must be true or false"],

    ['+a mark that nobody knows', ["$ids/x-prodorder-uncheked" => $true],
        "#$ids/x-prodorder-uncheked: \"x-prodorder-uncheked\" is not a member of a parameter; did you mean \"x-prodorder-unchecked\"?"],
    ['a header that cannot be', ["$mode/name" => 'X Mode'], "#$mode/name: no header can have this name"],

    # bodies
    ['a body without content', ["$body/content" => undef], "#$body: a request body must have the member \"content\""],
    ['a body of no media type', ["$body/content" => {}], "#$body/content: must have from 1 to 32 media types"],
    ['+a media type that is none', ["$body/content/json" => {}],
        "#$body/content/json: must be a media type such as application/json, with at most 8 parameters"],
    ['+a media type twice', ["$body/content/APPLICATION~1JSON" => {}],
        "#$media: says the same as another media type of this body"],
    ['+example and examples', ["$media/example" => { quantity => 1 }],
        "#$media: has either \"example\" or \"examples\", not both"],

    # examples and schemas
    ['+an example of a parameter', ["$limit/example" => 0],
        "#$limit/example: the example does not match its schema: must be >= 1"],
    ['+an example of a header', ["$get/responses/200/headers/X-Total/example" => '3'],
        "#$get/responses/200/headers/X-Total/example: the example does not match its schema: must be integer"],
    ['+an example of a body', ["$media/examples/one/value" => { quantity => 0 }],
        "#$media/examples/one/value/quantity: the example does not match its schema: must be >= 1"],
    ['an example by reference', ["$limit/example" => undef, "$limit/examples" => { two => { '$ref' => '#/components/examples/Two' } },
        '/components/examples/Two/value' => 'two'],
        '#/components/examples/Two/value: the example does not match its schema: must be integer'],
    ['an example of a response', ["$get/responses/200/content/application~1json/example" => {}],
        "#$get/responses/200/content/application~1json/example: the example does not match its schema: must be array"],
    ['+an example of a schema', ["$new/properties/quantity/examples/0" => -1],
        "#$new/properties/quantity/examples/0: the example does not match its schema: must be >= 1"],
    ['+a default', ["$new/properties/quantity/default" => 1.5],
        "#$new/properties/quantity/default: the default does not match its schema: must be integer"],
    ['a schema that is none', ["$mode/schema" => 1], "#$mode/schema: a schema must be an object, true or false"],
    ['+a schema, while examples of others are checked', ['/components/schemas/Bad' => { type => 'strin' }],
        '#/components/schemas/Bad/type: "strin" is not a type; types are null, boolean, object, array, number, string and integer'],
    ['+a keyword that is none', ['/components/schemas/Typo' => { minimun => 1 }],
        '#/components/schemas/Typo/minimun: "minimun" is not a member of a schema; did you mean "minimum"?'],
    ['an example of a schema with a mistake',
        ["$new/properties/other" => { '$ref' => '#/components/schemas/Bad' }, '/components/schemas/Bad' => { minLength => -1 },
        "$new/properties/quantity/default" => 0, "$media/examples/one/value" => 1],
        "#$new/properties/quantity/default: the default does not match its schema: must be >= 1",
        '#/components/schemas/Bad/minLength: must be an integer from 0 to 999999999999999'],
);

my $nginx = Prodorder::Gateway::Nginx->new;
my $file = $nginx->prefix . '/doc.json';
$nginx->write_conf(main => '', server => '', http => "prodorder_openapi $file;");

sub change {
    my ($doc, $pointer, $value) = @_;
    my @tokens = map { s{~1}{/}gr =~ s/~0/~/gr } (split m{/}, $pointer, -1)[1 .. $pointer =~ tr{/}{}];
    my $last = pop @tokens;
    $doc = ref $doc eq 'ARRAY' ? $doc->[$_] : $doc->{$_} for @tokens;
    if (ref $doc eq 'ARRAY') {
        $doc->[$last] = $value;
    } elsif (defined $value) {
        $doc->{$last} = $value;
    } else {
        delete $doc->{$last};
    }
}

# What nginx -t says about the document after "[emerg] FILE: ", and whether it succeeds.
sub lines_for {
    my ($text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print {$out} $text;
    close $out;
    my $said = do {
        local $ENV{LD_PRELOAD} = $ENV{PRODORDER_TEST_PRELOAD} if $ENV{PRODORDER_TEST_PRELOAD};
        open my $in, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', $nginx->_command('-t') or die "nginx: $!\n";
        local $/;
        my $text = <$in> // '';
        close $in;
        $text;
    };
    my $status = $?;
    my @emerg = grep { /^nginx: \[emerg\]/ } split /\n/, $said;
    return ($status, map { m{^nginx: \[emerg\] \Q$file\E: (.*) in \S+/nginx\.conf:\d+$} ? $1 : "not clear: $_" } @emerg);
}

my ($status, @lines) = lines_for($json->encode(good_document()));
is_deeply([$status, @lines], [0], 'the good document is good');

my $many = good_document();
my @expected;
for my $case (@cases) {
    my ($name, $changes, @wanted) = @$case;
    my $in_many = $name =~ s/^\+//;
    my $doc = good_document();
    my @todo = @$changes;
    while (my ($pointer, $value) = splice @todo, 0, 2) {
        change($doc, $pointer, $value);
        change($many, $pointer, $json->decode($json->encode([$value]))->[0]) if $in_many;
    }
    push @expected, @wanted if $in_many;
    ($status, @lines) = lines_for($json->encode($doc));
    is_deeply([sort @lines], [sort @wanted], $name);
    isnt($status, 0, "$name: nginx -t fails");
}

cmp_ok(scalar @expected, '>=', 30, scalar(@expected) . ' different mistakes in one document');
($status, @lines) = lines_for($json->encode($many));
is_deeply([sort @lines], [sort @expected], 'each of them is one line of one nginx -t');
isnt($status, 0, 'nginx -t fails');

# The limit: a hundred lines, then one that says so.
for my $count (100, 101) {
    my $doc = good_document();
    $doc->{info}{"no$_"} = 1 for 1 .. $count;
    ($status, @lines) = lines_for($json->encode($doc));
    is(scalar(grep { /is not a member of the info object/ } @lines), 100, "$count mistakes: a hundred lines");
    my @more = $count > 100 ? ('there are more mistakes; these are the first 100') : ();
    is_deeply([grep { !/is not a member/ } @lines], \@more, "$count mistakes: what is said at the end");
}

# Syntax, and what a line does not do.
($status, @lines) = lines_for("{\"openapi\":\"3.1.0\",\n \"paths\":}");
is_deeply(\@lines, ['line 2, column 10: expected a value'], 'malformed JSON: line and column');

my $long = good_document();
$long->{info}{"a\nb" . 'x' x 5000} = 1;
($status, @lines) = lines_for($json->encode($long));
is(scalar @lines, 1, 'a very long name with a line feed makes one line');
like($lines[0], qr{^#/info/a\?bx+\.\.\.: "a\?bx+\xe2\x80\xa6" is not a member of the info object$}, 'cut where it can be spared');

done_testing();
