/*
 * key_dir: the directory of keys on disk, as it is read.
 *
 *   KID.hs256.key  KID.hs384.key  KID.hs512.key   the base64url text of a secret, on one line, as long
 *                                                 as the digest at least (RFC 7518 section 3.2)
 *   KID.rs256.pem  KID.es256.pem                  a private key in PEM, or a public one, which only
 *                                                 verifies
 *   signing                                       the kid of the key that signs
 *   KID.ALG.signed                                a mark: this key has signed; it is as old as the end
 *                                                 of that
 *   KID.ALG.retired                               a mark: whatever is there of this key is refused,
 *                                                 also when a copy brings its file back
 *
 * Every file is given its name when it is whole, so that no crash leaves half of one; what they say
 * together is true after each step.  Files that begin with a dot are not looked at.
 */
#ifndef DOMAIN_KEY_DIR_H
#define DOMAIN_KEY_DIR_H

#include "domain/keys.h"

/* Reads the directory.  NULL: why is a sentence that names the file and the cure.  A missing, empty,
 * short or foreign key, one that others may read, two of one name, and no signing key are refusals:
 * the service never runs without a key, and never with half a ring.  Free with keyring_free. */
struct keyring *keyring_read(const char *directory, char *why, size_t why_size);

/* A number that changes whenever a file comes, goes, or is changed; 0 where there is no directory. */
uint64_t key_dir_print(const char *directory);

/* What is there ---------------------------------------------------------------------------------- */

enum key_state { KEY_SIGNING, KEY_PUBLISHED, KEY_VERIFY_ONLY, KEY_RETIRED };
/* "signing", "published", "verify-only", "retired"; static. */
const char *key_state_name(enum key_state state);

struct key_entry {
    char kid[KID_MAX + 1];
    enum key_alg alg;
    char file[KID_MAX + 32]; /* the key's; "" where only marks are left */
    bool twice;              /* another key has this name too */
    int64_t made_ns, signed_ns, retired_ns; /* since 1970; 0: no such file */
};

struct key_scan {
    struct key_entry *entries;
    size_t count;
    char signing[KID_MAX + 1]; /* "" where none is named: signing_why says what is wrong */
    char signing_why[4096 + 512];
    int64_t signing_ns;
};

/* Names and times, without a look into the keys; sorted by age.  False: why says why.  To be given to
 * key_scan_free in any case. */
bool key_scan(const char *directory, struct key_scan *scan, char *why, size_t why_size);
void key_scan_free(struct key_scan *scan);
/* The entry of a key, which stays the scan's; NULL: there is none of that name. */
struct key_entry *key_scan_find(const struct key_scan *scan, const char *kid);
/* What the key is used for.  public_only: key_entry_read found only the public half of a pair. */
enum key_state key_entry_state(const struct key_scan *scan, const struct key_entry *entry,
                               bool public_only);
/* Since when it is in that state, in milliseconds since 1970. */
int64_t key_entry_since(const struct key_scan *scan, const struct key_entry *entry,
                        enum key_state state);
/* Reads an entry's file.  False: why says why; else key_clear it. */
bool key_entry_read(const char *directory, const struct key_entry *entry, struct key *key,
                    char *why, size_t why_size);

#endif
