#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/key_admin.h"
#include "domain/key_board.h"

/* base64url of 16, 31, 32, 33, 128 and 129 bytes. */
#define K4   "AAAA"
#define K16  K4 K4 K4 K4 K4 "AA"
#define K30  K4 K4 K4 K4 K4 K4 K4 K4 K4 K4
#define K31  K30 "AA"
#define K32  K30 "AAA"
#define K33  K30 "AAAA"
#define K126 K30 K30 K30 K30 K4 K4
#define K128 K126 "AAA"
#define K129 K126 "AAAA"

static char directory[] = "/tmp/test_keys.XXXXXX";
static char path[200];

static const char *in(const char *name) {
    static char text[500];
    snprintf(text, sizeof text, "%s/%s", path, name);
    return text;
}

static void put(const char *name, const char *content, mode_t mode) {
    FILE *file = fopen(in(name), "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    assert_int_equal(chmod(in(name), mode), 0);
}

/* A directory with one good key that signs. */
static void make_good(void) {
    assert_int_equal(mkdir(path, 0700), 0);
    put("one.hs256.key", K32 "\n", 0600);
    put("signing", "one\n", 0600);
}

static void clear(void) {
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlink(in(entry->d_name)) < 0)
            rmdir(in(entry->d_name));
    }
    closedir(dir);
    rmdir(path);
}

static void assert_taken(void) {
    char why[500] = "";
    struct keyring *ring = keyring_read(path, why, sizeof why);
    if (ring == NULL)
        fail_msg("refused: %s", why);
    keyring_free(&ring);
    assert_null(ring);
}

/* Refused, with a sentence that names the file (or the directory) and holds a certain word. */
static void assert_refused(const char *what, const char *word) {
    char why[500] = "";
    struct keyring *ring = keyring_read(path, why, sizeof why);
    if (ring != NULL)
        fail_msg("%s was taken", what);
    if (strstr(why, path) == NULL || strstr(why, word) == NULL)
        fail_msg("%s: %s", what, why);
}

