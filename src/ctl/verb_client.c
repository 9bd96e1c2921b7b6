#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "ctl/ctl.h"
#include "domain/client.h"
#include "store/clients.h"

static int bad_id(const char *why) {
    return fail(CTL_USAGE, "a client's id %s", why);
}

/* The one on standard input, or a new one where that is empty. */
static int choose_secret(struct input *secret, const char **made) {
    static char random[CLIENT_SECRET_SIZE];
    *made = NULL;
    int code = input_secret("Secret (empty: one is made): ", secret);
    if (code != CTL_DONE)
        return code;
    if (secret->len == 0) {
        client_make_secret(random);
        *made = random;
        return CTL_DONE;
    }
    const char *why = client_secret_refusal(secret->bytes, secret->len);
    if (why != NULL)
        return fail(CTL_REFUSED,
                    "the secret %s; with nothing on standard input gatehousectl makes one", why);
    if (client_secret_is_guessable(secret->bytes, secret->len))
        fail(CTL_DONE, "warning: the secret is guessable: use openssl rand -hex 32");
    return CTL_DONE;
}

static void show_added(struct ctl *ctl, const char *id, const char *made) {
    json *answer = json_new_object();
    out_pair(ctl, "client", id);
    json_add_string(answer, "client", id);
    if (made != NULL) {
        out_pair(ctl, "secret", made);
        json_add_string(answer, "secret", made);
        if (!ctl->json)
            fputs("The secret is shown this once: only its hash is kept.\n", stderr);
    }
    out_json(ctl, answer);
}

int verb_client_add(struct ctl *ctl) {
    const char *id = ctl->operands[0], *why = client_id_refusal(id), *made;
    struct input secret = {0};
    if (why != NULL)
        return bad_id(why);
    int code = choose_secret(&secret, &made);
    if (code != CTL_DONE) {
        input_free(&secret);
        return code;
    }
    enum answer added = made != NULL
                            ? client_add(&ctl->realm, ctl->arena, id, made, strlen(made))
                            : client_add(&ctl->realm, ctl->arena, id, secret.bytes, secret.len);
    input_free(&secret);
    if (added == ANSWER_UNKNOWN)
        return store_failed(ctl);
    if (added == ANSWER_NO)
        return fail(CTL_REFUSED,
                    "there is a client \"%s\" already; for a new secret delete it first", id);
    show_added(ctl, id, made);
    return CTL_DONE;
}

int verb_client_list(struct ctl *ctl) {
    static const char *const heads[] = {"ID", "CREATED", NULL};
    size_t count;
    const struct client *clients = clients_list(ctl->realm.db, ctl->arena, &count);
    if (clients == NULL)
        return store_failed(ctl);
    struct table table = table_new(ctl->arena, heads, count);
    json *answer = json_new_object(), *list = json_new_array();
    for (size_t i = 0; i < count; i++) {
        const char *cells[] = {clients[i].id, clients[i].created_at};
        table_row(&table, cells);
        json *item = json_new_object();
        json_add_string(item, "id", clients[i].id);
        json_add_string(item, "createdAt", clients[i].created_at);
        json_append(list, item);
    }
    if (count > 0)
        table_print(ctl, &table);
    else
        out_line(ctl, "no clients");
    json_add(answer, "clients", list);
    out_json(ctl, answer);
    return CTL_DONE;
}

int verb_client_delete(struct ctl *ctl) {
    const char *id = ctl->operands[0], *why = client_id_refusal(id);
    if (why != NULL)
        return bad_id(why);
    if (args_option(ctl, "--yes") == NULL &&
        !input_confirms(arena_printf(ctl->arena, "delete the client %s? type yes:", id)))
        return fail(CTL_REFUSED, "nothing was deleted");
    enum answer deleted = client_delete(&ctl->realm, ctl->arena, id);
    if (deleted == ANSWER_UNKNOWN)
        return store_failed(ctl);
    if (deleted == ANSWER_NO)
        return fail(CTL_REFUSED, "there is no client \"%s\"; see gatehousectl client list", id);
    out_line(ctl, "the client %s is deleted: it is refused from now on", id);
    json *answer = json_new_object();
    json_add_string(answer, "deleted", id);
    out_json(ctl, answer);
    return CTL_DONE;
}
