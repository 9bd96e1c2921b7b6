/*
 * account_check: what may be an email address, a username, a name for people, a role.
 */
#ifndef DOMAIN_ACCOUNT_CHECK_H
#define DOMAIN_ACCOUNT_CHECK_H

/* Each returns NULL where the text may be one, else what is wrong: the rest of a sentence that begins with
 * the field's name (static). */
const char *check_email(const char *email);
const char *check_username(const char *username);
const char *check_display_name(const char *name);
const char *check_role(const char *role);

#endif
