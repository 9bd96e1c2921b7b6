#include "domain/grant.h"

#include "base/log.h"
#include "domain/token.h"

bool grant_access_token(const struct realm *realm, struct arena *arena,
                        const struct session_who *who, const char *sid, struct grant *grant) {
    struct token_claims claims = {
        .sub = who->user_id, .sid = sid, .email = who->email, .roles = who->roles};
    grant->access_token = token_sign(realm->keys, realm->conf, arena, &claims);
    grant->expires_in_s = realm->conf->token_access_ttl / 1000;
    if (grant->access_token == NULL)
        log_error("an access token would be longer than 4 KiB: the user has too many roles",
                  F_STR("user", who->user_id));
    return grant->access_token != NULL;
}

void grant_set_lives(const struct realm *realm, int64_t left_ms, struct grant *grant) {
    int64_t ttl = realm->conf->refresh_ttl;
    grant->refresh_expires_in_s = (ttl < left_ms ? ttl : left_ms) / 1000;
    grant->ends_in_s = left_ms / 1000;
}
