package Prodorder::Collection;

# A Postman collection beside the OpenAPI document that it must cover.
#
#     my $seen = Prodorder::Collection->new($collection, $contract);     # both decoded
#     my @mistakes = $seen->mistakes;          # one line each
#     my ($covered, $all) = $seen->coverage;   # statuses of operations; operation_coverage: operations
#
# A request's status is what the first line of its own test script expects, in the form of $STATUS.

use strict;
use warnings;

use File::Temp ();
use JSON::PP ();
use POSIX ();

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my @METHODS = qw(get put post patch delete);
# As the first line it cannot stand in a comment, nor in a text, nor after a return.
my $STATUS = qr/\Apm\.test\('Status is (\d+)', \(\) => pm\.response\.to\.have\.status\(\1\)\);$/m;
my %PORT = (gateway => 4000, productService => 3001, orderService => 3002);

sub new {
    my ($class, $collection, $contract) = @_;
    my $self = bless { collection => $collection, contract => $contract, requests => [] }, $class;
    $self->_walk($collection->{item});
    return $self;
}

# requests(): { place, base, method, path, item, call, script, status, examples, operation } for each
sub requests { return @{ $_[0]{requests} } }

sub _walk {
    my ($self, $items, @names) = @_;
    for my $item (@$items) {
        if ($item->{item}) {
            $self->_walk($item->{item}, @names, $item->{name});
            next;
        }
        push @{ $self->{requests} }, $self->_request($item, join ' / ', @names, $item->{name});
    }
    return;
}

