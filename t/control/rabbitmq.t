# What ./prodorder does after RabbitMQ's start: nothing on 3.x, which has no delivery limit; on 4.x a policy without one.
use strict;
use warnings;

use Prodorder::Control;

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
        STACK_OFFSET=0; rabbitmq_after_start');
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

done_testing();
