/*
 * api_private: what the files of this room share about the api itself.
 */
#ifndef API_API_PRIVATE_H
#define API_API_PRIVATE_H

#include "api/api.h"
#include "api/cookie.h"
#include "base/secret.h"

struct api {
    const struct realm *realm;
    struct arena *arena;
    struct request *requests;
    struct cookie_names cookies;
    bool wants_secret;
    uint8_t secret[SHA256_SIZE]; /* its digest */
    int64_t batch_us; /* when the batch at hand was begun: metrics_clock */
    size_t put_off; /* of the batch at hand: they stand in line, or go on with the next */
    api_pools *pools;
    void (*beat)(void *context); /* NULL: nobody wants to know of steps */
    void *beat_context;
};

#endif
