#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "ctl/ctl.h"

#define LINE_MAX_BYTES 8192

void input_free(struct input *input) {
    if (input->bytes != NULL)
        secret_wipe(input->bytes, input->len);
    free(input->bytes);
    *input = (struct input){0};
}

/* Reads until most bytes are there, the input ends, or (line) a line has ended. */
static bool read_up_to(int fd, size_t most, bool line, struct input *input) {
    input->bytes = calloc(1, most + 1);
    MUST(input->bytes != NULL);
    input->len = 0;
    while (input->len < most) {
        ssize_t got = read(fd, input->bytes + input->len, most - input->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0 || (line && memchr(input->bytes + input->len, '\n', (size_t)got) != NULL)) {
            input->len += (size_t)got;
            return true;
        }
        input->len += (size_t)got;
    }
    return true;
}

static int cannot_read(struct input *input) {
    int error = errno;
    input_free(input);
    return fail(CTL_REFUSED, "standard input cannot be read: %s", strerror(error));
}

static int read_line(struct input *input) {
    if (!read_up_to(STDIN_FILENO, LINE_MAX_BYTES, true, input))
        return cannot_read(input);
    const char *end = memchr(input->bytes, '\n', input->len);
    size_t len = end != NULL ? (size_t)(end - input->bytes) : input->len;
    if (end == NULL && len == LINE_MAX_BYTES) {
        input_free(input);
        return fail(CTL_REFUSED, "the line on standard input is longer than %d bytes",
                    LINE_MAX_BYTES - 1);
    }
    if (end != NULL && len > 0 && input->bytes[len - 1] == '\r')
        len--;
    secret_wipe(input->bytes + len, input->len - len);
    input->len = len;
    return CTL_DONE;
}

/* The terminal as it was: a signal that ends the program must not leave it without echo. */
static struct termios shown;
static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void show_and_end(int number) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    raise(number); /* the default action is back: SA_RESETHAND */
}

static void on_endings(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        sigaction(endings[i], &action, NULL);
    signal(SIGTSTP, handler == SIG_DFL ? SIG_DFL : SIG_IGN);
}

static int read_hidden(const char *prompt, struct input *input) {
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return read_line(input);
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    on_endings(show_and_end);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    fputs(prompt, stderr);
    int code = read_line(input);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    on_endings(SIG_DFL);
    fputs("\n", stderr);
    return code;
}

int input_secret(const char *prompt, struct input *input) {
    *input = (struct input){0};
    return isatty(STDIN_FILENO) ? read_hidden(prompt, input) : read_line(input);
}

int input_new_password(struct input *input) {
    struct input again;
    int code = input_secret("New password: ", input);
    if (code != CTL_DONE || !isatty(STDIN_FILENO))
        return code;
    code = input_secret("The same again: ", &again);
    if (code == CTL_DONE &&
        (again.len != input->len || !secret_equal(again.bytes, input->bytes, input->len)))
        code = fail(CTL_REFUSED, "the two passwords differ; nothing was changed");
    input_free(&again);
    if (code != CTL_DONE)
        input_free(input);
    return code;
}

int input_all(size_t most, struct input *input) {
    return read_up_to(STDIN_FILENO, most + 1, false, input) ? CTL_DONE : cannot_read(input);
}

int input_file(const char *path, size_t most, struct input *input) {
    *input = (struct input){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool complete = fd >= 0 && read_up_to(fd, most + 1, false, input);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (complete && input->len <= most)
        return CTL_DONE;
    input_free(input);
    return complete ? fail(CTL_REFUSED, "%s is longer than %zu bytes", path, most)
                    : fail(CTL_REFUSED, "%s cannot be read: %s", path, strerror(error));
}

bool input_confirms(const char *question) {
    struct input answer;
    if (!isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "%s ", question);
    bool yes = read_line(&answer) == CTL_DONE && strcmp(answer.bytes, "yes") == 0;
    input_free(&answer);
    return yes;
}
