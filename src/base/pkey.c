#include "base/pkey.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define RSA_NEW_BITS 3072
#define P256_BYTES   32

struct pkey {
    EVP_PKEY *pair;
    enum pkey_kind kind;
    bool is_private;
};

enum pkey_kind pkey_kind(const struct pkey *key) {
    return key->kind;
}

bool pkey_is_private(const struct pkey *key) {
    return key->is_private;
}

void pkey_free(struct pkey **key) {
    if (key == NULL || *key == NULL)
        return;
    EVP_PKEY_free((*key)->pair);
    free(*key);
    *key = NULL;
}

/* Judging ---------------------------------------------------------------------------------------- */

/* An exponent of 1 would make every text its own signature. */
static bool exponent_is_sane(const EVP_PKEY *pair) {
    BIGNUM *e = NULL;
    bool sane = EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
                !BN_is_one(e);
    BN_free(e);
    return sane;
}

static const char *judge_rsa(const EVP_PKEY *pair) {
    if (!EVP_PKEY_is_a(pair, "RSA"))
        return "it is no RSA key";
    if (EVP_PKEY_get_bits(pair) < RSA_MIN_BITS)
        return "RSA needs 2048 bits at least";
    if (EVP_PKEY_get_bits(pair) > RSA_MAX_BITS)
        return "RSA of more than 8192 bits is not supported";
    return exponent_is_sane(pair) ? NULL : "its public exponent is no odd number above 1";
}

static bool point_is_on_curve(EVP_PKEY *pair) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pair, NULL);
    bool good = context != NULL && EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return good;
}

static const char *judge_p256(EVP_PKEY *pair) {
    char curve[64] = "";
    if (!EVP_PKEY_is_a(pair, "EC"))
        return "it is no key of an elliptic curve";
    if (EVP_PKEY_get_utf8_string_param(pair, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve,
                                       NULL) != 1 ||
        (strcmp(curve, SN_X9_62_prime256v1) != 0 && strcmp(curve, "P-256") != 0))
        return "its curve is not P-256";
    return point_is_on_curve(pair) ? NULL : "its point is not on the curve";
}

/* Whether the private half belongs to the public one: if not, nobody would accept what it signs. */
static bool halves_match(EVP_PKEY *pair) {
    uint8_t signature[PKEY_SIGNATURE_MAX];
    size_t len = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    MUST(context != NULL);
    bool match = EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pair) == 1 &&
                 EVP_DigestSign(context, signature, &len, (const uint8_t *)"gatehouse", 9) == 1 &&
                 EVP_MD_CTX_reset(context) == 1 &&
                 EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pair) == 1 &&
                 EVP_DigestVerify(context, signature, len, (const uint8_t *)"gatehouse", 9) == 1;
    EVP_MD_CTX_free(context);
    return match;
}

/* Judges a pair, and frees it where it is refused (NULL, *why). */
static struct pkey *judged(EVP_PKEY *pair, enum pkey_kind kind, bool is_private,
                           const char **why) {
    *why = kind == PKEY_RSA ? judge_rsa(pair) : judge_p256(pair);
    if (*why == NULL && is_private && !halves_match(pair))
        *why = "its private half is not that of its public one";
    ERR_clear_error();
    if (*why != NULL) {
        EVP_PKEY_free(pair);
        return NULL;
    }
    struct pkey *key = calloc(1, sizeof *key);
    MUST(key != NULL);
    *key = (struct pkey){.pair = pair, .kind = kind, .is_private = is_private};
    return key;
}

/* Reading ---------------------------------------------------------------------------------------- */

