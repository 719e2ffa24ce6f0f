#include "names.h"

#include <inttypes.h>
#include <stdio.h>

void cache_key_product(int64_t product_id, char out[CACHE_NAME_BYTES]) {
    snprintf(out, CACHE_NAME_BYTES, CACHE_PREFIX_PRODUCT "%" PRId64, product_id);
}

void cache_key_orders(int64_t product_id, char out[CACHE_NAME_BYTES]) {
    snprintf(out, CACHE_NAME_BYTES, CACHE_PREFIX_ORDERS "%" PRId64, product_id);
}
