/*
 * api_private: what the files of this room share about the api itself.
 */
#ifndef API_API_PRIVATE_H
#define API_API_PRIVATE_H

#include "api/api.h"
#include "api/cookie.h"

struct api {
    const struct realm *realm;
    struct arena *arena;
    struct request *requests;
    struct cookie_names cookies;
};

#endif
