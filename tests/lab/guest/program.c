/* What runs in a guest of the laboratory, and beside it on the host.
 *
 *   program write image=N pages=N rate=N pattern=P hot=N share=N content=C
 *   program send address=A port=N rate=N      TCP, bytes/s, 0: as it can
 *   program receive port=N                    TCP, counts what arrives
 *   program beat address=A port=N period=S    UDP, a count each period
 *   program hear port=N least=S               UDP, tells gaps above S
 *
 * One process does one of these until it is killed. `write` keeps a count
 * of each page's writes beside the pages, so that it can tell whether a
 * migration lost one; it takes orders from its control line, between two
 * reports. Times are of the monotonic clock, rates are bytes/s or pages/s.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = PAGE / 8, TAG = 1000, PEERS = 16 };

static const double TICK = 0.005;       /* s between two bursts of writes */
static const double CATCH_UP = 0.2;     /* s of writes made up for at most */
static const double REPORT = 0.25;      /* s between two counts of traffic */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void pause_for(double seconds)
{
    if (seconds <= 0)
        return;
    struct timespec t = {(time_t)seconds,
                         (long)((seconds - (time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static uint64_t state = 88172645463325252ULL;

static inline uint64_t any(void)        /* xorshift64 */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static const char *option(int n, char **of, const char *name,
                          const char *otherwise)
{
    size_t length = strlen(name);
    for (int i = 2; i < n; i++)
        if (!strncmp(of[i], name, length) && of[i][length] == '=')
            return of[i] + length + 1;
    return otherwise;
}

/* ---- writing ---------------------------------------------------------- */

struct manner {
    long image;         /* pages that exist */
    long pages;         /* of these, the first so many are written */
    double rate;        /* pages/s; below 0: as fast as it can */
    char pattern;       /* u(niform), h(ot), s(equential), z(ipf) */
    long hot;           /* pattern h: pages of the hot set */
    long share;         /* pattern h: % of the writes that go there */
};

static void heed(struct manner *how, char *line)
{
    for (char *word = strtok(line, " ,\n"); word; word = strtok(0, " ,\n")) {
        char *value = strchr(word, '=');
        if (!value)
            continue;
        *value++ = 0;
        if (!strcmp(word, "pages"))
            how->pages = atol(value);
        else if (!strcmp(word, "rate"))
            how->rate = atof(value);
        else if (!strcmp(word, "pattern"))
            how->pattern = *value;
        else if (!strcmp(word, "hot"))
            how->hot = atol(value);
        else if (!strcmp(word, "share"))
            how->share = atol(value);
    }
    if (how->pages > how->image)
        how->pages = how->image;
    if (how->pages < 1)
        how->pages = 1;
    if (how->hot > how->pages)
        how->hot = how->pages;
    if (how->hot < 1)
        how->hot = 1;
}

static long choose(const struct manner *how, long *next)
{
    uint64_t r;
    switch (how->pattern) {
    case 's':
        if (*next >= how->pages)
            *next = 0;
        return (*next)++;
    case 'h':
        r = any();
        if ((long)(r % 100) < how->share || how->hot == how->pages)
            return (r >> 8) % how->hot;
        return how->hot + (r >> 8) % (how->pages - how->hot);
    case 'z':           /* the k-th page in proportion to 1/k */
        return (long)pow(how->pages, (any() >> 11) * 0x1p-53);
    default:
        return (any() >> 8) % how->pages;
    }
}

static uint8_t *filled(const struct manner *how, const char *content)
{
    uint8_t *memory = mmap(0, how->image * (size_t)PAGE,
                           PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    for (long i = 0; i < how->image; i++) {
        uint64_t *page = (uint64_t *)(memory + i * (size_t)PAGE);
        page[0] = i + 1;
        if (*content == 'r')            /* random; else nearly zero */
            for (int j = 0; j < WORDS; j++)
                page[j] = any();
        ((uint32_t *)page)[TAG] = 0;
    }
    return memory;
}

static int control(const char *path)
{
    struct termios mode;
    int line = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY);
    if (line >= 0 && !tcgetattr(line, &mode)) {
        cfmakeraw(&mode);
        mode.c_lflag |= ICANON;
        tcsetattr(line, TCSANOW, &mode);
    }
    return line;
}

static void obey(int line, struct manner *how, const uint8_t *memory,
                 const uint32_t *count)
{
    char order[256];
    ssize_t n = line < 0 ? -1 : read(line, order, sizeof order - 1);
    if (n <= 0)
        return;
    order[n] = 0;
    if (!strncmp(order, "check", 5)) {
        long bad = 0;
        for (long i = 0; i < how->image; i++)
            bad += ((uint32_t *)(memory + i * (size_t)PAGE))[TAG]
                   != count[i];
        printf("CHECK bad=%ld of %ld\n", bad, how->image);
    } else {
        heed(how, order);
        printf("NOW pages=%ld rate=%.0f pattern=%c hot=%ld share=%ld\n",
               how->pages, how->rate, how->pattern, how->hot, how->share);
    }
    fflush(stdout);
}

static int write_pages(int n, char **of)
{
    struct manner how = {.image = atol(option(n, of, "image", "1000"))};
    char first[256];
    snprintf(first, sizeof first, "pages=%s rate=%s pattern=%s hot=%s share=%s",
             option(n, of, "pages", "1000"), option(n, of, "rate", "0"),
             option(n, of, "pattern", "u"), option(n, of, "hot", "100"),
             option(n, of, "share", "90"));
    heed(&how, first);
    uint8_t *memory = filled(&how, option(n, of, "content", "random"));
    uint32_t *count = calloc(how.image, sizeof *count);
    int line = control(option(n, of, "control", "/dev/ttyS1"));
    printf("READY image=%ld\n", how.image);
    fflush(stdout);
    long next = 0, done = 0, told = 0;
    double begun = now(), before = begun, report = begun, due = begun;
    double credit = 0, gap = 0;
    for (;;) {
        double t = now();
        if (t - before > gap)
            gap = t - before;
        credit += how.rate * (t - before);
        if (credit > how.rate * CATCH_UP + 1)
            credit = how.rate * CATCH_UP + 1;
        if (how.rate < 0)
            credit = 2000;
        before = t;
        long burst = (long)credit;
        credit -= burst;
        for (long i = 0; i < burst; i++) {
            long p = choose(&how, &next);
            uint8_t *page = memory + p * (size_t)PAGE;
            ((volatile uint64_t *)page)[1] = any();
            ((volatile uint32_t *)page)[TAG] = ++count[p];
        }
        done += burst;
        if (t - report >= 1) {
            printf("WROTE %.3f %.0f %.4f\n", t - begun,
                   (done - told) / (t - report), gap);
            fflush(stdout);
            report = t;
            told = done;
            gap = 0;
            obey(line, &how, memory, count);
        }
        if (how.rate < 0)
            continue;
        due += TICK;
        if (due < now())
            due = now();
        pause_for(due - now());
    }
    return 0;
}

/* ---- traffic ---------------------------------------------------------- */

static struct sockaddr_in place(int n, char **of, const char *otherwise)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_port = htons(atoi(option(n, of, "port", "5001")));
    if (inet_pton(AF_INET, option(n, of, "address", otherwise),
                  &a.sin_addr) != 1) {
        fprintf(stderr, "address: not an IPv4 address\n");
        exit(1);
    }
    return a;
}

static double acknowledged(int with)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(with, IPPROTO_TCP, TCP_INFO, &info, &size))
        return 0;
    return info.tcpi_bytes_acked;
}

static void send_until_it_breaks(int with, double rate)
{
    static char block[65536];
    double begun = now(), report = begun, told = 0, sent = 0;
    for (;;) {
        double ahead = rate > 0 ? sent / rate - (now() - begun) : 0;
        if (ahead > 0.5 || ahead < -0.5)
            begun = now() - sent / rate;
        else
            pause_for(ahead);
        ssize_t k = send(with, block, sizeof block, 0);
        if (k <= 0)
            return;
        sent += k;
        double t = now();
        if (t - report >= REPORT) {
            double done = acknowledged(with);
            printf("SENT %.3f %.0f\n", t, (done - told) / (t - report));
            fflush(stdout);
            report = t;
            told = done;
        }
    }
}

static int send_bytes(int n, char **of)
{
    struct sockaddr_in to = place(n, of, "10.9.0.100");
    double rate = atof(option(n, of, "rate", "0"));
    signal(SIGPIPE, SIG_IGN);
    for (;; pause_for(0.2)) {
        int with = socket(AF_INET, SOCK_STREAM, 0);
        if (!connect(with, (struct sockaddr *)&to, sizeof to))
            send_until_it_breaks(with, rate);
        close(with);
    }
    return 0;
}

static int receive_bytes(int n, char **of)
{
    struct sockaddr_in at = place(n, of, "0.0.0.0");
    int yes = 1, door = socket(AF_INET, SOCK_STREAM, 0), peers = 1;
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(door, (struct sockaddr *)&at, sizeof at) || listen(door, 16)) {
        perror("bind");
        return 1;
    }
    static char block[262144];
    struct pollfd of_all[PEERS] = {{.fd = door, .events = POLLIN}};
    double report = now(), got = 0;
    for (;;) {
        poll(of_all, peers, 50);
        if ((of_all[0].revents & POLLIN) && peers < PEERS)
            of_all[peers++] = (struct pollfd){
                .fd = accept(door, 0, 0), .events = POLLIN};
        for (int i = 1; i < peers; i++) {
            if (!of_all[i].revents)
                continue;
            ssize_t k = recv(of_all[i].fd, block, sizeof block,
                             MSG_DONTWAIT);
            if (k > 0) {
                got += k;
            } else if (k == 0 || errno != EAGAIN) {
                close(of_all[i].fd);
                of_all[i--] = of_all[--peers];
            }
        }
        double t = now();
        if (t - report >= REPORT) {
            printf("GOT %.3f %.0f\n", t, got / (t - report));
            fflush(stdout);
            report = t;
            got = 0;
        }
    }
}

static int beat(int n, char **of)
{
    struct sockaddr_in to = place(n, of, "10.9.0.100");
    double period = atof(option(n, of, "period", "0.01"));
    int with = socket(AF_INET, SOCK_DGRAM, 0);
    for (uint64_t count = 1;; count++) {
        sendto(with, &count, sizeof count, 0, (struct sockaddr *)&to,
               sizeof to);
        pause_for(period);
    }
    return 0;
}

static int hear(int n, char **of)
{
    struct sockaddr_in at = place(n, of, "0.0.0.0");
    double least = atof(option(n, of, "least", "0.05")), last = 0;
    int with = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(with, (struct sockaddr *)&at, sizeof at)) {
        perror("bind");
        return 1;
    }
    uint64_t count, before = 0;
    for (;;) {
        if (recv(with, &count, sizeof count, 0) != sizeof count)
            continue;
        double t = now();
        if (last && t - last > least) {
            printf("GAP %.3f %.4f %ld\n", t, t - last,
                   (long)(count - before - 1));
            fflush(stdout);
        }
        last = t;
        before = count;
    }
}

int main(int n, char **of)
{
    static const struct {
        const char *name;
        int (*run)(int, char **);
    } roles[] = {{"write", write_pages}, {"send", send_bytes},
                 {"receive", receive_bytes}, {"beat", beat},
                 {"hear", hear}};
    for (unsigned i = 0; n > 1 && i < sizeof roles / sizeof *roles; i++)
        if (!strcmp(of[1], roles[i].name))
            return roles[i].run(n, of);
    fprintf(stderr, "program write|send|receive|beat|hear [name=value]...\n");
    return 2;
}
