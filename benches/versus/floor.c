/* The floor: the least that a balancer on sockets can do for a request.
 *
 * A relay with one epoll loop and pooled backend connections, in turn over the backends. It
 * makes the system calls that any HTTP balancer must make (recv, send, recv, send, a share of
 * one epoll_wait) and does nothing between them: it reads no HTTP. One recv from a client is
 * taken for one request, and the size of a response is given, so it can only stand between the
 * load and the origin of this benchmark. It has no timeouts, no limits, no statistics, and
 * gives up with a message where a balancer would have to be clever.
 *
 *     floor LISTEN_PORT RESPONSE_BYTES keep|close BACKEND_PORT...
 *
 * With `close`, clients ask for `Connection: close`: one byte of the request is changed so that
 * the backend does not see it, ten of the response so that the client is told, and the client
 * connection is closed after the response, the end of which goes in one packet with its last
 * bytes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, ACCEPTS = 64, BACKENDS = 1024, SCRATCH = 65536 };

struct conn {
    int fd;             /* -1 once closed */
    int backend;        /* index, or -1 for a client */
    size_t owed;        /* bytes of the response still to come, of a backend connection */
    struct conn *peer;  /* the other side of the request under way, or null */
    struct conn *below; /* the next in its pool, or in the list of the closed */
};

static int epoll_fd;
static int backend_count;
static int closes;
static size_t response_bytes;
static struct sockaddr_in backends[BACKENDS];
static struct conn *pools[BACKENDS];
static struct conn *closed; /* freed at the end of a turn: events may still name them */
static char scratch[SCRATCH];

static void fail(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in loopback(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((unsigned short)atoi(port));
    return address;
}

/* Small writes are sent at once. A connection that is accepted inherits that from its listener. */
static void send_at_once(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        fail("setsockopt");
}

static struct conn *watch(int fd, int backend)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        fail("calloc");
    conn->fd = fd;
    conn->backend = backend;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = conn};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    return conn;
}

static void drop(struct conn *conn)
{
    close(conn->fd);
    conn->fd = -1;
    /* A pooled connection stays in its pool until it is popped there and found closed. */
    if (conn->backend < 0 || conn->peer) {
        conn->below = closed;
        closed = conn;
    }
}

static void free_closed(void)
{
    while (closed) {
        struct conn *next = closed->below;
        free(closed);
        closed = next;
    }
}

static struct conn *open_backend(int index)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    if (connect(fd, (struct sockaddr *)&backends[index], sizeof backends[index]) < 0)
        fail("connect");
    send_at_once(fd);
    return watch(fd, index);
}

static struct conn *next_backend(void)
{
    static int turn;
    int index = turn++ % backend_count;
    while (pools[index]) {
        struct conn *conn = pools[index];
        pools[index] = conn->below;
        if (conn->fd >= 0)
            return conn;
        free(conn);
    }
    return open_backend(index);
}

/* With MSG_MORE among the flags, the bytes wait for what follows. */
static void send_all(struct conn *to, const char *bytes, size_t count, int flags)
{
    flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
    if (send(to->fd, bytes, count, flags) != (ssize_t)count && closes == 0)
        fail("send took less than all");
}

/* Overwrites `from` with `to`, where it is first found. The place is the same in each message. */
static void patch(ssize_t *place, ssize_t count, const char *from, const char *to)
{
    if (*place < 0) {
        char *found = memmem(scratch, (size_t)count, from, strlen(from));
        if (!found)
            return;
        *place = found - scratch;
    }
    memcpy(scratch + *place, to, strlen(to));
}

static void client_ready(struct conn *client)
{
    static ssize_t place = -1;
    ssize_t count = recv(client->fd, scratch, sizeof scratch, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        if (client->peer) {
            drop(client->peer);
            client->peer = NULL;
        }
        drop(client);
        return;
    }
    if (closes)
        patch(&place, count, "Connection: close", "Connection: xlose");
    struct conn *backend = next_backend();
    backend->peer = client;
    backend->owed = response_bytes;
    client->peer = backend;
    send_all(backend, scratch, (size_t)count, 0);
}

static void backend_ready(struct conn *backend)
{
    static ssize_t place = -1;
    ssize_t count = recv(backend->fd, scratch, sizeof scratch, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return;
    struct conn *client = backend->peer;
    if (count <= 0 || !client || (size_t)count > backend->owed) {
        if (client)
            drop(client);
        drop(backend);
        return;
    }
    if (closes && backend->owed == response_bytes)
        patch(&place, count, "Connection: keep-alive", "Connection: close     ");
    backend->owed -= (size_t)count;
    send_all(client, scratch, (size_t)count, closes && backend->owed == 0 ? MSG_MORE : 0);
    if (backend->owed > 0)
        return;
    client->peer = NULL;
    backend->peer = NULL;
    backend->below = pools[backend->backend];
    pools[backend->backend] = backend;
    if (closes) {
        shutdown(client->fd, SHUT_WR);
        drop(client);
    }
}

/* Accepting in vain makes a socket and throws it away: asking costs a tenth of it. */
static int has_arrivals(int listener)
{
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    return poll(&waiting, 1, 0) != 0;
}

static void accept_some(int listener)
{
    for (int accepted = 0; accepted < ACCEPTS; accepted++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0)
            fail("accept4");
        watch(fd, -1);
        if (!has_arrivals(listener))
            return;
    }
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = loopback(port);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    send_at_once(fd);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0)
        fail("listen");
    /* Level-triggered: what one turn does not accept is announced again. */
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    return fd;
}

static void turn(int listener)
{
    static struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll_fd, events, EVENTS, -1);
    if (count < 0 && errno != EINTR)
        fail("epoll_wait");
    for (int index = 0; index < count; index++) {
        struct conn *conn = events[index].data.ptr;
        if (!conn)
            accept_some(listener);
        else if (conn->fd < 0)
            continue;
        else if (conn->backend < 0)
            client_ready(conn);
        else
            backend_ready(conn);
    }
    free_closed();
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc - 4 > BACKENDS) {
        fprintf(stderr, "usage: floor LISTEN_PORT RESPONSE_BYTES keep|close BACKEND_PORT...\n");
        return 2;
    }
    response_bytes = (size_t)atol(argv[2]);
    closes = strcmp(argv[3], "close") == 0;
    backend_count = argc - 4;
    for (int index = 0; index < backend_count; index++)
        backends[index] = loopback(argv[4 + index]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        fail("epoll_create1");
    int listener = listen_on(argv[1]);
    for (;;)
        turn(listener);
}
