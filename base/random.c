/* Random bytes, drawn from the kernel in blocks, and the ids and numbers made of them. */
#include "random.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1024 };

static _Thread_local int kernel_error;

/* A signal may cut the kernel's answer short, or come before it. */
static bool ask_kernel(unsigned char *out, size_t bytes) {
    while (bytes > 0) {
        ssize_t got = getrandom(out, bytes, 0);
        if (got < 0 && errno != EINTR) {
            kernel_error = errno;
            return false;
        }
        if (got > 0) {
            out += got;
            bytes -= (size_t)got;
        }
    }
    return true;
}

/* Bytes that differ from one process and thread to the next; they can be guessed. */
static void ask_clock(unsigned char *out, size_t bytes) {
    static _Thread_local unsigned short seed[3];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seed[0] ^= (unsigned short)now.tv_nsec;
    seed[1] ^= (unsigned short)((uintptr_t)seed >> 12 ^ (unsigned long)now.tv_nsec >> 16);
    seed[2] ^= (unsigned short)(getpid() ^ now.tv_sec);
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (unsigned char)(nrand48(seed) >> 15);
    }
}

void random_fill(void *out, size_t bytes) {
    static _Thread_local unsigned char block[BLOCK_BYTES];
    static _Thread_local size_t left;
    assert(bytes <= RANDOM_FILL_BYTES_MAX);
    if (left < bytes) {
        if (!ask_kernel(block, sizeof(block))) {
            ask_clock(block, sizeof(block));
        }
        left = sizeof(block);
    }
    left -= bytes;
    memcpy(out, block + left, bytes);
}

static char *put_hex(char *out, const unsigned char *bytes, size_t count) {
    static const char HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *out++ = HEX[bytes[i] >> 4];
        *out++ = HEX[bytes[i] & 0x0f];
    }
    return out;
}

void random_uuid(char out[RANDOM_UUID_BYTES]) {
    static const size_t GROUPS[] = { 4, 2, 2, 2, 6 };
    unsigned char random[16];
    const unsigned char *group = random;
    random_fill(random, sizeof(random));
    random[6] = (unsigned char)((random[6] & 0x0f) | 0x40); /* version 4 */
    random[8] = (unsigned char)((random[8] & 0x3f) | 0x80); /* variant 10 */
    for (size_t i = 0; i < sizeof(GROUPS) / sizeof(GROUPS[0]); i++) {
        out = put_hex(out, group, GROUPS[i]);
        *out++ = '-';
        group += GROUPS[i];
    }
    out[-1] = '\0';
}

void random_hex(char *out, size_t digits) {
    unsigned char random[RANDOM_FILL_BYTES_MAX / 2];
    unsigned any = 0;
    assert(digits % 2 == 0 && digits / 2 <= sizeof(random));
    while (any == 0) {
        random_fill(random, digits / 2);
        for (size_t i = 0; i < digits / 2; i++) {
            any |= random[i];
        }
    }
    put_hex(out, random, digits / 2);
}

uint32_t random_below(uint32_t below) {
    uint32_t random;
    assert(below > 0);
    random_fill(&random, sizeof(random));
    return (uint32_t)(((uint64_t)random * below) >> 32);
}

int random_error(void) {
    return kernel_error;
}
