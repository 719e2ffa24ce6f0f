# What ./prodorder does after RabbitMQ's start: on 3.x, which has no delivery limit, it sets nothing, on 4.x a policy without one;
# queues that RabbitMQ has left without a leader get one.
use strict;
use warnings;

use JSON::PP ();
use Time::HiRes qw(time);

use Prodorder::Control;
use Prodorder::Stack;

# after_start(OVERVIEW, REFUSES): the requests that would be sent to a management API that answers so.
sub after_start {
    my ($overview, $refuses) = @_;
    my $dir = scratch();
    my $exit = $refuses ? 22 : 0;
    program("$dir/curl", <<"END");
case "\$*" in
*/overview) echo '$overview' ;;
*) echo "\$*" >> $dir/sent; exit $exit ;;
esac
END
    local $ENV{PATH} = "$dir:$ENV{PATH}";
    my $result = run('bash', '-euc', '. scripts/lib/ui.sh; . scripts/lib/settings.sh; . scripts/lib/rabbitmq.sh
        STACK_OFFSET=0; rabbitmq_elect_leaders() { :; }; rabbitmq_after_start');
    return ($result, -e "$dir/sent" ? read_file("$dir/sent") : '');
}

for my $version (qw(3.10.8 3.13.7)) {
    my ($result, $sent) = after_start(qq({"management_version":"$version","rabbitmq_version":"$version"}));
    is($result->{status}, 0, "RabbitMQ $version") or diag $result->{err};
    is($sent, '', 'nothing is set');
}
for my $version (qw(4.0.1 4.1.0 10.0.0)) {
    my ($result, $sent) = after_start(qq({"management_version":"$version","rabbitmq_version":"$version"}));
    is($result->{status}, 0, "RabbitMQ $version") or diag $result->{err};
    like($sent, qr{-X PUT .*http://guest:guest\@127\.0\.0\.1:15672/api/policies/%2F/\S+ .*"apply-to":"quorum_queues","definition":\{"delivery-limit":-1\}},
        'a policy without a limit');
    is(scalar(() = $sent =~ /\n/g), 1, 'once');
}
{
    my ($result, $sent) = after_start('{"error":"not_authorised"}');
    is($result->{status}, 0, 'an API that does not say its version');
    is($sent, '', 'nothing is set');
    ($result) = after_start('{"rabbitmq_version":"4.0.1"}', 1);
    is($result->{status}, 1, 'a policy that is refused');
    like($result->{err}, qr/its policy against a delivery limit was refused/, 'is an error');
}

# ---- killed right after a queue was declared, a real one: the queue has no leader, until up says that it shall have one ----

my $home = scratch() . '/home';
END { my $status = $?; run('./prodorder', 'clean') if $home; $? = $status }
$ENV{PRODORDER_HOME} = $home;
$ENV{PRODORDER_PORT_OFFSET} = free_offset(qw(5673 15672 15673 15674));

sub up {
    my ($said, $status) = said('./prodorder', 'up', 'rabbitmq');
    is($status, 0, 'up rabbitmq') or diag $said;
    return $said;
}

sub put_and_get {
    my ($queue) = @_;
    Prodorder::Stack::rabbitmq(POST => '/exchanges/%2F/amq.default/publish',
        { routing_key => $queue, properties => { delivery_mode => 2 }, payload => $queue, payload_encoding => 'string' });
    my $got = Prodorder::Stack::rabbitmq(POST => "/queues/%2F/$queue/get", { count => 1, ackmode => 'ack_requeue_false', encoding => 'auto' });
    return $got->[0] && $got->[0]{payload};
}

unlike(up(), qr/leader/, 'a first start');
Prodorder::Stack::rabbitmq(PUT => '/queues/%2F/early', { durable => JSON::PP::true, arguments => { 'x-queue-type' => 'quorum' } });
Prodorder::Stack::kill_hard('rabbitmq');
like(up(), qr/early had no leader after RabbitMQ was killed; it has one now/, 'killed at once');
is(put_and_get('early'), 'early', 'it takes a message and gives it');
Prodorder::Stack::kill_hard('rabbitmq');
unlike(up(), qr/leader/, 'killed later');
is(put_and_get('early'), 'early', 'it goes on by itself');

# ---- converting a queue: nothing moves into the new one before RabbitMQ can be killed; killed then, all of it is there ----

use constant { CONVERTED => 'order.created.product-service.dlq', MESSAGES => 1000, REGISTERED_AFTER_S => 2 };
my $port = 15672 + $ENV{PRODORDER_PORT_OFFSET};
$ENV{RABBITMQ_MANAGEMENT_URL} = "http://127.0.0.1:$port";

sub put {
    my ($payload) = @_;
    Prodorder::Stack::rabbitmq(POST => '/exchanges/%2F/amq.default/publish',
        { routing_key => CONVERTED, properties => { delivery_mode => 2 }, payload => $payload, payload_encoding => 'string' });
    return;
}

sub payloads {
    my ($count) = @_;
    my $found = Prodorder::Stack::rabbitmq(POST => '/queues/%2F/' . CONVERTED . '/get',
        { count => $count, ackmode => 'ack_requeue_true', encoding => 'auto' });
    return map { $_->{payload} } @$found;
}

Prodorder::Stack::rabbitmq(PUT => '/queues/%2F/' . CONVERTED, { durable => JSON::PP::true, arguments => {} });
put("message $_") for 1 .. MESSAGES;
my $converting = Prodorder::Stack::in_background(sub { open STDOUT, '>', '/dev/null'; exec 'scripts/convert-queues' });
ok(eventually(60, sub {
    my $queue = eval { Prodorder::Stack::rabbitmq(GET => '/queues/%2F/' . CONVERTED) };
    return $queue && $queue->{type} eq 'quorum';
}), 'it is declared anew,');
my $declared = time;
ok(eventually(60, sub { payloads(1) }), 'its messages move back,');
cmp_ok(time - $declared, '>', REGISTERED_AFTER_S, 'not at once');
Prodorder::Stack::kill_hard('rabbitmq');
waitpid $converting, 0;
isnt($?, 0, 'which ends the conversion');
up();
my $converted = run('scripts/convert-queues');
is($converted->{status}, 0, 'it goes on') or diag $converted->{err};
my %there = map { $_ => 1 } payloads(2 * MESSAGES);
is(scalar(keys %there), MESSAGES, 'nothing is lost');

done_testing();
