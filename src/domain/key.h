/*
 * key: one key that signs access tokens.
 *
 * The algorithm belongs to the key: a token that names another is refused.
 */
#ifndef DOMAIN_KEY_H
#define DOMAIN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pkey.h"

#define KID_MAX        64
#define KEY_SECRET_MAX 128  /* bytes of an HMAC key */
#define PEM_MAX        8192 /* bytes of a PEM text */

/* RFC 7518 section 3.1.  Further ones (EdDSA) wait for a libjwt that signs with them. */
enum key_alg { KEY_HS256, KEY_HS384, KEY_HS512, KEY_RS256, KEY_ES256, KEY_ALGS };

/* The algorithm's name in tokens: "HS256". */
const char *key_alg_name(enum key_alg alg);
/* Exactly that name; false: there is none such. */
bool key_alg_read(const char *name, enum key_alg *alg);
/* Whether one secret signs and verifies (HMAC), rather than a pair of keys. */
bool key_alg_is_symmetric(enum key_alg alg);
/* HMAC: the fewest bytes of a secret (RFC 7518 section 3.2: as long as the digest). */
size_t key_alg_min_secret(enum key_alg alg);

struct key {
    char kid[KID_MAX + 1];
    enum key_alg alg;
    /* HMAC: the secret itself; else the PEM text, with a NUL behind that is not counted. */
    uint8_t *material;
    size_t material_len;
    struct pkey *pair; /* NULL for HMAC */
};

/* Makes *key (its kid is the caller's to set) of the bytes of a secret, or of a PEM text; false: *why
 * is a sentence (static), and nothing is to be freed. */
bool key_from_bytes(enum key_alg alg, const void *bytes, size_t len, struct key *key,
                    const char **why);
/* The same for the bytes of a secret of any length that is not too short: to verify with alone. */
bool key_from_secret(enum key_alg alg, const void *bytes, size_t len, struct key *key,
                     const char **why);
/* Wipes and frees what the key holds. */
void key_clear(struct key *key);
/* Whether it can sign: only the public half of a pair may be there. */
bool key_can_sign(const struct key *key);

#endif
