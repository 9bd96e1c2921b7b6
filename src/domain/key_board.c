#include "domain/key_board.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "domain/key_dir.h"

#define DIRECTORY_MAX 4096
#define RETRY_LOOKS   240

struct posted_key {
    char kid[KID_MAX + 1];
    uint8_t alg;
    uint16_t len;
    uint8_t material[PEM_MAX];
};

/* Written by the master alone: version is odd while it writes.  The master believes nothing that stands
 * here, since a worker that was taken over can write too: what it must know is in its key_watch. */
struct key_board {
    _Atomic uint32_t version;
    char directory[DIRECTORY_MAX];
    char signing[KID_MAX + 1];
    uint32_t count;
    struct posted_key keys[KEYS_MAX];
};

size_t key_board_size(void) {
    return sizeof(struct key_board);
}

/* Master ----------------------------------------------------------------------------------------- */

static void post_key(struct posted_key *posted, const struct key *key) {
    MUST(key->material_len <= sizeof posted->material);
    memcpy(posted->kid, key->kid, sizeof posted->kid);
    posted->alg = (uint8_t)key->alg;
    posted->len = (uint16_t)key->material_len;
    memcpy(posted->material, key->material, key->material_len);
}

static void post(struct key_board *board, struct key_watch *watch, const char *directory,
                 const struct keyring *ring) {
    atomic_store(&board->version, ++watch->version);
    atomic_thread_fence(memory_order_seq_cst);
    for (size_t i = 0; i < watch->posted; i++)
        secret_wipe(&board->keys[i], sizeof board->keys[i]);
    watch->posted = keyring_count(ring);
    for (size_t i = 0; i < watch->posted; i++)
        post_key(&board->keys[i], keyring_at(ring, i));
    board->count = (uint32_t)watch->posted;
    memcpy(board->signing, keyring_signing(ring)->kid, sizeof board->signing);
    strcpy(board->directory, directory);
    atomic_store(&board->version, ++watch->version);
}

/* A copy may be under way: only what is still so at the next look is worth a line. */
static void look_failed(struct key_watch *watch, uint64_t print, const char *directory,
                        const char *why) {
    if (watch->failures == 0 || watch->failing != print)
        watch->failures = 0;
    watch->failing = print;
    if (++watch->failures != 2)
        return;
    metrics_event(EVENT_KEYS_REFUSED, 1);
    log_error("the keys cannot be taken up, those of before go on", F_STR("directory", directory),
              F_STR("reason", why),
              F_STR("cure", "mend the directory; gatehousectl key list reads it as the service does"));
}

static void take_up(struct key_watch *watch, struct key_board *board, const char *directory,
                    uint64_t print) {
    char why[1024];
    struct keyring *ring = keyring_read(directory, why, sizeof why);
    if (ring == NULL) {
        look_failed(watch, print, directory, why);
        return;
    }
    post(board, watch, directory, ring);
    if (watch->directory != NULL)
        log_info("keys taken up", F_STR("signing", keyring_signing(ring)->kid),
                 F_INT("keys", (int64_t)keyring_count(ring)));
    keyring_free(&ring);
    free(watch->directory);
    watch->directory = strdup(directory);
    MUST(watch->directory != NULL);
    watch->print = print;
    watch->failures = 0;
}

/* What is known to be broken is not read four times a second; but now and then, since the reason may
 * have been the system's. */
static bool is_known_to_fail(struct key_watch *watch, uint64_t print) {
    return watch->failures >= 2 && watch->failing == print && ++watch->failures % RETRY_LOOKS != 0;
}

/* The print is taken before reading: what changes meanwhile is seen at the next look. */
void key_watch(struct key_watch *watch, struct key_board *board, const char *directory) {
    if (strlen(directory) >= DIRECTORY_MAX)
        return;
    uint64_t print = key_dir_print(directory);
    bool changed = watch->directory == NULL || print != watch->print ||
                   strcmp(watch->directory, directory) != 0;
    if (changed && !is_known_to_fail(watch, print))
        take_up(watch, board, directory, print);
}

/* Worker ----------------------------------------------------------------------------------------- */

/* The master checked these very bytes; what does not hold of them is a fault of ours. */
static void take_key(struct keyring *ring, const struct posted_key *posted) {
    struct key key;
    const char *why;
    MUST(posted->alg < KEY_ALGS && posted->len <= sizeof posted->material);
    MUST(key_from_bytes((enum key_alg)posted->alg, posted->material, posted->len, &key, &why));
    memcpy(key.kid, posted->kid, sizeof key.kid);
    MUST(memchr(key.kid, '\0', sizeof key.kid) != NULL);
    keyring_add(ring, &key);
}

static struct keyring *ring_of(const struct key_board *copy) {
    struct keyring *ring = keyring_new();
    MUST(copy->count <= KEYS_MAX);
    for (uint32_t i = 0; i < copy->count; i++)
        take_key(ring, &copy->keys[i]);
    MUST(keyring_complete(ring, copy->signing));
    return ring;
}

/* false: the master was just writing; the next batch looks again. */
static bool copy_whole(const struct key_board *board, uint32_t version, struct key_board *copy) {
    memcpy(copy, board, sizeof *copy);
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load(&board->version) == version;
}

struct keyring *key_board_take(const struct key_board *board, const char *directory,
                               uint32_t *seen) {
    uint32_t version = atomic_load(&board->version);
    struct keyring *ring = NULL;
    if (version == *seen || version % 2 != 0)
        return NULL;
    struct key_board *copy = malloc(sizeof *copy);
    MUST(copy != NULL);
    if (copy_whole(board, version, copy)) {
        *seen = version;
        if (strcmp(copy->directory, directory) == 0)
            ring = ring_of(copy);
    }
    secret_wipe(copy, sizeof *copy);
    free(copy);
    return ring;
}
