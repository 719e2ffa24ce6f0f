/* The product service's configuration; the table is in config.c and drives --help. */
#ifndef PRODUCT_CONFIG_H
#define PRODUCT_CONFIG_H

#include "runtime/process/config_shared.h"

#include <stddef.h>
#include <stdint.h>

struct product_config {
    CONFIG_SHARED;
};

extern struct product_config product_config;
extern const struct config_option PRODUCT_OPTIONS[];
extern const size_t PRODUCT_OPTION_COUNT;

#endif
