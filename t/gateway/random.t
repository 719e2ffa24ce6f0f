#!/usr/bin/perl
# Where ids come from: the kernel's generator, also when a signal cuts its answer short or comes before it; from
# the clock only where there is none, and then the error log says so once.
use strict;
use warnings;

use Test::More;

use Prodorder::Gateway::Http;
use Prodorder::Gateway::Nginx;

# A generator that gives known bytes, a few at a time; large requests are the module's only.
my $SHIM = <<'END';
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t getrandom(void *buf, size_t n, unsigned flags) {
    static unsigned calls;

    if (n <= 256 && calls == 0) {
        return syscall(SYS_getrandom, buf, n, flags);
    }
    if (MISSING) {
        errno = ENOSYS;
        return -1;
    }
    if (++calls % 2) {
        errno = EINTR;
        return -1;
    }
    n = n < 100 ? n : 100;
    memset(buf, 0x5a, n);
    return (ssize_t)n;
}
END

my $nginx = Prodorder::Gateway::Nginx->new;
my $asan = $ENV{PRODORDER_TEST_PRELOAD} // '';
my $cc = $ENV{CC} // 'cc';
my $warning = qr/\[warn\].*getrandom\(\) failed, ids are made of the clock/;

# The ids of as many requests, more than one filling of the store lasts for.
sub ids {
    my ($missing) = @_;
    my $name = $nginx->prefix . "/shim$missing";
    open my $out, '>', "$name.c" or die "$name.c: $!";
    print {$out} $SHIM;
    close $out;
    system($cc, '-shared', '-fPIC', "-DMISSING=$missing", '-o', "$name.so", "$name.c") == 0 or BAIL_OUT("$cc fails");
    local $ENV{PRODORDER_TEST_PRELOAD} = join ' ', grep { length } $asan, "$name.so";
    $nginx->write_conf(main => '', http2 => 0, http => '', server => 'location / { return 204; }');
    is($nginx->start, undef, 'nginx starts');
    my $client = Prodorder::Gateway::Http->new($nginx->port, 10);
    my @ids;
    for (1 .. 600) {
        $client->send_pieces(0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        my $response = $client->read_response('GET') or last;
        push @ids, Prodorder::Gateway::Http::values_of($response, 'X-Request-Id');
    }
    $client->close;
    is($nginx->stop, 0, 'nginx stopped gracefully');
    is(scalar @ids, 600, 'every response has an id');
    return @ids;
}

my @ids = ids(0);
my @other = grep { $_ ne '5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a' } @ids;
is(scalar @other, 0, 'every id is of the bytes that came in short, interrupted answers') or diag($other[0]);
unlike($nginx->error_log, $warning, 'which is nothing to speak of');

@ids = ids(1);
my %different = map { $_ => 1 } @ids;
is(scalar keys %different, 600, 'without the call, ids still differ');
is(scalar(grep { !/\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/ } @ids), 0, 'and are UUIDs');
is(scalar(my @said = $nginx->error_log =~ /$warning/g), 1, 'and the error log says so, once');

is(join("\n", $nginx->findings), '', 'the error log is clean otherwise');

done_testing();
