/*
 * api: HTTP in, domain calls, JSON out.  serve is what the loop hands batches to.
 */
#ifndef API_API_H
#define API_API_H

#include "domain/realm.h"
#include "fcgi/loop.h"

struct api;

/* realm is borrowed. batch: the most requests that serve is given at once. */
struct api *api_new(const struct realm *realm, size_t batch);
/* From now on a request has to carry this secret as the parameter GATEHOUSE_SECRET, once, or it is
 * answered 403; NULL: none has to.  It is not kept by reference. */
void api_want_secret(struct api *api, const char *secret);
void api_free(struct api **api);

/* For struct loop_options; context is the api. */
void api_serve(void *context, struct fcgi_request **batch, size_t count);

#endif
