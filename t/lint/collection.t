#!/usr/bin/perl
# The Postman collection beside openapi.json: a request, an assertion and an example for each status of each
# operation, nothing that the contract does not have, and examples as the contract describes them.
use strict;
use warnings;

use File::Temp ();
use JSON::PP;

use Prodorder::Collection;
use Prodorder::Control;
use Prodorder::Npm;

my $json = JSON::PP->new->utf8->canonical;

my $contract = $json->decode(read_file('openapi.json'));
my $FILE = 'docs/Product Order.postman_collection.json';
my $text = read_file($FILE);

# look(CHANGE): the collection, after a change
sub look {
    my ($change) = @_;
    my $collection = $json->decode($text);
    $change->($collection) if $change;
    return Prodorder::Collection->new($collection, $contract);
}

sub form_mistakes {
    my ($collection) = @_;
    return Prodorder::Collection::judge($json->decode(read_file('t/lint/collection.schema.json')),
        [['the collection', $json->encode($collection)]]);
}

my $seen = look();
is_deeply([form_mistakes($seen->{collection})], [], 'it has the form of a Postman collection, v2.1');
is_deeply([$seen->mistakes], [], 'it covers the contract');
is_deeply([$seen->example_mistakes], [], 'its examples are as the contract describes them');

my ($covered, $all) = $seen->coverage;
my ($with_request, $operations) = $seen->operation_coverage;
my $requests = () = $seen->requests;
my $coverage = "$with_request of $operations operations, $covered of $all statuses, $requests requests";
is($covered, $all, "coverage: $coverage");
diag("the Postman collection: $coverage");
cmp_ok($all, '>=', 100, 'statuses were looked at');
cmp_ok($operations, '>=', 13, 'operations were looked at');

my $environment = $json->decode(read_file('docs/Product Order.postman_environment.json'));
is($environment->{name}, 'Product Order (local)', 'the environment has its name');
my %variable = map { $_->{key} => $_->{value} } @{ $seen->{collection}{variable} };
is_deeply({ map { $_->{key} => $_->{value} } @{ $environment->{values} } },
    { map { $_ => $variable{$_} } qw(gateway productService orderService condition) },
    'and the values that the collection has without an environment');
is_deeply([@variable{qw(gateway productService orderService condition)}],
    [map({ "http://127.0.0.1:$_" } 4000, 3001, 3002), ''], 'which are the default ports, and no condition');
