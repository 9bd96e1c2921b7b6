/*
 * common: passwords that everybody tries first (data/common-passwords.txt, embedded).
 */
#ifndef DOMAIN_COMMON_H
#define DOMAIN_COMMON_H

#include <stdbool.h>

/* Compared without case. */
bool password_is_common(const char *password);

#endif
