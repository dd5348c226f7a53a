/* Asks a web server for many pages over lines that stay open, one request at a time on each.

   hammer PORT LINES SECONDS HOST < paths        prints: requests, wrong answers, then the
   microseconds within which half, 99 % and all of the requests were answered.                  */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_PATHS 20000
#define MOST_LINES 1000
#define SLOWEST 2000000

struct line { int fd; double asked; int have; char got[4096]; };

static char *paths[MOST_PATHS];
static int path_count, next_path;
static struct line lines[MOST_LINES];
static unsigned *took;            /* answers by the microseconds that they took */
static long answered, wrong;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) { perror(what); exit(1); }

static void ask(struct line *l, const char *host)
{
    char text[1024];
    int size = snprintf(text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\n"
        "Accept: */*\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n", paths[next_path], host);
    next_path = (next_path + 1) % path_count;
    l->have = 0;
    l->asked = now();
    if (write(l->fd, text, size) != size) fail("write");
}

/* Whether the answer is whole; a wrong one is counted. */
static int is_whole(struct line *l)
{
    l->got[l->have] = 0;
    char *end = strstr(l->got, "\r\n\r\n"), *length = strcasestr(l->got, "content-length:");
    if (!end || !length) return 0;
    if (l->have < end - l->got + 4 + atoi(length + 15)) return 0;
    if (strncmp(l->got, "HTTP/1.1 200", 12) && strncmp(l->got, "HTTP/1.1 302", 12)) wrong++;
    return 1;
}

static long within(double share)
{
    long sum = 0, us;
    for (us = 0; us < SLOWEST; us++)
        if ((sum += took[us]) >= share * answered) break;
    return us;
}

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    int count = atoi(argv[2]);
    double until;
    char text[1024];
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    took = calloc(SLOWEST + 1, sizeof *took);
    while (path_count < MOST_PATHS && fgets(text, sizeof text, stdin)) {
        text[strcspn(text, "\n")] = 0;
        paths[path_count++] = strdup(text);
    }
    if (!path_count || count < 1 || count > MOST_LINES) return 2;
    int poll = epoll_create1(0), one = 1;
    for (int i = 0; i < count; i++) {
        lines[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(lines[i].fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
        setsockopt(lines[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = &lines[i] };
        epoll_ctl(poll, EPOLL_CTL_ADD, lines[i].fd, &e);
        ask(&lines[i], argv[4]);
    }
    double begun = now();
    until = begun + atof(argv[3]);
    while (now() < until) {
        struct epoll_event events[64];
        int ready = epoll_wait(poll, events, 64, 100);
        for (int i = 0; i < ready; i++) {
            struct line *l = events[i].data.ptr;
            int got = read(l->fd, l->got + l->have, sizeof l->got - 1 - l->have);
            if (got <= 0) fail("read");
            l->have += got;
            if (!is_whole(l)) continue;
            long us = (now() - l->asked) * 1e6;
            took[us < SLOWEST ? us : SLOWEST - 1]++;
            answered++;
            ask(l, argv[4]);
        }
    }
    printf("%ld %ld %.3f %ld %ld %ld\n", answered, wrong, now() - begun,
           within(0.5), within(0.99), within(1.0));
    return 0;
}
