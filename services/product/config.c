#include "config.h"

struct product_config product_config;

#define AT(member) offsetof(struct product_config, member)

const struct config_option PRODUCT_OPTIONS[] = {
    CONFIG_SHARED_OPTIONS("product-service", "3001", "5433", "product", "6381"),
};
const size_t PRODUCT_OPTION_COUNT = sizeof(PRODUCT_OPTIONS) / sizeof(PRODUCT_OPTIONS[0]);
