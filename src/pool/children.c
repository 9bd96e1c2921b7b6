#include "pool/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pool/board.h"
#include "pool/permits.h"

static struct child children[POOL_MAX_WORKERS];
static const struct pool_ops *ops;
static const struct listen_set *sockets;
static const struct channels *channels;

static struct child *next_child(struct child *child) {
    while (child < children + POOL_MAX_WORKERS && child->pid == 0)
        child++;
    return child < children + POOL_MAX_WORKERS ? child : NULL;
}

#define EACH_CHILD(child)                                                                          \
    struct child *child = next_child(children);                                                    \
    child;                                                                                         \
    child = next_child(child + 1)

void children_init(const struct pool_ops *its_ops, const struct listen_set *its_sockets,
                   const struct channels *its_channels) {
    ops = its_ops;
    sockets = its_sockets;
    channels = its_channels;
    board_create();
    permits_create();
}

/* Counting ------------------------------------------------------------------------------------ */

unsigned children_count(const struct generation *generation) {
    unsigned count = 0;

    for (EACH_CHILD(child))
        count += !generation || child->generation == generation;
    return count;
}

bool pool_has_former_workers(void) {
    for (EACH_CHILD(child))
        if (!child->generation->plan)
            return true;
    return false;
}

static unsigned count_in_pool(const struct generation *generation, unsigned pool) {
    unsigned count = 0;

    for (EACH_CHILD(child))
        count += child->generation == generation && child->pool == pool;
    return count;
}

static unsigned wanted_in_pool(const struct generation *generation, unsigned pool) {
    return generation->fds[pool] < 0 ? 0 : generation->plan->pools[pool].workers;
}

unsigned children_wanted(const struct generation *generation) {
    unsigned count = 0;

    for (unsigned i = 0; generation->plan && i < generation->plan->count; i++)
        count += wanted_in_pool(generation, i);
    return count;
}

unsigned children_free_slots(void) {
    return POOL_MAX_WORKERS - children_count(NULL);
}

bool children_all_ready(const struct generation *generation) {
    unsigned ready = 0;

    for (EACH_CHILD(child))
        if (child->generation == generation)
            ready += board_slot((unsigned)(child - children))->ready != 0;
    return ready == children_wanted(generation);
}

static bool is_served(const struct generation *generation, unsigned pool) {
    for (EACH_CHILD(child))
        if (child->generation == generation && child->pool == pool &&
            board_slot((unsigned)(child - children))->ready != 0)
            return true;
    return false;
}

bool children_serve(const struct generation *generation) {
    for (unsigned i = 0; generation->plan && i < generation->plan->count; i++)
        if (wanted_in_pool(generation, i) > 0 && !is_served(generation, i))
            return false;
    return true;
}

const struct child *children_at(unsigned slot) {
    return children[slot].pid != 0 ? &children[slot] : NULL;
}

/* Births -------------------------------------------------------------------------------------- */

/* A young death that comes alone is forgiven: somebody killed it.  From the next one on each birth
 * waits twice as long as the one before, until a worker has lived. */
static void slow_down(struct back_off *back_off, int64_t now) {
    int64_t quiet = now - back_off->last_death_ms;

    if (now < back_off->not_before_ms)
        return; /* one of a group: the others' death is counted already */
    if (back_off->last_death_ms == 0 || quiet >= back_off->delay_ms + YOUNG_MS)
        back_off->delay_ms = 0;
    else if (back_off->delay_ms == 0)
        back_off->delay_ms = BACK_OFF_MIN_MS;
    else if ((back_off->delay_ms *= 2) > BACK_OFF_MAX_MS)
        back_off->delay_ms = BACK_OFF_MAX_MS;
    back_off->last_death_ms = now;
    back_off->not_before_ms = now + back_off->delay_ms;
}

static struct child *free_slot(void) {
    for (struct child *child = children; child < children + POOL_MAX_WORKERS; child++)
        if (child->pid == 0)
            return child;
    return NULL;
}

static unsigned free_number(const struct generation *generation, unsigned pool) {
    bool taken[POOL_MAX_WORKERS + 2] = {false};
    unsigned number = 1;

    for (EACH_CHILD(child))
        if (child->generation == generation && child->pool == pool)
            taken[child->number] = true;
    while (taken[number])
        number++;
    return number;
}

static bool spawn(struct generation *generation, unsigned pool) {
    struct child *child = free_slot();
    unsigned number = free_number(generation, pool);
    unsigned slot;
    pid_t pid;

    if (!child)
        return false;
    slot = (unsigned)(child - children);
    *child = (struct child){
        .generation = generation, .pool = pool, .number = number, .born_ms = clock_mono_ms()};
    snprintf(child->identity, sizeof child->identity, "%s/%u", generation->plan->pools[pool].name,
             number);
    board_assign(slot, generation->plan->pools[pool].name);
    if ((pid = fork()) == 0)
        worker_main(ops, sockets, channels, child, slot);
    if (pid < 0) {
        log_error("worker cannot be forked", F_STR("pool", generation->plan->pools[pool].name),
                  F_ERRNO(errno), F_STR("cure", "see the limits on processes and memory"));
        board_clear(slot);
        return false;
    }
    board_slot(slot)->pid = pid;
    child->pid = pid;
    return true;
}

static void fill_pool(struct generation *generation, unsigned pool) {
    struct back_off *back_off = &generation->back_off[pool];
    unsigned wanted = wanted_in_pool(generation, pool);
    unsigned count = wanted > 0 ? count_in_pool(generation, pool) : 0;

    for (; count < wanted && clock_mono_ms() >= back_off->not_before_ms; count++) {
        if (!spawn(generation, pool)) {
            slow_down(back_off, clock_mono_ms());
            return;
        }
    }
}

