/* Play a crowd of WebSocket clients on this machine, in one thread.

   Commands come by stdin, a line each: `window` reports and begins anew, `cut EVERY_MS FOR_MS`
   makes everybody lose the connection that often and for so long, `calm` ends that, `thaw` lets
   slow readers read freely, `settle OFFSET MS` waits until everybody has the offset, at most so
   long, and judges, `press SALE AT_MS` makes everybody press *buy* once at this Unix time,
   `hammer SALE` again and again as soon as it is answered until `rest`, `presses FILE` reports and
   writes the answers, `quit` or the end of stdin ends. Answers go to stdout, a JSON object a line. */

#define _GNU_SOURCE
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
/* Clients come from 127.0.0.1 … 127.0.0.8: a source has 28,000 ports, and closed ones rest. */
#define SOURCES 8
#define LOOK_EVERY_NS (5 * 1000 * 1000)
#define READ_BYTES (256 * 1024)
#define EVENTS_MAX 512
/* The least that Linux grants; a slow reader shall not be helped by its kernel. */
#define SLOW_RECEIVE_BUFFER 2048

Crowd crowd = {.port = 8000, .count = 10, .path = "/", .ramp_per_s = 3000, .slow_bytes_per_s = 1024};

uint64_t *remembered;
static char buffer[READ_BYTES];
static int64_t settle_offset = NOWHERE, settle_until_ns;
static int next_look;

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static int64_t spread(int client, int64_t over_ns) { return over_ns / crowd.count * (client + 1); }

static void leave(Client *client, int64_t back_in_ns) {
    if (client->state == OPEN) crowd.open--;
    else if (client->state != AWAY) crowd.opening--;
    close(client->fd);
    client->state = AWAY;
    client->rest_bytes = 0;
    client->due_ns = now_ns() + back_in_ns;
    client->cut_ns = 0;
}

/* The server, or trouble, ended it. */
static void lose(Client *client) {
    crowd.lost++;
    leave(client, client->retry_ns ? client->retry_ns : BACK_OFF_NS);
}

static bool is_slow_now(const Client *client) { return client->slow && !crowd.is_thawed; }

static void watch(Client *client, uint32_t what, int how) {
    struct epoll_event event = {.events = what, .data.ptr = client};
    epoll_ctl(crowd.epoll, how, client->fd, &event);
}

static void begin(Client *client) {
    int index = (int)(client - crowd.clients), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)crowd.port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(index % SOURCES));
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->fd < 0) {
        perror("socket");
        exit(1);
    }
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (client->slow) {
        int bytes = SLOW_RECEIVE_BUFFER;
        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    bind(client->fd, (struct sockaddr *)&from, sizeof from);
    client->state = CONNECTING;
    client->begun_ns = now_ns();
    client->up_to_date = false;
    client->promised = NOWHERE;
    client->retry_ns = 0;
    crowd.opening++;
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        lose(client);
        return;
    }
    watch(client, EPOLLOUT, EPOLL_CTL_ADD);
}

static void ask(Client *client) {
    char request[2048], position[128] = "";
    if (crowd.is_sale && client->lane.offset != NOWHERE)
        snprintf(position, sizeof position, "&e=%s&o=%lld", client->lane.epoch,
                 (long long)client->lane.offset);
    int size = snprintf(request, sizeof request,
                        "GET %s%s%s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\n",
                        crowd.path, position, client->token ? "&t=" : "",
                        client->token ? client->token : "", crowd.port);
    if (send(client->fd, request, (size_t)size, MSG_NOSIGNAL) != size) {
        lose(client);
        return;
    }
    client->state = SHAKING;
    if (is_slow_now(client)) watch(client, 0, EPOLL_CTL_DEL);
    else watch(client, EPOLLIN, EPOLL_CTL_MOD);
    if (crowd.cut_every_ns) client->cut_ns = client->begun_ns + crowd.cut_every_ns;
}