sub _request {
    my ($self, $item, $place) = @_;
    my $call = $item->{request};
    my $script = _script($item, 'test');
    my ($status) = $script =~ $STATUS;
    my ($base, $path) = $call->{url}{raw} =~ /^\{\{(\w+)\}\}(\/[^?]*)/;
    my $method = $call->{method} eq 'HEAD' ? 'get' : lc $call->{method};
    my $template = $self->_template($path // '');
    return {
        place => $place, base => $base // '', method => $method, path => $template, item => $item, call => $call,
        script => $script, status => $status, examples => $item->{response} // [],
        operation => $template && $self->{contract}{paths}{$template}{$method},
    };
}

sub _script {
    my ($item, $listen) = @_;
    return join "\n", map { @{ $_->{script}{exec} } } grep { $_->{listen} eq $listen } @{ $item->{event} // [] };
}

# _template(PATH): the path of the contract that it is; where two fit, the one with fewer templates
sub _template {
    my ($self, $path) = @_;
    my @found = grep {
        my $pattern = join '/', map { /^\{/ ? '[^/]+' : quotemeta } split m{/}, $_, -1;
        $path =~ /\A$pattern\z/
    } keys %{ $self->{contract}{paths} };
    my ($best) = sort { ($a =~ tr/{//) <=> ($b =~ tr/{//) || $a cmp $b } @found;
    return $best;
}

# resolved(NODE): what a local reference stands for
sub resolved {
    my ($self, $node) = @_;
    while (ref $node eq 'HASH' && $node->{'$ref'}) {
        my @keys = split m{/}, $node->{'$ref'} =~ s{^#/}{}r;
        $node = $self->{contract};
        $node = $node->{ $_ =~ s{~1}{/}gr =~ s{~0}{~}gr } for @keys;
        ref $node or die "a reference that leads nowhere\n";
    }
    return $node;
}

sub mistakes {
    my ($self) = @_;
    my %times;
    $times{ $_->{place} }++ for $self->requests;
    return (
        map({ "$_: more than one request has this name" } grep { $times{$_} > 1 } sort keys %times),
        map({ my $one = $_; map { "$one->{place}: $_" } $self->_mistakes_of($one) } $self->requests),
        $self->_unknown_variables,
        map({ "$_: there is no request" } $self->_operations_without_request),
        map({ "$_: no request expects 405" } $self->_paths_without_405),
        map({ "$_: no request expects this status and has an example of it" } $self->_missing),
    );
}

sub _mistakes_of {
    my ($self, $one) = @_;
    my @mistakes = $self->_mistakes_of_place($one);
    push @mistakes, "its tests must begin with the test 'Status is N'" if !$one->{status};
    push @mistakes, 'it has no example' if !@{ $one->{examples} };
    my $url = $one->{call}{url};
    my $query = join '&', map { "$_->{key}=$_->{value}" } @{ $url->{query} // [] };
    push @mistakes, 'its URL says one thing as text and another in parts'
        if $url->{raw} ne "$url->{host}[0]/" . join('/', @{ $url->{path} }) . ($query eq '' ? '' : "?$query");
    my %call = %{ $one->{call} };
    delete $call{description};
    for my $example (@{ $one->{examples} }) {
        push @mistakes, "an example has status $example->{code}" if $example->{code} != ($one->{status} // 0);
        push @mistakes, 'an example is the answer to another request'
            if $json->encode($example->{originalRequest}) ne $json->encode(\%call);
    }
    return @mistakes;
}

# What the contract does not have is asked for only where that is the subject, and is refused.
sub _mistakes_of_place {
    my ($self, $one) = @_;
    my $status = $one->{status} // 0;
    return "there is no base URL '$one->{base}'" if !$PORT{ $one->{base} };
    return if $one->{operation};
    if ($one->{path}) {
        return ($status == 405 ? () : 'the path does not have this method, and so it must be 405',
            $one->{script} =~ /headers\.get\('Allow'\)/ ? () : 'its tests must look at Allow');
    }
    return ($one->{place} =~ m{ / Unknown paths / } ? () : 'the contract does not have this path',
        $status == 404 ? () : 'the contract does not have this path, and so it must be 404');
}

# Variables are the collection's, or are set by a script of the collection.
sub _unknown_variables {
    my ($self) = @_;
    my $text = $json->encode($self->{collection});
    my %known = map { $_->{key} => 1 } @{ $self->{collection}{variable} };
    $known{$1} = 1 while $text =~ /variables\.set\('(\w+)'/g;
    my @used = ($text =~ /\{\{(\w+)\}\}/g, $text =~ /ariables\.get\('(\w+)'/g);
    my %unknown = map { $_ => 1 } grep { !$known{$_} } @used;
    return map { "the variable $_ is neither the collection's nor set by a script" } sort keys %unknown;
}

# ---- coverage ----

sub operations {
    my ($self) = @_;
    my $paths = $self->{contract}{paths};
    my @all;
    for my $path (sort keys %$paths) {
        push @all, map { [$_, $path, $paths->{$path}{$_}] } grep { $paths->{$path}{$_} } @METHODS;
    }
    return @all;
}

sub _operations_without_request {
    my ($self) = @_;
    my @ours = grep { $_->{operation} && $_->{base} eq 'gateway' } $self->requests;
    my %has = map { ("$_->{method} $_->{path}" => 1) } @ours;
    return map { uc($_->[0]) . " $_->[1]" } grep { !$has{"$_->[0] $_->[1]"} } $self->operations;
}

sub _paths_without_405 {
    my ($self) = @_;
    my %has = map { ($_->{path} // '') => 1 } grep { !$_->{operation} && ($_->{status} // 0) == 405 } $self->requests;
    return grep { !$has{$_} } sort keys %{ $self->{contract}{paths} };
}

# described(REQUEST): the status by which the operation describes its answer, and the description
sub described {
    my ($self, $one) = @_;
    my $status = $one->{status} // 0;
    my $responses = $one->{operation} ? $one->{operation}{responses}
        : { default => { '$ref' => '#/components/responses/AnyOtherError' } };
    my $name = $responses->{$status} ? $status : 'default';
    return ($name, $self->resolved($responses->{$name}));
}

sub _statuses {
    my ($self) = @_;
    return map {
        my ($method, $path, $operation) = @$_;
        map { uc($method) . " $path $_" } sort keys %{ $operation->{responses} };
    } $self->operations;
}

sub _missing {
    my ($self) = @_;
    my %seen;
    for my $one ($self->requests) {
        next if $one->{base} ne 'gateway' || !$one->{operation} || !$one->{status};
        my ($name) = $self->described($one);
        next if $name eq 'default' && $one->{status} < 400;
        next if !grep { $_->{code} == $one->{status} } @{ $one->{examples} };
        $seen{ uc($one->{method}) . " $one->{path} $name" } = 1;
    }
    return grep { !$seen{$_} } $self->_statuses;
}

# operation_coverage(): the operations that have a request, and all
sub operation_coverage {
    my ($self) = @_;
    my @all = $self->operations;
    return (@all - $self->_operations_without_request, scalar @all);
}

sub coverage {
    my ($self) = @_;
    my @all = $self->_statuses;
    return (@all - $self->_missing, scalar @all);
}

# ---- examples ----

# example_mistakes(): what the examples have that the contract does not describe
sub example_mistakes {
    my ($self) = @_;
    my (@mistakes, %instances);
    for my $one ($self->requests) {
        for my $example (@{ $one->{examples} }) {
            push @mistakes, map { "$one->{place}: $_" } $self->_judge($one, $example, \%instances);
        }
    }
    push @mistakes, map { $self->_judge_all($json->decode($_), $instances{$_}) } sort keys %instances;
    return @mistakes;
}

# _judge(REQUEST, EXAMPLE, \%instances): headers and media type at once, bodies later, by schema
sub _judge {
    my ($self, $one, $example, $instances) = @_;
    my %header = map { lc($_->{key}) => $_->{value} } @{ $example->{header} };
    return $self->_judge_bare($one, $example, $instances) if $one->{base} ne 'gateway';
    my (undef, $described) = $self->described($one);
    my @mistakes;
    for my $name (sort keys %{ $described->{headers} // {} }) {
        my $header = $self->resolved($described->{headers}{$name});
        my $value = $header{ lc $name };
        push @mistakes, "its example has no header $name" if $header->{required} && !defined $value;
        next if !defined $value;
        my $type = $self->resolved($header->{schema})->{type};
        push @{ $instances->{ $json->encode($header->{schema}) } },
            ["$one->{place}: $name", $type eq 'integer' ? $value : $json->encode($value)];
    }
    my $content = $described->{content} // {};
    if (!%$content || $one->{call}{method} eq 'HEAD') {
        return (@mistakes, $example->{body} eq '' ? () : 'its example has a body');
    }
    my ($media) = ($header{'content-type'} // '') =~ /^([^;]*)/;
    return (@mistakes, "its example is '$media'") if !$content->{$media};
    push @{ $instances->{ $json->encode($content->{$media}{schema}) } },
        ["$one->{place}: body", _instance($media, $example->{body})];
    return @mistakes;
}

# _instance(MEDIA TYPE, BODY): as one JSON text
sub _instance {
    my ($media, $body) = @_;
    return $json->encode($body) if $media !~ /json/;
    utf8::encode($body);
    return $body =~ s/\n/ /gr;
}

# At their own ports the services answer with what the envelope has as data.
sub _judge_bare {
    my ($self, $one, $example, $instances) = @_;
    return if $example->{code} == 304 || $one->{path} !~ m{^/(?:products|orders)};
    my $body = eval { $json->decode(_instance('json', $example->{body})) };
    return 'its example is not JSON' if !ref $body;
    if ($example->{code} >= 400) {
        my $members = join ' ', sort grep { $_ ne 'errors' } keys %$body;
        return $members eq 'message statusCode' ? () : "its example has the members $members";
    }
    my ($success) = grep { /^2/ } sort keys %{ $one->{operation}{responses} };
    my $media = $self->resolved($one->{operation}{responses}{$success})->{content}{'application/json'};
    my $schema = $self->resolved($media->{schema})->{properties}{data};
    push @{ $instances->{ $json->encode($schema) } }, ["$one->{place}: body", _instance('json', $example->{body})];
    return;
}

sub _judge_all {
    my ($self, $schema, $instances) = @_;
    my $components = { schemas => $self->{contract}{components}{schemas} };
    return judge({ allOf => [$schema], components => $components }, $instances);
}

# _output(INPUT, COMMAND...): the lines that it writes
sub _output {
    my ($input, @command) = @_;
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if ($pid == 0) {
        open STDIN, '<', $input or POSIX::_exit(126);
        { no warnings 'exec'; exec @command; }
        POSIX::_exit(127);
    }
    my @lines = <$out>;
    close $out or die "$command[0] failed: " . ($! || 'status ' . ($? >> 8)) . "\n";
    return @lines;
}

# judge(SCHEMA, [[WHAT, JSON text on one line]...]): a mistake for each that does not keep it
sub judge {
    my ($schema, $instances) = @_;
    my $dir = File::Temp->newdir;
    my %text = (schema => $json->encode($schema), instances => join '', map { "$_->[1]\n" } @$instances);
    for my $name (keys %text) {
        open my $out, '>', "$dir/$name" or die "$dir/$name: $!\n";
        print {$out} $text{$name};
        close $out or die "$dir/$name: $!\n";
    }
    my $tool = ($ENV{PRODORDER_BUILD} || 'build') . '/schema-check';
    my @verdicts = map { $json->decode($_) } _output("$dir/instances", $tool, '--format', "$dir/schema");
    die "schema-check judges " . @verdicts . ' of ' . @$instances . "\n" if @verdicts != @$instances;
    return map {
        my $i = $_;
        map { "$instances->[$i][0]: $_->{path} $_->{message}" } @{ $verdicts[$i]{errors} }
    } 0 .. $#verdicts;
}

1;
