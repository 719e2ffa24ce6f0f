/*
 * What the files about request bodies share; nobody else includes this.
 */
#ifndef OPENAPI_REQUEST_BODY_H
#define OPENAPI_REQUEST_BODY_H

#include "body_media.h"
#include "openapi/loader.h"

struct oa_body {
    struct oa_body *next; /* less specific */
    struct oa_media media;
    const struct oa_schema *schema; /* NULL: anything */
};

#endif
