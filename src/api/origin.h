/*
 * origin: where a request came from: our own pages, a listed origin, or somewhere else.
 */
#ifndef API_ORIGIN_H
#define API_ORIGIN_H

#include "api/request.h"

/* Sec-Fetch-Site or Origin show that the request came from this site or a listed origin: only then
 * may a cookie authorise a write. */
bool origin_is_ours(const struct request *request);
/* The Origin that was sent, when it is one of [cookie] origins; else NULL. */
const char *origin_listed(const struct request *request);

#endif
