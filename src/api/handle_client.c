/* What other services ask: introspection (RFC 7662) and revocation (RFC 7009). */
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/reply.h"
#include "base/encode.h"
#include "base/form.h"
#include "base/log.h"
#include "domain/audit.h"
#include "domain/client.h"
#include "domain/introspect.h"
#include "domain/throttle.h"

/* Who the client says it is. */
struct client_claim {
    const char *id;
    const char *secret, *typed; /* decoded, and as it came: not every client encodes */
    size_t secret_len, typed_len;
    bool known; /* there is a client of this id */
};

/* RFC 7617, with both parts form-encoded (RFC 6749 section 2.3.1). */
static bool read_basic(const struct request *request, struct client_claim *claim) {
    const char *text = request->authorization;
    if (text == NULL || strncasecmp(text, "Basic ", 6) != 0)
        return false;
    text += 6 + strspn(text + 6, " ");
    size_t len = strlen(text), id_len;
    char *decoded = arena_zalloc(request->arena, len + 1);
    long size = base64_decode(text, len, decoded);
    char *colon = size > 0 ? memchr(decoded, ':', (size_t)size) : NULL;
    if (colon == NULL)
        return false;
    claim->id = form_decode(request->arena, decoded, (size_t)(colon - decoded), &id_len);
    claim->typed = colon + 1;
    claim->typed_len = (size_t)(decoded + size - claim->typed);
    claim->secret =
        form_decode(request->arena, claim->typed, claim->typed_len, &claim->secret_len);
    return claim->id != NULL;
}

static enum answer authenticate(const struct request *request, struct client_claim *claim) {
    enum answer answer = client_authenticate(request->realm, request->arena, claim->id, claim->typed,
                                             claim->typed_len, &claim->known);
    bool encoded = claim->secret != NULL && strcmp(claim->secret, claim->typed) != 0;
    if (answer == ANSWER_NO && encoded)
        answer = client_authenticate(request->realm, request->arena, claim->id, claim->secret,
                                     claim->secret_len, &claim->known);
    return answer;
}

static struct throttle ask_limit(const struct request *request, const char *id, int cost) {
    return throttle_client_ask(request->realm, request->arena, request->address, id, cost);
}

/* What is left of it is not said: only wrong secrets count, so that it would tell of an answer more than
 * that is to tell. */
static bool is_allowed(struct request *request, const struct throttle *throttle) {
    return reply_limit_allows(request, throttle, false);
}

static bool may_try(struct request *request, const char *id) {
    struct throttle own = ask_limit(request, id, 0);
    cache_flush(request->realm->cache);
    return is_allowed(request, &own);
}

/* For its id, and for all ids from that address together: whoever makes up another each time must not
 * fill the audit trail.  Whether there is a client of that id makes no difference, or the limits would
 * tell which ones there are. */
static bool count_failure(struct request *request, const char *id) {
    struct throttle own = ask_limit(request, id, 1), all = ask_limit(request, NULL, 1);
    cache_flush(request->realm->cache);
    return is_allowed(request, &own) && is_allowed(request, &all);
}

/* An id that no client has is neither logged nor recorded: it may be a secret that was typed into the wrong
 * place. */
static void refuse_client(struct request *request, const struct client_claim *claim) {
    const char *id = claim->known ? claim->id : NULL;
    log_warning("client refused", F_STR("event", "client_refused"), F_STR("client", id));
    if (!count_failure(request, claim->id))
        return;
    struct audit_note note = {.event = AUDIT_CLIENT_REFUSED,
                              .details = audit_details("client", id, NULL)};
    reply_error(request, audit_record(request->realm, &note) ? ERROR_INVALID_CLIENT
                                                             : ERROR_UNAVAILABLE);
}

/* The token in the body; NULL: answered already.  Nothing is looked at before the client has shown
 * who it is.  token_type_hint is only a hint: a token's shape tells its kind. */
