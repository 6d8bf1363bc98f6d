/* Judge what one client saw of a room's sale lane: every offset once, in order, or a snapshot.

   The verdict is about offsets and bytes alone: an event is what the first client saw at its
   offset, and whoever sees other bytes there has seen another event. */

#ifndef HUBBUB_LANE_H
#define HUBBUB_LANE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_CHARS_MAX 64
/* Offsets beyond this are judged by number only; a benchmark publishes thousands. */
#define REMEMBERED_MAX (1 << 20)
#define NOWHERE (-1)

typedef struct {
    char epoch[EPOCH_CHARS_MAX + 1];
    int64_t offset; /* The newest event had, or NOWHERE. */
    int64_t start;  /* Where this client began to watch. */
} Lane;

typedef struct {
    uint64_t delivered, duplicates, missed, differing, unplaced;
    uint64_t snapshots, rewinds, epoch_changes;
    int64_t covered; /* Events that a snapshot stood for; a snapshot of the past subtracts. */
} Verdict;

extern uint64_t *remembered; /* By offset, a hash of the event that was first seen there; 0 for none. */

static inline void lane_clear(Lane *lane) {
    lane->epoch[0] = 0;
    lane->offset = lane->start = NOWHERE;
}

static inline const char *skip_to(const char *at, const char *end, const char *mark) {
    const char *found = memmem(at, (size_t)(end - at), mark, strlen(mark));
    return found ? found + strlen(mark) : NULL;
}

/* Read digits; returns where they end, or NULL when there are none. */
static inline const char *read_number(const char *at, const char *end, int64_t *number) {
    const char *first = at;
    int64_t value = 0;
    while (at < end && *at >= '0' && *at <= '9') value = value * 10 + (*at++ - '0');
    if (at == first) return NULL;
    *number = value;
    return at;
}

static inline bool read_epoch(const char *at, const char *end, char *epoch) {
    const char *quote = memchr(at, '"', (size_t)(end - at));
    if (!quote || quote - at > EPOCH_CHARS_MAX) return false;
    memcpy(epoch, at, (size_t)(quote - at));
    epoch[quote - at] = 0;
    return true;
}

/* Return the end of the JSON array that starts at `at`, with a hash of its bytes. */
static inline const char *walk_event(const char *at, const char *end, uint64_t *hash) {
    int depth = 0;
    bool quoted = false;
    uint64_t h = 1469598103934665603ull;
    for (; at < end; at++) {
        h = (h ^ (unsigned char)*at) * 1099511628211ull;
        if (quoted) {
            if (*at == '\\' && at + 1 < end) h = (h ^ (unsigned char)*++at) * 1099511628211ull;
            else if (*at == '"') quoted = false;
        } else if (*at == '"') {
            quoted = true;
        } else if (*at == '[' || *at == '{') {
            depth++;
        } else if (*at == ']' || *at == '}') {
            if (--depth == 0) {
                *hash = h | 1;
                return at + 1;
            }
        }
    }
    return NULL;
}

static inline void lane_event(Lane *lane, Verdict *verdict, int64_t offset, uint64_t hash) {
    if (offset >= 0 && offset < REMEMBERED_MAX) {
        if (remembered[offset] == 0) remembered[offset] = hash;
        else if (remembered[offset] != hash) verdict->differing++;
    }
    if (lane->offset == NOWHERE) {
        verdict->unplaced++;
        return;
    }
    if (offset <= lane->offset) {
        verdict->duplicates++;
        return;
    }
    verdict->missed += (uint64_t)(offset - lane->offset - 1);
    verdict->delivered++;
    lane->offset = offset;
}

/* Take in `["S",first,[event,…]]`; return the last offset in it, or NOWHERE when it is malformed. */
static inline int64_t lane_sale(Lane *lane, Verdict *verdict, const char *at, const char *end) {
    int64_t first;
    at = read_number(at + 5, end, &first);
    if (!at || end - at < 3 || at[0] != ',' || at[1] != '[') return NOWHERE;
    int64_t offset = first;
    for (at += 2; at < end && *at == '['; offset++) {
        uint64_t hash;
        at = walk_event(at, end, &hash);
        if (!at) return NOWHERE;
        lane_event(lane, verdict, offset, hash);
        if (at < end && *at == ',') at++;
    }
    return offset - 1;
}

/* Take in `["Z",epoch,offset,{state}]`: the client continues from there. */
static inline void lane_snapshot(Lane *lane, Verdict *verdict, const char *at, const char *end) {
    char epoch[EPOCH_CHARS_MAX + 1];
    int64_t offset;
    if (!read_epoch(at + 6, end, epoch)) return;
    at += 6 + strlen(epoch) + 2;
    if (at >= end || !read_number(at, end, &offset)) return;
    if (lane->offset == NOWHERE) {
        lane->start = offset;
    } else if (strcmp(epoch, lane->epoch) != 0) {
        verdict->epoch_changes++;
    } else {
        verdict->snapshots++;
        verdict->covered += offset - lane->offset;
        verdict->rewinds += offset < lane->offset;
    }
    strcpy(lane->epoch, epoch);
    lane->offset = offset;
}

#endif
