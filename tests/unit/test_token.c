/* Tokens are made by hand, with an HMAC of our own: whatever is wrong with one, it is not the
 * signature, unless the row says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/key_dir.h"
#include "domain/token.h"

#define NOW_S 1800000000
#define NOW   (INT64_C(1000) * NOW_S)

static char directory[] = "/tmp/test_token.XXXXXX";
static const char *const files[] = {"k1.hs256.key", "k2.hs256.key", "signing"};
static struct keyring *keys;
static struct conf *conf;
static struct arena *arena;

static const char sid[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char secrets[2][33] = {"the first secret of thirty-two b", "another one, just as long it is."};

/* Making --------------------------------------------------------------------------------------- */

static const char *segment(const void *bytes, size_t len) {
    char *text = arena_alloc(arena, BASE64URL_SIZE(len));
    base64url_encode(bytes, len, text);
    return text;
}

/* Signs "header.payload", encoded already, with a key. */
static const char *sign(const char *input, const char *secret) {
    uint8_t mac[SHA256_SIZE];
    secret_hmac_sha256(secret, 32, input, strlen(input), mac);
    return arena_printf(arena, "%s.%s", input, segment(mac, sizeof mac));
}

static const char *token_of(const char *header, const char *payload, size_t payload_len) {
    return sign(arena_printf(arena, "%s.%s", segment(header, strlen(header)),
                             segment(payload, payload_len)),
                secrets[0]);
}

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}"

/* A member of the good claims, each of which a row may replace or leave out. */
static const struct {
    const char *name, *value;
} good[] = {
    {"iss", "\"gatehouse\""},
    {"sub", "\"42\""},
    {"aud", "\"gatehouse\""},
    {"iat", "1799999000"},
    {"exp", "1800000900"},
    {"jti", "\"AbC-_0123456789\""},
    {"sid", "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""},
    {"roles", "[\"admin\",\"editor\"]"},
    {"email", "\"a@b.example\""},
};

/* The good claims with one of them (NULL: none) given another value; NULL: left out. */
static const char *claims_with(const char *name, const char *value) {
    struct buf text = {0};
    bool found = false;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bool this_one = name != NULL && strcmp(name, good[i].name) == 0;
        found |= this_one;
        if (!this_one || value != NULL)
            buf_addf(&text, "%s\"%s\":%s", text.len > 0 ? "," : "{", good[i].name,
                     this_one ? value : good[i].value);
    }
    if (name != NULL && !found)
        buf_addf(&text, ",\"%s\":%s", name, value);
    buf_addc(&text, '}');
    const char *copy = arena_str(arena, text.data);
    buf_free(&text);
    return copy;
}

static const char *good_token(void) {
    const char *payload = claims_with(NULL, NULL);
    return token_of(HEADER, payload, strlen(payload));
}

/* Judging -------------------------------------------------------------------------------------- */

static enum token_verdict judge_bytes(const char *token, size_t len, const char **why) {
    struct token_claims claims;
    return token_verify(keys, conf, arena, token, len, NOW, &claims, why);
}

static void assert_verdict(const char *token, enum token_verdict expected, const char *what) {
    const char *why = "";
    enum token_verdict verdict = judge_bytes(token, strlen(token), &why);
    if (verdict != expected)
        fail_msg("%s: verdict %d, %s", what, (int)verdict, why);
    if (verdict == TOKEN_BAD)
        assert_true(strlen(why) > 0);
}

static void with_claim(const char *name, const char *value, enum token_verdict expected) {
    const char *payload = claims_with(name, value);
    assert_verdict(token_of(HEADER, payload, strlen(payload)), expected, payload);
}

static void with_header(const char *header, enum token_verdict expected) {
    const char *payload = claims_with(NULL, NULL);
    assert_verdict(token_of(header, payload, strlen(payload)), expected, header);
}

/* Tests ---------------------------------------------------------------------------------------- */

