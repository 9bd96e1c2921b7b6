#include "store/redis_link.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* So much memory for replies is kept from one flush to the next; what was needed beyond goes back to the
 * system. */
#define REPLY_KEEP (256 * 1024)

void link_init(struct redis_link *link, const struct conf *conf, const char *password,
               struct gate *gate) {
    *link = (struct redis_link){.conf = conf, .gate = gate};
    MUST(conf_redis_address(conf->redis_url, &link->address));
    link->password = password != NULL ? password : link->address.password;
    link->sentinels.user = conf->redis_sentinel_user;
    link->replies = arena_new(16 * 1024);
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        link->texts[i] = script_text((enum cache_script)i);
    snprintf(link->why, sizeof link->why, "not asked yet");
}

void link_beat(const struct redis_link *link) {
    if (link->beat != NULL)
        link->beat(link->beat_context);
}

void link_close(struct redis_link *link) {
    wire_close(&link->wire);
}

bool link_is_open(const struct redis_link *link) {
    return wire_is_open(&link->wire);
}

void link_free(struct redis_link *link) {
    link_close(link);
    tls_context_free(&link->tls);
    arena_free(&link->replies);
}

static void note(struct redis_link *link, const char *why) {
    snprintf(link->why, sizeof link->why, "%s", why);
}

bool link_has_sentinels(const struct redis_link *link) {
    return link->address.sentinel_count > 0;
}

/* Sentinels may take half of the time; the primary has the rest. */
static bool find_primary(struct redis_link *link, int64_t deadline) {
    char why[200];
    int64_t half = clock_mono_ms() + (deadline - clock_mono_ms()) / 2;
    if (!link_has_sentinels(link) || sentinel_find(&link->address, &link->sentinels, link->gate, half,
                                              &link->primary, why, sizeof why))
        return true;
    snprintf(link->why, sizeof link->why, "no sentinel names a primary: %s", why);
    return false;
}

/* Made anew for each connection: certificates are renewed while the service runs. */
static bool read_certificates(struct redis_link *link) {
    const struct conf *conf = link->conf;
    if (!link->address.tls)
        return true;
    tls_context_free(&link->tls);
    link->tls = tls_context_new(&(struct tls_options){.section = "redis",
                                                      .verify = conf->redis_tls_verify,
                                                      .ca = conf->redis_tls_ca,
                                                      .cert = conf->redis_tls_cert,
                                                      .key = conf->redis_tls_key,
                                                      .name = conf->redis_tls_name},
                                link->why, sizeof link->why);
    link->sentinels.tls = link->tls;
    return link->tls != NULL;
}

static bool open_wire(struct redis_link *link, int64_t deadline) {
    const struct conf_redis_address *to = &link->address;
    bool named = link_has_sentinels(link);
    if (!read_certificates(link) || !find_primary(link, deadline))
        return false;
    if (!wire_open(&link->wire, to->path, named ? link->primary.host : to->host,
                   named ? link->primary.port : to->port, link->tls, link->replies, deadline)) {
        note(link, link->wire.why);
        return false;
    }
    return true;
}

const struct reply *link_reply(struct redis_link *link) {
    const struct reply *reply = wire_reply(&link->wire);
    if (reply == NULL)
        note(link, link->wire.why);
    return reply;
}

static int append_login(struct redis_link *link) {
    int asked = wire_login(&link->wire, link->address.user, link->password);
    if (link->address.db != 0) {
        char db[16];
        snprintf(db, sizeof db, "%d", link->address.db);
        WIRE_WORDS(&link->wire, "SELECT", db);
        asked++;
    }
    return asked;
}

/* What HELLO (Redis 6) or ROLE says: a replica may still know what its primary has forgotten, a
 * revoked session above all.  Each of the two may be forbidden to us or unknown to the server, not
 * both. */
static bool is_primary(struct redis_link *link, const struct reply *hello,
                       const struct reply *role) {
    const char *says = reply_text(reply_at(role, 0));
    for (size_t i = 0; says == NULL && hello->kind == REPLY_LIST && i + 1 < hello->count; i += 2) {
        const char *name = reply_text(reply_at(hello, i));
        if (name != NULL && strcmp(name, "role") == 0)
            says = reply_text(reply_at(hello, i + 1));
    }
    if (says == NULL)
        note(link, hello->kind == REPLY_ERROR ? hello->text : "it does not say what role it has");
    else if (strcmp(says, "master") != 0)
        note(link,
             "it is a replica, and may not know of what was revoked; give the primary's address");
    return says != NULL && strcmp(says, "master") == 0;
}

static bool check_role(struct redis_link *link) {
    const struct reply *hello = link_reply(link);
    const struct reply *role = hello != NULL ? link_reply(link) : NULL;
    return role != NULL && is_primary(link, hello, role);
}

/* Login, database, role and scripts in one round trip. */
static bool greet(struct redis_link *link, int64_t deadline) {
    wire_patience(&link->wire, deadline - clock_mono_ms());
    int asked = append_login(link);
    WIRE_WORDS(&link->wire, "HELLO");
    WIRE_WORDS(&link->wire, "ROLE");
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        WIRE_WORDS(&link->wire, "SCRIPT", "LOAD", link->texts[i]);
    for (int i = 0; i < asked + SCRIPT_COUNT; i++) {
        if (i == asked && !check_role(link))
            return false;
        const struct reply *reply = link_reply(link);
        if (reply == NULL)
            return false;
        if (reply->kind == REPLY_ERROR) {
            note(link, reply->text);
            return false;
        }
        if (i >= asked)
            snprintf(link->shas[i - asked], sizeof link->shas[0], "%s", reply->text);
    }
    /* Set once: from here on each read may wait for the whole time, at no system call a request. */
    wire_patience(&link->wire, link->conf->redis_timeout);
    return true;
}

bool link_open(struct redis_link *link, int64_t deadline) {
    bool open = open_wire(link, deadline) && greet(link, deadline);
    if (!open)
        link_close(link);
    return open;
}

bool link_is_stale(const struct redis_link *link) {
    return link_has_sentinels(link) && link_is_open(link) &&
           sentinel_moved(&link->address, &link->sentinels, link->gate, &link->primary);
}

const char *link_address(const struct redis_link *link) {
    if (link_has_sentinels(link))
        return link->address.master;
    return link->address.path[0] != '\0' ? link->address.path : link->address.host;
}

void link_command(struct redis_link *link, int argc, const char *const *argv, const size_t *lens) {
    wire_command(&link->wire, argc, argv, lens);
}

bool link_timed_out(const struct redis_link *link) {
    return link->wire.late;
}

void link_forget_replies(struct redis_link *link) {
    arena_reset(link->replies, REPLY_KEEP);
}
