/*
 * common_passwords: passwords that everybody tries first (data/common-passwords.txt, embedded).
 */
#ifndef DOMAIN_COMMON_PASSWORDS_H
#define DOMAIN_COMMON_PASSWORDS_H

#include <stdbool.h>

/* Whether it is on the list; compared without case. */
bool password_is_common(const char *password);

/* Whether it is a short text repeated (testtest), or runs up, down or of one character (12344321,
 * aaa111111): no list has them all, and every guesser makes them by rule.  For lower case. */
bool password_is_pattern(const char *password);

#endif
