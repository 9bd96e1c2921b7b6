#include "domain/key.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

static const struct {
    const char *name;
    size_t min_secret; /* 0: a pair of keys */
    const char *too_short;
    enum pkey_kind kind;
} algs[KEY_ALGS] = {
    [KEY_HS256] = {"HS256", 32, "the secret is shorter than 32 bytes, the digest of HS256", 0},
    [KEY_HS384] = {"HS384", 48, "the secret is shorter than 48 bytes, the digest of HS384", 0},
    [KEY_HS512] = {"HS512", 64, "the secret is shorter than 64 bytes, the digest of HS512", 0},
    [KEY_RS256] = {"RS256", 0, NULL, PKEY_RSA},
    [KEY_ES256] = {"ES256", 0, NULL, PKEY_P256},
};

const char *key_alg_name(enum key_alg alg) {
    return algs[alg].name;
}

bool key_alg_read(const char *name, enum key_alg *alg) {
    for (size_t i = 0; i < KEY_ALGS; i++) {
        if (strcmp(name, algs[i].name) != 0)
            continue;
        *alg = (enum key_alg)i;
        return true;
    }
    return false;
}

bool key_alg_is_symmetric(enum key_alg alg) {
    return algs[alg].min_secret > 0;
}

size_t key_alg_min_secret(enum key_alg alg) {
    return algs[alg].min_secret;
}

static void fill(struct key *key, enum key_alg alg, struct pkey *pair, const void *bytes, size_t len) {
    *key = (struct key){.alg = alg, .pair = pair, .material_len = len};
    key->material = calloc(1, len + 1);
    MUST(key->material != NULL);
    memcpy(key->material, bytes, len);
}

bool key_from_secret(enum key_alg alg, const void *bytes, size_t len, struct key *key,
                     const char **why) {
    *why = algs[alg].too_short;
    if (len < algs[alg].min_secret)
        return false;
    fill(key, alg, NULL, bytes, len);
    return true;
}

bool key_from_bytes(enum key_alg alg, const void *bytes, size_t len, struct key *key,
                    const char **why) {
    if (key_alg_is_symmetric(alg)) {
        *why = "the secret is longer than 1024 bits";
        return len <= KEY_SECRET_MAX && key_from_secret(alg, bytes, len, key, why);
    }
    *why = "it is longer than 8 KiB";
    struct pkey *pair = len <= PEM_MAX ? pkey_read(bytes, len, algs[alg].kind, why) : NULL;
    if (pair != NULL)
        fill(key, alg, pair, bytes, len);
    return pair != NULL;
}

void key_clear(struct key *key) {
    if (key->material != NULL)
        secret_wipe(key->material, key->material_len);
    free(key->material);
    pkey_free(&key->pair);
    *key = (struct key){0};
}

bool key_can_sign(const struct key *key) {
    return key->pair == NULL || pkey_is_private(key->pair);
}
