/*
 * jwk: keys as JSON (RFC 7517, RFC 7518 section 6).
 */
#ifndef DOMAIN_JWK_H
#define DOMAIN_JWK_H

#include "base/json.h"
#include "domain/key.h"

/* The public half of a pair, with kid, use and alg; the caller owns it. */
json *jwk_of(const struct key *key);

/*
 * A key for that algorithm from a JWK: kty oct, RSA or EC; of a private key the public half is taken.
 * Refused is a JWK that says it is for something else (use, key_ops, alg), numbers that are not
 * strict base64url, and whatever a key of the directory would be refused for; a secret may have any
 * length that is not too short.  False: *why is a sentence (static).
 */
bool jwk_read(const json *jwk, enum key_alg alg, struct key *key, const char **why);

#endif
