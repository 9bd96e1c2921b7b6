/*
 * account_check: what may be an email address, a username, a name for people, a role.
 * Each returns a sentence that says what is wrong, or NULL.
 */
#ifndef DOMAIN_ACCOUNT_CHECK_H
#define DOMAIN_ACCOUNT_CHECK_H

const char *check_email(const char *email);
const char *check_username(const char *username);
const char *check_display_name(const char *name);
const char *check_role(const char *role);

#endif
