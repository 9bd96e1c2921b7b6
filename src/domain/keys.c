#include "domain/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "domain/jwk.h"

struct keyring {
    struct key keys[KEYS_MAX];
    size_t count;
    const struct key *signing;
    json *jwks;
    const char *jwks_text; /* owned by jwks */
};

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
