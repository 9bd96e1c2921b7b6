/* Each row runs in a process of its own that has confined itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "pool/confine.h"

#define EXIT_GOOD 7

/* How a process ended that was confined and then did this. */
static int outcome(bool (*work)(void)) {
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !confine_process())
            _exit(1);
        _exit(work() ? EXIT_GOOD : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool cannot_make_or_empty_a_file(void) {
    return open("/tmp/test_confine.made", O_RDONLY | O_CREAT, 0600) < 0 && errno == ENOSYS &&
           open("/dev/null", O_RDONLY | O_TRUNC) < 0 && errno == ENOSYS;
}

static bool cannot_raise_its_limits(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && setrlimit(RLIMIT_NOFILE, &limit) < 0 && errno == ENOSYS;
}

static bool cannot_look_at_another_process(void) {
    struct rlimit limit;
    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit) < 0 && errno == ENOSYS;
}

static void goes_on(bool (*work)(void)) {
    int status = outcome(work);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_GOOD);
}

static void dies(bool (*work)(void)) {
    int status = outcome(work);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static bool reads(void) {
    char byte;
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &byte, 1) == 1 && close(fd) == 0;
}

static bool resolves(void) {
    struct addrinfo *found = NULL;
    int problem = getaddrinfo("localhost", "6379", NULL, &found);
    if (found != NULL)
        freeaddrinfo(found);
    return problem == 0;
}

static bool connects(void) {
    struct sockaddr nothing = {.sa_family = AF_UNSPEC};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, &nothing, sizeof nothing) == 0;
}

static bool looks_at_its_descriptors(void) {
    int ends[2], waiting = -1;
    return pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "x", 1) == 1 &&
           ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == 1 &&
           fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && !isatty(ends[0]);
}

static bool hashes(void) {
    struct crypt_data data = {0};
    const char *hash = crypt_rn("x", "$y$j75$abcdefgh", &data, sizeof data);
    return hash != NULL && hash[0] == '$';
}

static bool cannot_write(void) {
    return open("/tmp", O_WRONLY | O_TMPFILE, 0600) < 0 && errno == ENOSYS &&
           open("/dev/null", O_RDWR) < 0 && errno == ENOSYS;
}

static bool aborts(void) {
    raise(SIGABRT);
    return false;
}

static bool executes(void) {
    char *const argv[] = {(char[]){"true"}, NULL};
    execv("/bin/true", argv);
    return false;
}

static bool forks(void) {
    return fork() != 0;
}

static bool becomes_somebody(void) {
    return setuid(0) == 0;
}

/* Whether there is a terminal or not: the filter is asked first. */
static bool types(void) {
    return ioctl(STDIN_FILENO, TIOCSTI, "x") != 0;
}

static bool types_in_disguise(void) {
    return syscall(SYS_ioctl, STDIN_FILENO, ~0xffffffffUL | TIOCSTI, "x") != 0;
}

static bool pastes(void) {
    char code = 3;
    return ioctl(STDIN_FILENO, TIOCLINUX, &code) != 0;
}

static bool ends_another(void) {
    return syscall(SYS_tgkill, getppid(), getppid(), 0) != 0;
}

static bool has_another_ended(void) {
    return fcntl(STDIN_FILENO, F_SETOWN, getppid()) != 0;
}

static bool has_another_ended_by_ioctl(void) {
    pid_t pid = getppid();
    return ioctl(STDIN_FILENO, FIOSETOWN, &pid) != 0;
}

static void what_a_worker_does(void **state) {
    (void)state;
    goes_on(reads);
    goes_on(resolves);
    goes_on(connects);
    goes_on(hashes);
    goes_on(looks_at_its_descriptors);
    goes_on(cannot_write);
    goes_on(cannot_make_or_empty_a_file);
    goes_on(cannot_raise_its_limits);
    goes_on(cannot_look_at_another_process);
    /* A broken invariant must be able to end the worker. */
    int status = outcome(aborts);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void what_an_intruder_does(void **state) {
    (void)state;
    dies(executes);
    dies(forks);
    dies(becomes_somebody);
    dies(types);
    dies(types_in_disguise);
    dies(pastes);
    dies(ends_another);
    dies(has_another_ended);
    dies(has_another_ended_by_ioctl);
}

int main(void) {
    if (!confine_is_built_in())
        return 77; /* automake: skipped */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_worker_does),
        cmocka_unit_test(what_an_intruder_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
