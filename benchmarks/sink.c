/*
 * A mail server that takes everything and keeps nothing, so cheap that the sender is what is
 * measured: one thread, epoll, no parsing of bodies. It can answer late, as a server far away does.
 *
 * Build: cc -O2 -o sink sink.c
 * Run:   sink [-p port] [-d milliseconds] [-c] [-n] [-l file]
 *          -p  port on 127.0.0.1; 0 (the default) takes a free one
 *          -d  each answer waits so long: the round trip of a distant server
 *          -c  announce CHUNKING (RFC 3030)
 *          -n  do not announce PIPELINING (RFC 2920)
 *          -l  note each accepted mail in a file: recipient, blank, Message-ID
 * It prints its port, and after each SIGUSR1 how many mails it has taken. SIGTERM ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 262144, ANSWERS = 4096, HEAD = 4096, FILES = 65536, SLOTS = 1 << 16 };
enum state { COMMAND, DATA, CHUNK };

struct line {
    int fd;
    unsigned serial; /* tells a connection from an earlier one with the same number */
    enum state state;
    int is_last_chunk, is_over;
    size_t used, chunk_left;
    size_t answered;
    char rcpt[320], head[HEAD + 1];
    size_t head_used;
    char answers[ANSWERS], room[ROOM];
};
struct late {
    double due;
    int fd, length, is_over;
    unsigned serial;
    char text[ANSWERS / 8];
};

static struct line *lines[FILES];
static struct late *queue;
static size_t first, next;
static double delay;
static int has_chunking, has_pipelining = 1;
static unsigned serials;
static long taken;
static FILE *note;
static volatile sig_atomic_t is_over, is_asked;

