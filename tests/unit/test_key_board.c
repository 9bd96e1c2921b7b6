/* The board on which the master posts the keys, and what a worker takes from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/key_board.h"
#include "pairs.h"

static char top[] = "/tmp/test_key_board.XXXXXX";
static char one[100], two[100];
static struct key_board *board;
static struct key_watch watch;
static uint32_t seen;

static void put(const char *directory, const char *name, const char *content) {
    char path[300], temporary[320];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    snprintf(temporary, sizeof temporary, "%s/.%s", directory, name);
    FILE *file = fopen(temporary, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    assert_int_equal(chmod(temporary, 0600), 0);
    assert_int_equal(rename(temporary, path), 0);
}

static void take_away(const char *directory, const char *name) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(unlink(path), 0);
}

/* A secret whose bytes all are this letter, so that it can be told whose it is. */
static void put_secret(const char *directory, const char *kid, char letter) {
    char bytes[32], text[BASE64URL_SIZE(32)], name[100];
    memset(bytes, letter, sizeof bytes);
    base64url_encode(bytes, sizeof bytes, text);
    snprintf(name, sizeof name, "%s.hs256.key", kid);
    put(directory, name, text);
}

static void empty(const char *directory) {
    DIR *dir = opendir(directory);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            take_away(directory, entry->d_name);
    closedir(dir);
}

static int set_up(void **state) {
    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    board = calloc(1, key_board_size());
    watch = (struct key_watch){0};
    seen = 0;
    put_secret(one, "a", 'a');
    put_secret(one, "b", 'b');
    put(one, "signing", "a\n");
    put_secret(two, "a", 'c');
    put(two, "signing", "a\n");
    return board != NULL ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    free(board);
    free(watch.directory);
    empty(one);
    empty(two);
    return 0;
}

static bool board_holds(const void *bytes, size_t len) {
    return memmem(board, key_board_size(), bytes, len) != NULL;
}

static struct keyring *taken(const char *directory) {
    struct keyring *ring = key_board_take(board, directory, &seen);
    assert_non_null(ring);
    assert_null(key_board_take(board, directory, &seen));
    return ring;
}

