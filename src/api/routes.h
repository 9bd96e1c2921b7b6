/*
 * routes: every route is one row, and what must be true before its handler runs is read from it.
 */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

struct request;

enum route_access {
    ROUTE_FOR_ANYONE,
    ROUTE_FOR_CREDENTIAL, /* a living session, or 401 */
    /* A credential if one was sent, even of a session that has ended or, in a cookie, an access token that
     * has expired; else the handler sees none.  A cookie that is refused is cleared. */
    ROUTE_FOR_LEAVING
};

enum route_body {
    BODY_NONE,
    BODY_OPTIONAL, /* a JSON object, or nothing */
    BODY_REQUIRED, /* a JSON object */
    BODY_FORM      /* application/x-www-form-urlencoded; the handler reads it */
};

enum route_kind {
    ROUTE_STEPS, /* asks nothing but Redis: asks, and goes on after the flush that all share */
    ROUTE_PLAIN, /* may wait for MariaDB: runs after the others are answered */
    ROUTE_HASHES /* … and hashes a password: one in a batch, and the others stand in line */
};

struct route {
    unsigned methods;    /* bits, 1u << METHOD_… */
    const char *path;    /* below the base path; a last segment {id} stands for any one */
    void (*handler)(struct request *request);
    enum route_access access;
    enum route_body body;
    enum route_kind kind;
};

enum route_found { ROUTE_FOUND, ROUTE_NO_SUCH_PATH, ROUTE_NO_SUCH_METHOD };

/* Finds the row for request->method and request->path and sets request->route and ->segment.
 * ROUTE_NO_SUCH_METHOD (also for OPTIONS): allow receives the methods that there are. */
enum route_found routes_find(struct request *request, char *allow, size_t allow_size);

/* The check of an authorizer, which has no path of its own. */
const struct route *routes_verify(void);

/* Whether request->path is that of the check, whatever the method. */
bool routes_names_verify(const struct request *request);

/* A row's number, from 0; NULL, which is no route, has the number behind the last. */
unsigned routes_index(const struct route *route);

/* All rows, for the test that compares them with the documentation. */
const struct route *routes_all(size_t *count);

#endif
