#include "domain/canon.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/log.h"

#define EMAIL_MAX 254

/* ASCII is the same in every normal form of Unicode. */
static bool is_ascii(const char *text, size_t len) {
    unsigned char any = 0;
    for (size_t i = 0; i < len; i++)
        any |= (unsigned char)text[i];
    return any < 0x80;
}

const char *canon_username(struct arena *arena, const char *username) {
    char *canonical = arena_str(arena, username);
    for (char *at = canonical; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    return canonical;
}

static utf8proc_int32_t fold(utf8proc_int32_t codepoint, void *unused) {
    (void)unused;
    /* The Turkish İ stays: where it is written, İ and I are different letters, and both would become i. */
    if (codepoint == 0x130)
        return codepoint;
    /* σ has another form at the end of a word, ς, and one capital for both, Σ. */
    return codepoint == 0x3c2 ? 0x3c3 : utf8proc_tolower(codepoint);
}

/* One pass: composed, then folded, then composed again; the caller frees it. */
static utf8proc_uint8_t *fold_text(const char *text, utf8proc_ssize_t *len) {
    utf8proc_uint8_t *out = NULL;
    *len = utf8proc_map_custom((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strlen(text), &out,
                               UTF8PROC_STABLE | UTF8PROC_COMPOSE, fold, NULL);
    return out;
}

/* Composing may make a letter that is to be folded in its turn (İ and a tilde below): passes are
 * made until one changes nothing, so that a canonical address is its own canonical form. */
const char *canon_email(struct arena *arena, const char *email) {
    const char *canonical = email;
    size_t size = strlen(email);
    if (is_ascii(email, size))
        return size <= EMAIL_MAX ? canon_username(arena, email) : NULL;
    for (int passes = 0; passes < 8; passes++) {
        utf8proc_ssize_t len;
        utf8proc_uint8_t *out = fold_text(canonical, &len);
        const char *next = len >= 0 && len <= EMAIL_MAX ? arena_dup(arena, out, (size_t)len) : NULL;
        free(out);
        if (next == NULL || strcmp(next, canonical) == 0)
            return next;
        canonical = next;
    }
    return NULL;
}

/* Whether accept takes the category of every code point. */
static bool every(const char *text, bool (*accept)(utf8proc_int32_t, utf8proc_category_t)) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text);
    while (left > 0) {
        utf8proc_int32_t codepoint;
        utf8proc_ssize_t size = utf8proc_iterate(at, left, &codepoint);
        if (size <= 0 || !accept(codepoint, utf8proc_category(codepoint)))
            return false;
        at += size;
        left -= size;
    }
    return true;
}

/* Some letters and marks are invisible too: Hangul fillers, variation selectors. */
static bool is_word_character(utf8proc_int32_t codepoint, utf8proc_category_t category) {
    return codepoint < 0x80 ||
           (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO &&
            !utf8proc_get_property(codepoint)->ignorable);
}

static bool is_line_character(utf8proc_int32_t codepoint, utf8proc_category_t category) {
    (void)codepoint;
    return category != UTF8PROC_CATEGORY_CC && category != UTF8PROC_CATEGORY_ZL &&
           category != UTF8PROC_CATEGORY_ZP && category != UTF8PROC_CATEGORY_CS;
}

bool canon_is_words(const char *text) {
    return every(text, is_word_character);
}

bool canon_is_line(const char *text) {
    return every(text, is_line_character);
}

char *canon_password(const char *password, size_t len, size_t *out_len) {
    if (is_ascii(password, len)) {
        char *copy = malloc(len + 1);
        MUST(copy != NULL);
        memcpy(copy, password, len);
        copy[len] = '\0';
        *out_len = len;
        return copy;
    }
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t size =
        utf8proc_map((const utf8proc_uint8_t *)password, (utf8proc_ssize_t)len, &out,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    if (size < 0)
        return NULL;
    *out_len = (size_t)size;
    return (char *)out;
}

char *canon_folded(const char *text) {
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t size = utf8proc_map(
        (const utf8proc_uint8_t *)text, 0, &out,
        UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
            UTF8PROC_CASEFOLD);
    return size >= 0 ? (char *)out : NULL;
}
