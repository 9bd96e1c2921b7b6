#include "domain/canon.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define EMAIL_MAX 254

static utf8proc_int32_t fold(utf8proc_int32_t codepoint, void *unused) {
    (void)unused;
    /* The Turkish İ is no i: the dot is a letter's difference where it is written. */
    return codepoint == 0x130 ? codepoint : utf8proc_tolower(codepoint);
}

/* Folding may undo the composition of what was composed, so it comes before. */
const char *canon_email(struct arena *arena, const char *email) {
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t len = utf8proc_map_custom(
        (const utf8proc_uint8_t *)email, (utf8proc_ssize_t)strlen(email), &out,
        UTF8PROC_STABLE | UTF8PROC_COMPOSE, fold, NULL);
    const char *canonical = NULL;
    if (len >= 0 && len <= EMAIL_MAX)
        canonical = arena_dup(arena, out, (size_t)len);
    free(out);
    return canonical;
}

const char *canon_username(struct arena *arena, const char *username) {
    char *canonical = arena_str(arena, username);
    for (char *at = canonical; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    return canonical;
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
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t size =
        utf8proc_map((const utf8proc_uint8_t *)password, (utf8proc_ssize_t)len, &out,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    if (size < 0)
        return NULL;
    *out_len = (size_t)size;
    return (char *)out;
}