unlike($text =~ s{http://127\.0\.0\.1:(?:4000|3001|3002)\b}{}gr, qr{\d+\.\d+\.\d+\.\d+:\d|/(?:home|root|tmp|work)/},
    'it has no other address, and no path of a machine');

# ---- the rules are there: each of these mistakes is found ----

# item(COLLECTION, NAME...): the item of that name, from folder to folder
sub item {
    my ($collection, @names) = @_;
    my $item = $collection;
    for my $name (@names) {
        ($item) = grep { $_->{name} eq $name } @{ $item->{item} } or die "there is no '$name'\n";
    }
    return $item;
}

sub remove {
    my ($collection, @names) = @_;
    my $name = pop @names;
    my $folder = item($collection, @names);
    $folder->{item} = [grep { $_->{name} ne $name } @{ $folder->{item} }];
    return;
}

my @KEY = ('Outages', 'An Idempotency-Key in flight: 409', 'Place an order whose key is in flight');
my @NOT_POST = ('Unknown paths and methods', '405 Methods that a path does not have', 'POST /docs/');
my @LONG = ('Unknown paths and methods', '414 Targets that are too long', 'GET /docs/');

# Parts of the collection that the changes below need.
sub placed { return item($_[0], 'Orders', 'Place an order') }
sub example { return placed($_[0])->{response}[0] }
sub keyed { return item($_[0], @KEY) }

my $EXPECTS_201 = q{pm.test('Status is 201', () => pm.response.to.have.status(201));};
my $NO_STATUS = qr{Place an order: its tests must begin with the test 'Status is N'};

# expects(COLLECTION, LINE...): lines instead of that which expects the status
sub expects {
    my ($collection, @lines) = @_;
    my $exec = placed($collection)->{event}[0]{script}{exec};
    $exec->[0] eq $EXPECTS_201 or die "the test script begins with '$exec->[0]'\n";
    splice @$exec, 0, 1, @lines;
    return;
}

sub set_header {
    my ($headers, $name, $value) = @_;
    $_->{value} = $value for grep { $_->{key} eq $name } @$headers;
    return;
}

my @mistakes = (
    ['a request is removed', sub { remove($_[0], @KEY) }, qr{^POST /orders 409: no request}m],
    ['that of default is removed', sub { remove($_[0], @LONG) }, qr{^GET /docs/ default: no request}m],
    ['an example is removed', sub { keyed($_[0])->{response} = [] }, qr{key is in flight: it has no example}],
    ['its status is not covered', sub { keyed($_[0])->{response} = [] }, qr{^POST /orders 409: no request}m],
    ['an example has another status', sub { example($_[0])->{code} = 200 },
        qr{Place an order: an example has status 200}],
    ['an example is another request\'s', sub { placed($_[0])->{request}{body}{raw} = '{}' },
        qr{Place an order: an example is the answer to another request}],
    ['no status is expected', sub { expects($_[0], '') }, $NO_STATUS],
    ['it is in a comment only', sub { expects($_[0], '// pm.response.to.have.status(201)') }, $NO_STATUS],
    ['its test is a comment', sub { expects($_[0], "// $EXPECTS_201") }, $NO_STATUS],
    ['its test is in a comment', sub { expects($_[0], '/*', $EXPECTS_201, '*/') }, $NO_STATUS],
    ['its test says one thing and checks another', sub { expects($_[0], $EXPECTS_201 =~ s/\(201\)/(200)/r) },
        $NO_STATUS],
    ['another status is expected', sub { expects($_[0], $EXPECTS_201 =~ s/201/200/gr) },
        qr{Place an order: an example has status 201}],
    ['a path is unknown', sub { s{/orders}{/order} for placed($_[0])->{request}{url}{raw} },
        qr{Place an order: the contract does not have this path}],
    ['a method is unknown', sub { placed($_[0])->{request}{method} = 'PUT' },
        qr{Place an order: the path does not have this method}],
    ['a URL has two meanings', sub { placed($_[0])->{request}{url}{path} = ['products'] },
        qr{says one thing as text}],
    ['a variable is unknown', sub { placed($_[0])->{request}{body}{raw} = '{{produktId}}' },
        qr{^the variable produktId}m],
    ['a name stands twice', sub { push @{ item($_[0], 'Orders')->{item} }, placed($_[0]) },
        qr{^Orders / Place an order: more than one request}m],
    ['a path has no 405', sub { remove($_[0], @NOT_POST) },
        qr{^/docs/: no request expects 405}m],
    ['an operation has no request',
        sub { remove($_[0], $_) for 'Health & docs', 'Outages', 'Unknown paths and methods' },
        qr{^GET /docs/: there is no request}m],
);
for my $case (@mistakes) {
    my ($what, $change, $mistake) = @$case;
    like(join("\n", look($change)->mistakes), $mistake, "found when $what");
}

my $without_docs = look(sub {
    my ($collection) = @_;
    remove($collection, $_) for 'Health & docs', 'Outages', 'Unknown paths and methods';
});
my ($seen_there, $of) = $without_docs->operation_coverage;
cmp_ok($seen_there, '<', $of, "operations without a request are not counted ($seen_there of $of)");

{
    local $ENV{PRODORDER_BUILD} = 'no-such-build';
    ok(!eval { Prodorder::Collection::judge({}, [['a number', '1']]); 1 }, 'a tool that fails judges nothing');
    like($@, qr{^no-such-build/schema-check failed: status 127}, 'and is named');
}

my @wrong = (
    ['a wrong body', sub { s/"waiting"/"ready"/ for example($_[0])->{body} }, qr{Place an order: body: /data/status}],
    ['a wrong header', sub {
        set_header(item($_[0], 'Products', 'Add a product')->{response}[0]{header}, ETag => 'a b"');
    }, qr{Add a product: ETag: }],
    ['no header', sub { @$_ = grep { $_->{key} ne 'Location' } @$_ for example($_[0])->{header} },
        qr{Place an order: its example has no header Location}],
    ['another media type', sub { set_header(example($_[0])->{header}, 'Content-Type' => 'text/html') },
        qr{Place an order: its example is 'text/html'}],
    ['an envelope at a service\'s own port', sub {
        my @bare = ("The services' own ports", 'order-service (3002)', 'Place an order at 3002');
        my $bare = item($_[0], @bare)->{response}[0];
        $bare->{body} = qq({"data":$bare->{body}});
    }, qr{Place an order at 3002: body: }],
);
for my $case (@wrong) {
    my ($what, $change, $mistake) = @$case;
    like(join("\n", look($change)->example_mistakes), $mistake, "found when an example has $what");
}

my @malformed = (
    ['a member is misspelt', sub { $_[0]{item}[0]{descripton} = 'a member that is misspelt' }, qr/descripton/],
    ['a request has no description', sub { delete placed($_[0])->{request}{description} }, qr/'description'/],
    ['a line of a script is long', sub { expects($_[0], $EXPECTS_201, 'x' x 121) }, qr{/exec/1 .*120}],
);
for my $case (@malformed) {
    my ($what, $change, $mistake) = @$case;
    like(join("\n", form_mistakes(look($change)->{collection})), $mistake, "found when $what");
}

# linted(FILE...): what eslint says of the scripts of a collection, and of the files after it
sub linted {
    my (@files) = @_;
    open my $out, '-|', 'node', 't/lint/scripts.mjs', @files or die "cannot run node: $!\n";
    my @lines = <$out>;
    close $out or die "t/lint/scripts.mjs failed: $?\n";
    chomp @lines;
    return @lines;
}

subtest 'the scripts, by eslint' => sub {
    Prodorder::Npm::need('t/lint');
    is_deeply([linted($FILE, glob 't/e2e/*.mjs t/lint/scripts.mjs')], [], 'they break no rule');
    my $copy = File::Temp->new;
    print {$copy} $json->encode(look(sub {
        $_[0]{event}[1]{script}{exec}[1] = 'const { code, header } = pm.response;';
        expects($_[0], $EXPECTS_201, 'var one = 1;');
    })->{collection});
    close $copy or die "$copy: $!\n";
    my $said = join "\n", linted("$copy");
    like($said, qr{^test: line \d+: no-undef: 'headers'}m, 'found when a name is not known');
    like($said, qr{^Orders / Place an order / test: line 2: no-var}m, 'found when a request has var');
};
done_testing();
