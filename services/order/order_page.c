/* Pages of orders: from rows, and into a request's memory. */
#include "order_page.h"

#include "runtime/flow/http_flow.h"

enum err order_page_encode(const struct pg_rows *rows, size_t first, size_t end, size_t limit,
                           struct buf *out, struct order_page *ret_page) {
    struct order order = { 0 };
    ret_page->has_more = end - first > limit;
    if (ret_page->has_more) {
        end = first + limit;
    }
    buf_clear(out);
    buf_append_char(out, '[');
    for (size_t r = first; r < end; r++) {
        if (order_from_row(rows, r, 0, &order) != ERR_OK) {
            return ERR_INTERNAL;
        }
        if (r > first) {
            buf_append_char(out, ',');
        }
        order_encode(&order, out);
    }
    buf_append_char(out, ']');
    ret_page->last = (struct http_cursor){ order.created_ms, order.id };
    ret_page->json = (struct str){ buf_bytes(out), buf_length(out) };
    return out->failed ? ERR_NO_MEMORY : ERR_OK;
}

enum err order_page_copy(struct flow *flow, const struct order_page *page,
                         struct order_page *ret_page) {
    struct arena *arena = http_arena(http_flow_exchange(flow));
    *ret_page = *page;
    ret_page->json.data = arena_copy(arena, page->json.data, page->json.len);
    return ret_page->json.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}