void children_fill(struct generation *generation) {
    for (unsigned i = 0; i < generation->plan->count; i++)
        fill_pool(generation, i);
}

/* As the master knows it: on the board a worker may have written another. */
static const char *pool_name(const struct child *child, char out[sizeof child->identity]) {
    snprintf(out, sizeof child->identity, "%.*s", (int)strcspn(child->identity, "/"), child->identity);
    return out;
}

void children_adopt(struct generation *generation, const struct child *worker) {
    struct child *child = free_slot();
    char pool[sizeof worker->identity];

    MUST(child);
    board_assign((unsigned)(child - children), pool_name(worker, pool));
    *child = *worker;
    child->generation = generation;
    board_slot((unsigned)(child - children))->pid = child->pid;
}

/* Deaths -------------------------------------------------------------------------------------- */

static struct child *child_of(pid_t pid) {
    for (EACH_CHILD(child))
        if (child->pid == pid)
            return child;
    return NULL;
}

static void log_death(const struct child *child, int status, int64_t now) {
    const struct board_slot *slot = board_slot((unsigned)(child - children));
    int64_t busy_since = slot->busy_since;
    bool expected = child->ordered && WIFEXITED(status) && WEXITSTATUS(status) == 0;

    log_write(expected ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
              expected ? "worker finished" : "worker died",
              (const struct log_field[]){
                  F_STR("worker", child->identity),
                  F_INT("pid", child->pid),
                  WIFSIGNALED(status) ? F_INT("signal", WTERMSIG(status))
                                      : F_INT("exit_code", WEXITSTATUS(status)),
                  F_INT("lived_ms", now - child->born_ms),
                  F_INT("busy_ms", busy_since > 0 ? now - busy_since : 0),
                  F_INT("requests", (int64_t)slot->requests),
              },
              6);
}

bool children_reap(pid_t pid, int status) {
    struct child *child = child_of(pid);
    int64_t now = clock_mono_ms();
    struct generation *generation;
    char pool[sizeof child->identity];

    if (!child)
        return false;
    generation = child->generation;
    log_death(child, status, now);
    if (!child->ordered) {
        board_count_death(pool_name(child, pool));
        if (now - child->born_ms < YOUNG_MS)
            slow_down(&generation->back_off[child->pool], now);
        if (!generation->was_ready)
            generation->deaths_before_ready++;
    }
    board_clear((unsigned)(child - children));
    permits_of_dead(pid);
    child->pid = 0;
    return true;
}

/* Orders -------------------------------------------------------------------------------------- */

static void order(struct child *child, int signal_number, int64_t kill_ms) {
    if (signal_number == SIGTERM && child->ordered)
        return;
    child->ordered = true;
    if (child->kill_ms == 0 || kill_ms < child->kill_ms)
        child->kill_ms = kill_ms;
    (void)kill(child->pid, signal_number);
}

void children_order(const struct generation *generation, int signal_number, int64_t kill_ms) {
    for (EACH_CHILD(child))
        if (!generation || child->generation == generation)
            order(child, signal_number, kill_ms);
}

void children_kill_overdue(void) {
    int64_t now = clock_mono_ms();

    for (EACH_CHILD(child)) {
        if (child->kill_ms == 0 || now < child->kill_ms)
            continue;
        log_warning("worker did not finish in time and is killed", F_STR("worker", child->identity),
                    F_INT("pid", child->pid));
        (void)kill(child->pid, SIGKILL);
        child->kill_ms = now + KILL_AGAIN_MS; /* dead soon; if the kernel holds it, say so again */
    }
}

static void kill_hung(const struct child *child, bool ready) {
    metrics_event(EVENT_WORKER_HUNG, 1);
    log_error("worker hangs and is killed", F_STR("worker", child->identity),
              F_INT("pid", child->pid), F_INT("still_ms", child->still_ms),
              F_STR("state", ready ? "ready" : "starting"),
              F_STR("cure", "another takes its place; if it happens again, see what it waited for (a "
                            "stopped process, a name server, a disk) and hang in [server]"));
    (void)kill(child->pid, SIGKILL);
}

void children_kill_hung(int64_t passed_ms) {
    for (EACH_CHILD(child)) {
        const struct board_slot *slot = board_slot((unsigned)(child - children));
        const struct pool_plan *plan = child->generation->plan; /* NULL: on another board */
        bool ready = slot->ready != 0;
        uint64_t beats = slot->beats;

        if (!plan || plan->hang_ms == 0 || beats != child->beats)
            child->still_ms = 0;
        else if ((child->still_ms += passed_ms) >= plan->hang_ms * (ready ? 1 : START_HANGS)) {
            kill_hung(child, ready);
            child->still_ms = 0;
        }
        child->beats = beats;
    }
}

static int64_t next_birth_ms(const struct generation *generation, int64_t next) {
    for (unsigned i = 0; generation && generation->plan && i < generation->plan->count; i++) {
        unsigned wanted = wanted_in_pool(generation, i);
        if (wanted > 0 && count_in_pool(generation, i) < wanted &&
            generation->back_off[i].not_before_ms < next)
            next = generation->back_off[i].not_before_ms;
    }
    return next;
}

int64_t children_next_ms(const struct generation *present, const struct generation *coming) {
    int64_t next = INT64_MAX;

    for (EACH_CHILD(child))
        if (child->kill_ms != 0 && child->kill_ms < next)
            next = child->kill_ms;
    return next_birth_ms(coming, next_birth_ms(present, next));
}
