# The copy of nginx.conf has this stack's addresses, whatever the offset makes of the ports.
use strict;
use warnings;

use Prodorder::Control;

# 1 and 999 make of one service's port the one that the other, or the gateway, has in the original.
for my $offset (0, 1, 998, 999, 7000) {
    my $conf = run('bash', '-c', 'ROOT=$PWD; for lib in scripts/lib/*.sh; do . "$lib"; done;
        STACK_OFFSET=$1 STACK_LISTEN=127.0.0.1; gateway_render', 'bash', $offset)->{out};
    my %port = (gateway => 4000 + $offset, product => 3001 + $offset, order => 3002 + $offset);
    like($conf, qr/^ *listen 127\.0\.0\.1:$port{gateway} /m, "offset $offset: the gateway's port");
    like($conf, qr/upstream product_service \{\n *server 127\.0\.0\.1:$port{product};/, "offset $offset: product-service");
    like($conf, qr/upstream order_service \{\n *server 127\.0\.0\.1:$port{order};/, "offset $offset: order-service");
}
done_testing();
