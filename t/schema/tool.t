#!/usr/bin/perl
# build/schema-check as its users see it: arguments, lines in and out, mistakes, limits.
use strict;
use warnings;

use IPC::Open2 qw(open2);
use JSON::PP;

use Prodorder::Control;

my $tool = ($ENV{PRODORDER_BUILD} || 'build') . '/schema-check';
my $dir  = scratch();

die "$tool is missing: run make openapi\n" if !-x $tool;

sub spew {
    my ($name, $text) = @_;
    write_file("$dir/$name", $text);
    return "$dir/$name";
}

# (exit status, standard output, standard error)
sub run_tool {
    my ($input, @arguments) = @_;
    my $in = spew(in => $input);
    my $command = join ' ', map { "'$_'" } $tool, @arguments;
    my $out = `$command < '$in' 2> '$dir/err'`;
    return ($? >> 8, $out, read_file("$dir/err"));
}

my $order = spew('order.json', '{"required":["productId"],"properties":{"productId":{"type":"integer","minimum":1}}}');

my ($status, $out, $err) = run_tool(qq({"productId":1}\n{"productId":0}\n{}\n), $order);
is($status, 0, 'exit 0 whatever the instances are');
is($out, <<'END', 'one line for each instance');
{"valid":true,"errors":[]}
{"valid":false,"errors":[{"path":"/productId","keyword":"minimum","message":"must be >= 1"}]}
{"valid":false,"errors":[{"path":"","keyword":"required","message":"must have required property 'productId'"}]}
END
is($err, '', 'and nothing on standard error');

($status, $out) = run_tool(qq({"productId":1}), $order);
is($out, qq({"valid":true,"errors":[]}\n), 'the last line needs no end');

($status, $out) = run_tool("{\"a\":\n\n1 2\n", $order);
is($status, 0, 'a line that is no JSON is no failure of the tool');
is_deeply([map { decode_json($_)->{errors}[0]{keyword} } split /\n/, $out], [qw(json json json)],
    'but an error of that line, and so is an empty one');

($status, $out) = run_tool(qq({"a\\"\\\\\\u0001":1}\n), spew('none.json', '{"additionalProperties":false}'));
is(decode_json($out)->{errors}[0]{path}, qq(/a"\\\x01), 'what is written is JSON, whatever the names are');

my $mail = spew('mail.json', '{"format":"email"}');
($status, $out) = run_tool(qq("x"\n), $mail);
like($out, qr/"valid":true/, 'a format is an annotation');
($status, $out) = run_tool(qq("x"\n), '--format', $mail);
like($out, qr/"keyword":"format"/, 'and asserted with --format');

my $bad = spew('bad.json', '{"type":"int","properties":{"a":{"minLength":-1},"b":{"$ref":"http://x/y"}}}');
($status, $out, $err) = run_tool("1\n", $bad);
is($status, 2, 'exit 2 when the schema has mistakes');
is($out, '', 'then nothing is judged');
my @lines = split /\n/, $err;
is(scalar @lines, 3, 'all mistakes are reported') or diag($err);
like($lines[0], qr{^schema-check: \S*bad\.json: #/type: "int" is not a type}, 'with file, place and reason');
like($lines[2], qr{#/properties/b/\$ref: "http://x/y" is remote}, 'a remote reference is one');

($status, $out, $err) = run_tool('', "$dir/no-such-file");
is($status, 2, 'exit 2 when there is no such file');
like($err, qr/no-such-file: cannot be opened: No such file/, 'and it is named');
($status, $out, $err) = run_tool('', $dir);
is($status, 2, 'exit 2 for a directory');
like($err, qr/cannot be read: Is a directory/, 'and it says so');
for my $arguments ('--help', "'$order'") {
    my $said = `echo '{}' | '$tool' $arguments 2>&1 > /dev/full`;
    is($? >> 8, 2, "exit 2 when the answer cannot be written: $arguments");
    is($said, "schema-check: the answer cannot be written\n", 'and it says so');
}
($status, $out) = run_tool("{}\n", '--format', '--', $order);
is($status, 0, '-- ends the options');

($status, $out, $err) = run_tool('', '--help');
is($status, 0, '--help');
like($out, qr/^usage: schema-check \[--format\] SCHEMA/, 'says how it is used');
($status, $out, $err) = run_tool('');
is($status, 2, 'exit 2 without arguments');
like($err, qr/^usage: /, 'with the usage');
for my $arguments (['--no-such-option', $order], [$order, $order], ['-xy', $order, '--format']) {
    ($status, $out, $err) = run_tool('', @$arguments);
    is($status, 2, "exit 2: @{[ scalar @$arguments ]} arguments that make no sense");
    like($err, qr/not expected; see schema-check --help/, 'and it says so');
}

# Another program asks, and waits for each answer.
my $pid = open2(my $from, my $to, $tool, $order);
for my $id (1, 0) {
    print $to qq({"productId":$id}\n);
    $to->flush;
    local $SIG{ALRM} = sub { die "no answer\n" };
    alarm 30;
    my $answer = eval { scalar <$from> };
    alarm 0;
    is(!!decode_json($answer // '{}')->{valid}, !!$id, "an answer to productId $id before the end of the input");
}
close $to;
waitpid $pid, 0;
is($?, 0, 'and exit 0 at the end of the input');

# Lines of any length up to 64 MiB; then the next one is read as usual.
my $limit = 64 * 1024 * 1024;
my $any = spew('any.json', '{"maxLength":1}');
($status, $out) = run_tool('"' . ('x' x ($limit - 2)) . qq("\n"") . ('x' x $limit) . qq(\n"a"\n), $any);
my @verdicts = map { decode_json($_) } split /\n/, $out;
is($verdicts[0]{errors}[0]{keyword}, 'maxLength', 'a line of 64 MiB is judged');
is($verdicts[1]{errors}[0]{message}, "the line is longer than $limit bytes", 'a longer one is not');
ok($verdicts[2]{valid}, 'the one behind it is');

done_testing();
