/*
 * board: what workers say about themselves, in memory that is shared with the master.
 */
#ifndef POOL_BOARD_H
#define POOL_BOARD_H

#include "pool/proto.h"

/* Makes the board, once for each process; ends the process when there is no memory. */
void board_create(void);
/* A worker's place on the board; slot is below POOL_MAX_WORKERS. */
struct board_slot *board_slot(unsigned slot);
/* Zeroes a slot and says which pool's it will be; pid stays 0 until the worker exists. */
void board_assign(unsigned slot, const char *name);
/* See worker_turn in pool.h; most: how many may have a turn at a time. */
bool board_turn(unsigned slot, unsigned most, bool wanted);
/* Master only: a worker of that pool ended unasked. */
void board_count_death(const char *name);
/* Master only: how many connections wait at that pool's socket. */
void board_set_queue(const char *name, int64_t waiting);
/* The slot is free, its counts are zero; its pool's name stays. */
void board_clear(unsigned slot);
/* Master only: the service ends, with no successor.  And whether it said so. */
void board_end(void);
bool board_ends(void);

#endif
