/*
 * keys: the keys that sign access tokens, as the service holds them in memory.
 *
 * The directory they are read from is described in key_dir.h.  The algorithm belongs to the key: a
 * token that names another is refused.
 */
#ifndef DOMAIN_KEYS_H
#define DOMAIN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pkey.h"

#define KID_MAX    64
#define KEYS_MAX   64
#define KEY_SECRET_MAX 128  /* bytes of an HMAC key */
#define PEM_MAX    8192 /* bytes of a PEM text */

/* RFC 7518 section 3.1.  Further ones (EdDSA) wait for a libjwt that signs with them. */
enum key_alg { KEY_HS256, KEY_HS384, KEY_HS512, KEY_RS256, KEY_ES256, KEY_ALGS };

/* The algorithm's name in tokens: "HS256". */
const char *key_alg_name(enum key_alg alg);
/* Exactly that name; false: there is none such. */
bool key_alg_read(const char *name, enum key_alg *alg);
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
/* Wipes and frees what the key holds. */
void key_clear(struct key *key);
/* Whether it can sign: only the public half of a pair may be there. */
bool key_can_sign(const struct key *key);

/* A ring of keys, one of which signs ------------------------------------------------------------ */

struct keyring;

struct keyring *keyring_new(void);
/* Wipes; *ring may be NULL. */
void keyring_free(struct keyring **ring);
/* Takes what the key holds, and leaves *key empty; the ring has room for KEYS_MAX, each under a kid
 * of its own. */
void keyring_add(struct keyring *ring, struct key *key);
/* Which one signs, and that the ring is whole: to be called once, last.  False: there is none of that
 * name, or it cannot sign. */
bool keyring_complete(struct keyring *ring, const char *kid);

size_t keyring_count(const struct keyring *ring);
const struct key *keyring_at(const struct keyring *ring, size_t index);
/* The key that signs; never NULL. */
const struct key *keyring_signing(const struct keyring *ring);
/* NULL: there is none of that name.  kid need not end with a NUL. */
const struct key *keyring_find(const struct keyring *ring, const char *kid, size_t len);
/* The public keys as a JWK Set (RFC 7517 section 5); symmetric ones are never in it. */
const char *keyring_jwks(const struct keyring *ring);

#endif
