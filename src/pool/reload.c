/*
 * reload: SIGHUP.  The new world is built beside the old one, and takes over when all of it is
 * ready; whatever fails before that leaves the old one as it was.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pool/master.h"
#include "pool/notify.h"

#include <signal.h>

/* Slots that stay free for the present generation's dead. */
static unsigned reserve(const struct master *master) {
    unsigned wanted = children_wanted(master->present);
    unsigned count = children_count(master->present);

    return wanted > count ? wanted - count : 0;
}

static bool has_room(const struct master *master, unsigned wanted) {
    return children_free_slots() >= reserve(master) + wanted;
}

static void refused(const struct master *master, const char *why) {
    metrics_event(EVENT_RELOAD_REFUSED, 1);
    log_error("reload refused, the old configuration goes on", F_STR("why", why),
              F_STR("cure", "mend what the lines above say, try it with gatehouse -t, and reload again"));
    master_tells_ready(master);
}

static void begin(struct master *master) {
    struct generation *generation;
    struct pool_plan *plan;
    int code;

    log_info("reloading");
    notify_reloading();
    if (!(plan = master->ops->load())) {
        refused(master, "the configuration cannot be loaded");
        return;
    }
    generation = generation_new(master, plan, &code);
    if (!generation) {
        master->ops->unload(plan);
        refused(master, "its sockets, users or worker counts cannot be had");
        return;
    }
    master->coming = generation;
    master->reload_until_ms = clock_mono_ms() + READY_MS;
}

static void give_up(struct master *master, const char *why) {
    struct generation *failed = master->coming;

    master->coming = NULL;
    /* Some of them may serve requests already. */
    children_order(failed, SIGTERM, clock_mono_ms() + failed->plan->shutdown_ms);
    listen_keep(&master->sockets, master->present->fds, !master->present->was_ready);
    refused(master, why);
}

static void finish(struct master *master) {
    struct generation *generation = master->coming;

    master->coming = NULL;
    generation_takes_over(master, generation);
    metrics_event(EVENT_RELOAD_DONE, 1);
    log_info("reload done", F_STR("workers", generation_text(generation)),
             F_INT("generation", generation->number));
    master_tells_ready(master);
}

void reload_go_on(struct master *master) {
    struct generation *coming = master->coming;

    /* Workers of earlier reloads that still finish take room; their end is waited for. */
    if (!coming && master->reload_wanted && has_room(master, children_wanted(master->present))) {
        master->reload_wanted = false;
        begin(master);
        return;
    }
    if (!coming)
        return;
    if (children_all_ready(coming))
        finish(master);
    else if (coming->deaths_before_ready >= READY_MAX_DEATHS)
        give_up(master, "new workers die before they are ready");
    else if (clock_mono_ms() >= master->reload_until_ms)
        give_up(master, "new workers do not get ready");
}
