#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "domain/canon.h"
#include "domain/common_passwords.h"
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

/* The same; or but for the signs around it; or but for digits and signs, as in alice2024!. */
static bool same(const char *password, const char *text, size_t len) {
    size_t password_len = strlen(password);
    return (password_len == len && memcmp(password, text, len) == 0) ||
           equal(core_of(password, password_len, is_word_byte), core_of(text, len, is_word_byte)) ||
           equal(core_of(password, password_len, is_letter), core_of(text, len, is_letter));
}

/* Whether the password is the whole text or one of its words. */
static bool is_of(const char *password, const char *text, size_t size) {
    if (same(password, text, size))
        return true;
    for (size_t at = 0; at < size; at++) {
        size_t len = 0;
        while (at + len < size && is_word_byte(text[at + len]))
            len++;
        if (len > 0 && same(password, text + at, len))
            return true;
        at += len;
    }
    return false;
}

static bool is_of_name(const char *password, const char *name) {
    return is_of(password, name, strlen(name));
}

/* The address, or what stands before its @.  The domain is not the user's name: many share it. */
static bool is_of_email(const char *password, const char *email) {
    const char *at = strrchr(email, '@');
    return at != NULL ? same(password, email, strlen(email)) ||
                            is_of(password, email, (size_t)(at - email))
                      : is_of_name(password, email);
}

/* NIST SP 800-63B section 3.1.1.2: the name of the service, of the user, and derivatives thereof.
 * password is folded already.  Returns the sentence, or NULL. */
static const char *context_refusal(const struct conf *conf, const char *password, const char *email,
                                   const char *username) {
    static const char site[] = "must not be made of the site's name";
    const struct {
        const char *text;
        bool (*is_made_of)(const char *, const char *);
        const char *why;
    } contexts[] = {
        {email, is_of_email, "must not be made of the email address"},
        {username, is_of_name, "must not be made of the username"},
        {conf->token_issuer, is_of_name, site},
        {conf->token_audience, is_of_name, site},
        {"gatehouse", is_of_name, site},
    };
    const char *why = NULL;
    for (size_t i = 0; why == NULL && i < sizeof contexts / sizeof *contexts; i++) {
        char *folded = contexts[i].text != NULL ? canon_folded(contexts[i].text) : NULL;
        if (folded != NULL && contexts[i].is_made_of(password, folded))
            why = contexts[i].why;
        free(folded);
    }
    return why;
}

/* What it is compared as: in one case, in one form. */
static const char *guessable(const struct conf *conf, const char *text, const char *email,
                             const char *username) {
    char *folded = canon_folded(text);
    if (folded == NULL)
        return "must be valid UTF-8";
    const char *why = context_refusal(conf, folded, email, username);
    if (why == NULL && password_is_common(folded))
        why = "is one of the most common passwords";
    else if (why == NULL && password_is_pattern(folded))
        why = "must not be a short text repeated or a run like abcdefgh";
    secret_wipe(folded, strlen(folded));
    free(folded);
    return why;
}

/* The same for every password, so that it may be kept. */
static const char *too_short(const struct conf *conf) {
    static char sentence[80];
    snprintf(sentence, sizeof sentence, "is too short: it must have at least %lld characters",
             (long long)conf->password_min_length);
    return sentence;
}

static const char *too_long(const struct conf *conf) {
    static char sentence[80];
    snprintf(sentence, sizeof sentence, "is too long: it may have at most %zu bytes",
             password_max_bytes(conf));
    return sentence;
}

static const char *refusal(const struct conf *conf, const char *text, size_t len, const char *email,
                           const char *username) {
    if (memchr(text, '\0', len) != NULL)
        return "must not contain a NUL";
    if (utf8_length(text, len) < (size_t)conf->password_min_length)
        return too_short(conf);
    if (len > password_max_bytes(conf))
        return too_long(conf);
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
