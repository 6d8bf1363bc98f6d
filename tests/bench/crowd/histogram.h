/* Count latencies in buckets that are 1.6 % wide, so that a percentile needs no list of values. */

#ifndef HUBBUB_HISTOGRAM_H
#define HUBBUB_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

#define STEPS 64
#define BUCKETS (59 * STEPS)

typedef struct {
    uint64_t counts[BUCKETS];
    uint64_t total;
    uint64_t max_us;
} Histogram;

static inline void histogram_clear(Histogram *h) { memset(h, 0, sizeof *h); }

static inline void histogram_add(Histogram *h, int64_t us_signed) {
    uint64_t us = us_signed > 0 ? (uint64_t)us_signed : 0;
    unsigned bucket = (unsigned)us;
    if (us >= STEPS) {
        unsigned top = 63u - (unsigned)__builtin_clzll(us);
        bucket = (top - 5) * STEPS + (unsigned)((us >> (top - 6)) & (STEPS - 1));
    }
    h->counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    h->total++;
    if (us > h->max_us) h->max_us = us;
}

/* Return the upper end of the bucket in which the quantile lies, in milliseconds; -1 when empty. */
static inline double histogram_ms(const Histogram *h, double quantile) {
    if (h->total == 0) return -1;
    uint64_t wanted = (uint64_t)(quantile * (double)h->total), seen = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        seen += h->counts[bucket];
        if (seen <= wanted) continue;
        if (bucket < STEPS) return (bucket + 1) / 1000.0;
        unsigned top = bucket / STEPS + 5;
        return (double)((uint64_t)(STEPS + bucket % STEPS + 1) << (top - 6)) / 1000.0;
    }
    return (double)h->max_us / 1000.0;
}

#endif
