/* The process_* metrics that Prometheus client libraries agree on. Internal to metrics.c. */
#ifndef RUNTIME_TELEMETRY_METRICS_PROCESS_H
#define RUNTIME_TELEMETRY_METRICS_PROCESS_H

#include "base/buf.h"

/* Append what the system tells; what it does not tell is left out. */
void metrics_render_process(struct buf *out);

#endif
