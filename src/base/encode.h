/*
 * encode: bytes as text and back, strictly: bytes have exactly one text, and no other text is accepted for
 * them.
 */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes with the NUL. */
#define HEX_SIZE(n)       ((n) * 2 + 1)
#define BASE64URL_SIZE(n) (((n) * 8 + 5) / 6 + 1)

/* Lower-case hex; out holds HEX_SIZE(len). */
void hex_encode(const void *bytes, size_t len, char *out);
/* What a digit stands for, in either case; -1: it is none. */
int hex_digit(char c);
/* Whether a text is 2 * len lower-case digits and nothing else: what hex_encode makes of len bytes. */
bool hex_valid(const char *text, size_t len);
/* Exactly len bytes from 2 * len lower-case digits followed by a NUL. */
bool hex_decode(const char *text, void *out, size_t len);

/* RFC 4648 section 5 without padding (RFC 7515 section 2); out holds BASE64URL_SIZE(len).
 * Returns the length of the text. */
size_t base64url_encode(const void *bytes, size_t len, char *out);
/* Refuses padding, white space, foreign characters, impossible lengths and non-zero trailing bits.
 * out holds text_len * 3 / 4; returns the number of bytes, or -1. */
long base64url_decode(const char *text, size_t text_len, void *out);
/* RFC 4648 section 4, with its padding, as the Basic scheme has it (RFC 7617); otherwise as above. */
long base64_decode(const char *text, size_t text_len, void *out);

/* RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(const char *text, size_t len);
/* The bytes of the one code point that text begins with; 0 where it begins with none. */
size_t utf8_sequence(const char *text, size_t len);
/* Code points of a valid text. */
size_t utf8_length(const char *text, size_t len);

#endif
