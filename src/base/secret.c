/* SHA256_Init and its like are called deprecated; EVP is no match for them, see below. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"

void secret_random(void *out, size_t len) {
    uint8_t *to = out;
    while (len) {
        ssize_t got = getrandom(to, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            DIE("the system gives no random bytes");
        to += got;
        len -= (size_t)got;
    }
}

void secret_wipe(void *bytes, size_t len) {
    if (len)
        explicit_bzero(bytes, len);
}

bool secret_equal(const void *a, const void *b, size_t len) {
    return CRYPTO_memcmp(a, b, len) == 0;
}

/* Not by EVP, which allocates and frees a context for each digest (3.0), and every check of a credential
 * begins with one. */
void secret_sha256(const void *bytes, size_t len, uint8_t out[SHA256_SIZE]) {
    SHA256_CTX context;
    MUST(SHA256_Init(&context) == 1);
    MUST(SHA256_Update(&context, bytes, len) == 1);
    MUST(SHA256_Final(out, &context) == 1);
    secret_wipe(&context, sizeof context);
}

void secret_sha256_hex(const void *bytes, size_t len, char out[SHA256_HEX_SIZE]) {
    uint8_t digest[SHA256_SIZE];
    secret_sha256(bytes, len, digest);
    hex_encode(digest, sizeof digest, out);
}

/* One context for each digest: looking an algorithm up takes OpenSSL 3 longer than a short digest. */
static EVP_MAC_CTX *hmac_context(enum secret_digest digest) {
    static EVP_MAC_CTX *contexts[3];
    static char names[][7] = {[SECRET_SHA256] = "SHA256",
                              [SECRET_SHA384] = "SHA384",
                              [SECRET_SHA512] = "SHA512"};
    if (contexts[digest])
        return contexts[digest];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, names[digest], 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    MUST(algorithm != NULL);
    MUST((contexts[digest] = EVP_MAC_CTX_new(algorithm)) != NULL);
    EVP_MAC_free(algorithm);
    MUST(EVP_MAC_CTX_set_params(contexts[digest], params) == 1);
    return contexts[digest];
}

size_t secret_hmac(enum secret_digest digest, const void *key, size_t key_len, const void *bytes,
                   size_t len, uint8_t out[SECRET_HMAC_MAX]) {
    static const uint8_t none[1];
    EVP_MAC_CTX *context = hmac_context(digest);
    size_t out_len = 0;
    /* A NULL key would mean the key of the call before. */
    MUST(EVP_MAC_init(context, key_len ? key : none, key_len, NULL) == 1);
    MUST(EVP_MAC_update(context, len ? bytes : none, len) == 1);
    MUST(EVP_MAC_final(context, out, &out_len, SECRET_HMAC_MAX) == 1);
    return out_len;
}

void secret_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                        uint8_t out[SHA256_SIZE]) {
    uint8_t mac[SECRET_HMAC_MAX];
    MUST(secret_hmac(SECRET_SHA256, key, key_len, bytes, len, mac) == SHA256_SIZE);
    memcpy(out, mac, SHA256_SIZE);
    secret_wipe(mac, sizeof mac);
}

/* A secret that others can read or replace is none. */
static bool safe_to_read(const char *path, const struct stat *st, size_t max, char *why,
                         size_t why_size) {
    if (!S_ISREG(st->st_mode))
        snprintf(why, why_size, "%s is not a regular file", path);
    else if (st->st_uid != 0 && st->st_uid != geteuid())
        snprintf(why, why_size,
                 "%s belongs to user %u: it must belong to root or to user %u (chown)", path,
                 (unsigned)st->st_uid, (unsigned)geteuid());
    else if (st->st_mode & (S_IRWXO | S_IWGRP))
        snprintf(why, why_size, "%s has mode %04o, open to others: chmod 600 %s", path,
                 (unsigned)(st->st_mode & 07777), path);
    else if (st->st_size == 0)
        snprintf(why, why_size, "%s is empty: write the secret to it", path);
    else if ((uintmax_t)st->st_size > max)
        snprintf(why, why_size, "%s is longer than %zu bytes", path, max);
    else
        return true;
    return false;
}

static bool read_all(int fd, char *to, size_t len) {
    while (len) {
        ssize_t got = read(fd, to, len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        len -= (size_t)got;
    }
    return true;
}

char *secret_read_file(const char *path, size_t max, size_t *len, char *why, size_t why_size) {
    struct stat st;
    /* Not blocking: a pipe by that name would hold up the start for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(why, why_size, "%s cannot be opened: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    if (!safe_to_read(path, &st, max, why, why_size)) {
        close(fd);
        return NULL;
    }
    size_t size = (size_t)st.st_size;
    char *bytes = calloc(1, size + 1);
    if (!bytes)
        DIE("out of memory");
    bool complete = read_all(fd, bytes, size);
    close(fd);
    if (!complete) {
        snprintf(why, why_size, "%s cannot be read to its end", path);
        secret_wipe(bytes, size);
        free(bytes);
        return NULL;
    }
    *len = size;
    return bytes;
}