static void on_signal(int number) {
    if (number == SIGUSR1) is_asked = 1; else is_over = 1;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void say(struct line *l, const char *text) {
    size_t n = strlen(text);
    if (l->answered + n <= ANSWERS) { memcpy(l->answers + l->answered, text, n); l->answered += n; }
}

static void drop(struct line *l) {
    close(l->fd);
    lines[l->fd] = NULL;
    free(l);
}

/* Answers leave now, or wait in a queue: they all wait equally long, so it is in order. */
static void flush(struct line *l) {
    if (delay <= 0) {
        if (l->answered && write(l->fd, l->answers, l->answered) < 0) l->is_over = 1;
    } else for (size_t done = 0; done < l->answered; next++) {
        struct late *one = &queue[next % SLOTS];
        size_t n = l->answered - done;
        if (n > sizeof one->text) n = sizeof one->text;
        if (next - first >= SLOTS) { fputs("sink: too many answers wait\n", stderr); exit(1); }
        memcpy(one->text, l->answers + done, n);
        done += n;
        one->due = now() + delay; one->fd = l->fd; one->serial = l->serial; one->length = (int)n;
        one->is_over = l->is_over && done == l->answered;
    }
    l->answered = 0;
    if (l->is_over && delay <= 0) drop(l);
}

static void send_late(void) {
    for (double t = now(); first != next && queue[first % SLOTS].due <= t; first++) {
        struct late *one = &queue[first % SLOTS];
        struct line *l = lines[one->fd];
        if (!l || l->serial != one->serial) continue;
        if (write(l->fd, one->text, (size_t)one->length) < 0 || one->is_over) drop(l);
    }
}

static void keep_head(struct line *l, const char *text, size_t n) {
    if (!note || l->head_used >= HEAD) return;
    if (n > HEAD - l->head_used) n = HEAD - l->head_used;
    memcpy(l->head + l->head_used, text, n);
    l->head_used += n;
}

static void accept_mail(struct line *l) {
    taken++;
    if (note) {
        l->head[l->head_used] = 0;
        char *id = strcasestr(l->head, "\nMessage-ID: ");
        int n = id ? (int)strcspn(id + 13, "\r\n") : 0;
        fprintf(note, "%s %.*s\n", l->rcpt, n, id ? id + 13 : "");
    }
    say(l, "250 2.0.0 taken\r\n");
}

static void command(struct line *l, char *text) {
    if (!strncasecmp(text, "MAIL", 4)) say(l, "250 2.1.0 Ok\r\n");
    else if (!strncasecmp(text, "RCPT", 4)) {
        size_t n = strcspn(text + 8, " ");
        snprintf(l->rcpt, sizeof l->rcpt, "%.*s", (int)n, text + 8);
        say(l, "250 2.1.5 Ok\r\n");
    } else if (!strncasecmp(text, "DATA", 4)) {
        say(l, "354 go\r\n"); l->state = DATA; l->head_used = 0;
    } else if (!strncasecmp(text, "BDAT", 4)) {
        l->chunk_left = strtoul(text + 5, NULL, 10);
        l->is_last_chunk = strcasestr(text, "LAST") != NULL;
        l->state = CHUNK; l->head_used = 0;
    } else if (!strncasecmp(text, "EHLO", 4)) {
        say(l, "250-sink\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n");
        if (has_pipelining) say(l, "250-PIPELINING\r\n");
        if (has_chunking) say(l, "250-CHUNKING\r\n");
        say(l, "250 ENHANCEDSTATUSCODES\r\n");
    } else if (!strncasecmp(text, "QUIT", 4)) { say(l, "221 2.0.0 Bye\r\n"); l->is_over = 1; }
    else if (strncasecmp(text, "HELO", 4) && strncasecmp(text, "RSET", 4)
             && strncasecmp(text, "NOOP", 4)) say(l, "502 5.5.2 What?\r\n");
    else say(l, "250 2.0.0 Ok\r\n");
}

/* Takes what has come, as far as it is whole; the rest waits for more. */
static void eat(struct line *l) {
    size_t at = 0;
    while (!l->is_over) {
        char *here = l->room + at;
        size_t left = l->used - at;
        if (l->state == DATA) {
            char *end = memmem(here, left, "\r\n.\r\n", 5);
            size_t gone = end ? (size_t)(end - here) + 5 : left > 4 ? left - 4 : 0;
            keep_head(l, here, gone);
            at += gone;
            if (!end) break;
            l->state = COMMAND;
            accept_mail(l);
        } else if (l->state == CHUNK) {
            size_t n = left < l->chunk_left ? left : l->chunk_left;
            keep_head(l, here, n);
            at += n;
            l->chunk_left -= n;
            if (l->chunk_left) break;
            l->state = COMMAND;
            if (l->is_last_chunk) accept_mail(l); else say(l, "250 2.0.0 Ok\r\n");
        } else {
            char *end = memchr(here, '\n', left), text[640];
            if (!end) break;
            size_t n = (size_t)(end - here);
            at += n + 1;
            if (n && here[n - 1] == '\r') n--;
            if (n >= sizeof text) n = sizeof text - 1;
            memcpy(text, here, n);
            text[n] = 0;
            command(l, text);
            if (l->state == DATA && at >= 2) at -= 2; /* an empty mail ends right here */
        }
    }
    memmove(l->room, l->room + at, l->used - at);
    l->used -= at;
}

static void welcome(int epoll, int door) {
    int fd, on = 1;
    while ((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct line *l = calloc(1, sizeof *l);
        if (!l || fd >= FILES) { fputs("sink: too many connections\n", stderr); exit(1); }
        l->fd = fd; l->serial = ++serials; lines[fd] = l;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
        say(l, "220 sink ESMTP\r\n");
        flush(l);
    }
}

static void hear(struct line *l) {
    ssize_t n = l->used < ROOM ? read(l->fd, l->room + l->used, ROOM - l->used) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) { drop(l); return; }
    l->used += (size_t)n;
    eat(l);
    flush(l);
}

static int listen_on(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int on = 1, door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(door, (struct sockaddr *)&a, n) || listen(door, 1024)) { perror("sink"); exit(1); }
    getsockname(door, (struct sockaddr *)&a, &n);
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return door;
}

int main(int count, char **words) {
    int port = 0, option;
    while ((option = getopt(count, words, "p:d:cnl:")) != -1) switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'd': delay = atof(optarg) / 1e3; break;
        case 'c': has_chunking = 1; break;
        case 'n': has_pipelining = 0; break;
        case 'l': note = fopen(optarg, "a"); break;
        default: return 2;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL); sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL); signal(SIGPIPE, SIG_IGN);
    queue = malloc(SLOTS * sizeof *queue);
    int door = listen_on(port), epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epoll, EPOLL_CTL_ADD, door, &(struct epoll_event){.events = EPOLLIN, .data.fd = door});
    while (!is_over) {
        struct epoll_event events[256];
        int wait = 100;
        if (first != next) { double ms = (queue[first % SLOTS].due - now()) * 1e3;
                             wait = ms <= 0 ? 0 : ms < 100 ? (int)(ms + 0.999) : 100; }
        int n = epoll_wait(epoll, events, 256, wait);
        if (is_asked) { is_asked = 0; printf("%ld\n", taken); fflush(stdout); }
        send_late();
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == door) welcome(epoll, door); else if (lines[fd]) hear(lines[fd]);
        }
    }
    if (note) fclose(note);
    return 0;
}
