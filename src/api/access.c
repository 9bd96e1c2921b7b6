#include "api/access.h"

#include "api/reply.h"
#include "base/log.h"

static const char *decision_of(const struct request *request) {
    if (request->reason == 0)
        return "allow";
    return request->reason == 1 + ERROR_UNAVAILABLE ? "unknown" : "deny";
}

/* The row's path, not the one that was asked for: it holds nothing of a stranger. */
void access_log(const struct request *request, int64_t us) {
    int wanted = request->realm->conf->log_access;
    if (wanted == ACCESS_LOG_NO || (wanted == ACCESS_LOG_ERRORS && request->reason == 0))
        return;
    const char *user = request->log_user != NULL ? request->log_user : request->who.user_id;
    const char *session =
        request->log_session != NULL ? request->log_session : request->credential.sid;
    log_event("request", F_STR("event", "request"), F_STR("method", method_name(request->method)),
              F_STR("route", request->route != NULL ? request->route->path : "-"),
              F_INT("status", request->status), F_STR("decision", decision_of(request)),
              F_STR("reason",
                    request->reason != 0 ? reply_error_name(request->reason - 1) : "ok"),
              F_STR("user", user), F_STR("session", session), F_MS("ms", us),
              F_MS("redis_ms", request->spent_us[TIMER_REDIS]),
              F_MS("mariadb_ms", request->spent_us[TIMER_MARIADB]),
              F_MS("hash_ms", request->spent_us[TIMER_HASH]));
}
