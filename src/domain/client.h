/*
 * client: services that may introspect and revoke tokens.
 *
 * A secret is 256 random bits made here, or one that an administrator brings along, who is told where
 * it is short or monotonous.  It is no password of a person, so its SHA-256 is kept: of one that is
 * random whoever holds a copy of the table finds nothing, and a check costs microseconds and no hashing
 * pool.
 */
#ifndef DOMAIN_CLIENT_H
#define DOMAIN_CLIENT_H

#include "base/encode.h"
#include "domain/realm.h"

#define CLIENT_SECRET_BYTES 32
#define CLIENT_SECRET_SIZE  BASE64URL_SIZE(CLIENT_SECRET_BYTES)

/* Why a text cannot be a client's id, or its secret, as a sentence; NULL: it can. */
const char *client_id_refusal(const char *id);
const char *client_secret_refusal(const char *secret, size_t len);
/* Whether it may be found by trying: short, or of few different characters.  Other secrets may be, too;
 * nobody sees by a text whether it was random. */
bool client_secret_is_guessable(const char *secret, size_t len);

/* A new secret as text (base64url) with a NUL; the caller's to wipe. */
void client_make_secret(char out[CLIENT_SECRET_SIZE]);

/* A client with a secret of len bytes, both of which must be fine (see above).  NO: there is one with this
 * id already. */
enum answer client_add(const struct realm *realm, struct arena *arena, const char *id,
                       const char *secret, size_t len);

/* NO: there is none. */
enum answer client_delete(const struct realm *realm, struct arena *arena, const char *id);

/* Whether the secret is the client's; in constant time.  NO also for an unknown client; *known: whether
 * there is one of this id. */
enum answer client_authenticate(const struct realm *realm, struct arena *arena, const char *id,
                                const char *secret, size_t len, bool *known);

#endif