/* Refuses an encrypted key: nobody is there to type its passphrase. */
static int no_passphrase(char *text, int size, int writing, void *asked) {
    (void)text;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* `openssl ecparam -genkey` writes the curve's name in front. */
static size_t count_keys(const char *pem, size_t len) {
    static const char begin[] = "-----BEGIN ", curve[] = "-----BEGIN EC PARAMETERS-----";
    size_t count = 0;
    for (const char *at = pem, *end = pem + len;
         (at = memmem(at, (size_t)(end - at), begin, sizeof begin - 1)) != NULL;
         at += sizeof begin - 1)
        count += (size_t)(end - at) < sizeof curve - 1 || memcmp(at, curve, sizeof curve - 1) != 0;
    return count;
}

struct pkey *pkey_read(const char *pem, size_t len, enum pkey_kind kind, const char **why) {
    bool asked = false;
    size_t count = count_keys(pem, len);
    *why = count == 0 ? "it is no PEM text" : "it holds more than one key";
    if (count != 1 || len > INT32_MAX)
        return NULL;
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    MUST(bio != NULL);
    EVP_PKEY *pair = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
    bool is_private = pair != NULL;
    if (pair == NULL && !asked && BIO_reset(bio) == 1)
        pair = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, &asked);
    BIO_free(bio);
    ERR_clear_error();
    *why = asked ? "it is encrypted, and nobody is there to be asked for its passphrase"
                 : "it is no private or public key in PEM";
    return pair != NULL ? judged(pair, kind, is_private, why) : NULL;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *builder) {
    EVP_PKEY *pair = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    MUST(params != NULL && context != NULL && EVP_PKEY_fromdata_init(context) == 1);
    if (EVP_PKEY_fromdata(context, &pair, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pair = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    ERR_clear_error();
    return pair;
}

struct pkey *pkey_from_rsa(const uint8_t *n, size_t n_len, const uint8_t *e, size_t e_len,
                           const char **why) {
    *why = "its numbers are out of range";
    if (n_len > RSA_MAX_BITS / 8 || e_len > 8)
        return NULL;
    BIGNUM *n_number = BN_bin2bn(n, (int)n_len, NULL), *e_number = BN_bin2bn(e, (int)e_len, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    MUST(n_number != NULL && e_number != NULL && builder != NULL);
    MUST(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n_number) == 1);
    MUST(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e_number) == 1);
    EVP_PKEY *pair = from_params("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n_number);
    BN_free(e_number);
    return pair != NULL ? judged(pair, PKEY_RSA, false, why) : NULL;
}

struct pkey *pkey_from_p256(const uint8_t x[32], const uint8_t y[32], const char **why) {
    uint8_t point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    memcpy(point + 1, x, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y, P256_BYTES);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    MUST(builder != NULL);
    MUST(OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1);
    MUST(OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                          sizeof point) == 1);
    EVP_PKEY *pair = from_params("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    *why = "its point is not on the curve";
    return pair != NULL ? judged(pair, PKEY_P256, false, why) : NULL;
}

/* Making ----------------------------------------------------------------------------------------- */

char *pkey_generate(enum pkey_kind kind) {
    EVP_PKEY *pair = kind == PKEY_RSA ? EVP_RSA_gen(RSA_NEW_BITS) : EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem());
    MUST(pair != NULL && bio != NULL);
    MUST(PEM_write_bio_PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL) == 1);
    EVP_PKEY_free(pair);
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    MUST(len > 0);
    char *pem = calloc(1, (size_t)len + 1);
    MUST(pem != NULL);
    memcpy(pem, bytes, (size_t)len);
    BIO_free(bio); /* wipes */
    return pem;
}

/* Signatures ------------------------------------------------------------------------------------- */

/* libcrypto wants r and s as DER; returns its length, and the caller frees it with OPENSSL_free. */
static int der_of(const uint8_t *signature, uint8_t **der) {
    BIGNUM *r = BN_bin2bn(signature, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(signature + P256_BYTES, P256_BYTES, NULL);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    MUST(r != NULL && s != NULL && pair != NULL && ECDSA_SIG_set0(pair, r, s) == 1);
    *der = NULL;
    int len = i2d_ECDSA_SIG(pair, der);
    ECDSA_SIG_free(pair);
    MUST(len > 0);
    return len;
}

static bool verify(EVP_PKEY *pair, const void *bytes, size_t len, const uint8_t *signature,
                   size_t signature_len) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    MUST(context != NULL);
    bool good = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pair) == 1 &&
                EVP_DigestVerify(context, signature, signature_len, bytes, len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}

bool pkey_verify(const struct pkey *key, const void *bytes, size_t len, const uint8_t *signature,
                 size_t signature_len) {
    if (key->kind == PKEY_RSA)
        return signature_len == (size_t)EVP_PKEY_get_size(key->pair) &&
               verify(key->pair, bytes, len, signature, signature_len);
    if (signature_len != (size_t)2 * P256_BYTES)
        return false;
    uint8_t *der;
    int der_len = der_of(signature, &der);
    bool good = verify(key->pair, bytes, len, der, (size_t)der_len);
    OPENSSL_free(der);
    return good;
}

/* What others need to verify --------------------------------------------------------------------- */

size_t pkey_number(const struct pkey *key, char name, uint8_t out[PKEY_NUMBER_MAX]) {
    const char *param = name == 'n'   ? OSSL_PKEY_PARAM_RSA_N
                        : name == 'e' ? OSSL_PKEY_PARAM_RSA_E
                        : name == 'x' ? OSSL_PKEY_PARAM_EC_PUB_X
                                      : OSSL_PKEY_PARAM_EC_PUB_Y;
    BIGNUM *number = NULL;
    MUST(EVP_PKEY_get_bn_param(key->pair, param, &number) == 1);
    int len = key->kind == PKEY_P256 ? P256_BYTES : BN_num_bytes(number);
    MUST(len <= PKEY_NUMBER_MAX && BN_bn2binpad(number, out, len) == len);
    BN_free(number);
    return (size_t)len;
}
