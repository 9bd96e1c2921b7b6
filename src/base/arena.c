#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

struct block {
    struct block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
};

/* Blocks before current are full, those behind it are empty; current is NULL before the first. */
struct arena {
    size_t block_size;
    struct block *first;
    struct block *current;
};

struct arena *arena_new(size_t block_size) {
    struct arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        DIE("out of memory");
    arena->block_size = block_size;
    return arena;
}

/* Requests carry passwords and tokens: none of them outlives its request in memory. */
static void block_wipe(struct block *block) {
    secret_wipe(block->bytes, block->used);
    block->used = 0;
}

void arena_free(struct arena **arena) {
    if (!*arena)
        return;
    arena_reset(*arena, 0);
    free(*arena);
    *arena = NULL;
}

void arena_reset(struct arena *arena, size_t keep) {
    struct block **link = &arena->first;
    while (*link) {
        struct block *block = *link;
        block_wipe(block);
        if (block->size <= keep) {
            keep -= block->size;
            link = &block->next;
        } else {
            *link = block->next;
            free(block);
        }
    }
    arena->current = arena->first;
}

static struct block *block_new(size_t size) {
    size_t total;
    if (__builtin_add_overflow(sizeof(struct block), size, &total))
        DIE("out of memory");
    struct block *block = malloc(total);
    if (!block)
        DIE("out of memory");
    *block = (struct block){.size = size};
    return block;
}

static bool fits(const struct block *block, size_t size) {
    return block && block->size - block->used >= size;
}

/* The block that takes size bytes more.  What is bigger than a block gets one of its own in front
 * of the others, and current stays where the small ones go. */
static struct block *block_for(struct arena *arena, size_t size) {
    if (fits(arena->current, size))
        return arena->current;
    if (size > arena->block_size) {
        struct block *own = block_new(size);
        own->next = arena->first;
        arena->first = own;
        return own;
    }
    struct block **link = arena->current ? &arena->current->next : &arena->first;
    while (*link && !fits(*link, size))
        link = &(*link)->next;
    if (!*link)
        *link = block_new(arena->block_size);
    return arena->current = *link;
}

/* The size rounded up, so that what is taken next is aligned too. */
static size_t rounded(size_t size) {
    const size_t unit = alignof(max_align_t);
    if (size > SIZE_MAX - unit)
        DIE("out of memory");
    return size ? (size + unit - 1) / unit * unit : unit;
}

void *arena_alloc(struct arena *arena, size_t size) {
    size = rounded(size);
    struct block *block = block_for(arena, size);
    void *bytes = block->bytes + block->used;
    block->used += size;
    return bytes;
}

void *arena_zalloc(struct arena *arena, size_t size) {
    return memset(arena_alloc(arena, size), 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        DIE("out of memory");
    return arena_zalloc(arena, total);
}

char *arena_dup(struct arena *arena, const void *bytes, size_t len) {
    if (!bytes)
        return NULL;
    if (len == SIZE_MAX)
        DIE("out of memory");
    char *copy = arena_alloc(arena, len + 1);
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

char *arena_str(struct arena *arena, const char *text) {
    return text ? arena_dup(arena, text, strlen(text)) : NULL;
}

/* Into what is left of the block, which is where it almost always fits. */
char *arena_printf(struct arena *arena, const char *format, ...) {
    struct block *block = arena->current;
    size_t room = block ? block->size - block->used : 0;
    char *text = room ? (char *)block->bytes + block->used : NULL;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, room, format, args);
    va_end(args);
    MUST(len >= 0);
    if ((size_t)len < room) {
        size_t size = rounded((size_t)len + 1);
        block->used += size < room ? size : room;
        return text;
    }
    /* The part that did fit lies behind block->used, where block_wipe does not reach. */
    if (room)
        secret_wipe(text, room);
    text = arena_alloc(arena, (size_t)len + 1);
    va_start(args, format);
    MUST(vsnprintf(text, (size_t)len + 1, format, args) == len);
    va_end(args);
    return text;
}
