# Ports among those that the kernel gives to outgoing connections: a warning, when the offset puts them there.
use strict;
use warnings;

use Prodorder::Control;

# warning(OFFSET, FROM, TO): what would be said with that range; the real one without it.
sub warning {
    my ($offset, @range) = @_;
    my $fake = @range ? "ports_ephemeral() { RET_FROM=$range[0] RET_TO=$range[1]; }" : '';
    my $result = run('bash', '-euc',
        ". scripts/lib/ui.sh; . scripts/lib/settings.sh; . scripts/lib/ports.sh; $fake
        STACK_OFFSET=$offset; ports_warn_ephemeral");
    is($result->{status}, 0, "offset $offset: goes on");
    return $result->{err};
}

is(warning(0, 32768, 60999), '', 'no offset');
is(warning(17093, 32768, 60999), '', 'the largest offset that is below the range');
like(warning(17094, 32768, 60999), qr/^prodorder: PRODORDER_PORT_OFFSET=17094 puts port 32768 \(rabbitmq-epmd\) where outgoing connections take theirs/, 'one more');
like(warning(17094, 32768, 60999), qr/\(32768-60999\).*Offsets below 17094 avoid that/, 'says what to do');
like(warning(40000, 32768, 60999), qr/ and 11 more where/, 'all of them');
like(warning(45326, 32768, 60999), qr/ and 10 more where/, 'not those beyond the range');
is(warning(100, 1024, 65535), '', 'where they are without an offset, too, it is not to blame');

my ($from) = read_file('/proc/sys/net/ipv4/ip_local_port_range') =~ /^(\d+)/;
SKIP: {
    skip 'the kernel has another range here', 3 if ($from // 0) < 16000 || $from > 40000;
    my $dir = scratch();
    program("$dir/redis-server", "exit 1");
    local @ENV{qw(PATH PRODORDER_HOME PRODORDER_PORT_OFFSET)} = ("$dir:$ENV{PATH}", "$dir/home", $from - 6381);
    like(run('./prodorder', 'up', 'product-redis')->{err}, qr/puts port \d+ .* where outgoing connections take theirs \($from-/, 'up warns');
    is(run('./prodorder', 'clean')->{status}, 0, 'clean');
}

done_testing();
