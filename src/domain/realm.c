#include "domain/realm.h"

struct session_lives realm_lives(const struct realm *realm) {
    const struct conf *conf = realm->conf;
    return (struct session_lives){.idle_ms = conf->session_idle,
                                  .max_ms = conf->session_max,
                                  .refresh_ms = conf->refresh_ttl,
                                  .grace_ms = conf->refresh_grace,
                                  .per_user = conf->session_per_user};
}
