/*
 * Embed a text file of the repository into the program, NUL-terminated:
 *
 *   EMBED_TEXT(migration_0001, "services/order/migrations/0001_orders.sql");
 *   … migration_0001 is a `const char[]`.
 *
 * The path is relative to the directory in which the compiler runs: the top of the repository.
 */
#ifndef BASE_EMBED_H
#define BASE_EMBED_H

#define EMBED_TEXT(symbol, path)                                                                   \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #symbol "\n"                                                                \
            ".type " #symbol ", @object\n" #symbol ":\n"                                           \
            ".incbin \"" path "\"\n"                                                               \
            ".byte 0\n"                                                                            \
            ".size " #symbol ", . - " #symbol "\n"                                                 \
            ".popsection\n");                                                                      \
    extern const char symbol[]

#endif
