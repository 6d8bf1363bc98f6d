/* Print what the crowd saw, one JSON object a line. */

#define _GNU_SOURCE
#include "crowd.h"

#include <stdio.h>

void print_histogram(const char *name, const Histogram *h) {
    printf(",\"%s\":{\"count\":%llu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f}",
           name, (unsigned long long)h->total, histogram_ms(h, 0.5), histogram_ms(h, 0.99),
           histogram_ms(h, 0.999), (double)h->max_us / 1000.0);
}

void print_count(const char *name, uint64_t count) {
    printf(",\"%s\":%llu", name, (unsigned long long)count);
}

void report_ready(void) {
    printf("{\"event\":\"ready\",\"open\":%d,\"joined\":%d}\n", crowd.open, crowd.joined);
    fflush(stdout);
}

/* Report what was received since the last report, and begin anew. */
void report_window(void) {
    Window *w = &crowd.window;
    double seconds = (double)(now_ns() - w->from_ns) / 1e9;
    printf("{\"event\":\"window\",\"seconds\":%.4f,\"work_s\":%.4f,\"open\":%d", seconds,
           (double)w->work_ns / 1e9, crowd.open);
    print_count("frames", w->frames);
    print_count("lines", w->lines);
    print_count("bytes", w->bytes);
    print_count("other_frames", w->other_frames);
    print_histogram("chat", &w->others);
    print_histogram("sale", &w->sale);
    print_histogram("slow", &w->slow);
    printf("}\n");
    fflush(stdout);
    memset(w, 0, sizeof *w);
    w->from_ns = now_ns();
}

/* Judge everybody against the log's true end. */
void report_verdict(int64_t final_offset) {
    const Verdict *v = &crowd.verdict;
    uint64_t expected = 0, missed = v->missed, behind = 0, ahead = 0;
    for (int i = 0; i < crowd.count; i++) {
        const Lane *lane = &crowd.clients[i].lane;
        if (lane->offset == NOWHERE) continue;
        expected += (uint64_t)(final_offset - lane->start);
        if (lane->offset < final_offset) {
            missed += (uint64_t)(final_offset - lane->offset);
            behind++;
        }
        ahead += lane->offset > final_offset;
    }
    printf("{\"event\":\"verdict\",\"open\":%d,\"joined\":%d,\"covered\":%lld", crowd.open,
           crowd.joined, (long long)v->covered);
    print_count("expected", expected);
    print_count("missed", missed);
    print_count("behind", behind);
    print_count("ahead", ahead);
    print_count("delivered", v->delivered);
    print_count("duplicates", v->duplicates);
    print_count("differing", v->differing);
    print_count("unplaced", v->unplaced);
    print_count("snapshots", v->snapshots);
    print_count("rewinds", v->rewinds);
    print_count("epoch_changes", v->epoch_changes);
    print_count("malformed", crowd.malformed);
    print_count("cuts", crowd.cuts);
    print_count("lost", crowd.lost);
    print_count("refused", crowd.refused);
    print_count("replayed", crowd.replayed);
    print_count("resnapped", crowd.resnapped);
    print_histogram("replay", &crowd.replays);
    printf(",\"codes\":{");
    for (int i = 0; i < CODES_MAX && crowd.codes[i].times; i++)
        printf("%s\"%d\":%llu", i ? "," : "", crowd.codes[i].code,
               (unsigned long long)crowd.codes[i].times);
    printf("}}\n");
    fflush(stdout);
}
