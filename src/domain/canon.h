/*
 * canon: one form for what people write in several.  The door to utf8proc.
 *
 * Two addresses are one account exactly when their canonical forms are the same bytes; the database
 * compares nothing else.  Folding is letter by letter: ß is not ss, á is not a.
 */
#ifndef DOMAIN_CANON_H
#define DOMAIN_CANON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* NFC and lower case.  NULL: not UTF-8, or longer than 254 bytes in this form. */
const char *canon_email(struct arena *arena, const char *email);
/* Lower case of a username's letters (ASCII). */
const char *canon_username(struct arena *arena, const char *username);

/* Whether every character beyond ASCII is a letter, a mark or a digit: nothing invisible, no space,
 * nothing that turns the writing direction.  False also for what is not UTF-8. */
bool canon_is_words(const char *text);
/* Whether a line of text for people holds no control character and no line break. */
bool canon_is_line(const char *text);

/* NFKC and without case, for comparing only: two texts that look alike to a guesser are the same
 * bytes.  The caller frees it; NULL: not UTF-8. */
char *canon_folded(const char *text);

/* NFKC (RFC 8265 section 4.2 without its other rules), so that the same password typed on another
 * keyboard is the same bytes.  The caller wipes and frees it; NULL: not UTF-8. */
char *canon_password(const char *password, size_t len, size_t *out_len);

#endif
