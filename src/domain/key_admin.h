/*
 * key_admin: what administrators do to the directory of keys.  One at a time: each takes a lock on the
 * directory.  A running service notices by itself (key_board.h).
 */
#ifndef DOMAIN_KEY_ADMIN_H
#define DOMAIN_KEY_ADMIN_H

#include "domain/key_dir.h"

enum key_outcome {
    KEY_DONE,
    KEY_NOTHING_TO_DO, /* it was so before */
    KEY_REFUSED,       /* why says why, and what to do */
    KEY_FAILED         /* the directory cannot be read or written: why */
};

/* Makes a key (and the directory, 0700, if need be); the first one signs at once, any other is
 * published and verifies.  kid receives its name.  False: why; nothing was left behind. */
bool key_make(const char *directory, enum key_alg alg, char kid[KID_MAX + 1], char *why,
              size_t why_size);

/* From now on this key signs (NULL: the newest published one, or the only one), and the one before only
 * verifies.  The key's own state may be any but retired.  now and before receive their names (before: ""
 * for none). */
enum key_outcome key_rotate(const char *directory, const char *kid, char now[KID_MAX + 1],
                            char before[KID_MAX + 1], char *why, size_t why_size);

/* Nobody accepts this key any more; its file is removed and a mark stays.  Refused for the key that
 * signs. */
enum key_outcome key_retire(const char *directory, const char *kid, char *why, size_t why_size);

#endif
