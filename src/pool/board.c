#include "pool/board.h"

#include <sys/mman.h>

#include "base/log.h"

static struct board_slot *slots;

void *pool_shared_memory(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(memory != MAP_FAILED);
    return memory;
}

void board_create(void) {
    if (!slots)
        slots = pool_shared_memory(sizeof *slots * POOL_MAX_WORKERS);
}

struct board_slot *board_slot(unsigned slot) {
    MUST(slots && slot < POOL_MAX_WORKERS);
    return &slots[slot];
}

void board_assign(unsigned slot, uint32_t generation, uint32_t pool) {
    struct board_slot *on_board = board_slot(slot);

    board_clear(slot);
    on_board->generation = generation;
    on_board->pool = pool;
}

void board_clear(unsigned slot) {
    struct board_slot *on_board = board_slot(slot);

    on_board->pid = 0;
    on_board->ready = 0;
    on_board->requests = 0;
    on_board->busy_since = 0;
    on_board->generation = 0;
    on_board->pool = 0;
}
