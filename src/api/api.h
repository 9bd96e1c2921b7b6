/*
 * api: HTTP in, domain calls, JSON out.  serve is what the loop hands batches to.
 */
#ifndef API_API_H
#define API_API_H

#include "domain/realm.h"
#include "fcgi/loop.h"

struct api;

/* A pool of workers as it is now, for metrics. */
struct api_pool {
    char name[32];
    unsigned workers, busy;
    uint64_t deaths; /* of workers, unasked */
    int64_t queue;   /* connections that wait to be accepted; -1: not known */
};

/* Where that is known: fills at most max, returns how many. */
typedef size_t api_pools(struct api_pool *out, size_t max);

/* realm and pools (NULL: unknown) are borrowed.  batch: the most requests that serve is given at once. */
struct api *api_new(const struct realm *realm, api_pools *pools, size_t batch);
/* From now on a request has to carry this secret as the parameter GATEHOUSE_SECRET, once, or it is
 * answered 403; NULL: none has to.  It is not kept by reference. */
void api_want_secret(struct api *api, const char *secret);
/* beat is called before each step of a request, so that a batch that rightly takes long is not taken to
 * hang. */
void api_on_step(struct api *api, void (*beat)(void *context), void *context);
/* Frees it, the secret wiped, and clears the pointer; api and *api may be NULL. */
void api_free(struct api **api);

/* What serve of struct loop_options is to do.  Returns how many were answered: the others, which have
 * to hash a password, were put off. */
size_t api_serve(struct api *api, struct fcgi_request **batch, size_t count);
/* What left and catch_up of struct loop_options are to do: events of the audit trail and users'
 * last logins, for which nobody whose answer is still to come shall wait. */
bool api_has_left(const struct api *api);
void api_catch_up(struct api *api);

#endif
