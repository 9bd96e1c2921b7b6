/*
 * keys: the keys that sign access tokens.
 *
 * A directory holds one file for each key, <kid>.<alg>.key: <kid>.hs256.key holds the base64url
 * text of at least 256 random bits (RFC 7518 section 3.2) on one line.  The file named "signing"
 * holds the kid of the key that signs; every other key only verifies.  The algorithm belongs to the
 * key: a token that names another is refused.
 */
#ifndef DOMAIN_KEYS_H
#define DOMAIN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KID_MAX      64
#define KEY_MAX_SIZE 128

enum key_alg { KEY_HS256 };

struct key {
    char kid[KID_MAX + 1];
    enum key_alg alg;
    uint8_t secret[KEY_MAX_SIZE];
    size_t secret_len;
};

struct keyring;

/* Reads the directory.  NULL: why is a sentence that names the file and the cure.  A missing, empty,
 * short or foreign key, one that others may read, and no signing key are refusals: the service never
 * runs without a key.  Free with keyring_free, which wipes. */
struct keyring *keyring_read(const char *directory, char *why, size_t why_size);
void keyring_free(struct keyring **ring);

/* The key that signs; never NULL. */
const struct key *keyring_signing(const struct keyring *ring);
/* NULL: there is none of that name.  kid need not end with a NUL. */
const struct key *keyring_find(const struct keyring *ring, const char *kid, size_t len);

/* The algorithm's name in tokens: "HS256". */
const char *key_alg_name(enum key_alg alg);

/* Makes a key in the directory (and the directory, 0700, if need be); the first one signs at once.
 * kid receives its name.  False: why says what went wrong; nothing was left behind. */
bool key_make(const char *directory, enum key_alg alg, char kid[KID_MAX + 1], char *why,
              size_t why_size);

#endif
