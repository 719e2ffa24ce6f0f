/* Which byte may stand where in an HTTP message. */
#include "parser_private.h"

#define ALNUM (HTTP_BYTE_TOKEN | HTTP_BYTE_TARGET | HTTP_BYTE_VALUE | HTTP_BYTE_HOST)
#define TOKEN (HTTP_BYTE_TOKEN | HTTP_BYTE_TARGET | HTTP_BYTE_VALUE)
#define HOST (HTTP_BYTE_TARGET | HTTP_BYTE_VALUE | HTTP_BYTE_HOST)
#define OTHER (HTTP_BYTE_TARGET | HTTP_BYTE_VALUE)

const uint8_t HTTP_BYTE_CLASSES[256] = {
    ['0' ... '9'] = ALNUM,
    ['A' ... 'Z'] = ALNUM,
    ['a' ... 'z'] = ALNUM,
    ['!'] = ALNUM,
    ['$'] = ALNUM,
    ['%'] = ALNUM,
    ['&'] = ALNUM,
    ['\''] = ALNUM,
    ['*'] = ALNUM,
    ['+'] = ALNUM,
    ['-'] = ALNUM,
    ['.'] = ALNUM,
    ['_'] = ALNUM,
    ['~'] = ALNUM,
    ['^'] = TOKEN,
    ['`'] = TOKEN,
    ['|'] = TOKEN,
    ['#'] = HTTP_BYTE_TOKEN | HTTP_BYTE_VALUE,
    ['('] = HOST,
    [')'] = HOST,
    [','] = HOST,
    [':'] = HOST,
    [';'] = HOST,
    ['='] = HOST,
    ['['] = HOST,
    [']'] = HOST,
    ['"'] = OTHER,
    ['/'] = OTHER,
    ['<'] = OTHER,
    ['>'] = OTHER,
    ['?'] = OTHER,
    ['@'] = OTHER,
    ['\\'] = OTHER,
    ['{'] = OTHER,
    ['}'] = OTHER,
    ['\t'] = HTTP_BYTE_VALUE,
    [' '] = HTTP_BYTE_VALUE,
    [0x80 ... 0xff] = HTTP_BYTE_VALUE,
};

#undef ALNUM
#undef TOKEN
#undef HOST
#undef OTHER
