/*
 * key_board: how running workers get to know that the keys have changed.
 *
 * Workers cannot read the directory (its files are root's), and no request shall wait for a disk. So
 * the master looks at the directory's names and times a few times a second; when something has
 * changed it reads all of it, and writes the ring to memory that it shares with every worker, of
 * all generations.  A worker compares one number before each batch.
 */
#ifndef DOMAIN_KEY_BOARD_H
#define DOMAIN_KEY_BOARD_H

#include "domain/keys.h"

struct key_board;

/* How many bytes of zeroed memory, shared by master and workers, a board is. */
size_t key_board_size(void);

/* Master: what it remembers between looks; zeroed at first. */
struct key_watch {
    char *directory;  /* the one that was looked at last */
    uint64_t print;   /* as it was when it was read */
    uint64_t failing; /* as it was when reading it failed */
    unsigned failures; /* looks in a row that failed */
    uint32_t version;  /* of what was published last … */
    size_t posted;     /* … and how many keys that were */
};

/*
 * Looks at the directory, and publishes its ring when it has changed since the last time.  A directory
 * that cannot be used leaves the ring of before in force; that is logged, once, if it is still so at
 * the next look (a copy may be under way).
 */
void key_watch(struct key_watch *watch, struct key_board *board, const char *directory);

/*
 * Worker: NULL when nothing has been published since *seen (0 at first) for this directory; else the
 * ring, to be freed with keyring_free.
 */
struct keyring *key_board_take(const struct key_board *board, const char *directory,
                               uint32_t *seen);

#endif
