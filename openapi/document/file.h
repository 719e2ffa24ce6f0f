/*
 * A document's file, in memory.
 */
#ifndef OPENAPI_DOCUMENT_FILE_H
#define OPENAPI_DOCUMENT_FILE_H

#include "document.h"

/*
 * All of `file` (at most OA_DOCUMENT_BYTES_MAX bytes), to be freed. NULL: `problem` was called with
 * the line "FILE: REASON".
 */
char *oa_file_read(const char *file, size_t *ret_len, oa_problem_fn problem, void *user);

#endif
