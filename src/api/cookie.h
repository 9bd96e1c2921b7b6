/*
 * cookie: the session cookie and the refresh cookie.
 */
#ifndef API_COOKIE_H
#define API_COOKIE_H

#include "api/request.h"

#define COOKIE_NAME_MAX 80

/* The names as browsers are to see them: a prefix they would refuse is left out. */
struct cookie_names {
    char session[COOKIE_NAME_MAX];
    char refresh[COOKIE_NAME_MAX];
};
/* The names that this configuration means. */
void cookie_names_make(struct cookie_names *names, const struct conf *conf);

/* The value of a cookie that was sent, in arena; NULL: none was, or cookies are off. */
const char *cookie_session(const struct request *request);
const char *cookie_refresh(const struct request *request);
/* Of several refresh cookies, the first whose token says that it is of that session. */
const char *cookie_refresh_of(const struct request *request, const char *sid);

/* Set-Cookie headers of the answer to come: with the session token or the access token of grant, as [cookie]
 * carries says (nothing happens where grant has it not); with its refresh token; and of both without a value,
 * so that browsers drop them. */
void cookie_set_session(struct request *request, const struct grant *grant);
void cookie_set_refresh(struct request *request, const struct grant *grant);
void cookie_clear(struct request *request);

#endif
