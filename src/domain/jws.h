/*
 * jws: signed texts (RFC 7515, the compact serialization), read strictly.
 *
 * The key says which algorithm it is; the text must name that very one.  One text has one spelling:
 * what base64url does not allow, or what decodes to the same bytes, is refused.
 */
#ifndef DOMAIN_JWS_H
#define DOMAIN_JWS_H

#include "base/arena.h"
#include "base/json.h"
#include "domain/keys.h"

/* Header, payload and signature are decoded, in arena, with a NUL behind each; input is what was
 * signed, and borrowed. */
struct jws {
    const char *input, *header, *payload, *signature;
    size_t input_len, header_len, payload_len, signature_len;
};

/* Three segments of base64url, of which only the payload may be empty.  False: it is no JWS. */
bool jws_take_apart(struct arena *arena, const char *text, size_t len, struct jws *jws);

/* Whether the header is an object that names the algorithm exactly and asks for nothing that would
 * have to be understood (crit: section 4.1.11; b64: RFC 7797).  False: *why says why (static). */
bool jws_header_is_plain(const json *header, const char **why);
bool jws_header_names(const json *header, enum key_alg alg, const char **why);

/* Whether the signature is the key's; its header is looked at by the caller. */
bool jws_signature_is_good(const struct jws *jws, const struct key *key);

/* All of it, for a text whose key is known beforehand.  False: *why says why (static). */
bool jws_verify(struct arena *arena, const char *text, size_t len, const struct key *key,
                struct jws *jws, const char **why);

#endif
