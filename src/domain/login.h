/*
 * login: a name and a password become a session.
 */
#ifndef DOMAIN_LOGIN_H
#define DOMAIN_LOGIN_H

#include "domain/session.h"
#include "domain/throttle.h"

struct login_request {
    const char *email;    /* one of the two; the other is NULL */
    const char *username;
    const char *password;
    size_t password_len;
    struct session_client client;
};

enum login_result {
    LOGIN_DONE,
    LOGIN_REFUSED, /* unknown, disabled, or the password is wrong: nobody is told which */
    LOGIN_LIMITED,
    LOGIN_UNKNOWN /* a store could not be asked */
};

/* LOGIN_DONE: *user and *grant are filled; LOGIN_LIMITED: *limit says for how long.  *limit is filled
 * in any case, with no limits where none was asked. */
enum login_result login_with_password(const struct realm *realm, struct arena *arena,
                                      const struct login_request *request, struct user *user,
                                      struct grant *grant, struct throttle_result *limit);

#endif
