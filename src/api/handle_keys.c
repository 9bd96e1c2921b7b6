/* The public keys, for whoever verifies access tokens without asking us. */
#include "api/handlers.h"
#include "api/reply.h"

void handle_jwks(struct request *request) {
    const struct realm *realm = request->realm;
    reply_public(request, keyring_jwks(realm->keys), realm->conf->token_jwks_max_age / 1000);
}
