/*
 * keys: a ring of keys, one of which signs, as the service holds it in memory.
 *
 * The directory that it is read from is described in key_dir.h.
 */
#ifndef DOMAIN_KEYS_H
#define DOMAIN_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "domain/key.h"

#define KEYS_MAX 64

struct keyring;

/* An empty one, to be filled by keyring_add and keyring_complete; freed with keyring_free. */
struct keyring *keyring_new(void);
/* Wipes; *ring may be NULL. */
void keyring_free(struct keyring **ring);
/* Takes what the key holds, and leaves *key empty; the ring has room for KEYS_MAX, each under a kid
 * of its own. */
void keyring_add(struct keyring *ring, struct key *key);
/* Names the key that signs, and makes the ring ready for use: to be called once, after the last key.  False:
 * there is none of that name, or it cannot sign. */
bool keyring_complete(struct keyring *ring, const char *kid);

/* How many keys there are, and each of them, borrowed from the ring; index is below that count. */
size_t keyring_count(const struct keyring *ring);
const struct key *keyring_at(const struct keyring *ring, size_t index);
/* The key that signs; never NULL. */
const struct key *keyring_signing(const struct keyring *ring);
/* NULL: there is none of that name.  kid need not end with a NUL. */
const struct key *keyring_find(const struct keyring *ring, const char *kid, size_t len);
/* The public keys as a JWK Set (RFC 7517 section 5); symmetric ones are never in it. */
const char *keyring_jwks(const struct keyring *ring);

#endif
