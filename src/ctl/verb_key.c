#include <string.h>

#include "ctl/ctl.h"
#include "domain/keys.h"

/* "HS256" is all there is; the row of key new in main.c says so too. */
static bool alg_read(const char *name, enum key_alg *alg) {
    *alg = KEY_HS256;
    return name == NULL || strcmp(name, key_alg_name(KEY_HS256)) == 0;
}

int verb_key_new(struct ctl *ctl) {
    enum key_alg alg;
    char kid[KID_MAX + 1], why[1024];
    const char *directory = ctl->conf->token_keys;
    if (!alg_read(args_option(ctl, "--alg"), &alg))
        return fail(CTL_USAGE, "--alg %s is not supported; use HS256", args_option(ctl, "--alg"));
    if (!key_make(directory, alg, kid, why, sizeof why))
        return fail(CTL_BAD_CONF, "no key was made: %s; see [token] keys in the configuration",
                    why);
    struct keyring *ring = keyring_read(directory, why, sizeof why);
    if (ring == NULL)
        return fail(CTL_BAD_CONF, "the key %s was made, but gatehouse cannot use its directory: %s",
                    kid, why);
    bool signs = strcmp(keyring_signing(ring)->kid, kid) == 0;
    keyring_free(&ring);
    out_line(ctl, "%s", kid);
    out_line(ctl, signs ? "It signs, since it is the first; a running service takes it up at its "
                          "next reload (SIGHUP)."
                        : "It verifies, and another key goes on signing; a running service takes "
                          "it up at its next reload (SIGHUP).");
    json *answer = json_new_object();
    json_add_string(answer, "kid", kid);
    json_add_string(answer, "alg", key_alg_name(alg));
    json_add_bool(answer, "signs", signs);
    out_json(ctl, answer);
    return CTL_DONE;
}