static void signed_and_verified(void **state) {
    (void)state;
    clock_set_wall_ms(NOW);
    struct token_claims mine = {.sub = "42", .sid = sid, .email = "ä@b.example", .roles = "a,b"};
    struct token_claims theirs;
    const char *why, *token = token_sign(keys, conf, arena, &mine);
    assert_non_null(token);
    assert_int_equal(mine.iat, NOW_S);
    assert_int_equal(mine.exp, NOW_S + 900);
    assert_int_equal(strlen(mine.jti), 22);
    assert_int_equal(token_verify(keys, conf, arena, token, strlen(token), NOW, &theirs, &why),
                     TOKEN_GOOD);
    assert_string_equal(theirs.sub, "42");
    assert_string_equal(theirs.sid, sid);
    assert_string_equal(theirs.jti, mine.jti);
    assert_string_equal(theirs.email, "ä@b.example");
    assert_string_equal(theirs.roles, "a,b");
    assert_int_equal(theirs.iat, mine.iat);
    assert_int_equal(theirs.exp, mine.exp);

    struct token_claims again = mine;
    again.roles = "";
    const char *other = token_sign(keys, conf, arena, &again);
    assert_string_not_equal(again.jti, theirs.jti);
    assert_int_equal(token_verify(keys, conf, arena, other, strlen(other), NOW, &theirs, &why),
                     TOKEN_GOOD);
    assert_string_equal(theirs.roles, "");
    clock_set_wall_ms(-1);
}

