/*
 * request: one HTTP request as the web server passed it on, and how far its answer has come.
 *
 * The web server's parameters are walked once; those that anything here reads are copied into the
 * arena, with a NUL behind.  A parameter that is absent or empty is NULL.
 */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "api/routes.h"
#include "base/json.h"
#include "base/metrics.h"
#include "domain/realm.h"
#include "domain/session.h"
#include "fcgi/loop.h"

struct api;

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PATCH, METHOD_DELETE, METHOD_OPTIONS,
              METHOD_OTHER };

/* As it stands in a request; "other" of METHOD_OTHER. */
const char *method_name(enum method method);

enum carrier { CARRIED_BY_NOTHING, CARRIED_BY_AUTHORIZATION, CARRIED_BY_HEADER, CARRIED_BY_COOKIE };

struct request {
    struct fcgi_request *fcgi;
    struct api *api;
    const struct realm *realm;
    struct arena *arena; /* the batch's; gone when all of it is answered */

    /* What came. */
    enum method method;
    const char *path; /* without the query */
    const char *uri;  /* what the client asked for, as it wrote it */
    const char *content_type, *content_length;
    const char *authorization, *session_header, *cookie;
    const char *origin, *fetch_site, *host;
    const char *wanted_method; /* what a preflight is about */
    bool https;
    const char *user_agent;
    const char *address;      /* never NULL */
    const char *id;           /* of the request; never NULL */
    const char *required_roles; /* a list a line: one role of each is demanded */
    const char *secret; /* what the web server shows to be known by */
    bool secret_repeated;
    bool apache_check; /* an authorizer's request, from Apache */
    const char *login_page; /* where an authorizer leads a person who is refused */
    const char *fetch_mode, *requested_with, *accept; /* … if it is one */

    /* What the front door found out. */
    const struct route *route;
    const char *segment; /* what stands for {id} in the path */
    enum carrier carrier;
    struct credential credential;
    struct session_lookup lookup;
    struct session_who who;
    json *body; /* NULL: the route takes none, or none came */

    /* What is still to be done. */
    void (*next)(struct request *request); /* after the next flush */
    void *state;                           /* of next, in arena */
    size_t head_at;                        /* where the answer begins in fcgi->out */
    bool answered;

    /* What is counted and logged. */
    int status;
    unsigned reason; /* 0: no error; else 1 + its code */
    int64_t spent_us[TIMER_COUNT];
    const char *log_user, *log_session; /* where no credential names them, or NULL */
};

/* Fills what came. */
void request_read(struct request *request, struct fcgi_request *fcgi);

/* Asked for something; go on with step once it is answered. */
void request_then(struct request *request, void (*step)(struct request *request));
/* Has done a part of what takes many round trips: the request comes through the front door once more with the
 * next batch, and its handler finds what it keeps in request->fcgi (fcgi/loop.h).  Nothing else of it is left. */
void request_go_on_later(struct request *request, const void *kept, size_t len);

/* Members of the body, each noting what is wrong with it in errors.  A text that is missing or null is NULL,
 * and wrong where it is required; len (NULL: not wanted) receives its bytes.  A flag that is missing is
 * false. */
struct field_errors;
const char *request_text(const struct request *request, const char *name, bool required,
                         struct field_errors *errors, size_t *len);
bool request_flag(const struct request *request, const char *name, struct field_errors *errors);

/* What the session is to remember of the client. */
struct session_client request_client(const struct request *request);

#endif
