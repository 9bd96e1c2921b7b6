/*
 * secret: random bytes, digests, and manners for what must not be seen.  The door to libcrypto,
 * together with pkey.c.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE     32
#define SHA256_HEX_SIZE (SHA256_SIZE * 2 + 1) /* as text, with the NUL */

/* Random bytes from the system; when it cannot give them the process ends. */
void secret_random(void *out, size_t len);
/* Zeroes memory in a way that is not optimised away. */
void secret_wipe(void *bytes, size_t len);
/* Whether len bytes are the same, in a time that depends on len alone. */
bool secret_equal(const void *a, const void *b, size_t len);

/* SHA-256 (FIPS 180-4), and HMAC with it (FIPS 198-1), of len bytes; either may be empty. */
void secret_sha256(const void *bytes, size_t len, uint8_t out[SHA256_SIZE]);
void secret_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                        uint8_t out[SHA256_SIZE]);
/* The SHA-256 as lower-case hex. */
void secret_sha256_hex(const void *bytes, size_t len, char out[SHA256_HEX_SIZE]);
#define SECRET_HMAC_MAX 64
enum secret_digest { SECRET_SHA256, SECRET_SHA384, SECRET_SHA512 };
/* HMAC with any of these digests; returns its length: 32, 48 or 64. */
size_t secret_hmac(enum secret_digest digest, const void *key, size_t key_len, const void *bytes,
                   size_t len, uint8_t out[SECRET_HMAC_MAX]);

/*
 * Reads a file that holds a secret: a regular file, owned by root or by us, with no permission for
 * others and none to write for the group, of 1 to max bytes.  The bytes, with a NUL behind, are
 * the caller's to wipe and free.  NULL: errno-free reason in why (a sentence, at least 160 bytes).
 */
char *secret_read_file(const char *path, size_t max, size_t *len, char *why, size_t why_size);

#endif
