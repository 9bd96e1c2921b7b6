#include "pool/board.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"

static struct board_slot *slots;
static struct board_pool *pools;
static _Atomic bool *ended;

void *pool_shared_memory(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(memory != MAP_FAILED);
    return memory;
}

void board_create(void) {
    if (!slots)
        slots = pool_shared_memory(sizeof *slots * POOL_MAX_WORKERS);
    if (!pools)
        pools = pool_shared_memory(sizeof *pools * BOARD_POOLS);
    if (!ended)
        ended = pool_shared_memory(sizeof *ended);
}

void board_end(void) {
    *ended = true;
}

bool board_ends(void) {
    return *ended;
}

struct board_slot *board_slot(unsigned slot) {
    MUST(slots && slot < POOL_MAX_WORKERS);
    return &slots[slot];
}

/* A worker that was taken over writes what it likes, even names without an end; the master reads them. */
static bool is_named(const char (*on_board)[BOARD_NAME], const char *name) {
    return strncmp(*on_board, name, sizeof *on_board) == 0;
}

/* NULL: the board is full of other names. */
static struct board_pool *pool_named(const char *name) {
    for (struct board_pool *pool = pools; pool < pools + BOARD_POOLS; pool++) {
        if (pool->name[0] == '\0')
            snprintf(pool->name, sizeof pool->name, "%s", name);
        if (is_named(&pool->name, name))
            return pool;
    }
    return NULL;
}

void board_count_death(const char *name) {
    struct board_pool *pool = pool_named(name);

    if (pool)
        pool->deaths++;
}

void board_set_queue(const char *name, int64_t waiting) {
    struct board_pool *pool = pool_named(name);

    if (pool)
        pool->queue = waiting;
}

static void add_workers(struct pool_state *state) {
    for (struct board_slot *slot = slots; slot < slots + POOL_MAX_WORKERS; slot++) {
        if (slot->pid == 0 || !is_named(&slot->name, state->name))
            continue;
        state->workers++;
        state->busy += slot->busy_since != 0;
    }
}

size_t pool_states(struct pool_state *out, size_t max) {
    size_t count = 0;

    for (; pools && count < max && count < BOARD_POOLS && pools[count].name[0]; count++) {
        memset(&out[count], 0, sizeof out[count]);
        snprintf(out[count].name, sizeof out[count].name, "%.*s", BOARD_NAME - 1, pools[count].name);
        out[count].deaths = pools[count].deaths;
        out[count].queue = pools[count].queue;
        add_workers(&out[count]);
    }
    return count;
}

/* Whether another worker has a turn, or waited for one first. */
static bool goes_first(const struct board_slot *other, const struct board_slot *own, int64_t now) {
    int64_t turn = other->turn;

    if (other == own || turn == 0 || other->pid == 0 || now - other->turn_asked > TURN_MS ||
        !is_named(&other->name, own->name))
        return false;
    return turn < 0 || turn < own->turn || (turn == own->turn && other < own);
}

/* Nothing is locked, so nobody can die with a lock: of two that ask in the same microsecond both
 * may be let through, for one turn. */
bool board_turn(unsigned slot, unsigned most, bool wanted) {
    struct board_slot *own = board_slot(slot);
    int64_t now = clock_mono_ms();
    unsigned before = 0;

    own->turn_asked = now;
    if (!wanted || own->turn <= 0)
        own->turn = wanted ? now : 0;
    for (struct board_slot *other = slots; wanted && other < slots + POOL_MAX_WORKERS; other++)
        before += goes_first(other, own, now);
    if (!wanted || before >= most)
        return false;
    own->turn = -now;
    return true;
}

void board_assign(unsigned slot, const char *name) {
    struct board_slot *on_board = board_slot(slot);

    board_clear(slot);
    snprintf(on_board->name, sizeof on_board->name, "%s", name);
    pool_named(name);
}

void board_clear(unsigned slot) {
    struct board_slot *on_board = board_slot(slot);

    on_board->pid = 0;
    on_board->ready = 0;
    on_board->requests = 0;
    on_board->busy_since = 0;
    on_board->turn = 0;
    on_board->turn_asked = 0;
    on_board->beats = 0;
}