static void read_some(Client *client, size_t at_most) {
    ssize_t size = recv(client->fd, buffer, at_most, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0 || !take_bytes(client, buffer, (size_t)size)) lose(client);
}

/* Look after what is due: connects, cuts and the sips of slow readers. */
static void look(int64_t at_ns) {
    int start = next_look++ % crowd.count; /* Whoever comes first is another each time. */
    for (int n = 0; n < crowd.count; n++) {
        Client *client = &crowd.clients[(start + n) % crowd.count];
        if (client->state == AWAY) {
            if (client->due_ns <= at_ns && crowd.opening < OPENING_MAX) begin(client);
        } else if (client->cut_ns && client->cut_ns <= at_ns && client->state == OPEN) {
            crowd.cuts++;
            leave(client, crowd.cut_for_ns);
        } else if (client->state != CONNECTING && is_slow_now(client) && client->due_ns <= at_ns) {
            client->due_ns = at_ns + SECOND_NS / SIPS_PER_S;
            read_some(client, (size_t)(crowd.slow_bytes_per_s / SIPS_PER_S));
        }
    }
}

static void schedule_cuts(int64_t every_ms, int64_t for_ms) {
    crowd.cut_every_ns = every_ms * 1000000;
    crowd.cut_for_ns = for_ms * 1000000;
    for (int i = 0; i < crowd.count; i++)
        crowd.clients[i].cut_ns = every_ms ? now_ns() + spread(i, crowd.cut_every_ns) : 0;
}

