/*
 * gatehousectl: reads the command line, opens what the verb needs, and runs it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/ctl.h"

#define STORES (NEEDS_DATABASE | NEEDS_REDIS)

/* clang-format off */
const struct verb verbs[] = {
    {"audit", "", verb_audit, NEEDS_DATABASE, 0, 0,
     "--user= --event= --since= --until= --before= --limit= --follow",
     "[--user USER] [--event EVENT] [--since TIME] [--until TIME] [--before ID] [--limit N] "
     "[--follow]",
     "gatehousectl audit --user anna --since 7d",
     "Show the audit trail, newest first, 100 events at once; --follow: go on with what happens."},
    {"audit", "prune", verb_audit_prune, NEEDS_DATABASE, 0, 0, "--older-than=",
     "--older-than AGE", "gatehousectl audit prune --older-than 90d",
     "Remove what was recorded before that, in small steps."},
    {"client", "add", verb_client_add, NEEDS_DATABASE, 1, 1, "",
     "ID", "gatehousectl client add shop < /dev/null",
     "Add a client that may introspect and revoke tokens; its secret is read from standard input, "
     "or made and shown once."},
    {"client", "list", verb_client_list, NEEDS_DATABASE, 0, 0, "",
     "", "gatehousectl client list",
     "List the clients."},
    {"client", "delete", verb_client_delete, NEEDS_DATABASE, 1, 1, "--yes",
     "ID [--yes]", "gatehousectl client delete shop --yes",
     "Delete a client; asks on a terminal, unless --yes is given."},
    {"db", "migrate", verb_db_migrate, NEEDS_DATABASE, 0, 0, "",
     "", "gatehousectl db migrate",
     "Bring the schema to what this program was made for; prints each step."},
    {"db", "status", verb_db_status, NEEDS_DATABASE, 0, 0, "",
     "", "gatehousectl db status",
     "List the steps of the schema; exits with 1 when one is pending."},
    {"doctor", "", verb_doctor, 0, 0, 0, "--web= --web-conf= --strict",
     "[--web nginx|apache|lighttpd|none] [--web-conf FILE] [--strict]", "gatehousectl doctor",
     "Look at the whole installation: configuration, keys, stores, sockets, web server, machine; each "
     "finding with what to do."},
    {"key", "new", verb_key_new, NEEDS_CONF, 0, 0, "--alg=",
     "[--alg HS256|HS384|HS512|RS256|ES256]", "gatehousectl key new --alg ES256",
     "Make a key and publish it; the first one signs, any other after key rotate."},
    {"key", "list", verb_key_list, NEEDS_CONF, 0, 0, "",
     "", "gatehousectl key list",
     "List the keys, oldest first: algorithm, state, since when."},
    {"key", "rotate", verb_key_rotate, NEEDS_CONF, 0, 1, "",
     "[KID]", "gatehousectl key rotate",
     "Let a key (the newest published one) sign from now on; the one before only verifies."},
    {"key", "retire", verb_key_retire, NEEDS_CONF, 1, 1, "",
     "KID", "gatehousectl key retire 20261121-1413fd95",
     "Remove a key: within a second nobody accepts what it signed."},
    {"user", "add", verb_user_add, NEEDS_DATABASE, 1, 1,
     "--username= --name= --role= --no-password",
     "EMAIL [--username NAME] [--name TEXT] [--role ROLE]... [--no-password]",
     "gatehousectl user add anna@example.org --username anna --role editor",
     "Add a user; without a password nobody can log in as them."},
    {"user", "import", verb_user_import, NEEDS_DATABASE, 1, 1, "--dry-run --each",
     "FILE|- [--dry-run] [--each]", "gatehousectl user import users.csv --dry-run",
     "Add many users at once, from CSV or from JSON with one object a line, with hashes or passwords."},
    {"user", "list", verb_user_list, NEEDS_DATABASE, 0, 0, "--after= --limit=",
     "[--after ID] [--limit N]", "gatehousectl user list --after 100",
     "List users in the order of their ids, 100 at once."},
    {"user", "show", verb_user_show, NEEDS_DATABASE, 1, 1, "",
     "USER", "gatehousectl user show anna@example.org",
     "Show one user."},
    {"user", "passwd", verb_user_passwd, STORES, 1, 1, "",
     "USER", "gatehousectl user passwd anna",
     "Set a new password; every session of the user ends."},
    {"user", "disable", verb_user_disable, STORES, 1, 1, "",
     "USER", "gatehousectl user disable anna",
     "Refuse the user's logins; every session of theirs ends."},
    {"user", "enable", verb_user_enable, NEEDS_DATABASE, 1, 1, "",
     "USER", "gatehousectl user enable anna",
     "Let a disabled user log in again."},
    {"user", "role", verb_user_role, STORES, 1, -1, "",
     "USER [ROLE... | +ROLE... -ROLE...]", "gatehousectl user role anna +editor -admin",
     "Print the roles, set them exactly, or add and remove some; sessions have them at once."},
    {"user", "delete", verb_user_delete, STORES, 1, 1, "--yes",
     "USER [--yes]", "gatehousectl user delete anna --yes",
     "Delete a user and every session of theirs; asks on a terminal, unless --yes is given."},
    {"session", "list", verb_session_list, STORES, 1, 1, "",
     "USER", "gatehousectl session list anna",
     "List a user's sessions, newest activity first."},
    {"session", "revoke", verb_session_revoke, NEEDS_REDIS, 0, 1, "--user=",
     "ID | --user USER", "gatehousectl session revoke --user anna",
     "End one session, or all of a user's."},
    {"status", "", verb_status, NEEDS_CONF, 0, 0, "",
     "", "gatehousectl status",
     "Show the running service: its pools, what each worker is doing, and how long the stores take."},
    {"token", "inspect", verb_token_inspect, 0, 0, 0, "",
     "", "gatehousectl token inspect < token",
     "Show what an access token on standard input says; nothing is checked."},
    {"token", "revoke", verb_token_revoke, NEEDS_REDIS | NEEDS_KEYS, 0, 1, "",
     "[ID]", "gatehousectl token revoke < token",
     "End the token on standard input (of any kind), or by the id of an access token (jti) or of a "
     "session."},
    {"token", "verify", verb_token_verify, NEEDS_CONF | NEEDS_KEYS, 0, 0,
     "--at= --jws --alg= --key=",
     "[--at TIME | --jws --alg ALG --key FILE]",
     "gatehousectl token verify --at 2026-11-20T12:30:22Z < token",
     "Whether the service would let in the token on standard input (of either kind), and why not; "
     "--jws: whether a signature alone is good."},
    {"password", "hash", verb_password_hash, NEEDS_CONF_IF_ANY, 0, 0, "--scheme= --cost=",
     "[--scheme bcrypt|yescrypt] [--cost N]", "gatehousectl password hash --cost 12",
     "Hash the password on standard input; works without a configuration too."},
    {"password", "verify", verb_password_verify, NEEDS_CONF_IF_ANY, 1, 1, "",
     "HASH", "gatehousectl password verify '$2y$12$...' < password",
     "Whether the password on standard input is the hash's."},
    {"json", "check", verb_json_check, NEEDS_CONF_IF_ANY, 0, 0, "",
     "", "gatehousectl json check < body.json",
     "Whether the service would take the document on standard input as a request's body."},
    {0},
};
/* clang-format on */

