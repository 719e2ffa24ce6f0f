/* The limits of the public contract, in one place (openapi.json says the same to the outside). */
#ifndef CONTRACT_LIMITS_H
#define CONTRACT_LIMITS_H

#include <stdint.h>

#define PRICE_CENTS_MAX INT64_C(999999999999) /* 9 999 999 999.99 */
#define STOCK_QTY_MAX INT64_C(2147483647)
#define ORDER_QUANTITY_MAX INT64_C(1000000) /* of a restock too */

enum {
    PRICE_DECIMALS = 2,
    PRODUCT_NAME_CHARACTERS_MAX = 200,
    PRODUCT_NAME_BYTES_MAX = 800, /* UTF-8: four bytes a character */
    IDEMPOTENCY_KEY_BYTES_MAX = 255,
    PAGE_LIMIT_DEFAULT = 100,
    PAGE_LIMIT_MAX = 1000,
};

/* total = unit price × quantity always fits int64_t */
_Static_assert(PRICE_CENTS_MAX <= INT64_MAX / ORDER_QUANTITY_MAX, "total price overflows");

#endif
