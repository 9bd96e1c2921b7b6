#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/common_passwords.h"
#include "domain/password.h"

/* The cheapest that there is: what is looked at here does not depend on it. */
static struct conf *bcrypt4, *bcrypt5, *yescrypt1, *yescrypt2;

/* Not NULL: hashes to this, without hashing. */
static const char *pretend;

/* What was hashed since the counter was cleared; bcrypt's cost is a power of two. */
static struct {
    unsigned calls, work;
} hashed;

char *__real_crypt_rn(const char *phrase, const char *setting, void *data, int size);
char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size);
char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size) {
    hashed.calls++;
    if (strncmp(setting, "$2", 2) == 0)
        hashed.work += 1u << atoi(setting + 4);
    if (pretend != NULL)
        return (char *)(uintptr_t)pretend;
    return __real_crypt_rn(phrase, setting, data, size);
}

static struct conf *conf_with(const char *scheme, const char *cost) {
    char error[200];
    setenv("GATEHOUSE_PASSWORD_SCHEME", scheme, 1);
    setenv("GATEHOUSE_PASSWORD_COST", cost, 1);
    struct conf *conf = conf_read(NULL, error, sizeof error);
    unsetenv("GATEHOUSE_PASSWORD_SCHEME");
    unsetenv("GATEHOUSE_PASSWORD_COST");
    return conf;
}

static bool verify(const char *password, const char *hash) {
    return password_verify(bcrypt4, password, strlen(password), hash);
}

/* From crypt(5), Openwall's and Drepper's test vectors, PHP's manual, and libxcrypt. */
static const struct {
    const char *password, *hash;
} accepted[] = {
    {"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
    {"rasmuslerdorf", "$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq"},
    {"korrekt Pferd", "$2a$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa"},
    {"korrekt Pferd", "$2b$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa"},
    {"korrekt Pferd", "$2y$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa"},
    {"Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"},
    {"korrekt Pferd",
     "$5$rounds=1000$k2XAnEHBqQ1Ct2aM$EqD5FnBuI3hJ99O2Uz99ZQmQnUFJiN8LN.XpNNqJfn4"},
    {"Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBF"
                     "dcbYEdFCoEOfaS35inz1"},
    {"korrekt Pferd", "$6$rounds=1000$k2XAnEHBqQ1Ct2aM$E0urA1OrH9d9feuE2hynVWQZAd1/o6cYM1fqJ.BzE"
                      "Upqa9/KxKNA0gYzkUfnC/vKEyAvgqMPv9R9BWSfC5ZZV1"},
    {"korrekt Pferd", "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$hJe6GNct/BlGWjNwiuQsijx"
                      "MBxT4FUIn/.FoWhucNpA"},
    {"korrekt Pferd", "$gy$j75$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$7xurD0zIS0qBly5UwA6IXV"
                      "1YJGwxcZL5rdh4KWUTt.2"},
    {"korrekt Pferd", "$7$BU..../....k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$mpWdzN4OlZ95pQ03c"
                      "TIAid6dKfXCQPib1JoBY/ZJUo4"},
    {"korrekt Pferd", "$7$56..../....SodiumChloride$uz2XY4zSw.hqea7GIXE6bi2tGcZj7tsZzZomy5Pt.y8"},
};

static void accepted_kinds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        const char *hash = accepted[i].hash;
        if (!verify(accepted[i].password, hash))
            fail_msg("%s does not verify", hash);
        assert_false(verify("Hello world", hash));
        assert_false(verify("", hash));
        /* A hash that was cut or changed anywhere matches nothing. */
        char *other = strdup(hash);
        size_t len = strlen(hash);
        other[len - 2] = other[len - 2] == 'A' ? 'B' : 'A';
        assert_false(verify(accepted[i].password, other));
        memcpy(other, hash, len);
        other[len - 1] = '\0';
        assert_false(verify(accepted[i].password, other));
        free(other);
    }
}

