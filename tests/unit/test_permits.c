/* Permits are a process's, so that each holder here is one; how long anything takes is of no matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/permits.h"

#define LONG_MS 60000
/* Whoever waits for a permit that never comes is ended, and the test with it. */
#define PATIENCE_S 120

struct holder {
    pid_t pid;
    int says, told;
};

/* Says y or n, and keeps what it has until it is told to end. */
static void hold(unsigned most, int64_t wait_ms, int says, int told) {
    char end;
    alarm(PATIENCE_S);
    char answer = permits_take(most, wait_ms) ? 'y' : 'n';
    if (write(says, &answer, 1) != 1 || read(told, &end, 1) != 1)
        _exit(1);
    permits_give();
    _exit(0);
}

static struct holder begin(unsigned most, int64_t wait_ms) {
    int out[2], in[2];
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(in), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        hold(most, wait_ms, out[1], in[0]);
    close(out[1]);
    close(in[0]);
    return (struct holder){.pid = pid, .says = out[0], .told = in[1]};
}

static char answer_of(const struct holder *holder) {
    char answer = '?';
    assert_int_equal(read(holder->says, &answer, 1), 1);
    return answer;
}

static void bury(const struct holder *holder) {
    int status;
    assert_int_equal(waitpid(holder->pid, &status, 0), holder->pid);
    close(holder->says);
    close(holder->told);
}

static void end(const struct holder *holder) {
    assert_int_equal(write(holder->told, "", 1), 1);
    bury(holder);
}

static int make(void **state) {
    (void)state;
    permits_create();
    return 0;
}

static void no_more_than_so_many(void **state) {
    (void)state;
    struct holder first = begin(2, 0);
    assert_int_equal(answer_of(&first), 'y');
    struct holder second = begin(2, 0);
    assert_int_equal(answer_of(&second), 'y');
    struct holder third = begin(2, 0);
    assert_int_equal(answer_of(&third), 'n');
    end(&third);
    /* Who had none gave none back. */
    assert_false(permits_take(2, 0));
    end(&first);
    assert_true(permits_take(2, 0));
    permits_give();
    permits_give();
    end(&second);
}

static void whoever_waits_is_woken(void **state) {
    (void)state;
    struct holder holder = begin(1, 0), waiting[3];
    assert_int_equal(answer_of(&holder), 'y');
    for (int i = 0; i < 3; i++)
        waiting[i] = begin(1, LONG_MS);
    end(&holder);
    /* One after the other, in any order. */
    for (int left = 3; left > 0; left--) {
        int next = -1;
        fd_set ready;
        FD_ZERO(&ready);
        for (int i = 0; i < 3; i++)
            if (waiting[i].pid > 0)
                FD_SET(waiting[i].says, &ready);
        assert_int_equal(select(FD_SETSIZE, &ready, NULL, NULL, NULL), 1);
        for (int i = 0; i < 3; i++)
            if (waiting[i].pid > 0 && FD_ISSET(waiting[i].says, &ready))
                next = i;
        assert_int_equal(answer_of(&waiting[next]), 'y');
        assert_false(permits_take(1, 0));
        end(&waiting[next]);
        waiting[next].pid = 0;
    }
    assert_true(permits_take(1, 0));
    permits_give();
}

static void the_dead_hold_none(void **state) {
    (void)state;
    struct holder holder = begin(1, 0), waiting;
    assert_int_equal(answer_of(&holder), 'y');
    waiting = begin(1, LONG_MS);
    kill(holder.pid, SIGKILL);
    bury(&holder);
    assert_false(permits_take(1, 0));
    permits_of_dead(holder.pid);
    assert_int_equal(answer_of(&waiting), 'y');
    permits_of_dead(holder.pid);
    assert_false(permits_take(1, 0));
    end(&waiting);
    assert_true(permits_take(1, 0));
    permits_give();
}

/* After a reload that allows fewer, or more. */
static void others_may_count_otherwise(void **state) {
    (void)state;
    struct holder first = begin(3, 0), second = begin(3, 0);
    assert_int_equal(answer_of(&first), 'y');
    assert_int_equal(answer_of(&second), 'y');
    assert_false(permits_take(1, 0));
    assert_true(permits_take(PERMITS_MAX, 0));
    permits_give();
    end(&first);
    end(&second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_so_many),
        cmocka_unit_test(whoever_waits_is_woken),
        cmocka_unit_test(the_dead_hold_none),
        cmocka_unit_test(others_may_count_otherwise),
    };
    alarm(2 * PATIENCE_S);
    return cmocka_run_group_tests(tests, make, NULL);
}
