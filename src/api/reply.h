/*
 * reply: answers, written straight into the connection's buffer.
 *
 * A handler calls one of reply_json, reply_empty or reply_error, once.  Headers and cookies of its
 * own are added before that, with reply_header and the functions of cookie.h.
 */
#ifndef API_REPLY_H
#define API_REPLY_H

#include "api/request.h"
#include "domain/account.h"
#include "domain/throttle.h"

/* The stable codes of errors; a row in reply.c for each. */
enum error_code {
    ERROR_INVALID_JSON,
    ERROR_INVALID_REQUEST,
    ERROR_TOKEN_MISSING,
    ERROR_TOKEN_REVOKED,
    ERROR_SESSION_EXPIRED,
    ERROR_TOKEN_EXPIRED,
    ERROR_TOKEN_INVALID,
    ERROR_INVALID_CREDENTIALS,
    ERROR_INVALID_CLIENT,
    ERROR_REFRESH_INVALID,
    ERROR_REFRESH_REUSED,
    ERROR_FORBIDDEN,
    ERROR_CSRF_REJECTED,
    ERROR_REGISTRATION_CLOSED,
    ERROR_NOT_FOUND,
    ERROR_METHOD_NOT_ALLOWED,
    ERROR_EMAIL_TAKEN,
    ERROR_USERNAME_TAKEN,
    ERROR_BODY_TOO_LARGE,
    ERROR_UNSUPPORTED_MEDIA_TYPE,
    ERROR_RATE_LIMITED,
    ERROR_UNAVAILABLE,
    ERROR_INTERNAL
};

/* Adds a header to the answer that is to come. */
void reply_header(struct request *request, const char *name, const char *value);

/* For metrics, which know statuses by a number: that of a status (0 is 500, and what is not listed), and the
 * status of a number (0 beyond the last). */
unsigned reply_status_index(int status);
int reply_status_at(unsigned index);
/* The code of an enum error_code, as answers carry it; NULL beyond the last. */
const char *reply_error_name(unsigned code);

/* 200 with a body that is no JSON. */
void reply_plain(struct request *request, const char *content_type, const char *text, size_t len);
/* Takes ownership of body. */
void reply_json(struct request *request, int status, json *body);
/* The same answer for everybody, which anybody may keep for so many seconds, 0: not at all; text is JSON,
 * borrowed. */
void reply_public(struct request *request, const char *text, int64_t max_age_s);
/* {"message": message} */
void reply_message(struct request *request, const char *message);
/* A status without a body. */
void reply_empty(struct request *request, int status);
/* An error: its status, its code and the sentence that goes with it, and the headers that it needs
 * (WWW-Authenticate, Retry-After).  A person who opened a page may be led to the login page instead. */
void reply_error(struct request *request, enum error_code code);
/* Adds Retry-After as an error of a store that is away has it. */
void reply_retry(struct request *request);
/* invalid_request with its fields. */
void reply_fields(struct request *request, const struct field_errors *errors);
/* The same with another sentence that says more; it is for people. */
void reply_error_because(struct request *request, enum error_code code, const char *sentence);
/* Adds the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10) of the limits that the request
 * was counted by; none where none was asked. */
void reply_limits(struct request *request, const struct throttle_result *limit);
/* rate_limited, with Retry-After from limit; logged, and recorded in the audit trail now and then. */
void reply_limited(struct request *request, const struct throttle_result *limit);
/* Whether a limit that was asked about lets the request go on; after cache_flush.  False: it is answered,
 * rate_limited or unavailable.  tell: the RateLimit fields are added to an answer that is still to come, too,
 * not only to a refusal. */
bool reply_limit_allows(struct request *request, const struct throttle *throttle, bool tell);
/* The error that a result stands for; ACCOUNT_DONE is none and not for here.  errors: with ACCOUNT_INVALID;
 * limit: with ACCOUNT_LIMITED; else they may be NULL. */
void reply_account_error(struct request *request, enum account_result result,
                         const struct field_errors *errors, const struct throttle_result *limit);

/* The contract's user object; the caller owns it. */
json *reply_user(const struct user *user);

#endif
