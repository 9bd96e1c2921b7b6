/*
 * apiworld: a request outside of any loop, for the tests of the api room: parameters in, answer in a
 * buffer; a realm with a configuration and no stores.
 */
#ifndef TESTS_APIWORLD_H
#define TESTS_APIWORLD_H

#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"
#include "api/origin.h"
#include "base/buf.h"
#include "fcgi/record.h"
#include "wire.h"

struct world {
    struct conf *conf;
    struct realm realm;
    struct api api;
    struct buf params, out;
    struct fcgi_request fcgi;
    struct request request;
};

/* settings: pairs of an environment variable and its value, NULL at the end. */
static inline void world_open(struct world *world, const char *const *settings) {
    char error[300];
    memset(world, 0, sizeof *world);
    for (const char *const *at = settings; at != NULL && *at != NULL; at += 2)
        setenv(at[0], at[1], 1);
    world->conf = conf_read(NULL, error, sizeof error);
    for (const char *const *at = settings; at != NULL && *at != NULL; at += 2)
        unsetenv(at[0]);
    if (world->conf == NULL)
        fail_msg("%s", error);
    world->realm.conf = world->conf;
    world->api.realm = &world->realm;
    world->api.arena = arena_new(4096);
    cookie_names_make(&world->api.cookies, world->conf);
}

static inline void world_close(struct world *world) {
    arena_free(&world->api.arena);
    buf_free(&world->params);
    buf_free(&world->out);
    conf_free(world->conf);
}

/* A new request; parameters are added with wire_pair(&world->params, …). */
static inline void world_begin(struct world *world) {
    buf_clear(&world->params);
    buf_clear(&world->out);
    memset(&world->request, 0, sizeof world->request);
    world->request.api = &world->api;
    world->request.realm = &world->realm;
    world->request.arena = world->api.arena;
    world->request.fcgi = &world->fcgi;
    world->fcgi = (struct fcgi_request){.role = FCGI_ROLE_RESPONDER, .out = &world->out};
}

static inline struct request *world_read(struct world *world) {
    world->fcgi.params = world->params.data;
    world->fcgi.params_end = world->params.data + world->params.len;
    request_read(&world->request, &world->fcgi);
    return &world->request;
}

#endif
