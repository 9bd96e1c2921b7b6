/*
 * arena: memory that is taken back all at once, such as that of a batch of requests.  Nothing in it is
 * freed alone; arena_reset takes all of it back and keeps the blocks, so that a warmed-up worker
 * allocates nothing.  Out of memory ends the process (see buf.h).
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena;

/* An empty arena, whose blocks have block_size bytes; what is larger gets a block of its own.  The
 * caller's, to be freed with arena_free. */
struct arena *arena_new(size_t block_size);
/* Frees everything and clears the caller's pointer; *arena may be NULL. */
void arena_free(struct arena **arena);
/* Takes everything back and wipes it (requests carry passwords); blocks beyond keep bytes in all
 * are returned to the system. */
void arena_reset(struct arena *arena, size_t keep);

/* Aligned for any type; arena_zalloc also zeroes. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
/* Zeroed room for count things of that size; a product that does not fit into a size_t is out of memory.  Not
 * NULL with a count of 0 either. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* Copies with a NUL behind, in arena; arena_dup(NULL, …) and arena_str(NULL) are NULL.  arena_printf: as
 * printf(3) writes it. */
char *arena_dup(struct arena *arena, const void *bytes, size_t len);
char *arena_str(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));

#endif
