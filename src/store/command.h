/*
 * command: a command as Redis reads it (RESP, an array of bulk strings).
 */
#ifndef STORE_COMMAND_H
#define STORE_COMMAND_H

#include "base/buf.h"

/* Appends the command whose argc words (at least one) have these lengths (NULL: as long
 * as texts are); words may hold any byte. */
void command_add(struct buf *out, int argc, const char *const *argv, const size_t *lens);

#endif