/* RFC 7519 with the claims of RFC 9068: what others will read. */
static void what_a_token_says(void **state) {
    (void)state;
    clock_set_wall_ms(NOW);
    struct token_claims claims = {.sub = "42", .sid = sid, .email = "a@b.example", .roles = "a,b"};
    const char *token = token_sign(keys, conf, arena, &claims), *header, *payload, *text, *why;
    clock_set_wall_ms(-1);
    assert_true(token_peek(arena, token, strlen(token), &header, &payload));
    json *head = json_parse(header, strlen(header), &why);
    json *body = json_parse(payload, strlen(payload), &why);
    size_t len;
    int64_t number;
    json *roles;
    static const char *const texts[][2] = {{"iss", "gatehouse"}, {"sub", "42"},
                                           {"aud", "gatehouse"}, {"email", "a@b.example"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(json_get_string(body, texts[i][0], &text, &len), JSON_FOUND);
        assert_string_equal(text, texts[i][1]);
    }
    assert_int_equal(json_get_int(body, "iat", &number), JSON_FOUND);
    assert_int_equal(json_get_int(body, "exp", &number), JSON_FOUND);
    assert_int_equal(number, NOW_S + 900);
    assert_int_equal(json_get_array(body, "roles", &roles), JSON_FOUND);
    assert_int_equal(json_array_size(roles), 2);
    assert_int_equal(json_get_string(head, "alg", &text, &len), JSON_FOUND);
    assert_string_equal(text, "HS256");
    assert_int_equal(json_get_string(head, "kid", &text, &len), JSON_FOUND);
    assert_string_equal(text, "k1");
    json_free(head);
    json_free(body);
}

static void too_many_roles(void **state) {
    (void)state;
    struct buf roles = {0};
    for (int i = 0; i < 100; i++)
        buf_addf(&roles, "%s%060d", i > 0 ? "," : "", i);
    struct token_claims claims = {.sub = "42", .sid = sid, .email = "a@b.example",
                                  .roles = roles.data};
    assert_null(token_sign(keys, conf, arena, &claims));
    buf_free(&roles);
}

static void good_by_hand(void **state) {
    (void)state;
    struct token_claims claims;
    const char *why, *token = good_token();
    assert_int_equal(token_verify(keys, conf, arena, token, strlen(token), NOW, &claims, &why),
                     TOKEN_GOOD);
    assert_string_equal(claims.roles, "admin,editor");
    assert_string_equal(claims.jti, "AbC-_0123456789");
    assert_int_equal(claims.exp, 1800000900);
}

/* The other key verifies too, but only under its own name. */
static void keys_by_name(void **state) {
    (void)state;
    const char *payload = claims_with(NULL, NULL);
    payload = segment(payload, strlen(payload));
    const char *header = "{\"alg\":\"HS256\",\"kid\":\"k2\"}";
    const char *input = arena_printf(arena, "%s.%s", segment(header, strlen(header)), payload);
    assert_verdict(sign(input, secrets[1]), TOKEN_GOOD, "k2 under its own name");
    assert_verdict(sign(input, secrets[0]), TOKEN_BAD, "k1 under the name of k2");
    input = arena_printf(arena, "%s.%s", segment(HEADER, strlen(HEADER)), payload);
    assert_verdict(sign(input, secrets[1]), TOKEN_BAD, "k2 under the name of k1");
    static const char zeroes[32];
    assert_verdict(sign(input, zeroes), TOKEN_BAD, "no key");
}

static void headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        enum token_verdict expected;
    } rows[] = {
        {"{\"alg\":\"HS256\",\"kid\":\"k1\"}", TOKEN_GOOD},
        {"{\"kid\":\"k1\",\"x\":[1,{}],\"typ\":\"JWT\",\"alg\":\"HS256\"}", TOKEN_GOOD},
        {" {\"alg\":\"HS256\",\"kid\":\"k1\"} ", TOKEN_GOOD},
        {"{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"None\",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"\",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":null,\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":256,\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":[\"HS256\"],\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS512\",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS384\",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"hs256\",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256 \",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\\u0000\",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"ALG\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\",\"crit\":[\"exp\"]}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\",\"crit\":[\"b64\"],\"b64\":false}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\",\"crit\":[]}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\",\"crit\":null}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\",\"crit\":{}}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":null}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":1}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":[\"k1\"]}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"K1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k12\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1.hs256.key\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"../k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"/dev/null\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\\u0000\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"' OR 1=1 --\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}", TOKEN_GOOD}, /* RFC 9068 section 2.1 */
        {"{\"alg\":\"HS256\",\"typ\":\"AT+JWT\",\"kid\":\"k1\"}", TOKEN_GOOD},
        {"{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\",\"kid\":\"k1\"}", TOKEN_GOOD},
        {"{\"alg\":\"HS256\",\"typ\":\"Application/AT+jwt\",\"kid\":\"k1\"}", TOKEN_GOOD},
        {"{\"alg\":\"HS256\",\"typ\":\"at+jwt;x=1\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"at+jw\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"text/at+jwt\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":\"jwt\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":null,\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"typ\":1,\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"kid\":\"k2\",\"kid\":\"k1\"}", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"kid\":\"k1\"}x", TOKEN_BAD},
        {"{\"alg\":\"HS256\",\"kid\":\"k1\"", TOKEN_BAD},
        {"{'alg':'HS256','kid':'k1'}", TOKEN_BAD},
        {"[\"HS256\",\"k1\"]", TOKEN_BAD},
        {"\"HS256\"", TOKEN_BAD},
        {"null", TOKEN_BAD},
        {"{}", TOKEN_BAD},
        {"x", TOKEN_BAD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        with_header(rows[i].header, rows[i].expected);
}

static void claims(void **state) {
    (void)state;
    static const struct {
        const char *name, *value; /* NULL: left out */
        enum token_verdict expected;
    } rows[] = {
        {"iss", NULL, TOKEN_BAD},
        {"iss", "\"Gatehouse\"", TOKEN_BAD},
        {"iss", "\"gatehouse/\"", TOKEN_BAD},
        {"iss", "\"\"", TOKEN_BAD},
        {"iss", "[\"gatehouse\"]", TOKEN_BAD},
        {"iss", "null", TOKEN_BAD},
        {"aud", NULL, TOKEN_BAD},
        {"aud", "\"other\"", TOKEN_BAD},
        {"aud", "[\"other\"]", TOKEN_BAD},
        {"aud", "{}", TOKEN_BAD},
        {"sub", NULL, TOKEN_BAD},
        {"sub", "42", TOKEN_BAD},
        {"sub", "\"\"", TOKEN_BAD},
        {"sub", "null", TOKEN_BAD},
        {"sub", "\"4 2\"", TOKEN_BAD},
        {"sub", "\"42\\n\"", TOKEN_BAD},
        {"sub", "\"42*\"", TOKEN_BAD},
        {"sub", "\"12345678901234567890123456789012345678901234567890123456789012345\"", TOKEN_BAD},
        {"sid", NULL, TOKEN_BAD},
        {"sid", "\"\"", TOKEN_BAD},
        {"sid", "\"0123456789abcdef\"", TOKEN_BAD},
        {"sid", "\"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\"", TOKEN_BAD},
        {"sid", "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0\"", TOKEN_BAD},
        {"sid", "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde:\"", TOKEN_BAD},
        {"jti", NULL, TOKEN_BAD},
        {"jti", "\"\"", TOKEN_BAD},
        {"jti", "7", TOKEN_BAD},
        {"jti", "\"a b\"", TOKEN_BAD},
        {"jti", "\"a:b\"", TOKEN_BAD},
        {"jti", "\"a\\u0000b\"", TOKEN_BAD},
        {"email", NULL, TOKEN_BAD},
        {"email", "\"\"", TOKEN_BAD},
        {"email", "[]", TOKEN_BAD},
        {"roles", NULL, TOKEN_BAD},
        {"roles", "[]", TOKEN_GOOD},
        {"roles", "\"admin\"", TOKEN_BAD},
        {"roles", "[1]", TOKEN_BAD},
        {"roles", "[\"admin\",null]", TOKEN_BAD},
        {"roles", "{}", TOKEN_BAD},
        {"another", "{\"deep\":[1,2,3]}", TOKEN_GOOD},
        /* An integer, and no other way to write one. */
        {"exp", NULL, TOKEN_BAD},
        {"exp", "1800000900.0", TOKEN_BAD},
        {"exp", "1800000900.5", TOKEN_BAD},
        {"exp", "18000009e2", TOKEN_BAD},
        {"exp", "\"1800000900\"", TOKEN_BAD},
        {"exp", "null", TOKEN_BAD},
        {"exp", "true", TOKEN_BAD},
        {"exp", "[1800000900]", TOKEN_BAD},
        {"exp", "-1", TOKEN_BAD},
        {"exp", "-1800000900", TOKEN_BAD},
        {"exp", "0", TOKEN_EXPIRED},
        {"exp", "1799999000", TOKEN_EXPIRED},
        {"exp", "1799999999", TOKEN_EXPIRED},
        {"exp", "1800000000", TOKEN_EXPIRED}, /* on or after (RFC 7519 section 4.1.4) */
        {"exp", "1800000001", TOKEN_GOOD},
        {"exp", "2147483648", TOKEN_GOOD}, /* 2038 */
        {"exp", "4294967296", TOKEN_GOOD},
        {"exp", "9007199254740993", TOKEN_GOOD}, /* what a double does not hold */
        {"exp", "9223372036854775807", TOKEN_BAD},
        {"exp", "9223372036854775808", TOKEN_BAD},
        {"exp", "18446744073709551616", TOKEN_BAD},
        {"exp", "1e400", TOKEN_BAD},
        {"iat", NULL, TOKEN_BAD},
        {"iat", "1799999000.0", TOKEN_BAD},
        {"iat", "\"1799999000\"", TOKEN_BAD},
        {"iat", "-1", TOKEN_BAD},
        {"iat", "0", TOKEN_GOOD},
        {"iat", "1800000000", TOKEN_GOOD},
        {"iat", "1800000060", TOKEN_GOOD}, /* another host's clock */
        {"iat", "1800000061", TOKEN_BAD},
        {"iat", "9223372036854775807", TOKEN_BAD},
        {"nbf", "0", TOKEN_GOOD},
        {"nbf", "-9223372036854775808", TOKEN_GOOD},
        {"nbf", "1800000000", TOKEN_GOOD},
        {"nbf", "1800000001", TOKEN_BAD},
        {"nbf", "9223372036854775807", TOKEN_BAD},
        {"nbf", "1800000000.0", TOKEN_BAD},
        {"nbf", "\"1800000000\"", TOKEN_BAD},
        {"nbf", "null", TOKEN_BAD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        with_claim(rows[i].name, rows[i].value, rows[i].expected);
    /* RFC 7519 section 4.1.3 also knows a list. */
    with_claim("aud", "[\"gatehouse\"]", TOKEN_GOOD);
    with_claim("aud", "[\"other\",\"gatehouse\"]", TOKEN_GOOD);
    with_claim("aud", "[\"gatehouse\",\"other\"]", TOKEN_GOOD);
    static const char *const lists[] = {"[]", "[\"gatehouse\",5]", "[5,\"gatehouse\"]",
                                        "[\"gatehouse\",null]", "[[\"gatehouse\"]]", "[\"Gatehouse\"]",
                                        "{\"gatehouse\":\"gatehouse\"}", "[\"gatehouse \"]"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        with_claim("aud", lists[i], TOKEN_BAD);
}

static void payloads(void **state) {
    (void)state;
    const char *all = claims_with(NULL, NULL);
    const struct {
        const char *payload;
        const char *what;
    } rows[] = {
        {"[]", "an array"},
        {arena_printf(arena, "[%s]", all), "an object in an array"},
        {"\"gatehouse\"", "a text"},
        {"1", "a number"},
        {"null", "null"},
        {"{}", "an empty object"},
        {"{", "half an object"},
        {"x", "no JSON"},
        {arena_printf(arena, "%s ,", all), "something behind"},
        {arena_printf(arena, "%s%s", all, all), "two documents"},
        {arena_printf(arena, "\xef\xbb\xbf%s", all), "a byte order mark"},
        {claims_with("email", "\"\xff@b.example\""), "no UTF-8"},
        {claims_with("email", "\"\\ud800@b.example\""), "a lone surrogate"},
        {claims_with("email", "\"a\\u0000@b.example\""), "an escaped NUL"},
        {arena_printf(arena, "{\"exp\":1,%s", all + 1), "exp twice, the last one good"},
        {arena_printf(arena, "{\"sub\":\"1\",%s", all + 1), "sub twice"},
        {arena_printf(arena, "{\"s\\u0075b\":\"1\",%s", all + 1), "sub twice, once in disguise"},
        {arena_printf(arena, "{\"x\":{\"a\":1,\"a\":2},%s", all + 1), "a name twice within"},
        {arena_printf(arena, "{\"x\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]],%s", all + 1), "too deep"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_verdict(token_of(HEADER, rows[i].payload, strlen(rows[i].payload)), TOKEN_BAD,
                       rows[i].what);
    assert_verdict(token_of(HEADER, all, strlen(all) + 1), TOKEN_BAD, "a NUL behind the claims");
    char *hidden = arena_dup(arena, all, strlen(all) + 20);
    memset(hidden + strlen(all), 0, 20);
    hidden[strlen(all) + 1] = 'x';
    assert_verdict(token_of(HEADER, hidden, strlen(all) + 2), TOKEN_BAD, "bytes behind a NUL");
}

/* One text for one token: no other spelling of it passes (a revoked one must stay revoked). */
static void spellings(void **state) {
    (void)state;
    const char *token = good_token(), *why;
    size_t len = strlen(token);
    const char *dot = strchr(token, '.'), *dot2 = strchr(dot + 1, '.');
    int head = (int)(dot - token), body = (int)(dot2 - dot - 1);
    const char *h = token, *p = dot + 1, *s = dot2 + 1;
    const char *const rows[] = {
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        arena_printf(arena, "%s=", token),
        arena_printf(arena, "%s==", token),
        arena_printf(arena, "%s.", token),
        arena_printf(arena, ".%s", token),
        arena_printf(arena, "%s.%s", token, s),
        arena_printf(arena, " %s", token),
        arena_printf(arena, "%s ", token),
        arena_printf(arena, "%s\n", token),
        arena_printf(arena, "%sA", token),
        arena_printf(arena, "%sAAAA", token),
        arena_printf(arena, "%.*s..%s", head, h, s),
        arena_printf(arena, ".%.*s.%s", body, p, s),
        arena_printf(arena, "%.*s.%.*s.", head, h, body, p),
        arena_printf(arena, "%.*s.%.*s", head, h, body, p),
        arena_printf(arena, "%.*s.%.*s=.%s", head, h, body, p, s),
        arena_printf(arena, "%.*s=.%.*s.%s", head, h, body, p, s),
        arena_printf(arena, "%.*s\n.%.*s.%s", head, h, body, p, s),
        arena_printf(arena, "Bearer %s", token),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_verdict(rows[i], TOKEN_BAD, rows[i]);
    char *copy = arena_str(arena, token);
    for (size_t i = 0; i < len; i++) {
        static const char others[] = "AZaz09-_+/=. \n";
        for (size_t o = 0; o < sizeof others; o++) { /* the NUL too */
            if (others[o] == token[i])
                continue;
            copy[i] = others[o];
            if (judge_bytes(copy, len, &why) != TOKEN_BAD)
                fail_msg("another byte %zu is taken", i);
        }
        copy[i] = token[i];
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(judge_bytes(token, cut, &why), TOKEN_BAD);
    assert_int_equal(judge_bytes(arena_dup(arena, token, len + 1), len + 1, &why), TOKEN_BAD);
    assert_int_equal(judge_bytes(token, len, &why), TOKEN_GOOD);
}

/* 256 bits end in a digit of which two bits are left over: zero, or it is another text. */
static void leftover_bits(void **state) {
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *token = good_token(), *why;
    size_t len = strlen(token);
    char *copy = arena_str(arena, token);
    size_t last = (size_t)(strchr(digits, token[len - 1]) - digits);
    assert_int_equal(last % 4, 0);
    for (size_t bits = 1; bits < 4; bits++) {
        copy[len - 1] = digits[last + bits];
        assert_int_equal(judge_bytes(copy, len, &why), TOKEN_BAD);
    }
}

/* The signature of a longer digest, or of fewer bytes, under the right key. */
static void signature_lengths(void **state) {
    (void)state;
    const char *token = good_token();
    size_t input = (size_t)(strrchr(token, '.') - token);
    uint8_t mac[64] = {0};
    secret_hmac_sha256(secrets[0], 32, token, input, mac);
    for (size_t len = 0; len <= sizeof mac; len++)
        assert_verdict(arena_printf(arena, "%.*s.%s", (int)input, token, segment(mac, len)),
                       len == 32 ? TOKEN_GOOD : TOKEN_BAD, "a signature of another length");
}

static void size_limit(void **state) {
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        const char *token;
        struct buf value = {0};
        buf_addc(&value, '"');
        do {
            buf_addc(&value, 'x');
            const char *payload = claims_with("x", arena_printf(arena, "%s\"", value.data));
            token = token_of(HEADER, payload, strlen(payload));
        } while (strlen(token) < TOKEN_MAX_SIZE - 1 + 2 * extra);
        const char *why;
        assert_in_range(strlen(token), TOKEN_MAX_SIZE - 1 + 2 * extra, TOKEN_MAX_SIZE + 2);
        assert_int_equal(judge_bytes(token, strlen(token), &why),
                         strlen(token) <= TOKEN_MAX_SIZE ? TOKEN_GOOD : TOKEN_BAD);
        buf_free(&value);
    }
}

static void leeway(void **state) {
    (void)state;
    setenv("GATEHOUSE_TOKEN_LEEWAY", "30s", 1);
    char error[200];
    struct conf *strict = conf;
    conf = conf_read(NULL, error, sizeof error);
    unsetenv("GATEHOUSE_TOKEN_LEEWAY");
    assert_non_null(conf);
    with_claim("exp", "1799999971", TOKEN_GOOD);
    with_claim("exp", "1799999970", TOKEN_EXPIRED);
    with_claim("nbf", "1800000030", TOKEN_GOOD);
    with_claim("nbf", "1800000031", TOKEN_BAD);
    with_claim("iat", "1800000090", TOKEN_GOOD);
    with_claim("iat", "1800000091", TOKEN_BAD);
    assert_false(token_is_expired(conf, NOW_S - 29, NOW));
    assert_true(token_is_expired(conf, NOW_S - 30, NOW));
    conf_free(conf);
    conf = strict;
    assert_false(token_is_expired(conf, NOW_S + 1, NOW));
    assert_true(token_is_expired(conf, NOW_S, NOW));
}

/* A claim that is wrong counts for more than an exp that has passed. */
static void expired_and_bad(void **state) {
    (void)state;
    const char *payload = claims_with("exp", "1");
    char *other = arena_str(arena, payload);
    memcpy(strstr(other, "gatehouse"), "catehouse", 9);
    assert_verdict(token_of(HEADER, payload, strlen(payload)), TOKEN_EXPIRED, "expired");
    assert_verdict(token_of(HEADER, other, strlen(other)), TOKEN_BAD, "expired and another's");
    const char *token = token_of(HEADER, payload, strlen(payload));
    char *forged = arena_str(arena, token);
    forged[strlen(forged) - 5] ^= 1;
    assert_verdict(forged, TOKEN_BAD, "expired and forged");
}

static void peeked(void **state) {
    (void)state;
    const char *header, *payload;
    assert_true(token_peek(arena, good_token(), strlen(good_token()), &header, &payload));
    assert_string_equal(header, HEADER);
    assert_string_equal(payload, claims_with(NULL, NULL));
    assert_false(token_peek(arena, "a.b", 3, &header, &payload));
    assert_false(token_peek(arena, "", 0, &header, &payload));
    char *huge = arena_alloc(arena, TOKEN_MAX_SIZE + 1);
    memset(huge, 'A', TOKEN_MAX_SIZE + 1);
    assert_false(token_peek(arena, huge, TOKEN_MAX_SIZE + 1, &header, &payload));
}

/* -----------------------------------------------------------------------------------------------*/

static void write_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
}

static int make_world(void **state) {
    (void)state;
    char why[500] = "";
    if (mkdtemp(directory) == NULL)
        return -1;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
    arena = arena_new(65536);
    write_file(files[0], segment(secrets[0], 32));
    write_file(files[1], segment(secrets[1], 32));
    write_file(files[2], "k1\n");
    conf = conf_read(NULL, why, sizeof why);
    keys = keyring_read(directory, why, sizeof why);
    if (conf == NULL || keys == NULL)
        puts(why);
    return conf != NULL && keys != NULL ? 0 : -1;
}

static int forget(void **state) {
    (void)state;
    arena_reset(arena, 65536);
    return 0;
}

static int remove_world(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        unlink(path);
    }
    keyring_free(&keys);
    conf_free(conf);
    arena_free(&arena);
    return rmdir(directory);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, forget)
    const struct CMUnitTest tests[] = {
        TEST(signed_and_verified), TEST(what_a_token_says), TEST(too_many_roles),
        TEST(good_by_hand),        TEST(keys_by_name),      TEST(headers),
        TEST(claims),              TEST(payloads),          TEST(spellings),
        TEST(leftover_bits),       TEST(signature_lengths), TEST(size_limit),
        TEST(leeway),              TEST(expired_and_bad),   TEST(peeked),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
