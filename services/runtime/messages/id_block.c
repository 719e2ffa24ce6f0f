/* The block in use and the one fetched ahead. */
#include "id_block.h"

#include <assert.h>

static void fetch(struct id_block *block);

void id_block_init(struct id_block *block, struct pg *pg, const struct pg_statement *statement,
                   int64_t block_size) {
    assert(block_size > 0);
    *block = (struct id_block){ .pg = pg, .statement = statement, .block_size = block_size };
}

/*
 * A waiter that waits again from its callback overwrites no other: each ran before its slot is
 * reused.
 */
static void fetched(void *ctx, enum err err, const struct pg_rows *rows) {
    struct id_block *block = ctx;
    block->fetching = false;
    if (block->dropped) {
        block->dropped = false;
    } else if (err == ERR_OK) {
        block->spare_next = pg_rows_get_int8(&rows[0], 0, 0);
        block->spare_end = block->spare_next + block->block_size;
    }
    size_t count = block->waiter_count;
    block->waiter_count = 0; /* they may wait again */
    for (size_t i = 0; i < count; i++) {
        block->waiters[i].fn(block->waiters[i].ctx, err);
    }
}

static void fetch(struct id_block *block) {
    if (block->fetching || block->spare_next < block->spare_end) {
        return;
    }
    struct pg_call call = { .statement = block->statement };
    block->fetching = true;
    pg_run(block->pg, &call, 1, fetched, block);
}

enum err id_block_take(struct id_block *block, size_t count, int64_t *ret_first) {
    int64_t wanted = (int64_t)count;
    assert(wanted > 0 && wanted <= block->block_size);
    if (block->end - block->next < wanted && block->spare_end - block->spare_next >= wanted) {
        block->next = block->spare_next;
        block->end = block->spare_end;
        block->spare_next = block->spare_end = 0;
    }
    if (block->end - block->next < wanted) {
        return ERR_BUSY;
    }
    *ret_first = block->next;
    block->next += wanted;
    if (block->end - block->next < block->block_size / 2) {
        fetch(block);
    }
    return ERR_OK;
}

void id_block_drop(struct id_block *block) {
    block->next = block->end = block->spare_next = block->spare_end = 0;
    block->dropped = block->fetching;
}

void id_block_wait(struct id_block *block, id_block_fn *fn, void *ctx) {
    assert(block->waiter_count < ID_BLOCK_WAITERS_MAX);
    block->waiters[block->waiter_count].fn = fn;
    block->waiters[block->waiter_count].ctx = ctx;
    block->waiter_count++;
    fetch(block);
}
