/* Whether the stores can be asked, for whoever the web server lets ask. */
#include "api/handlers.h"
#include "api/reply.h"

void handle_health(struct request *request) {
    const struct realm *realm = request->realm;
    const struct ask *ping = cache_ask(realm->cache, request->arena, "PING");
    cache_flush(realm->cache);
    bool redis = ping->reply != NULL;
    bool database =
        db_run(realm->db, request->arena, STMT_PING, NULL, 0, NULL) == ANSWER_YES;
    if (!redis || !database)
        reply_retry(request);
    json *body = json_new_object();
    json_add_string(body, "status", redis && database ? "ok" : "down");
    json_add_string(body, "redis", redis ? "ok" : "down");
    json_add_string(body, "database", database ? "ok" : "down");
    reply_json(request, redis && database ? 200 : 503, body);
}
