/*
 * password: hashes and what may be a password.  The door to libxcrypt.
 *
 * New hashes are bcrypt in PHP's own form ($2y$) or yescrypt ($y$).  Older and foreign hashes of
 * crypt(5) are verified when their kind is on a list and their cost within bounds: a hash that would
 * take minutes or more than 128 MiB, or that libxcrypt would take for DES, matches nothing.
 */
#ifndef DOMAIN_PASSWORD_H
#define DOMAIN_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"

#define PASSWORD_HASH_SIZE 256

/* What this process does before each hash, and after it: others may have to wait for it, or it for them.
 * NULL: nothing.  Left out around hashes of a millisecond or two (bcrypt of cost 4 and 5). */
void password_around(void (*before)(void *context), void (*after)(void *context), void *context);

/* A new hash with today's parameters, with a NUL.  False: the password is no UTF-8 or longer than
 * password_max_bytes (it should have been refused before), or libxcrypt failed. */
bool password_hash(const struct conf *conf, const char *password, size_t len,
                   char out[PASSWORD_HASH_SIZE]);

/* Whether the password is the hash's.  Whatever is wrong takes what a new hash takes, or more: a
 * wrong password, a hash that cannot match or that is older, and NULL (there is no such user). */
bool password_verify(const struct conf *conf, const char *password, size_t len, const char *hash);

/* Whether any password could be the hash's: it is of a kind on the list, and within bounds. */
bool password_is_verifiable(const struct conf *conf, const char *hash);

/* For a right password that is refused all the same (its user is disabled): takes what password_verify
 * would have taken longer, had it been wrong. */
void password_refuse(const struct conf *conf, const char *password, size_t len, const char *hash);

/* Whether the hash was made with other parameters than today's. */
bool password_is_outdated(const struct conf *conf, const char *hash);

/* Whether a text is a whole hash that somebody could log in with here: of a kind on the list, within
 * bounds, and not cut short. */
bool password_hash_is_whole(const struct conf *conf, const char *hash);

/* The longest password that a new hash takes, in bytes of UTF-8 as canon_password makes them. */
size_t password_max_bytes(const struct conf *conf);

/* password_policy.c: why a text may not become a password, as a sentence; NULL: it may.  email and
 * username (each may be NULL) are whose it would be. */
const char *password_refusal(const struct conf *conf, const char *password, size_t len,
                             const char *email, const char *username);

#endif
