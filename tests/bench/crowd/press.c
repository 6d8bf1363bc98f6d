/* Press *buy*: everybody once at one moment, or again and again, and keep every answer.

   An answer is kept with the moments of its press and its arrival, in CLOCK_REALTIME milliseconds,
   so that it can be held against the stock journal's own times. */

#define _GNU_SOURCE
#include "crowd.h"

#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

/* Between two reads at most so many presses are sent: answers must not wait for the rest. */
#define PRESSES_A_TURN 200
#define CODE_CHARS 24
#define ID_CHARS 40

typedef struct {
    int client;
    int64_t pressed_ns, answered_ns, version;
    char code[CODE_CHARS]; /* `reserved`, or the error's code. */
    char id[ID_CHARS];
} Answer;

static struct {
    char sale[ID_CHARS];
    int64_t at_ns; /* When the first is to press; NOWHERE while nothing is to be pressed. */
    int next;
    bool goes_on;
    int run;
    Answer *answers;
    size_t count, room;
    uint64_t unanswered;
} press = {.at_ns = NOWHERE};

static int64_t realtime_ms(int64_t monotonic_ns) {
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t real_ns = real.tv_sec * SECOND_NS + real.tv_nsec;
    return (real_ns - now_ns() + monotonic_ns) / 1000000;
}

static void press_once(Client *client) {
    char text[126];
    client->presses++;
    int size = snprintf(text, sizeof text,
                        "[\"q\",%d,\"reserve\",{\"sale\":\"%s\",\"qty\":1},\"%d-%d\"]",
                        client->presses, press.sale, press.run, client->presses);
    client->pressed_ns = now_ns();
    press.unanswered++;
    send_frame(client, 1, text, (size_t)size);
}

/* `press SALE AT_MS`: everybody presses once, at this Unix time. */
void press_begin(const char *sale, int64_t at_ms, bool goes_on) {
    snprintf(press.sale, sizeof press.sale, "%s", sale);
    press.at_ns = at_ms ? now_ns() + (at_ms * 1000000 - realtime_ms(now_ns()) * 1000000) : now_ns();
    press.next = 0;
    press.goes_on = goes_on;
    press.run++;
}

void press_stop(void) { press.goes_on = false; }

/* Send what is due; returns how many milliseconds nothing will be. */
int press_due(void) {
    if (press.at_ns == NOWHERE) return 5;
    int64_t left_ns = press.at_ns - now_ns();
    if (left_ns > 0) return left_ns > 5000000 ? 5 : 0;
    for (int n = 0; n < PRESSES_A_TURN && press.next < crowd.count; n++) {
        Client *client = &crowd.clients[press.next++];
        if (client->state == OPEN) press_once(client);
    }
    if (press.next < crowd.count) return 0;
    press.at_ns = NOWHERE;
    return 5;
}

static void copy_text(const char *from, const char *end, char *to, size_t room) {
    size_t size = 0;
    while (from && from + size < end && from[size] != '"' && size + 1 < room) size++;
    if (from) memcpy(to, from, size);
    to[from ? size : 0] = 0;
}

/* `["r",id,{…}]` or `["e",id,{…}]` */
void press_take(Client *client, bool is_reserved, const char *at, const char *end) {
    if (!client->pressed_ns) return;
    if (press.count == press.room) {
        press.room = press.room ? press.room * 2 : 16384;
        press.answers = realloc(press.answers, press.room * sizeof *press.answers);
    }
    Answer *answer = &press.answers[press.count++];
    answer->client = (int)(client - crowd.clients);
    answer->pressed_ns = client->pressed_ns;
    answer->answered_ns = now_ns();
    answer->version = NOWHERE;
    const char *version = skip_to(at, end, "\"version\":");
    if (version) read_number(version, end, &answer->version);
    const char *code = is_reserved ? "reserved\"" : skip_to(at, end, "\"code\":\"");
    copy_text(code, is_reserved ? code + 9 : end, answer->code, sizeof answer->code);
    copy_text(is_reserved ? skip_to(at, end, "\"id\":\"") : NULL, end, answer->id, sizeof answer->id);
    client->pressed_ns = 0;
    press.unanswered--;
    if (press.goes_on) press_once(client);
}

/* Report what was answered since the last report, write it to `path`, a line each, and begin anew:
   client, code, version, pressed and answered in Unix ms with fractions, reservation. */
void press_report(const char *path) {
    static Histogram reserved, refused;
    histogram_clear(&reserved);
    histogram_clear(&refused);
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        exit(1);
    }
    int64_t first_ns = 0, last_ns = 0, reserved_ns = 0;
    int64_t real_ns = realtime_ms(now_ns()) * 1000000 - now_ns();
    for (size_t i = 0; i < press.count; i++) {
        const Answer *a = &press.answers[i];
        bool won = !strcmp(a->code, "reserved");
        histogram_add(won ? &reserved : &refused, (a->answered_ns - a->pressed_ns) / 1000);
        if (!first_ns || a->pressed_ns < first_ns) first_ns = a->pressed_ns;
        if (a->answered_ns > last_ns) last_ns = a->answered_ns;
        if (won && a->answered_ns > reserved_ns) reserved_ns = a->answered_ns;
        fprintf(file, "%d %s %lld %.3f %.3f %s\n", a->client, a->code, (long long)a->version,
                (double)(a->pressed_ns + real_ns) / 1e6, (double)(a->answered_ns + real_ns) / 1e6,
                a->id[0] ? a->id : "-");
    }
    fclose(file);
    printf("{\"event\":\"presses\",\"answers\":%zu", press.count);
    print_count("unanswered", press.unanswered);
    print_histogram("reserved", &reserved);
    print_histogram("refused", &refused);
    printf(",\"took_ms\":%.3f,\"last_reserved_ms\":%.3f}\n",
           first_ns ? (double)(last_ns - first_ns) / 1e6 : 0.0,
           reserved_ns ? (double)(reserved_ns - first_ns) / 1e6 : 0.0);
    fflush(stdout);
    press.count = 0;
}
