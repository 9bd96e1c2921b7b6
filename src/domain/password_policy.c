#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "domain/canon.h"
#include "domain/common.h"
#include "domain/password.h"

/* Shorter words are parts of too much. */
#define WORD_MIN 3

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static bool is_word_byte(char c) {
    return is_letter(c) || (c >= '0' && c <= '9');
}

/* What is left of a word without what stands around it. */
struct core {
    const char *text;
    size_t len;
};

static struct core core_of(const char *text, size_t len, bool (*counts)(char)) {
    while (len > 0 && !counts(text[0])) {
        text++;
        len--;
    }
    while (len > 0 && !counts(text[len - 1]))
        len--;
    return (struct core){text, len};
}

static bool equal(struct core a, struct core b) {
    return a.len >= WORD_MIN && a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

/* The same but for the signs around it; or but for digits and signs, as in alice2024!. */
static bool same(const char *password, const char *text, size_t len) {
    size_t password_len = strlen(password);
    return equal(core_of(password, password_len, is_word_byte), core_of(text, len, is_word_byte)) ||
           equal(core_of(password, password_len, is_letter), core_of(text, len, is_letter));
}

/* Whether the password is the whole text, what stands before its @, or one of its words. */
static bool is_of(const char *password, const char *text) {
    const char *at = strrchr(text, '@');
    if (strcmp(password, text) == 0 || same(password, text, strlen(text)) ||
        (at != NULL && same(password, text, (size_t)(at - text))) ||
        (at != NULL && strlen(password) == (size_t)(at - text) &&
         memcmp(password, text, (size_t)(at - text)) == 0))
        return true;
    for (const char *word = text; *word != '\0';) {
        size_t len = 0;
        while (is_word_byte(word[len]))
            len++;
        if (same(password, word, len))
            return true;
        word += len > 0 ? len : 1;
    }
    return false;
}

/* NIST SP 800-63B section 3.1.1.2: the name of the service, of the user, and derivatives thereof.
 * password is folded already. */
static bool is_context(const struct conf *conf, const char *password, const char *email,
                       const char *username) {
    const char *contexts[] = {email, username, conf->token_issuer, conf->token_audience,
                              "gatehouse"};
    bool found = false;
    for (size_t i = 0; !found && i < sizeof contexts / sizeof *contexts; i++) {
        char *folded = contexts[i] != NULL ? canon_folded(contexts[i]) : NULL;
        found = folded != NULL && is_of(password, folded);
        free(folded);
    }
    return found;
}

/* What it is compared as: in one case, in one form. */
static const char *guessable(const struct conf *conf, const char *text, const char *email,
                             const char *username) {
    const char *why = NULL;
    char *folded = canon_folded(text);
    if (folded == NULL)
        return "must be valid UTF-8";
    if (is_context(conf, folded, email, username))
        why = "must not be the email address, the username or the site's name";
    else if (password_is_common(folded))
        why = "is one of the most common passwords";
    else if (password_is_pattern(folded))
        why = "must not be a short text repeated or a run like abcdefgh";
    secret_wipe(folded, strlen(folded));
    free(folded);
    return why;
}

static const char *refusal(const struct conf *conf, const char *text, size_t len, const char *email,
                           const char *username) {
    if (memchr(text, '\0', len) != NULL)
        return "must not contain a NUL";
    if (utf8_length(text, len) < (size_t)conf->password_min_length)
        return "is too short";
    if (len > password_max_bytes(conf))
        return "is too long";
    return guessable(conf, text, email, username);
}

const char *password_refusal(const struct conf *conf, const char *password, size_t len,
                             const char *email, const char *username) {
    size_t size;
    char *text = utf8_valid(password, len) ? canon_password(password, len, &size) : NULL;
    if (text == NULL)
        return "must be valid UTF-8";
    const char *why = refusal(conf, text, size, email, username);
    secret_wipe(text, size);
    free(text);
    return why;
}
