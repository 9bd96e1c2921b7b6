/*
 * refresh: refresh tokens, and what one use of them brings.
 *
 * A token is the session's id, a secret of its family (all tokens that follow one login), a secret of
 * its own, and a tag that binds the three.  Redis knows digests of the secrets.  Family and tag show
 * that a token was once handed out, so that a replay (theft) can be told from an invention or a token
 * that was mangled on its way; the own secret shows that it is the current one.
 *
 * The successor's secret is HMAC-SHA-256 of a nonce under the old one.  The first use stores its
 * nonce for the grace; whoever presents the same token within it derives the same successor, and
 * Redis alone, without the old token, derives nothing.
 */
#ifndef DOMAIN_REFRESH_H
#define DOMAIN_REFRESH_H

#include "base/encode.h"
#include "base/secret.h"
#include "domain/grant.h"

#define REFRESH_FAMILY_BYTES 16
#define REFRESH_SECRET_BYTES 32
#define REFRESH_TAG_BYTES    16

struct refresh_token {
    char sid[SID_SIZE];
    uint8_t family[REFRESH_FAMILY_BYTES];
    uint8_t secret[REFRESH_SECRET_BYTES];
    char family_digest[SHA256_HEX_SIZE];
    char secret_digest[SHA256_HEX_SIZE];
};

/* The first token of a session, as text in arena. */
const char *refresh_token_new(struct arena *arena, const char *sid, struct refresh_token *token);

/* False: not the shape of a refresh token, or its tag is wrong; nobody was asked. */
bool refresh_token_read(const char *text, size_t len, struct refresh_token *token);

/* One use, in two halves. */
struct refresh_use {
    struct refresh_token token;
    const char *nonce; /* of the successor, should this be the first use */
    struct ask *ask;
};

/* False: not the shape of a refresh token; nothing was begun. */
bool refresh_ask(const struct realm *realm, struct arena *arena, const char *text, size_t len,
                 struct refresh_use *use);
/* REFRESH_ROTATED: *grant and *who are filled.  Theft is logged here. */
enum refresh_state refresh_answer(const struct realm *realm, struct arena *arena,
                                  const struct refresh_use *use, struct grant *grant,
                                  struct session_who *who);

#endif
