/*
 * role: the roles that the web server's configuration demands of whoever is to pass a check.
 */
#ifndef API_ROLE_H
#define API_ROLE_H

#include "api/request.h"

/* Whether the user has one role of each list that was demanded. */
bool role_suffices(const struct request *request);

#endif
