#include "domain/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/jwk.h"

static const struct {
    const char *name;
    size_t min_secret; /* 0: a pair of keys */
    enum pkey_kind kind;
} algs[KEY_ALGS] = {
    [KEY_HS256] = {"HS256", 32, 0},
    [KEY_HS384] = {"HS384", 48, 0},
    [KEY_HS512] = {"HS512", 64, 0},
    [KEY_RS256] = {"RS256", 0, PKEY_RSA},
    [KEY_ES256] = {"ES256", 0, PKEY_P256},
};

struct keyring {
    struct key keys[KEYS_MAX];
    size_t count;
    const struct key *signing;
    json *jwks;
    const char *jwks_text; /* owned by jwks */
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

/* One key ---------------------------------------------------------------------------------------- */

bool key_from_bytes(enum key_alg alg, const void *bytes, size_t len, struct key *key,
                    const char **why) {
    struct pkey *pair = NULL;
    if (key_alg_is_symmetric(alg)) {
        *why = "the secret is shorter than its algorithm's digest, or longer than 1024 bits";
        if (len < algs[alg].min_secret || len > KEY_SECRET_MAX)
            return false;
    } else {
        *why = "it is longer than 8 KiB";
        if (len > PEM_MAX || (pair = pkey_read(bytes, len, algs[alg].kind, why)) == NULL)
            return false;
    }
    *key = (struct key){.alg = alg, .pair = pair, .material_len = len};
    key->material = calloc(1, len + 1);
    MUST(key->material != NULL);
    memcpy(key->material, bytes, len);
    return true;
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

/* The ring --------------------------------------------------------------------------------------- */

struct keyring *keyring_new(void) {
    struct keyring *ring = calloc(1, sizeof *ring);
    MUST(ring != NULL);
    return ring;
}

void keyring_free(struct keyring **ring) {
    if (ring == NULL || *ring == NULL)
        return;
    for (size_t i = 0; i < (*ring)->count; i++)
        key_clear(&(*ring)->keys[i]);
    json_free((*ring)->jwks);
    free(*ring);
    *ring = NULL;
}

void keyring_add(struct keyring *ring, struct key *key) {
    MUST(ring->count < KEYS_MAX && keyring_find(ring, key->kid, strlen(key->kid)) == NULL);
    ring->keys[ring->count++] = *key;
    *key = (struct key){0};
}

/* Made once, so that whoever asks for it again and again costs nothing. */
static void publish(struct keyring *ring) {
    size_t len;
    json *list = json_new_array();
    for (size_t i = 0; i < ring->count; i++)
        if (!key_alg_is_symmetric(ring->keys[i].alg))
            json_append(list, jwk_of(&ring->keys[i]));
    ring->jwks = json_new_object();
    json_add(ring->jwks, "keys", list);
    ring->jwks_text = json_text(ring->jwks, &len);
}

bool keyring_complete(struct keyring *ring, const char *kid) {
    const struct key *key = keyring_find(ring, kid, strlen(kid));
    if (key == NULL || !key_can_sign(key))
        return false;
    ring->signing = key;
    publish(ring);
    return true;
}

size_t keyring_count(const struct keyring *ring) {
    return ring->count;
}

const struct key *keyring_at(const struct keyring *ring, size_t index) {
    MUST(index < ring->count);
    return &ring->keys[index];
}

const struct key *keyring_signing(const struct keyring *ring) {
    MUST(ring->signing != NULL && ring->signing->material_len > 0);
    return ring->signing;
}

const struct key *keyring_find(const struct keyring *ring, const char *kid, size_t len) {
    for (size_t i = 0; i < ring->count; i++)
        if (strlen(ring->keys[i].kid) == len && memcmp(ring->keys[i].kid, kid, len) == 0)
            return &ring->keys[i];
    return NULL;
}

const char *keyring_jwks(const struct keyring *ring) {
    MUST(ring->jwks_text != NULL);
    return ring->jwks_text;
}
