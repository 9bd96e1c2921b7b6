/*
 * sentinel: which Redis is the primary now, as Redis Sentinel says
 * (https://redis.io/docs/latest/develop/reference/sentinel-clients/).
 *
 * A sentinel that is cut off from the others may go on naming a primary that they have replaced: of all
 * answers those with the highest configuration epoch count, and of these what most say.
 */
#ifndef STORE_SENTINEL_H
#define STORE_SENTINEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/url.h"
#include "store/gate.h"
#include "store/tls.h"

struct sentinel_primary {
    char host[256];
    uint16_t port;
    uint64_t epoch;
};

/* address has the sentinels and the primary's name; user ("" for none) and password (NULL: none) are the
 * sentinels' own; tls NULL: without. */
struct sentinel_login {
    const char *user, *password;
    struct tls_context *tls;
};

/*
 * Asks the sentinels until deadline (clock_mono_ms), those first that answered lately; stops once a
 * majority has answered and they agree.  False: none named a primary, or as many name one as another; why
 * says what each said.
 */
bool sentinel_find(const struct conf_redis_address *address, const struct sentinel_login *login,
                   struct gate *gate, int64_t deadline, struct sentinel_primary *primary, char *why,
                   size_t why_size);

/*
 * Whether another Redis leads than when connection was made: primary is whom it was made to.  Costs a
 * look at shared memory; every 250 ms one worker of all asks one sentinel, in turn, and tells the others.
 */
bool sentinel_moved(const struct conf_redis_address *address, const struct sentinel_login *login,
                    struct gate *gate, const struct sentinel_primary *primary);

#endif
