#include "domain/client.h"

#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "domain/audit.h"
#include "store/clients.h"

#define ID_MAX       64
#define SECRET_MIN   8
#define SECRET_MAX   256
#define STRONG       32
#define MIN_DISTINCT 8 /* 32 random hex digits have fewer once in many millions */

const char *client_id_refusal(const char *id) {
    size_t len = strlen(id);
    if (len == 0 || len > ID_MAX ||
        strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != len)
        return "must have 1 to 64 letters, digits and . _ -";
    return NULL;
}

/* VSCHAR (RFC 6749 appendix A.2). */
const char *client_secret_refusal(const char *secret, size_t len) {
    if (len < SECRET_MIN || len > SECRET_MAX)
        return "must have 8 to 256 characters";
    for (size_t i = 0; i < len; i++)
        if (secret[i] < 0x20 || secret[i] > 0x7e)
            return "may hold only printable ASCII";
    return NULL;
}

bool client_secret_is_guessable(const char *secret, size_t len) {
    bool seen[256] = {false};
    size_t distinct = 0;
    for (size_t i = 0; i < len; i++) {
        distinct += !seen[(unsigned char)secret[i]];
        seen[(unsigned char)secret[i]] = true;
    }
    return len < STRONG || distinct < MIN_DISTINCT;
}

void client_make_secret(char out[CLIENT_SECRET_SIZE]) {
    uint8_t random[CLIENT_SECRET_BYTES];
    secret_random(random, sizeof random);
    base64url_encode(random, sizeof random, out);
    secret_wipe(random, sizeof random);
}

/* The end of a change that audit_begin began. */
static enum answer record(const struct realm *realm, enum audit_event event, const char *id,
                          enum answer changed) {
    struct audit_note note = {.event = event, .details = audit_details("client", id, NULL)};
    return audit_settle(realm, changed, &note);
}

enum answer client_add(const struct realm *realm, struct arena *arena, const char *id,
                       const char *secret, size_t len) {
    char digest[SHA256_HEX_SIZE];
    secret_sha256_hex(secret, len, digest);
    if (!audit_begin(realm))
        return ANSWER_UNKNOWN;
    enum answer added =
        record(realm, AUDIT_CLIENT_ADD, id, clients_insert(realm->db, arena, id, digest));
    if (added == ANSWER_YES)
        log_event("client added", F_STR("event", "client_add"), F_STR("client", id));
    return added;
}

enum answer client_delete(const struct realm *realm, struct arena *arena, const char *id) {
    if (!audit_begin(realm))
        return ANSWER_UNKNOWN;
    enum answer deleted =
        record(realm, AUDIT_CLIENT_DELETE, id, clients_delete(realm->db, arena, id));
    if (deleted == ANSWER_YES)
        log_event("client deleted", F_STR("event", "client_delete"), F_STR("client", id));
    return deleted;
}

enum answer client_authenticate(const struct realm *realm, struct arena *arena, const char *id,
                                const char *secret, size_t len, bool *known) {
    char digest[SHA256_HEX_SIZE];
    struct client client;
    *known = false;
    if (client_id_refusal(id) != NULL)
        return ANSWER_NO;
    enum answer found = clients_by_id(realm->db, arena, id, &client);
    if (found != ANSWER_YES)
        return found;
    *known = true;
    secret_sha256_hex(secret, len, digest);
    return strlen(client.secret_sha256) == sizeof digest - 1 &&
                   secret_equal(digest, client.secret_sha256, sizeof digest - 1)
               ? ANSWER_YES
               : ANSWER_NO;
}