/* token verify --jws wants nothing but the key that it is given. */
static unsigned needs_of(const struct ctl *ctl) {
    return args_option(ctl, "--jws") != NULL ? 0 : ctl->verb->needs;
}

static int read_conf(struct ctl *ctl) {
    char why[1024];
    unsigned needs = needs_of(ctl);
    const char *path = ctl_conf_path(ctl);
    if (needs & (STORES | NEEDS_KEYS)) {
        ctl->site = site_read(path, needs & NEEDS_KEYS ? SITE_WITH_KEYS : SITE_WITHOUT_KEYS, why,
                              sizeof why);
        ctl->conf = ctl->site != NULL ? ctl->site->conf : NULL;
    } else {
        bool builtin =
            needs & NEEDS_CONF_IF_ANY && ctl->conf_path == NULL && access(path, R_OK) != 0;
        ctl->own_conf = conf_read(builtin ? NULL : path, why, sizeof why);
        ctl->conf = ctl->own_conf;
    }
    return ctl->conf != NULL ? CTL_DONE : fail(CTL_BAD_CONF, "%s", why);
}

static int prepare(struct ctl *ctl) {
    static struct site_gates gates;
    unsigned needs = needs_of(ctl);
    int code = needs != 0 ? read_conf(ctl) : CTL_DONE;
    if (code != CTL_DONE || ctl->site == NULL)
        return code;
    realm_open(&ctl->realm, ctl->site, &gates);
    record_scene(ctl);
    /* Before anything is done: where a store is out of reach nothing is left half-done. */
    if (needs & NEEDS_DATABASE)
        code = reach_database(ctl);
    if (code == CTL_DONE && needs & NEEDS_REDIS)
        code = reach_redis(ctl);
    return code;
}

static int run_verb(struct ctl *ctl) {
    int code = prepare(ctl);
    if (code == CTL_DONE)
        code = ctl->verb->run(ctl);
    record_finish(ctl);
    realm_close(&ctl->realm);
    site_free(&ctl->site);
    conf_free(ctl->own_conf);
    return code;
}

static int help(int argc, char **argv) {
    if (argc > 2)
        return fail(CTL_USAGE, "usage: gatehousectl help [VERB]");
    if (argc > 0)
        return help_on(argv[0], argc == 2 ? argv[1] : NULL);
    help_all();
    return CTL_DONE;
}

static int run(struct ctl *ctl, int argc, char **argv) {
    int index;
    int code = args_begin(ctl, argc, argv, &index);
    if (code == CTL_DONE && ctl->verb != NULL)
        code = args_rest(ctl, argc, argv, index);
    if (code != CTL_DONE)
        return code;
    if (ctl->version)
        puts(PACKAGE_STRING);
    else if (ctl->verb == NULL)
        code = help(argc - index, argv + index);
    else
        code = ctl->help ? help_on(ctl->verb->noun, ctl->verb->word) : run_verb(ctl);
    return code;
}

/* An answer that could not be written was not given. */
static int flush(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno != EPIPE)
        fail(CTL_REFUSED, "the answer cannot be written: %s", strerror(errno));
    return code == CTL_DONE ? CTL_REFUSED : code;
}

int main(int argc, char **argv) {
    struct ctl ctl = {.arena = arena_new(16 * 1024)};
    /* A store that hangs up, and a reader that does, are errors like others. */
    signal(SIGPIPE, SIG_IGN);
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    int code = run(&ctl, argc, argv);
    arena_free(&ctl.arena);
    return flush(code);
}
