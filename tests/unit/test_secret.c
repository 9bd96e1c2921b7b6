#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/secret.h"

static char directory[] = "/tmp/test_secret.XXXXXX";

static void random_bytes_differ(void **state) {
    (void)state;
    uint8_t a[64] = {0}, b[64] = {0};
    secret_random(a, sizeof a);
    secret_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    secret_random(a, 0);
    static uint8_t large[100000];
    secret_random(large, sizeof large);
    int zeroes = 0;
    for (size_t i = 0; i < sizeof large; i++)
        zeroes += large[i] == 0;
    assert_in_range(zeroes, 100, 1000); /* about 390 */
}

static void wiped_and_compared(void **state) {
    (void)state;
    char text[8] = "secret!";
    secret_wipe(text, sizeof text);
    for (size_t i = 0; i < sizeof text; i++)
        assert_int_equal(text[i], 0);
    secret_wipe(NULL, 0);
    assert_true(secret_equal("same", "same", 4));
    assert_false(secret_equal("same", "samf", 4));
    assert_false(secret_equal("xame", "same", 4));
    assert_true(secret_equal("a", "b", 0));
}

static void assert_hex(const uint8_t digest[SHA256_SIZE], const char *expected) {
    char text[HEX_SIZE(SHA256_SIZE)];
    hex_encode(digest, SHA256_SIZE, text);
    assert_string_equal(text, expected);
}

/* FIPS 180-4 examples. */
static void sha256_rows(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t out[SHA256_SIZE];
    char text[SHA256_HEX_SIZE];
    for (int again = 0; again < 2; again++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            secret_sha256(rows[i][0], strlen(rows[i][0]), out);
            assert_hex(out, rows[i][1]);
            secret_sha256_hex(rows[i][0], strlen(rows[i][0]), text);
            assert_string_equal(text, rows[i][1]);
        }
    secret_sha256(NULL, 0, out);
    assert_hex(out, rows[0][1]);
}

/* RFC 4231, and the empty key after another one. */
static void hmac_rows(void **state) {
    (void)state;
    static const char twenty_0b[] = "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
                                    "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b";
    char long_key[131];
    memset(long_key, 0xaa, sizeof long_key);
    const char *over = "Test Using Larger Than Block-Size Key - Hash Key First";
    uint8_t out[SHA256_SIZE];
    secret_hmac_sha256(twenty_0b, 20, "Hi There", 8, out);
    assert_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    secret_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    secret_hmac_sha256(long_key, sizeof long_key, over, strlen(over), out);
    assert_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    secret_hmac_sha256(NULL, 0, NULL, 0, out);
    assert_hex(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static const char *make(const char *name, const char *content, mode_t mode) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static void good_files_are_read(void **state) {
    (void)state;
    static const mode_t modes[] = {0400, 0600, 0640, 0440};
    char why[160];
    size_t len;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char *bytes = secret_read_file(make("good", "hush\n", modes[i]), 5, &len, why, sizeof why);
        assert_non_null(bytes);
        assert_int_equal(len, 5);
        assert_string_equal(bytes, "hush\n");
        free(bytes);
        unlink(make("good", "", 0600));
    }
    /* Credentials and mounted secrets are links: what they lead to counts. */
    char link[160];
    snprintf(link, sizeof link, "%s/link", directory);
    assert_int_equal(symlink(make("target", "x", 0600), link), 0);
    char *bytes = secret_read_file(link, 5, &len, why, sizeof why);
    assert_non_null(bytes);
    free(bytes);
}

static void assert_refused(const char *path, const char *part_of_why) {
    char why[200] = "";
    size_t len;
    assert_null(secret_read_file(path, 5, &len, why, sizeof why));
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, part_of_why));
}

static void bad_files_are_refused(void **state) {
    (void)state;
    static const mode_t modes[] = {0604, 0601, 0602, 0620, 0660, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        assert_refused(make("open", "hush", modes[i]), "chmod 600");
    assert_refused(make("empty", "", 0600), "empty");
    assert_refused(make("long", "123456", 0600), "longer than 5 bytes");
    assert_refused(directory, "not a regular file");
    assert_refused("/nonexistent/secret", "No such file");
    char fifo[160];
    snprintf(fifo, sizeof fifo, "%s/fifo", directory);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_refused(fifo, "not a regular file"); /* and does not wait for a writer */
    if (geteuid() == 0) {
        const char *foreign = make("foreign", "hush", 0600);
        assert_int_equal(chown(foreign, 12345, 0), 0);
        assert_refused(foreign, "chown");
    }
    char why[16];
    size_t len;
    assert_null(secret_read_file("/nonexistent/secret", 5, &len, why, sizeof why));
    assert_int_equal(strlen(why), 15);
}

static int make_directory(void **state) {
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state) {
    static const char *const names[] = {"good",  "target", "link", "open",
                                        "empty", "long",   "fifo", "foreign"};
    char path[160];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    return rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_differ), cmocka_unit_test(wiped_and_compared),
        cmocka_unit_test(sha256_rows),         cmocka_unit_test(hmac_rows),
        cmocka_unit_test(good_files_are_read), cmocka_unit_test(bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
