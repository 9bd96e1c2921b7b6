/*
 * handlers: what each route does, once the front door has let the request through.
 * A handler answers (reply.h), or asks something and goes on in a further step (request_then).
 *
 * Statuses are those of the handler: the front door (api.c) answers 400, 401, 403, 404, 405, 413 and 415
 * before it.  503: a store cannot be asked.
 */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/request.h"

/* handle_login.c */
/* POST /register: a new user. 201; 400 fields; 403 sign-up is off; 409 a name is taken; 429; 503. */
void handle_register(struct request *request);
/* POST /login: a session and its tokens. 200; 400 fields; 401 refused; 429; 503. */
void handle_login(struct request *request);
/* POST /refresh: the next tokens. 200; 400 none came; 401 unknown or reused; 403 origin; 429; 503. */
void handle_refresh(struct request *request);

/* handle_session.c */
/* GET /verify, and authorizers: who it is, in headers. 204, authorizers 200; 403 role missing. */
void handle_verify(struct request *request);
/* POST /logout: ends the session, or all of the user's. 200; 400 fields; 401 gone already; 503. */
void handle_logout(struct request *request);
/* GET /session: the session at hand. 200; 401 just ended; 503. */
void handle_session(struct request *request);
/* GET /sessions: all of the user's. 200; 503. */
void handle_sessions(struct request *request);
/* DELETE /sessions/{id}: ends one of the user's. 204; 404 unknown or somebody else's; 503. */
void handle_session_delete(struct request *request);
/* DELETE /sessions: ends all of the user's but the one at hand. 200; 503. */
void handle_sessions_delete(struct request *request);

/* handle_account.c */
/* GET /profile and /userinfo: the user. 200; 401 just deleted; 503. */
void handle_profile(struct request *request);
/* PATCH /profile: other names. 200; 400 fields; 401 just deleted; 409 taken; 429; 503. */
void handle_profile_change(struct request *request);
/* DELETE /profile: the user deletes themself. 204; 400 fields; 401 wrong password; 429; 503. */
void handle_profile_delete(struct request *request);
/* POST /password: another one; other sessions end. 200; 400 fields; 401 wrong; 429; 503. */
void handle_password(struct request *request);

/* handle_client.c */
/* POST /introspect (RFC 7662): what a token is worth. 200; 400 none came; 401 client; 429; 503. */
void handle_introspect(struct request *request);
/* POST /revoke (RFC 7009): the end of a token. 200; 400 none came; 401 client; 429; 503. */
void handle_revoke(struct request *request);

/* handle_metrics.c */
/* GET /metrics: what was counted, for Prometheus. 200; asks no store. */
void handle_metrics(struct request *request);

/* handle_health.c */
/* GET /health: whether both stores can be asked. 200; 503 one of them is down. */
void handle_health(struct request *request);

/* handle_keys.c */
/* GET /.well-known/jwks.json: the public keys (RFC 7517). 200; asks no store. */
void handle_jwks(struct request *request);

#endif