/* Good hashes of the right password, but of kinds that are too weak or too old; and no hashes. */
static void refused_kinds(void **state) {
    (void)state;
    static const char *const hashes[] = {
        "klB5xRNP94T.A",                  /* DES */
        "_J9..k2XAAJ055cM9XAM",           /* BSDi */
        "$1$k2XAnEHB$cEGaxnS99goCZvHgEl7G3.",
        "$3$$55c83203b55b26b13143c4e1565e8087",
        "$sha1$249552$qI1BtUnBX7KMaJ4Nm21ApEnAsQXBW3KCZFqM$9V/XaksXo0Kz2uKRL4s4y2scAmYw",
        "$md5,rounds=45105$mA1BpMnB$$jweCqhIyaOEaPg7K9OhHL/",
        "$2x$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "$2$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "",
        "*",
        "*0",
        "*1",
        "!",
        "x",
        "$",
        "$2",
        "$2y",
        "$2y$",
        "$2y$0",
        "$2y$04",
        "$2y$04$",
        "$5$",
        "$6$",
        "$y$",
        "$y$j",
        "$y$j75",
        "$y$j75$",
        "$gy$",
        "$7$",
        "$7$B",
        "korrekt Pferd",
    };
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        char *hash = strdup(hashes[i]); /* the sanitizer sees what is read behind its end */
        if (verify("korrekt Pferd", hash) || verify("", hash))
            fail_msg("\"%s\" verifies", hash);
        free(hash);
    }
    assert_false(verify("korrekt Pferd", NULL));
    assert_false(verify("", NULL));
}

/* What would take minutes or gigabytes is not begun: the test would not end either. */
static void costs_have_bounds(void **state) {
    (void)state;
    static const char *const hashes[] = {
        "$2y$17$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "$2y$31$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "$2y$99$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "$2y$03$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "$2y$4$$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "$2y$0:$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "$5$rounds=1000001$k2XAnEHBqQ1Ct2aM$EqD5FnBuI3hJ99O2Uz99ZQmQnUFJiN8LN.XpNNqJfn4",
        "$6$rounds=999999999$k2XAnEHBqQ1Ct2aM$E0urA1OrH9d9feuE2hynVWQZAd1/o6cYM1fqJ.BzEUpqa9/"
        "KxKNA0gYzkUfnC/vKEyAvgqMPv9R9BWSfC5ZZV1",
        "$6$rounds=99999999999999999999999$k2XAnEHBqQ1Ct2aM$x",
        "$6$rounds=-1$k2XAnEHBqQ1Ct2aM$x",
        "$y$jGT$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$hJe6GNct/BlGWjNwiuQsijxMBxT4FUIn/"
        ".FoWhucNpA",
        "$y$jzT$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$hJe6GNct/BlGWjNwiuQsijxMBxT4FUIn/"
        ".FoWhucNpA",
        "$y$jFz$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$hJe6GNct/BlGWjNwiuQsijxMBxT4FUIn/"
        ".FoWhucNpA",
        "$y$j751$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$x",
        "$y$/75$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$x",
        "$gy$jzT$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$x",
        "$7$GU..../....k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$x",
        "$7$zU..../....k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$x",
        "$7$BUzzzz/....k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$x",
        "$7$BU..../zzzzk2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$x",
    };
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++)
        if (verify("korrekt Pferd", hashes[i]))
            fail_msg("\"%s\" verifies", hashes[i]);
}

/* No hash that others made takes more than 128 MiB: N times r is at most 2 to the power of 20. */
#define BCRYPT "KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa"

