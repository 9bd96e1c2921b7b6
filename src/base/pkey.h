/*
 * pkey: pairs of a private and a public key, of the two kinds that sign here: RSA (PKCS #1 v1.5 with
 * SHA-256, RS256) and ECDSA on P-256 with SHA-256 (ES256).  With secret.c the door to libcrypto.
 *
 * A key is parsed and judged once; what this hands out can be used without a further look.
 */
#ifndef BASE_PKEY_H
#define BASE_PKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pkey;

enum pkey_kind { PKEY_RSA, PKEY_P256 };

/* The longest signature (RSA of 8192 bits), and the longest public number. */
#define PKEY_SIGNATURE_MAX 1024
#define PKEY_NUMBER_MAX    1024

/*
 * Reads one key of that kind from a PEM text, private (PKCS #8, PKCS #1, SEC 1) or public
 * (SubjectPublicKeyInfo).  Refused are: another kind, RSA of fewer than 2048 or more than 8192 bits
 * (RFC 7518 section 3.3), any curve but P-256 (section 3.4), a private key that does not belong to
 * its public one, an encrypted key (nobody is asked for a passphrase), and more keys than one.
 * NULL: *why is a sentence (static).
 */
struct pkey *pkey_read(const char *pem, size_t len, enum pkey_kind kind, const char **why);
/* From the public numbers, big-endian; n and e, or the coordinates x and y.  Refuses what pkey_read
 * does. */
struct pkey *pkey_from_rsa(const uint8_t *n, size_t n_len, const uint8_t *e, size_t e_len,
                           const char **why);
struct pkey *pkey_from_p256(const uint8_t x[32], const uint8_t y[32], const char **why);
/* Wipes; *key may be NULL. */
void pkey_free(struct pkey **key);

/* As it was asked for when the key was read. */
enum pkey_kind pkey_kind(const struct pkey *key);
/* Whether the private half is there. */
bool pkey_is_private(const struct pkey *key);

/* A new private key (RSA: 3072 bits) as PKCS #8 PEM, with a NUL behind; the caller's to wipe and
 * free.  When the system cannot make one the process ends. */
char *pkey_generate(enum pkey_kind kind);

/* Whether this is the key's signature of the bytes.  It has exactly one length: the modulus's, or 64
 * bytes, r and s (RFC 7518 section 3.4). */
bool pkey_verify(const struct pkey *key, const void *bytes, size_t len, const uint8_t *signature,
                 size_t signature_len);

/* A public number by its name in a JWK: n, e (without leading zeroes), x, y (32 bytes).  Returns its
 * length. */
size_t pkey_number(const struct pkey *key, char name, uint8_t out[PKEY_NUMBER_MAX]);

#endif