static void thaw(void) {
    crowd.is_thawed = true;
    for (int i = 0; i < crowd.count; i++) {
        Client *client = &crowd.clients[i];
        if (client->slow && (client->state == SHAKING || client->state == OPEN))
            watch(client, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static void obey(char *line) {
    long long first = 0, second = 0;
    char word[256];
    if (!strncmp(line, "window", 6)) {
        report_window();
    } else if (sscanf(line, "cut %lld %lld", &first, &second) == 2) {
        schedule_cuts(first, second);
    } else if (!strncmp(line, "calm", 4)) {
        schedule_cuts(0, 0);
    } else if (!strncmp(line, "awake", 5) || !strncmp(line, "asleep", 6)) {
        crowd.is_awake = line[1] == 'w';
    } else if (sscanf(line, "press %255s %lld", word, &first) == 2) {
        press_begin(word, first, false);
    } else if (sscanf(line, "hammer %255s", word) == 1) {
        press_begin(word, 0, true);
    } else if (!strncmp(line, "rest", 4)) {
        press_stop();
    } else if (sscanf(line, "presses %255s", word) == 1) {
        press_report(word);
    } else if (!strncmp(line, "thaw", 4)) {
        thaw();
    } else if (sscanf(line, "settle %lld %lld", &first, &second) == 2) {
        settle_offset = first;
        settle_until_ns = now_ns() + second * 1000000;
    } else {
        exit(0);
    }
}

static void read_commands(void) {
    static char text[4096];
    static size_t held;
    ssize_t size = read(STDIN_FILENO, text + held, sizeof text - 1 - held);
    if (size <= 0) exit(0);
    held += (size_t)size;
    text[held] = 0;
    for (char *end; (end = strchr(text, '\n'));) {
        *end = 0;
        obey(text);
        held -= (size_t)(end + 1 - text);
        memmove(text, end + 1, held + 1);
    }
}

static bool has_settled(void) {
    for (int i = 0; i < crowd.count; i++) {
        const Client *client = &crowd.clients[i];
        if (client->state != OPEN || client->lane.offset < settle_offset) return false;
    }
    return true;
}

static void serve(struct epoll_event *event) {
    Client *client = event->data.ptr;
    if (!client) {
        read_commands();
    } else if (client->state == CONNECTING) {
        if (event->events & (EPOLLERR | EPOLLHUP)) lose(client);
        else ask(client);
    } else if (client->state != AWAY) {
        read_some(client, sizeof buffer);
    }
}

static void run(void) {
    static struct epoll_event events[EVENTS_MAX];
    int64_t look_ns = 0;
    for (;;) {
        int wait_ms = press_due();
        int ready = epoll_wait(crowd.epoll, events, EVENTS_MAX, crowd.is_awake ? 0 : wait_ms);
        int64_t begun_ns = now_ns();
        for (int i = 0; i < ready; i++) serve(&events[i]);
        if (crowd.progress) *crowd.progress = crowd.stamped;
        int64_t at_ns = now_ns();
        if (ready > 0) crowd.window.work_ns += at_ns - begun_ns;
        if (at_ns < look_ns) continue;
        look_ns = at_ns + LOOK_EVERY_NS;
        look(at_ns);
        int there = crowd.is_sale ? crowd.joined : crowd.open;
        if (!crowd.is_ready && there == crowd.count) {
            crowd.is_ready = true;
            report_ready();
        }
        if (settle_offset != NOWHERE && (has_settled() || at_ns > settle_until_ns)) {
            report_verdict(settle_offset);
            settle_offset = NOWHERE;
        }
    }
}

static volatile uint64_t *map_progress(const char *path) {
    int fd = open(path, O_RDWR);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    return page;
}

/* A token a line; the clients take them in turn. */
static void read_tokens(const char *path) {
    FILE *file = fopen(path, "r");
    char line[1024];
    if (!file) {
        perror(path);
        exit(1);
    }
    for (int i = 0; i < crowd.count && fgets(line, sizeof line, file); i++) {
        line[strcspn(line, "\n")] = 0;
        crowd.clients[i].token = strdup(line);
    }
    fclose(file);
}

static void read_options(int argc, char **argv) {
    static const struct option names[] = {
        {"port", 1, 0, 'p'},   {"path", 1, 0, 'u'},      {"clients", 1, 0, 'n'},
        {"say", 1, 0, 's'},    {"engine-io", 0, 0, 'e'}, {"sale", 0, 0, 'l'},
        {"lines", 0, 0, 'c'},  {"ramp", 1, 0, 'r'},      {"slow-percent", 1, 0, 'w'},
        {"progress", 1, 0, 'g'}, {"tokens", 1, 0, 't'},   {0, 0, 0, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 'p': crowd.port = atoi(optarg); break;
        case 'u': crowd.path = optarg; break;
        case 'n': crowd.count = atoi(optarg); break;
        case 's': crowd.say = optarg, crowd.say_bytes = (int)strlen(optarg); break;
        case 'e': crowd.is_engine_io = true; break;
        case 'l': crowd.is_sale = true; break;
        case 'c': crowd.counts_lines = true; break;
        case 'r': crowd.ramp_per_s = atoi(optarg); break;
        case 'w': crowd.slow_percent = atoi(optarg); break;
        case 't': crowd.tokens = optarg; break;
        case 'g': crowd.progress = map_progress(optarg); break;
        default: exit(2);
        }
    }
    if (crowd.count < 1 || crowd.ramp_per_s < 1) exit(2);
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    remembered = calloc(REMEMBERED_MAX, sizeof *remembered);
    crowd.clients = calloc((size_t)crowd.count, sizeof *crowd.clients);
    if (crowd.tokens) read_tokens(crowd.tokens);
    crowd.epoll = epoll_create1(0);
    crowd.window.from_ns = now_ns();
    for (int i = 0; i < crowd.count; i++) {
        Client *client = &crowd.clients[i];
        lane_clear(&client->lane);
        client->due_ns = now_ns() + SECOND_NS * i / crowd.ramp_per_s;
        /* Evenly among the rest: 5 % are every twentieth. */
        client->slow = (i + 1) * crowd.slow_percent / 100 != i * crowd.slow_percent / 100;
    }
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &commands);
    run();
}