static const char *read_token(struct request *request, struct client_claim *claim, size_t *len) {
    struct field_errors errors = {0};
    struct form form;
    if (!read_basic(request, claim)) {
        reply_error(request, ERROR_INVALID_CLIENT);
        return NULL;
    }
    if (!may_try(request, claim->id))
        return NULL;
    switch (authenticate(request, claim)) {
    case ANSWER_NO:
        refuse_client(request, claim);
        return NULL;
    case ANSWER_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
        return NULL;
    case ANSWER_YES:
        break;
    }
    const struct fcgi_request *fcgi = request->fcgi;
    const char *why = form_parse(request->arena, fcgi->body, fcgi->body_len, &form);
    const char *token = why == NULL ? form_get(&form, "token", len) : NULL;
    field_errors_add(&errors, "body", why);
    if (why == NULL && (token == NULL || *len == 0))
        field_errors_add(&errors, "token", "is required");
    if (errors.count == 0)
        return token;
    reply_fields(request, &errors);
    return NULL;
}

/* A refresh token says nothing of what its user may do: it opens nothing but /refresh. */
static json *facts_json(struct request *request, const struct introspection *facts) {
    const struct session_who *who = &facts->who;
    json *body = json_new_object();
    json_add_bool(body, "active", true);
    json_add_string(body, "token_type",
                    facts->kind == TOKEN_REFRESH ? "refresh_token" : "Bearer");
    json_add_string(body, "iss", request->realm->conf->token_issuer);
    json_add_string(body, "aud", request->realm->conf->token_audience);
    json_add_string(body, "sub", who->user_id);
    json_add_string(body, "sid", facts->sid);
    if (facts->jti != NULL)
        json_add_string(body, "jti", facts->jti);
    json_add_int(body, "iat", facts->iat);
    json_add_int(body, "exp", facts->exp);
    if (facts->kind == TOKEN_REFRESH)
        return body;
    json_add_string(body, "username", who->username != NULL ? who->username : who->email);
    json_add_string(body, "email", who->email);
    json_add(body, "roles", json_new_words(who->roles));
    return body;
}

void handle_introspect(struct request *request) {
    struct client_claim claim = {0};
    struct introspection facts;
    size_t len;
    const char *token = read_token(request, &claim, &len);
    if (token == NULL)
        return;
    json *body;
    switch (introspect_token(request->realm, request->arena, token, len, &facts)) {
    case ANSWER_YES:
        reply_json(request, 200, facts_json(request, &facts));
        return;
    case ANSWER_NO:
        body = json_new_object();
        json_add_bool(body, "active", false);
        reply_json(request, 200, body);
        return;
    case ANSWER_UNKNOWN:
        reply_error(request, ERROR_UNAVAILABLE);
    }
}

static bool record_revoked(const struct request *request, const struct client_claim *claim,
                           const struct introspection *facts) {
    static const char *const kinds[] = {"", "access", "session", "refresh"};
    struct audit_note note = {
        .event = AUDIT_TOKEN_REVOKE,
        .user_id = facts->who.user_id,
        .email = facts->who.email,
        .session = facts->sid,
        .actor = arena_printf(request->arena, "client:%s", claim->id),
        .details = audit_details("kind", kinds[facts->kind], "jti", facts->jti, NULL)};
    log_event("token revoked", F_STR("event", "token_revoke"), F_STR("client", claim->id),
              F_STR("kind", kinds[facts->kind]), F_STR("session", facts->sid));
    return audit_record(request->realm, &note);
}

/* RFC 7009 section 2.2: 200 also for a token that is none, since the client wants it dead. */
void handle_revoke(struct request *request) {
    struct client_claim claim = {0};
    struct introspection facts;
    size_t len;
    const char *token = read_token(request, &claim, &len);
    if (token == NULL)
        return;
    enum answer ended = introspect_revoke(request->realm, request->arena, token, len, &facts);
    if (ended == ANSWER_UNKNOWN) {
        reply_error(request, ERROR_UNAVAILABLE);
        return;
    }
    if (ended == ANSWER_YES && !record_revoked(request, &claim, &facts)) {
        reply_error(request, ERROR_UNAVAILABLE);
        return;
    }
    reply_json(request, 200, json_new_object());
}
