/* The server in the containers of tests: static, so that an image needs nothing else.
 *
 *     container PORT [WORD]
 *
 * Every request is answered with WORD; one for /eat makes it use memory until it is ended, one for
 * /exit ends it with 3. Without a port it ends at once with 4.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int number) {
    (void)number;
    _exit(0);
}

int main(int count, char **arguments) {
    if (count < 2) return 4;
    /* The first process of a container: without a handler a signal does nothing. */
    signal(SIGTERM, stop);
    signal(SIGPIPE, SIG_IGN);
    const char *word = count > 2 ? arguments[2] : "ok";
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64)) return 5;
    for (;;) {
        char request[4096];
        int client = accept(listener, 0, 0);
        if (client < 0) continue;
        ssize_t length = read(client, request, sizeof request - 1);
        if (length > 0) {
            request[length] = 0;
            if (strstr(request, " /exit ")) return 3;
            if (strstr(request, " /eat "))
                for (;;) memset(malloc(1 << 20), 1, 1 << 20);
            dprintf(client,
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                    strlen(word), word);
        }
        close(client);
    }
}
