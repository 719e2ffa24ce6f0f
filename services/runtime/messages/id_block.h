/*
 * Ids from a PostgreSQL sequence, in blocks, so that nothing waits for RETURNING.
 *
 * The sequence must be created with INCREMENT BY the block size: nextval() then owns
 * [value, value + block_size). The next block is asked for when half of the current one is gone.
 * Ids left over at exit are lost: gaps are normal. When an id proves to be taken (ERR_TAKEN_ID, the
 * sequence was behind its table) the blocks in hand are given up. Loop thread only.
 */
#ifndef RUNTIME_MESSAGES_ID_BLOCK_H
#define RUNTIME_MESSAGES_ID_BLOCK_H

#include "base/err.h"
#include "runtime/loop/loop.h"
#include "runtime/pg/pg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ID_BLOCK_WAITERS_MAX = 8 };

typedef void id_block_fn(void *ctx, enum err err);

struct id_block {
    struct pg *pg;
    const struct pg_statement *statement; /* SELECT nextval('…') */
    int64_t block_size;                   /* the sequence's increment */
    int64_t next, end;                    /* the block in use */
    int64_t spare_next, spare_end;        /* the one fetched ahead */
    bool fetching;
    bool dropped; /* what is being fetched may be from before */
    struct {
        id_block_fn *fn;
        void *ctx;
    } waiters[ID_BLOCK_WAITERS_MAX];
    size_t waiter_count;
};

void id_block_init(struct id_block *block, struct pg *pg, const struct pg_statement *statement,
                   int64_t block_size);

/*
 * `count` (at most block_size) consecutive ids from *ret_first. ERR_BUSY: fetch first, with
 * id_block_wait().
 */
MUST_CHECK enum err id_block_take(struct id_block *block, size_t count, int64_t *ret_first);

/* Give up all ids in hand or on their way: after ERR_TAKEN_ID. */
void id_block_drop(struct id_block *block);

/*
 * Call fn once when id_block_take() may succeed, or with the error of the fetch. At most
 * ID_BLOCK_WAITERS_MAX wait.
 */
void id_block_wait(struct id_block *block, id_block_fn *fn, void *ctx);

#endif
