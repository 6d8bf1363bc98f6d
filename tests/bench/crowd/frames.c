/* Read WebSocket frames and what the crowd must know of their payload: stamps, offsets, pings.

   A stamp is `~t` and nanoseconds of CLOCK_MONOTONIC, which publisher and crowd share. */

#define _GNU_SOURCE
#include "crowd.h"

#include <sys/socket.h>

#define STAMP "~t"

void send_frame(Client *client, int opcode, const void *payload, size_t size) {
    /* A client masks; the mask is zero, so that the payload stays as it is. */
    unsigned char frame[6 + 125] = {(unsigned char)(0x80 | opcode), (unsigned char)(0x80 | size)};
    if (size > 125) return;
    memcpy(frame + 6, payload, size);
    (void)send(client->fd, frame, 6 + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void count_code(int code) {
    for (int i = 0; i < CODES_MAX; i++) {
        if (crowd.codes[i].code == code || crowd.codes[i].times == 0) {
            crowd.codes[i].code = code;
            crowd.codes[i].times++;
            return;
        }
    }
}

static void note_up_to_date(Client *client) {
    if (client->up_to_date || client->lane.offset == NOWHERE || client->promised == NOWHERE) return;
    if (client->lane.offset < client->promised) return;
    client->up_to_date = true;
    if (client->joined) {
        histogram_add(&crowd.replays, (now_ns() - client->begun_ns) / 1000);
    } else {
        client->joined = true;
        crowd.joined++;
    }
}

/* `["h",{…"epoch":"…","offset":N,…"rec":"…"…}]` */
static void take_hello(Client *client, const char *at, const char *end) {
    const char *offset = skip_to(at, end, "\"offset\":");
    const char *rec = skip_to(at, end, "\"rec\":\"");
    if (!offset || !rec || !read_number(offset, end, &client->promised)) {
        crowd.malformed++;
        return;
    }
    if (end - rec > 8 && !memcmp(rec, "replayed", 8)) crowd.replayed++;
    if (end - rec > 8 && !memcmp(rec, "snapshot", 8)) crowd.resnapped++;
}

/* Returns the last offset of a sale frame, or NOWHERE for every other frame. */
static int64_t take_lane(Client *client, const char *at, const char *end) {
    int64_t last = NOWHERE;
    if (end - at < 6 || at[0] != '[' || at[1] != '"' || at[3] != '"') return NOWHERE;
    switch (at[2]) {
    case 'h':
        take_hello(client, at, end);
        break;
    case 'S':
        last = lane_sale(&client->lane, &crowd.verdict, at, end);
        crowd.malformed += last == NOWHERE;
        break;
    case 'Z':
        lane_snapshot(&client->lane, &crowd.verdict, at, end);
        break;
    case 'r':
    case 'e':
        press_take(client, at[2] == 'r', at, end);
        break;
    case 'b': {
        /* `["b",code,retry_ms]` */
        const char *comma = memchr(at + 5, ',', (size_t)(end - at - 5));
        int64_t ms;
        if (comma && read_number(comma + 1, end, &ms)) client->retry_ns = ms * 1000000;
        break;
    }
    default:
        return NOWHERE;
    }
    note_up_to_date(client);
    return last;
}

static void take_stamps(Client *client, const char *at, const char *end, int64_t sale_offset) {
    static size_t hint; /* The stamp is at the same place in most frames of a run. */
    const char *stamp = at + hint + 2;
    if (stamp >= end || stamp[-2] != '~' || stamp[-1] != 't') {
        stamp = skip_to(at, end, STAMP);
        if (!stamp) {
            crowd.window.other_frames++;
            return;
        }
        hint = (size_t)(stamp - at - 2);
    }
    int64_t published_ns;
    if (!read_number(stamp, end, &published_ns)) return;
    crowd.stamped++;
    crowd.window.frames++;
    crowd.window.lines++;
    if (crowd.counts_lines)
        for (const char *more = stamp; (more = skip_to(more, end, STAMP));) crowd.window.lines++;
    /* What was replayed is old by nature; its time is counted as replay time. */
    if (sale_offset != NOWHERE && sale_offset <= client->promised) return;
    int64_t us = (now_ns() - published_ns) / 1000;
    Histogram *h = sale_offset != NOWHERE ? &crowd.window.sale : &crowd.window.others;
    histogram_add(client->slow ? &crowd.window.slow : h, us);
}

static bool take_frame(Client *client, int opcode, const char *at, size_t size) {
    if (opcode == 9) {
        send_frame(client, 10, at, size);
    } else if (opcode == 8) {
        count_code(size >= 2 ? (unsigned char)at[0] << 8 | (unsigned char)at[1] : 1005);
        send_frame(client, 8, at, size < 2 ? 0 : 2);
        return false;
    } else if (crowd.is_engine_io && size == 1 && *at == '2') {
        send_frame(client, 1, "3", 1);
    } else if (opcode == 1 || opcode == 2) {
        int64_t last = crowd.is_sale ? take_lane(client, at, at + size) : NOWHERE;
        take_stamps(client, at, at + size, last);
    }
    return true;
}

/* Take in the whole frames of `data`; returns how many bytes they had, or -1 at the end. */
static int64_t take_frames(Client *client, const char *data, size_t size) {
    size_t at = 0;
    while (size - at >= 2) {
        const unsigned char *head = (const unsigned char *)data + at;
        size_t head_bytes = 2, length = head[1] & 127;
        if (length == 126) {
            head_bytes = 4;
            if (size - at < head_bytes) break;
            length = (size_t)head[2] << 8 | head[3];
        } else if (length == 127) {
            head_bytes = 10;
            if (size - at < head_bytes) break;
            length = 0;
            for (int i = 2; i < 10; i++) length = length << 8 | head[i];
        }
        if (size - at < head_bytes + length) break;
        if (!take_frame(client, head[0] & 15, data + at + head_bytes, length)) return -1;
        at += head_bytes + length;
    }
    return (int64_t)at;
}

/* The answer to the upgrade; returns its length, 0 while it is incomplete, -1 for a refusal. */
static int64_t take_response(Client *client, const char *data, size_t size) {
    const char *end = skip_to(data, data + size, "\r\n\r\n");
    if (!end) return 0;
    if (size < 12 || memcmp(data + 9, "101", 3) != 0) {
        crowd.refused++;
        return -1;
    }
    client->state = OPEN;
    crowd.opening--;
    crowd.open++;
    if (crowd.say) send_frame(client, 1, crowd.say, (size_t)crowd.say_bytes);
    return end - data;
}

static void keep_rest(Client *client, const char *data, size_t size) {
    if (size > client->rest_room) {
        client->rest = realloc(client->rest, size + 512);
        client->rest_room = (uint32_t)size + 512;
    }
    memmove(client->rest, data, size);
    client->rest_bytes = (uint32_t)size;
}

bool take_bytes(Client *client, const char *data, size_t size) {
    crowd.window.bytes += size;
    if (client->rest_bytes) {
        size_t all = client->rest_bytes + size;
        if (all > client->rest_room) {
            client->rest = realloc(client->rest, all + 512);
            client->rest_room = (uint32_t)all + 512;
        }
        memcpy(client->rest + client->rest_bytes, data, size);
        client->rest_bytes = (uint32_t)all;
        data = client->rest;
        size = all;
    }
    int64_t taken = 0;
    if (client->state == SHAKING) {
        taken = take_response(client, data, size);
        if (taken < 0) return false;
    }
    if (client->state == OPEN) {
        int64_t frames = take_frames(client, data + taken, size - (size_t)taken);
        if (frames < 0) return false;
        taken += frames;
    }
    if ((size_t)taken < size) {
        keep_rest(client, data + taken, size - (size_t)taken);
    } else {
        client->rest_bytes = 0;
        if (client->rest_room > 4096) {
            free(client->rest);
            client->rest = NULL;
            client->rest_room = 0;
        }
    }
    return true;
}
