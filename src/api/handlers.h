/*
 * handlers: what each route does, once the front door has let the request through.
 * A handler answers (reply.h), or asks something and goes on in a further step (request_then).
 */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/request.h"

/* handle_login.c */
void handle_register(struct request *request);
void handle_login(struct request *request);
void handle_refresh(struct request *request);

/* handle_session.c */
void handle_verify(struct request *request);
void handle_logout(struct request *request);
void handle_session(struct request *request);
void handle_sessions(struct request *request);
void handle_session_delete(struct request *request);
void handle_sessions_delete(struct request *request);

/* handle_account.c */
void handle_profile(struct request *request);
void handle_profile_change(struct request *request);
void handle_profile_delete(struct request *request);
void handle_password(struct request *request);

/* handle_client.c */
void handle_introspect(struct request *request);
void handle_revoke(struct request *request);

/* handle_metrics.c */
void handle_metrics(struct request *request);

/* handle_health.c */
void handle_health(struct request *request);

/* handle_keys.c */
void handle_jwks(struct request *request);

#endif