static void contents(void **state) {
    (void)state;
    static const struct {
        const char *key, *word; /* NULL: taken */
    } rows[] = {
        {K32 "\n", NULL},
        {K32, NULL},
        {K32 "\r\n", NULL},
        {K33, NULL},
        {K128 "\n", NULL},
        {"", "empty"},
        {"\n", "0 bits"},
        {"AA", "8 bits"},
        {K16, "128 bits"},
        {K31, "248 bits"},
        {K129, "1032 bits"},
        {K30 "AAA=", "base64url"},
        {K30 "AA/", "base64url"},
        {K30 "AA+", "base64url"},
        {K30 "AA ", "base64url"},
        {" " K32, "base64url"},
        {K32 "\n\n" K32, "base64url"},
        {K30 "AAB", "base64url"}, /* leftover bits */
        {K32 "\xff", "base64url"},
        {"00000000000000000000000000000000000000000000000000000000000000000", "base64url"},
        {"-----BEGIN PRIVATE KEY-----\n", "base64url"},
        {K128 K128, "longer than"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_good();
        put("one.hs256.key", rows[i].key, 0600);
        if (rows[i].word == NULL)
            assert_taken();
        else
            assert_refused(rows[i].key, rows[i].word);
        clear();
    }
}

static void modes(void **state) {
    (void)state;
    static const struct {
        const char *file;
        mode_t mode;
        const char *word;
    } rows[] = {
        {"one.hs256.key", 0400, NULL},  {"one.hs256.key", 0600, NULL},
        {"one.hs256.key", 0640, NULL},  {"one.hs256.key", 0644, "chmod"},
        {"one.hs256.key", 0602, "chmod"}, {"one.hs256.key", 0660, "chmod"},
        {"signing", 0640, NULL},        {"signing", 0644, "chmod"},
        {"signing", 0620, "chmod"},     {".", 0700, NULL},
        {".", 0750, NULL},              {".", 0755, NULL},
        {".", 0770, "chmod 700"},       {".", 0702, "chmod 700"},
        {".", 0777, "chmod 700"},       {".", 01777, "chmod 700"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_good();
        assert_int_equal(chmod(in(rows[i].file), rows[i].mode), 0);
        if (rows[i].word == NULL)
            assert_taken();
        else
            assert_refused(rows[i].file, rows[i].word);
        clear();
    }
}

static void directories(void **state) {
    (void)state;
    assert_refused("no directory", "gatehousectl key new");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused("an empty directory", "gatehousectl key new");
    put("signing", "one\n", 0600);
    assert_refused("a name without a key", "gatehousectl key new");
    put("README", "no key", 0600);
    assert_refused("a file that is no key", "gatehousectl key new");
    clear();
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_refused("a file", "Not a directory");
    unlink(path);
}

static void signing(void **state) {
    (void)state;
    static const struct {
        const char *content, *word; /* NULL: taken */
    } rows[] = {
        {"one", NULL},          {"one\n", NULL},          {"one\r\n", NULL},
        {"two\n", "\"two\""},   {"On\n", "\"On\""},       {"", "empty"},
        {"\n", "\"\""},         {"one two\n", "not there"}, {" one\n", "not there"},
        {"one.hs256.key\n", "not there"}, {"../one\n", "not there"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_good();
        put("signing", rows[i].content, 0600);
        if (rows[i].word == NULL)
            assert_taken();
        else
            assert_refused(rows[i].content, rows[i].word);
        clear();
    }
    make_good();
    assert_int_equal(unlink(in("signing")), 0);
    assert_refused("no signing", "signing");
    clear();
}

/* A mounted secret is a link; what it leads to counts. */
static void links(void **state) {
    (void)state;
    char target[200];
    snprintf(target, sizeof target, "%s/target", directory);
    make_good();
    FILE *file = fopen(target, "w");
    fputs(K32 "\n", file);
    fclose(file);
    chmod(target, 0600);
    unlink(in("one.hs256.key"));
    assert_int_equal(symlink(target, in("one.hs256.key")), 0);
    assert_taken();
    chmod(target, 0644);
    assert_refused("a link to a file that all may read", "chmod");
    unlink(target);
    assert_refused("a link to nothing", "No such file");
    unlink(in("one.hs256.key"));
    assert_int_equal(symlink("/dev/zero", in("one.hs256.key")), 0);
    assert_refused("a link to a device", "not a regular file");
    unlink(in("one.hs256.key"));
    assert_int_equal(mkdir(in("one.hs256.key"), 0700), 0);
    assert_refused("a directory in place of a key", "not a regular file");
    clear();
}

/* One bad key is a refusal, though another would sign: better no reload than half a keyring. */
static void one_bad_key(void **state) {
    (void)state;
    make_good();
    put("old.hs256.key", K16, 0600);
    assert_refused("a short key that only verifies", "old.hs256.key");
    clear();
    if (geteuid() == 0) {
        make_good();
        assert_int_equal(chown(in("one.hs256.key"), 12345, 0), 0);
        assert_refused("a key of somebody else", "chown");
        clear();
    }
}

/* What helps is another thing than a key where there is one already. */
static void what_helps(void **state) {
    (void)state;
    clear();
    assert_refused("no directory", "No such file or directory; make a key: gatehousectl key new");
    FILE *file = fopen(path, "w");
    fclose(file);
    assert_refused("a file in its place", "Not a directory; see [token] keys");
    unlink(path);
    make_good();
    if (geteuid() == 0) {
        chmod(directory, 0711);
        for (mode_t mode = 0700; mode <= 0744; mode += 044) {
            chmod(path, mode);
            assert_int_equal(seteuid(65534), 0);
            assert_refused("a directory that may not be entered", "Permission denied; let the user that");
            assert_int_equal(seteuid(0), 0);
        }
        chmod(directory, 0700);
    }
    clear();
}

static void several_keys(void **state) {
    (void)state;
    make_good();
    put("two.hs256.key", K33, 0600);
    put("Three_3-.hs256.key", K128, 0400);
    put(".hidden.hs256.key", "no key", 0644);
    put("four.hs512.pem", "no key", 0644);
    put("five.HS256.key", "no key", 0644);
    put("six.hs256", "no key", 0644);
    put("seven.none.key", "no key", 0644);
    put("a b.hs256.key", "no key", 0644);
    put(".hs256.key", "no key", 0644);
    char why[500];
    struct keyring *ring = keyring_read(path, why, sizeof why);
    assert_non_null(ring);
    const struct key *key = keyring_signing(ring);
    assert_string_equal(key->kid, "one");
    assert_int_equal(key->alg, KEY_HS256);
    assert_string_equal(key_alg_name(key->alg), "HS256");
    assert_int_equal(key->material_len, 32);
    assert_ptr_equal(keyring_find(ring, "one", 3), key);
    assert_ptr_equal(keyring_find(ring, "onex", 3), key); /* ends where it is said to */
    assert_int_equal(keyring_find(ring, "two", 3)->material_len, 33);
    assert_int_equal(keyring_find(ring, "Three_3-", 8)->material_len, 128);
    static const char *const unknown[] = {"", "on", "onee", "ONE", "four", "hidden", ".hidden",
                                          "a b", "signing", "../one", "one.hs256.key"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_null(keyring_find(ring, unknown[i], strlen(unknown[i])));
    assert_null(keyring_find(ring, "one\0", 4));
    keyring_free(&ring);
    keyring_free(&ring);
    clear();
}

static void kid_lengths(void **state) {
    (void)state;
    char name[KID_MAX + 20] = "";
    make_good();
    memset(name, 'k', KID_MAX);
    strcpy(name + KID_MAX, ".hs256.key");
    put(name, K32, 0600);
    name[KID_MAX] = '\0';
    put("signing", name, 0600);
    assert_taken();
    /* One letter more is no key's name. */
    memset(name, 'k', KID_MAX + 1);
    strcpy(name + KID_MAX + 1, ".hs256.key");
    put(name, K32, 0600);
    assert_taken();
    clear();
}

static mode_t mode_of(const char *file) {
    struct stat st;
    assert_int_equal(lstat(file, &st), 0);
    return st.st_mode & 07777;
}

static void made_keys(void **state) {
    (void)state;
    char first[KID_MAX + 1], second[KID_MAX + 1], file[KID_MAX + 20], why[500] = "";
    mode_t mask = umask(0);
    assert_true(key_make(path, KEY_HS256, first, why, sizeof why));
    assert_true(key_make(path, KEY_HS256, second, why, sizeof why));
    umask(mask);
    assert_string_not_equal(first, second);
    assert_int_equal(mode_of(path), 0700);
    assert_int_equal(mode_of(in("signing")), 0600);
    snprintf(file, sizeof file, "%s.hs256.key", second);
    assert_int_equal(mode_of(in(file)), 0600);
    struct keyring *ring = keyring_read(path, why, sizeof why);
    assert_non_null(ring);
    /* The first signs at once, a further one waits to be told. */
    assert_string_equal(keyring_signing(ring)->kid, first);
    const struct key *one = keyring_find(ring, first, strlen(first));
    const struct key *two = keyring_find(ring, second, strlen(second));
    assert_non_null(two);
    assert_int_equal(one->material_len, 32);
    assert_int_equal(two->material_len, 32);
    assert_memory_not_equal(one->material, two->material, 32);
    keyring_free(&ring);
    clear();
    assert_false(key_make("/nonexistent/keys", KEY_HS256, first, why, sizeof why));
    assert_non_null(strstr(why, "/nonexistent/keys"));
}

/* A key made where signing names one that is not there repairs nothing by itself, and breaks nothing. */
static void made_beside(void **state) {
    (void)state;
    char kid[KID_MAX + 1], why[500];
    make_good();
    put("signing", "lost\n", 0600);
    assert_true(key_make(path, KEY_HS256, kid, why, sizeof why));
    assert_refused("signing that names no key", "\"lost\"");
    put("signing", kid, 0600);
    assert_taken();
    clear();
}

static int make_directory(void **state) {
    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/keys", directory);
    return 0;
}

static int tidy(void **state) {
    (void)state;
    clear();
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    return rmdir(directory);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, tidy)
    const struct CMUnitTest tests[] = {
        TEST(contents),    TEST(modes),        TEST(directories), TEST(signing),
        TEST(links),       TEST(one_bad_key),  TEST(what_helps),  TEST(several_keys),
        TEST(kid_lengths), TEST(made_keys),    TEST(made_beside),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
