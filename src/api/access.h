/*
 * access: the line of the log that a request may get, whatever became of it.
 */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include "api/request.h"

/* Writes it if [log] access wants one; after the answer, with us from taking the request up until
 * then. */
void access_log(const struct request *request, int64_t us);

#endif
