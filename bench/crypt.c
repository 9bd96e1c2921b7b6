/*
 * crypt: how many passwords a second crypt(3) alone can check, in so many processes; the yardstick
 * for logins of ./dev bench.
 *
 *   crypt COST WORKERS SECONDS
 *
 * Each process checks a $2y$ hash of that cost until the time is up and finishes the check it has
 * begun; its rate is checks over the time it really took.  Printed is the sum of the rates.
 */
#include <crypt.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PASSWORD    "correct horse battery staple"
#define MAX_WORKERS 1024

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double when) {
    struct timespec t = {.tv_sec = (time_t)when};

    t.tv_nsec = (long)((when - (double)t.tv_sec) * 1e9);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Checks a second, from start for so many seconds. */
static double check_for(double start, double seconds, const char *hash) {
    static struct crypt_data data;
    unsigned long checks = 0;
    double end;

    sleep_until(start);
    do {
        const char *again = crypt_rn(PASSWORD, hash, &data, sizeof data);

        if (!again || strcmp(again, hash) != 0)
            errx(1, "crypt_rn: the hash does not check");
        checks++;
        end = now();
    } while (end < start + seconds);
    return (double)checks / (end - start);
}

static void hash_new(unsigned long cost, char *hash, size_t size) {
    static struct crypt_data data;
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    const char *made = NULL;

    if (crypt_gensalt_rn("$2y$", cost, NULL, 0, salt, sizeof salt))
        made = crypt_rn(PASSWORD, salt, &data, sizeof data);
    if (!made)
        errx(1, "crypt_rn: cost %lu is refused", cost);
    snprintf(hash, size, "%s", made);
}

int main(int argc, char **argv) {
    char hash[CRYPT_OUTPUT_SIZE];
    double *rates, start, sum = 0;
    int workers, status;

    if (argc != 4)
        errx(2, "usage: crypt COST WORKERS SECONDS");
    workers = atoi(argv[2]);
    if (workers < 1 || workers > MAX_WORKERS)
        errx(2, "%s: 1 to %d processes", argv[2], MAX_WORKERS);
    hash_new(strtoul(argv[1], NULL, 10), hash, sizeof hash);
    rates = mmap(NULL, MAX_WORKERS * sizeof *rates, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rates == MAP_FAILED)
        err(1, "mmap");
    start = now() + 0.1; /* all of them are running by then */
    for (int i = 0; i < workers; i++)
        if (fork() == 0) {
            rates[i] = check_for(start, atof(argv[3]), hash);
            _exit(0);
        }
    while (wait(&status) > 0)
        if (status != 0)
            errx(1, "a process has failed");
    for (int i = 0; i < workers; i++)
        sum += rates[i];
    printf("%.2f\n", sum);
    return 0;
}