static void posted_and_taken(void **state) {
    (void)state;
    assert_null(key_board_take(board, one, &seen));
    key_watch(&watch, board, one);
    struct keyring *ring = taken(one);
    assert_int_equal(keyring_count(ring), 2);
    assert_string_equal(keyring_signing(ring)->kid, "a");
    assert_memory_equal(keyring_find(ring, "b", 1)->material, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", 32);
    keyring_free(&ring);
    /* Nothing has changed: nothing is posted again. */
    key_watch(&watch, board, one);
    assert_null(key_board_take(board, one, &seen));
    /* A worker that has seen nothing yet takes the same. */
    uint32_t fresh = 0;
    ring = key_board_take(board, one, &fresh);
    assert_int_equal(keyring_count(ring), 2);
    keyring_free(&ring);
}

static void pairs_are_posted_whole(void **state) {
    (void)state;
    put(one, "pair.es256.pem", P256_PKCS8);
    put(one, "public.rs256.pem", RSA2048_PUBLIC);
    put(one, "signing", "pair\n");
    key_watch(&watch, board, one);
    struct keyring *ring = taken(one);
    assert_int_equal(keyring_count(ring), 4);
    assert_true(key_can_sign(keyring_signing(ring)));
    assert_int_equal(keyring_signing(ring)->alg, KEY_ES256);
    assert_false(key_can_sign(keyring_find(ring, "public", 6)));
    keyring_free(&ring);
}

/* What was withdrawn is in no worker's ring, and its bytes are not left on the board. */
static void a_key_that_is_gone_is_gone(void **state) {
    (void)state;
    key_watch(&watch, board, one);
    struct keyring *ring = taken(one);
    keyring_free(&ring);
    assert_true(board_holds("bbbbbbbbbbbbbbbb", 16));
    take_away(one, "b.hs256.key");
    key_watch(&watch, board, one);
    ring = taken(one);
    assert_int_equal(keyring_count(ring), 1);
    assert_null(keyring_find(ring, "b", 1));
    assert_false(board_holds("bbbbbbbbbbbbbbbb", 16));
    keyring_free(&ring);
}

/* Half a copy, a key that others may read, no directory: the keys of before go on. */
static void a_broken_directory_changes_nothing(void **state) {
    (void)state;
    char path[300];
    key_watch(&watch, board, one);
    struct keyring *ring = taken(one);
    keyring_free(&ring);
    static const char *const broken[] = {"", "AAAA", "-----BEGIN PRIVATE KEY-----\n", "\xff\xff"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        put(one, "b.hs256.key", broken[i]);
        for (int look = 0; look < 5; look++)
            key_watch(&watch, board, one);
        assert_null(key_board_take(board, one, &seen));
    }
    put_secret(one, "b", 'B');
    snprintf(path, sizeof path, "%s/b.hs256.key", one);
    assert_int_equal(chmod(path, 0644), 0);
    key_watch(&watch, board, one);
    assert_null(key_board_take(board, one, &seen));
    put(one, "signing", "nobody\n");
    key_watch(&watch, board, one);
    assert_null(key_board_take(board, one, &seen));
    key_watch(&watch, board, "/nonexistent/keys");
    assert_null(key_board_take(board, one, &seen));
    assert_null(key_board_take(board, "/nonexistent/keys", &seen));
    /* Mended, it is taken up at the next look. */
    assert_int_equal(chmod(path, 0600), 0);
    put(one, "signing", "b\n");
    key_watch(&watch, board, one);
    ring = taken(one);
    assert_string_equal(keyring_signing(ring)->kid, "b");
    assert_memory_equal(keyring_signing(ring)->material, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", 32);
    keyring_free(&ring);
}

/* A worker of the old configuration does not take the keys of the new one. */
static void keys_of_another_directory(void **state) {
    (void)state;
    char longest[5000];
    key_watch(&watch, board, two);
    assert_null(key_board_take(board, one, &seen));
    seen = 0;
    struct keyring *ring = taken(two);
    assert_memory_equal(keyring_signing(ring)->material, "cccccccc", 8);
    keyring_free(&ring);
    /* A name that the board has no room for posts nothing. */
    memset(longest, '/', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    key_watch(&watch, board, longest);
    assert_null(key_board_take(board, two, &seen));
}

/* The master is writing, or died while it was: what is half there is not taken. */
static void while_the_master_writes(void **state) {
    (void)state;
    key_watch(&watch, board, one);
    _Atomic uint32_t *version = (_Atomic uint32_t *)(void *)board;
    atomic_fetch_add(version, 1);
    assert_null(key_board_take(board, one, &seen));
    atomic_fetch_add(version, 1);
    struct keyring *ring = taken(one);
    keyring_free(&ring);
}

/* A worker that was taken over has written all over it: the master does not stumble, and what it posts
 * next is whole again. */
static void whatever_is_written_on_it(void **state) {
    (void)state;
    key_watch(&watch, board, one);
    memset(board, 0xff, key_board_size());
    take_away(one, "b.hs256.key");
    key_watch(&watch, board, one);
    struct keyring *ring = taken(one);
    assert_int_equal(keyring_count(ring), 1);
    assert_string_equal(keyring_signing(ring)->kid, "a");
    keyring_free(&ring);
}

static void *post_again_and_again(void *stop) {
    for (bool other = false; !atomic_load((atomic_bool *)stop); other = !other)
        key_watch(&watch, board, other ? two : one);
    return NULL;
}

/* Each ring that is taken under way is one of the two that were posted, never pieces of both. */
static void never_half_of_two(void **state) {
    (void)state;
    pthread_t master;
    atomic_bool stop = false;
    unsigned rings = 0;
    assert_int_equal(pthread_create(&master, NULL, post_again_and_again, &stop), 0);
    for (unsigned looks = 0; rings < 200; looks++) {
        bool other = looks % 2;
        struct keyring *ring = key_board_take(board, other ? two : one, &seen);
        if (ring == NULL)
            continue;
        assert_int_equal(keyring_count(ring), other ? 1 : 2);
        assert_memory_equal(keyring_signing(ring)->material,
                            other ? "cccccccccccccccccccccccccccccccc"
                                  : "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32);
        keyring_free(&ring);
        rings++;
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(master, NULL), 0);
}

static int make_directories(void **state) {
    (void)state;
    if (mkdtemp(top) == NULL)
        return -1;
    snprintf(one, sizeof one, "%s/one", top);
    snprintf(two, sizeof two, "%s/two", top);
    return mkdir(one, 0700) == 0 && mkdir(two, 0700) == 0 ? 0 : -1;
}

static int remove_directories(void **state) {
    (void)state;
    return rmdir(one) == 0 && rmdir(two) == 0 && rmdir(top) == 0 ? 0 : -1;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(posted_and_taken),           TEST(pairs_are_posted_whole),
        TEST(a_key_that_is_gone_is_gone), TEST(a_broken_directory_changes_nothing),
        TEST(keys_of_another_directory),  TEST(while_the_master_writes),
        TEST(whatever_is_written_on_it),  TEST(never_half_of_two),
    };
    return cmocka_run_group_tests(tests, make_directories, remove_directories);
}
