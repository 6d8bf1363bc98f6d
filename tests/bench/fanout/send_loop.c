/* Send one frame to every accepted socket, over and over: what the kernel alone costs.

   Answers every request with the same upgrade. Commands come by stdin, as for every contender:
   `load PASSES` sends back to back with at most so many passes on their way, `pace PER_S` sends at a
   fixed pace, `stop` rests, the end of stdin ends. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 20000
#define SECOND_NS 1000000000ll
static const char UPGRADE[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

static int clients[CLIENTS_MAX], count, listener;
static volatile uint64_t *progress;
static char frame[4 + 65535];
static size_t frame_bytes;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void make_frame(size_t payload_bytes) {
    frame[0] = (char)0x81;
    frame[1] = 126;
    frame[2] = (char)(payload_bytes >> 8);
    frame[3] = (char)payload_bytes;
    memset(frame + 4, 'x', payload_bytes);
    frame_bytes = 4 + payload_bytes;
}

static void send_pass(int64_t stamp_ns) {
    char stamp[32];
    int size = snprintf(stamp, sizeof stamp, "~t%" PRId64 " ", stamp_ns);
    memcpy(frame + 4, stamp, (size_t)size);
    for (int i = 0; i < count; i++) {
        while (send(clients[i], frame, frame_bytes, MSG_NOSIGNAL) < 0 && errno == EAGAIN)
            continue; /* Never seen with few passes on their way, and then it waits. */
    }
}

static void accept_one(void) {
    char request[2048];
    int one = 1, fd = accept(listener, NULL, NULL);
    if (fd < 0 || count == CLIENTS_MAX) return;
    if (recv(fd, request, sizeof request, 0) <= 0) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)!write(fd, UPGRADE, sizeof UPGRADE - 1);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    clients[count++] = fd;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    /* A line that waited in a buffer of ours would be hidden from `poll`. */
    setvbuf(stdin, NULL, _IONBF, 0);
    make_frame((size_t)atoi(argv[1]));
    progress = mmap(NULL, 8, PROT_READ, MAP_SHARED, open(argv[2], O_RDONLY), 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&at, size);
    listen(listener, 1024);
    getsockname(listener, (struct sockaddr *)&at, &size);
    printf("{\"event\":\"listening\",\"port\":%d}\n", ntohs(at.sin_port));
    fflush(stdout);

    uint64_t passes = 0, base = 0;
    long long load = 0;
    double pace = 0;
    int64_t due_ns = 0;
    struct pollfd watched[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
    for (;;) {
        if (poll(watched, 2, load || pace > 0 ? 0 : 100) > 0) {
            char line[256];
            if (watched[1].revents) accept_one();
            if (watched[0].revents) {
                if (!fgets(line, sizeof line, stdin)) return 0;
                load = 0;
                pace = 0;
                sscanf(line, "load %lld", &load);
                sscanf(line, "pace %lf", &pace);
                passes = 0;
                base = *progress;
                due_ns = now_ns();
            }
        }
        if (!count) continue;
        if (load && (int64_t)(passes - (*progress - base) / (uint64_t)count) < load) {
            send_pass(now_ns());
            passes++;
        } else if (pace > 0 && now_ns() >= due_ns) {
            send_pass(due_ns);
            due_ns += (int64_t)(SECOND_NS / pace);
        }
    }
}