static void memory_has_bounds(void **state) {
    (void)state;
    static const struct {
        const char *hash;
        bool verifiable;
    } rows[] = {
        {"$y$jCT$salt$hash", true},      /* N = 2^15, r = 32 */
        {"$y$jDT$salt$hash", false},     /* N = 2^16 */
        {"$y$jE5$salt$hash", true},      /* N = 2^17, r = 8 */
        {"$y$jF5$salt$hash", false},     /* N = 2^18 */
        {"$y$jH.$salt$hash", true},      /* N = 2^20, r = 1 */
        {"$y$jI.$salt$hash", false},     /* N = 2^21 */
        {"$y$jCU$salt$hash", false},     /* r = 33 */
        {"$y$j9k.$salt$hash", false},    /* a number of two digits */
        {"$y$jz.$salt$hash", false},
        {"$gy$jCT$salt$hash", true},
        {"$gy$jDT$salt$hash", false},
        {"$7$DU..../....salt$hash", true},  /* N = 2^15, r = 32 */
        {"$7$EU..../....salt$hash", false},
        {"$7$F6..../....salt$hash", true},  /* N = 2^17, r = 8 */
        {"$7$G6..../....salt$hash", false},
        {"$7$C6....0....salt$hash", false}, /* p = 2 */
        {"$7$B7..../....salt$hash", false}, /* r = 9 */
        /* A wrong hash that is computed all the same is refused as well, only later: so the bound itself. */
        {"$2y$04$" BCRYPT, true},
        {"$2y$03$" BCRYPT, false},
        {"$2y$16$" BCRYPT, true},
        {"$2y$17$" BCRYPT, false},
        {"$2x$10$" BCRYPT, false},
        {"$2y$10$" BCRYPT "a", false},
        {"$5$rounds=1000000$salt$hash", true},
        {"$5$rounds=1000001$salt$hash", false},
        {"$6$rounds=1000000$salt$hash", true},
        {"$6$rounds=1000001$salt$hash", false},
        {"$6$rounds=-1$salt$hash", false},
        {"$1$salt$hash", false},
        {"ab0123456789.", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (password_is_verifiable(bcrypt4, rows[i].hash) != rows[i].verifiable)
            fail_msg("%s", rows[i].hash);
    /* What is configured for new hashes has to verify, whatever it takes. */
    struct conf *yescrypt11 = conf_with("yescrypt", "11"), *yescrypt9 = conf_with("yescrypt", "9");
    assert_true(password_is_verifiable(yescrypt9, "$y$jDT$salt$hash"));
    assert_false(password_is_verifiable(yescrypt9, "$y$jET$salt$hash"));
    assert_true(password_is_verifiable(yescrypt11, "$y$jFT$salt$hash"));
    assert_false(password_is_verifiable(yescrypt11, "$y$jGT$salt$hash"));
    assert_false(password_is_verifiable(yescrypt11, "$7$EU..../....salt$hash"));
    conf_free(yescrypt11);
    conf_free(yescrypt9);
}

/* A cost that is configured must verify, or nobody who registers could log in.  The hashing itself,
 * which takes half a minute, is left out. */
static void a_configured_cost_is_within_bounds(void **state) {
    (void)state;
    struct conf *bcrypt18 = conf_with("bcrypt", "18");
    const char *hash = "$2y$18$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa";
    pretend = hash;
    assert_true(password_verify(bcrypt18, "korrekt Pferd", 13, hash));
    assert_false(password_verify(bcrypt5, "korrekt Pferd", 13, hash));
    pretend = NULL;
    conf_free(bcrypt18);
}

static void made_and_verified(void **state) {
    (void)state;
    struct conf *const confs[] = {bcrypt4, yescrypt1};
    static const char *const prefixes[] = {"$2y$04$", "$y$j75$"};
    static const char *const passwords[] = {"korrekt Pferd", "12345678", "пароль пароль", "  a  b  ",
                                            "\xf0\x9f\x90\x8e\xf0\x9f\x94\x8b staple"};
    for (size_t c = 0; c < 2; c++)
        for (size_t i = 0; i < sizeof passwords / sizeof *passwords; i++) {
            char one[PASSWORD_HASH_SIZE], two[PASSWORD_HASH_SIZE];
            size_t len = strlen(passwords[i]);
            assert_true(password_hash(confs[c], passwords[i], len, one));
            assert_true(password_hash(confs[c], passwords[i], len, two));
            assert_memory_equal(one, prefixes[c], 7);
            assert_string_not_equal(one, two);
            /* Whatever today's scheme is. */
            assert_true(password_verify(bcrypt4, passwords[i], len, one));
            assert_true(password_verify(yescrypt1, passwords[i], len, one));
            assert_false(password_verify(confs[c], passwords[i], len - 1, one));
            assert_false(password_is_outdated(confs[c], one));
        }
}

/* bcrypt reads 72 bytes, and no further: 73 are no password, instead of being 72. */
static void seventy_two_bytes(void **state) {
    (void)state;
    char password[600], hash[PASSWORD_HASH_SIZE], other[PASSWORD_HASH_SIZE];
    memset(password, 'a', sizeof password);
    assert_true(password_hash(bcrypt4, password, 72, hash));
    assert_true(password_verify(bcrypt4, password, 72, hash));
    assert_false(password_verify(bcrypt4, password, 71, hash));
    assert_false(password_verify(bcrypt4, password, 73, hash));
    assert_false(password_verify(yescrypt1, password, 73, hash));
    assert_false(password_verify(bcrypt4, password, 600, hash));
    assert_false(password_hash(bcrypt4, password, 73, other));

    assert_true(password_hash(yescrypt1, password, 511, hash));
    assert_true(password_verify(bcrypt4, password, 511, hash));
    assert_false(password_verify(bcrypt4, password, 510, hash));
    assert_false(password_verify(bcrypt4, password, 512, hash));
    assert_false(password_verify(bcrypt4, password, 600, hash));
    assert_false(password_hash(yescrypt1, password, 512, other));
}

/* A NUL would end the password within libxcrypt. */
static void nul_bytes(void **state) {
    (void)state;
    char hash[PASSWORD_HASH_SIZE];
    assert_true(password_hash(bcrypt4, "korrekt", 7, hash));
    assert_true(password_verify(bcrypt4, "korrekt", 7, hash));
    assert_false(password_verify(bcrypt4, "korrekt\0Pferd", 13, hash));
    assert_false(password_verify(bcrypt4, "korrekt\0", 8, hash));
}

/* The same password on another keyboard (RFC 8265): NFC, NFD, full width, a ligature. */
static void normalised(void **state) {
    (void)state;
    static const struct {
        const char *set, *typed;
        bool same;
    } rows[] = {
        {"Stra\xc3\x9f" "e \xc3\xa4", "Stra\xc3\x9f" "e a\xcc\x88", true},
        {"password\xc2\xa0one", "password one", true},
        {"\xef\xac\x81ne weather", "fine weather", true},
        {"\xef\xbc\xa1\xef\xbc\xa2" "CDEFGH", "ABCDEFGH", true},
        {"Stra\xc3\x9f" "e 1234", "Strasse 1234", false},
        {"Password", "password", false},
        {"12345678 ", "12345678", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char hash[PASSWORD_HASH_SIZE];
        const char *set = rows[i].set, *typed = rows[i].typed;
        assert_true(password_hash(bcrypt4, set, strlen(set), hash));
        assert_true(password_verify(bcrypt4, set, strlen(set), hash));
        if (password_verify(bcrypt4, typed, strlen(typed), hash) != rows[i].same)
            fail_msg("row %zu", i);
        assert_true(password_hash(bcrypt4, typed, strlen(typed), hash));
        assert_int_equal(password_verify(bcrypt4, set, strlen(set), hash), rows[i].same);
    }
    /* A hash that another program made of the bytes as they were typed: "ﬁne weather". */
    static const char typed[] = "\xef\xac\x81ne weather";
    static const char foreign[] = "$2y$04$KBCwKxOzLha2MUDgW0PjXeC3Nk1nWJ.BJYISKSQb.UQ1vZ3hTFrm.";
    assert_true(password_verify(bcrypt4, typed, strlen(typed), foreign));
    assert_false(verify("fine weather", foreign));
    assert_false(verify("\xff\xfe not UTF-8", foreign));
}

static void outdated(void **state) {
    (void)state;
    const struct {
        const struct conf *conf;
        const char *hash;
        bool outdated;
    } rows[] = {
        {bcrypt4, "$2y$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa", false},
        {bcrypt5, "$2y$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa", true},
        {bcrypt4, "$2y$05$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa", true},
        {bcrypt4, "$2a$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa", true},
        {bcrypt4, "$2b$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa", true},
        {yescrypt1, "$2y$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa", true},
        {yescrypt1, "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/$x", false},
        {yescrypt2, "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/$x", true},
        {yescrypt1, "$gy$j75$k2XAnEHBqQ1Ct2aMXFKNa/$x", true},
        {bcrypt4, "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/$x", true},
        {bcrypt4, "$6$rounds=1000$k2XAnEHBqQ1Ct2aM$x", true},
        {bcrypt4, "*", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (password_is_outdated(rows[i].conf, rows[i].hash) != rows[i].outdated)
            fail_msg("row %zu: %s", i, rows[i].hash);
}

static void refusals(void **state) {
    (void)state;
    static char a72[73], a73[74];
    memset(a72, 'a', 72);
    memset(a73, 'a', 73);
    static const struct {
        const char *password, *email, *username, *why; /* NULL: it may */
    } rows[] = {
        {"korrekt Pferd", "a@b.example", "pferd", NULL},
        {"korrekt Pferd", NULL, NULL, NULL},
        {"", NULL, NULL, "at least 8 characters"},
        {"1234567", NULL, NULL, "at least 8 characters"},
        {"kW9;xQ2,", NULL, NULL, NULL},
        {"\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c", NULL, NULL, "at least 8 characters"}, /* 6 in 12 */
        {"a\xcc\x88" "a\xcc\x88" "a\xcc\x88" "a\xcc\x88", NULL, NULL, "at least 8 characters"}, /* 4 ä */
        {a72, NULL, NULL, NULL},
        {a73, NULL, NULL, "at most 72 bytes"},
        {"password", NULL, NULL, "common"},
        {"PassWord", NULL, NULL, "common"},
        {"\xef\xbd\x90" "assword", NULL, NULL, "common"}, /* in full width */
        {"12345678", NULL, NULL, "common"},
        {"ivan.petrov@b.example", "ivan.petrov@b.example", NULL, "email"},
        {"Ivan.Petrov@B.Example", "ivan.petrov@b.example", NULL, "email"},
        {"ivan.petrov", "ivan.petrov@b.example", NULL, "email"},
        {"IVAN.PETROV", "ivan.petrov@b.example", "other", "email"},
        {"ivan.petrov1", "ivan.petrov@b.example", NULL, "email"},
        {"!Ivan.Petrov-2024", NULL, "ivan.petrov", "username"},
        {"PETROV 1985", "ivan.petrov@b.example", NULL, "email"},
        {"ivan.petro", "ivan.petrov@b.example", "ivan.petrov", NULL},
        {"petrov ivan", "ivan.petrov@b.example", "ivan.petrov", NULL},
        {"user77-31!", NULL, "user42", "username"},
        {"ab-123456", NULL, "ab.cde", NULL}, /* two letters are no word */
        {"Example-1234!", "x@mail.example.org", NULL, NULL}, /* many share a domain */
        {"mail.example.org", "x@mail.example.org", NULL, NULL},
        {"-x@Mail.Example.org-7", "x@mail.example.org", NULL, "email"},
        {"Gatehouse2024!", NULL, NULL, "site"},
        {"gatehouses", NULL, NULL, NULL},
        {"\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd" "1985!", "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd@b.example", NULL,
         "email"}, /* Иван */
        {"\xef\xbd\x89" "van.petrov", "ivan.petrov@b.example", NULL, "email"}, /* in full width */
        {"(u735194628)", "u735194628@b.example", NULL, "email"}, /* one letter, but the same */
        {"u735194629", "u735194628@b.example", NULL, NULL},
        {"73519462", NULL, "ab-9", NULL}, /* digits are nobody's name */
        {"Ivan.The.4th", "x@b.example", "ivan.the.4th", "username"},
        {"korrekt \xff Pferd", NULL, NULL, "UTF-8"},
        {"korrekt \xed\xa0\x80 Pferd", NULL, NULL, "UTF-8"},
        {"korrekt \xc0\xaf Pferd", NULL, NULL, "UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = password_refusal(bcrypt4, rows[i].password, strlen(rows[i].password),
                                           rows[i].email, rows[i].username);
        if ((why == NULL) != (rows[i].why == NULL) ||
            (why != NULL && strstr(why, rows[i].why) == NULL))
            fail_msg("\"%s\": %s", rows[i].password, why != NULL ? why : "taken");
    }
    assert_string_equal(password_refusal(bcrypt4, "korrekt\0Pferd", 13, NULL, NULL),
                        "must not contain a NUL");
    assert_null(password_refusal(yescrypt1, a73, 73, NULL, NULL));
}

/* The list is looked up by halves: one line out of order would hide others. */
static void every_common_password(void **state) {
    (void)state;
    static const char *const common[] = {
#include "domain/common_passwords.inc"
    };
    size_t count = sizeof common / sizeof *common;
    assert_true(count >= 3000);
    for (size_t i = 0; i < count; i++) {
        char upper[200];
        size_t len = strlen(common[i]);
        assert_in_range(len, 8, sizeof upper - 1);
        for (size_t c = 0; c <= len; c++)
            upper[c] = common[i][c] >= 'a' && common[i][c] <= 'z' ? (char)(common[i][c] - 32)
                                                                 : common[i][c];
        if (!password_is_common(common[i]) || !password_is_common(upper))
            fail_msg("\"%s\" is not found", common[i]);
    }
    assert_false(password_is_common("korrekt Pferd"));
    assert_false(password_is_common(""));
}

/* What guessers begin with, and what they come to last, if at all. */
static void first_guesses_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "88888888",     "00000000",   "99999999",   "87654321",     "12341234",       "12121212",
        "aaaaaaaa",     "abcdefgh",   "jennifer",   "michelle",     "administrator",  "letmein123",
        "testtest",     "adminadmin", "passpass",   "p@ssword",     "P@ssw0rd1",      "987654321",
        "123123123",    "0987654321", "98765432",   "55555555",     "77777777",       "1111111111",
        "xxxxxxxx",     "69696969",   "victoria",   "jonathan",     "alexander",      "benjamin",
        "nicholas",     "december",   "chocolate",  "basketball",   "facebook",       "Administrator1",
        "TTTTTTTT",     "abcabcabca", "12344321",   "kw9;qkw9;q",   "AAA111111",      "789012345",
        "zyxwvuts",     "abcd4321",   "!!!!!!!!",   "9abc9abc",     "11111122222",
    };
    static const char *const good[] = {
        "spoon-lantern-42", "correct horse battery staple", "long enough", "Tr0ub4dor&3xyz",
        "a new one 4 me", "correct horse", "for the test", "abcdefgh!", "abc12kw9", "12 abcdefg",
        "kW9;xQ2kW9;xQ2", "zzzzzzzzzzzz", "kw9kw9kw9kw9",
        "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789",
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (password_refusal(bcrypt4, bad[i], strlen(bad[i]), "x@b.example", NULL) == NULL)
            fail_msg("\"%s\" is taken", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (password_refusal(bcrypt4, good[i], strlen(good[i]), "x@b.example", NULL) != NULL)
            fail_msg("\"%s\" is refused", good[i]);
}

/*
 * Nothing that is wrong takes less than what is wrong for nobody: an unknown user, a wrong password,
 * a user with an older hash or with none at all.  A password that is typed in another form of Unicode
 * is tried twice, for everybody.
 */
static void wrong_passwords_take_alike(void **state) {
    (void)state;
    static char long_one[74], longest[601];
    memset(long_one, 'a', 73);
    memset(longest, 'a', 600);
    static const char *const hashes[] = {
        NULL,
        "",
        "*",
        "$1$abc$x",
        "$2y$99$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "$2y$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2y$06$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq",
        "$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq",
    };
    static const char *const foreign[] = {
        "$5$rounds=1000$k2XAnEHBqQ1Ct2aM$EqD5FnBuI3hJ99O2Uz99ZQmQnUFJiN8LN.XpNNqJfn4",
        "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$hJe6GNct/BlGWjNwiuQsijx"
        "MBxT4FUIn/.FoWhucNpA",
    };
    const char *const passwords[] = {"wrong", "", long_one, longest, "a\xcc\x88" "wrong", "\xff"};
    struct conf *bcrypt7 = conf_with("bcrypt", "7");
    for (size_t p = 0; p < sizeof passwords / sizeof *passwords; p++) {
        size_t len = strlen(passwords[p]);
        bool twice = strchr(passwords[p], '\xcc') != NULL;
        unsigned expected = (1u << 7) * (twice ? 2 : 1);
        for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
            memset(&hashed, 0, sizeof hashed);
            assert_false(password_verify(bcrypt7, passwords[p], len, hashes[i]));
            if (hashed.work != expected)
                fail_msg("password %zu, hash %zu: %u instead of %u", p, i, hashed.work, expected);
        }
        for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
            memset(&hashed, 0, sizeof hashed);
            assert_false(password_verify(bcrypt7, passwords[p], len, foreign[i]));
            assert_int_equal(hashed.work, expected);
        }
    }
    conf_free(bcrypt7);
}

/* A right password that is refused, because its user is disabled, takes what a wrong one does. */
static void a_right_password_refused_takes_alike(void **state) {
    (void)state;
    struct conf *bcrypt7 = conf_with("bcrypt", "7");
    static const char *const passwords[] = {"wrong", "korrekt Pferd"};
    for (size_t i = 0; i < sizeof passwords / sizeof *passwords; i++) {
        const char *password = passwords[i];
        memset(&hashed, 0, sizeof hashed);
        if (password_verify(bcrypt7, password, strlen(password), accepted[2].hash))
            password_refuse(bcrypt7, password, strlen(password), accepted[2].hash);
        assert_int_equal(hashed.work, 1u << 7);
    }
    conf_free(bcrypt7);
}

/* With today's parameters each is one hash, whatever the answer. */
static void one_hash_each(void **state) {
    (void)state;
    const char *todays = "$2y$04$KBCwKxOzLha2MUDgW0PjXemWjnVpGlIEWeFqDuCXGx/RTObyR8WZa";
    const struct {
        const char *password, *hash;
    } rows[] = {{"wrong", NULL}, {"wrong", todays}, {"korrekt Pferd", todays}, {"wrong", "*"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(&hashed, 0, sizeof hashed);
        verify(rows[i].password, rows[i].hash);
        assert_int_equal(hashed.calls, 1);
        assert_int_equal(hashed.work, 1 << 4);
    }
    memset(&hashed, 0, sizeof hashed);
    assert_false(verify("korrekt\0Pferd", NULL));
    assert_false(password_verify(bcrypt4, "korrekt\0Pferd", 13, todays));
    assert_int_equal(hashed.calls, 2);
}

static int make_confs(void **state) {
    (void)state;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
    bcrypt4 = conf_with("bcrypt", "4");
    bcrypt5 = conf_with("bcrypt", "5");
    yescrypt1 = conf_with("yescrypt", "1");
    yescrypt2 = conf_with("yescrypt", "2");
    return bcrypt4 && bcrypt5 && yescrypt1 && yescrypt2 ? 0 : -1;
}

static int free_confs(void **state) {
    (void)state;
    conf_free(bcrypt4);
    conf_free(bcrypt5);
    conf_free(yescrypt1);
    conf_free(yescrypt2);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_kinds),    cmocka_unit_test(refused_kinds),
        cmocka_unit_test(costs_have_bounds), cmocka_unit_test(made_and_verified),
        cmocka_unit_test(seventy_two_bytes), cmocka_unit_test(nul_bytes),
        cmocka_unit_test(normalised),        cmocka_unit_test(outdated),
        cmocka_unit_test(refusals),          cmocka_unit_test(every_common_password),
        cmocka_unit_test(first_guesses_are_refused),
        cmocka_unit_test(one_hash_each),     cmocka_unit_test(wrong_passwords_take_alike),
        cmocka_unit_test(a_configured_cost_is_within_bounds),
        cmocka_unit_test(memory_has_bounds),
        cmocka_unit_test(a_right_password_refused_takes_alike),
    };
    return cmocka_run_group_tests(tests, make_confs, free_confs);
}
