/* The state of a crowd of WebSocket clients that one thread plays. */

#ifndef HUBBUB_CROWD_H
#define HUBBUB_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "lane.h"

#define SECOND_NS 1000000000ll
/* A client that was turned away or cut off by the server comes back after this. */
#define BACK_OFF_NS SECOND_NS
/* Handshakes under way at once: a stampede, but fewer than a listener's backlog. */
#define OPENING_MAX 1500
/* Slow readers read this often; their rate is given in bytes a second. */
#define SIPS_PER_S 10
#define CODES_MAX 16

typedef enum { AWAY, CONNECTING, SHAKING, OPEN } State;

typedef struct {
    int fd;
    State state;
    bool slow;
    bool joined;     /* Counted once, at its first welcome. */
    bool up_to_date; /* Has what the hello of this connection promised. */
    int64_t due_ns;  /* When to connect, or when to sip. */
    int64_t cut_ns;  /* When to lose the connection; 0 for never. */
    int64_t begun_ns;
    int64_t promised; /* The offset of this connection's hello. */
    int64_t retry_ns;
    Lane lane;
    char *rest; /* The beginning of a frame that has not arrived whole. */
    uint32_t rest_bytes, rest_room;
    const char *token;  /* Whose connection it is; NULL for a visitor. */
    int presses;
    int64_t pressed_ns; /* Of the press that is not answered yet; 0 for none. */
} Client;

typedef struct {
    uint64_t frames, lines, bytes, other_frames;
    int64_t from_ns;
    int64_t work_ns;                  /* Reading and parsing, without waiting. */
    Histogram others, sale, slow; /* Publish to receive: chat and the like, sale lane, slow ones. */
} Window;

typedef struct {
    int count, port, say_bytes;
    const char *path, *say, *tokens;
    bool is_sale, is_engine_io, counts_lines;
    int ramp_per_s, slow_percent, slow_bytes_per_s;
    int64_t cut_every_ns, cut_for_ns; /* 0 while nobody is cut. */
    bool is_thawed;                   /* Slow readers read as fast as the rest. */
    bool is_awake;                    /* Never sleeps, so that no sender pays for waking it. */

    Client *clients;
    int epoll, opening, open, joined;
    bool is_ready;
    uint64_t stamped;            /* Stamped frames received since the start. */
    volatile uint64_t *progress; /* The same number, shared with the publisher. */

    Window window;
    Verdict verdict;
    Histogram replays;
    uint64_t cuts, lost, refused, replayed, resnapped, malformed;
    struct {
        int code;
        uint64_t times;
    } codes[CODES_MAX];
} Crowd;

extern Crowd crowd;

int64_t now_ns(void);

/* frames.c: take in bytes of one client; false when its connection has ended. */
bool take_bytes(Client *client, const char *data, size_t size);
void send_frame(Client *client, int opcode, const void *payload, size_t size);

/* press.c */
void press_begin(const char *sale, int64_t at_ms, bool goes_on);
void press_stop(void);
int press_due(void);
void press_take(Client *client, bool is_reserved, const char *at, const char *end);
void press_report(const char *path);

/* report.c */
void print_count(const char *name, uint64_t count);
void print_histogram(const char *name, const Histogram *h);
void report_ready(void);
void report_window(void);
void report_verdict(int64_t final_offset);

#endif
