#include "pool/signals.h"

#include <stddef.h>
#include <sys/signalfd.h>

#include "base/log.h"

static const int NOTED[] = {SIGHUP, SIGUSR2, SIGTERM, SIGINT, SIGQUIT, SIGCHLD};
static const int IGNORED_BY_MASTER[] = {SIGPIPE, SIGUSR1};
static const int IGNORED_BY_WORKER[] = {SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGPIPE};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static volatile sig_atomic_t noted[NSIG];
static sigset_t waiting;

static void note(int signal_number) {
    noted[signal_number] = 1;
}

static void handle(int signal_number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};

    sigfillset(&action.sa_mask);
    MUST(sigaction(signal_number, &action, NULL) == 0);
}

void signals_master(void) {
    sigset_t blocked;

    sigemptyset(&blocked);
    for (size_t i = 0; i < COUNT(NOTED); i++)
        sigaddset(&blocked, NOTED[i]);
    MUST(sigprocmask(SIG_BLOCK, &blocked, &waiting) == 0);
    /* A program that was executed in place finds them blocked already. */
    for (size_t i = 0; i < COUNT(NOTED); i++) {
        sigdelset(&waiting, NOTED[i]);
        handle(NOTED[i], note);
    }
    for (size_t i = 0; i < COUNT(IGNORED_BY_MASTER); i++)
        handle(IGNORED_BY_MASTER[i], SIG_IGN);
}

const sigset_t *signals_while_waiting(void) {
    return &waiting;
}

bool signals_taken(int signal_number) {
    bool was = noted[signal_number];

    noted[signal_number] = 0;
    return was;
}

int signals_worker(void) {
    sigset_t orders;

    for (size_t i = 0; i < COUNT(NOTED); i++)
        handle(NOTED[i], SIG_DFL);
    for (size_t i = 0; i < COUNT(IGNORED_BY_WORKER); i++)
        handle(IGNORED_BY_WORKER[i], SIG_IGN);
    sigemptyset(&orders);
    sigaddset(&orders, SIGTERM);
    sigaddset(&orders, SIGQUIT);
    /* An order that came before this line has been blocked since the fork, and is still pending. */
    if (sigprocmask(SIG_SETMASK, &orders, NULL) != 0)
        return -1;
    return signalfd(-1, &orders, SFD_NONBLOCK | SFD_CLOEXEC);
}

void signals_reset(void) {
    for (size_t i = 0; i < COUNT(NOTED); i++)
        handle(NOTED[i], SIG_DFL);
    for (size_t i = 0; i < COUNT(IGNORED_BY_MASTER); i++)
        handle(IGNORED_BY_MASTER[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &waiting, NULL);
}
