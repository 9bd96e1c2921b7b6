#include "domain/account_check.h"

#include <stdbool.h>
#include <string.h>

#include "base/encode.h"
#include "domain/canon.h"

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

#define EMAIL_MAX        254 /* bytes: what fits between < and > (RFC 5321 section 4.5.3.1.3) */
#define USERNAME_MIN     3
#define USERNAME_MAX     32
#define DISPLAY_NAME_MAX 128 /* code points */
#define ROLE_MAX         64

/* Words of allowed characters (or bytes beyond ASCII) with single dots between. */
static bool is_dotted(const char *text, size_t len, const char *allowed) {
    bool after_dot = true;
    for (size_t i = 0; i < len; i++) {
        bool dot = text[i] == '.';
        bool ok = (unsigned char)text[i] >= 0x80 || strchr(allowed, text[i]) != NULL;
        if (dot ? after_dot : !ok)
            return false;
        after_dot = dot;
    }
    return len > 0 && !after_dot;
}

/* A dot-atom at a domain (RFC 5322 section 3.4.1, RFC 6531); quoted local parts and address
 * literals are nobody's sign-in name. */
static bool is_address(const char *email) {
    const char *at = strrchr(email, '@');
    if (at == NULL || !canon_is_words(email))
        return false;
    const char *domain = at + 1;
    size_t len = strlen(domain);
    return is_dotted(email, (size_t)(at - email), LETTERS_AND_DIGITS "!#$%&'*+-/=?^_`{|}~") &&
           is_dotted(domain, len, LETTERS_AND_DIGITS "-") && domain[0] != '-' &&
           domain[len - 1] != '-';
}

const char *check_email(const char *email) {
    if (strlen(email) > EMAIL_MAX)
        return "must be at most 254 bytes";
    return is_address(email) ? NULL : "must be an email address";
}

const char *check_username(const char *username) {
    size_t len = strlen(username);
    if (len < USERNAME_MIN || len > USERNAME_MAX)
        return "must have 3 to 32 characters";
    if (strspn(username, LETTERS_AND_DIGITS "._-") != len)
        return "may hold only letters, digits and . _ -";
    return NULL;
}

const char *check_display_name(const char *name) {
    size_t len = strlen(name);
    if (!utf8_valid(name, len) || !canon_is_line(name))
        return "must be one line of text";
    if (len == 0 || utf8_length(name, len) > DISPLAY_NAME_MAX)
        return "must have 1 to 128 characters";
    return NULL;
}

const char *check_role(const char *role) {
    size_t len = strlen(role);
    if (len == 0 || len > ROLE_MAX || strspn(role, LETTERS_AND_DIGITS "_.:-") != len)
        return "must have 1 to 64 letters, digits and _ . : -";
    return NULL;
}
