/*
 * service: the running masters, as they tell about themselves on their sockets in [server]
 * status_dir (pool/status.h).
 */
#ifndef CTL_SERVICE_H
#define CTL_SERVICE_H

#include "ctl/ctl.h"

#define SERVICES_MAX 64

struct services {
    json *list[SERVICES_MAX]; /* of masters that run with ctl's configuration */
    size_t count;
    size_t others; /* that run with another one */
    size_t silent; /* whose socket is there, and who may not be asked, or did not answer in time */
    int error;     /* errno of why the directory cannot be looked into; 0: it could */
};

#define SERVICES_WITHIN_MS 6000

/* Asks all of them, and gives them together that much time; free with services_free. */
void services_ask(const struct ctl *ctl, int64_t within_ms, struct services *services);
/* Frees what was answered; the struct is empty afterwards. */
void services_free(struct services *services);

/* Members of what one said; 0 or "" where there is none. */
int64_t service_int(const json *object, const char *name);
const char *service_text(const json *object, const char *name);
/* The same for what has members of its own, borrowed from object; NULL: there is none. */
json *service_array(const json *object, const char *name);
json *service_object(const json *object, const char *name);

#endif
