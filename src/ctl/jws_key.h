/*
 * jws_key: the key of token verify --jws, in whatever form it is at hand.
 *
 * A file may be PEM, a JWK, a JWK Set, or a secret: as base64url or base64 text, or its very bytes.  A
 * secret's file may be more than one of these; a signature fits one reading alone, and nothing is signed
 * here, so each is tried.  What is PEM or JSON is never taken for the bytes of a secret, however it has been
 * spoiled: a public key would be a secret that everybody knows.
 */
#ifndef CTL_JWS_KEY_H
#define CTL_JWS_KEY_H

#include "ctl/ctl.h"
#include "domain/key.h"

#define JWS_KEY_READINGS 8

struct jws_keys {
    struct key keys[JWS_KEY_READINGS];
    size_t count;
};

/* The readings of a file for that algorithm; kid, which may be NULL, chooses in a JWK Set.  False: there
 * is none, and *why is a sentence (static). */
bool jws_keys_read(const struct input *file, enum key_alg alg, const char *kid, struct jws_keys *keys,
                   const char **why);
void jws_keys_clear(struct jws_keys *keys);

#endif
