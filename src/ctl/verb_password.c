#include <string.h>

#include "base/encode.h"
#include "ctl/ctl.h"
#include "domain/password.h"

/* The configuration's scheme and cost, or what --scheme and --cost say. */
static int choose_scheme(const struct ctl *ctl, struct conf *conf) {
    const char *scheme = args_option(ctl, "--scheme"), *cost = args_option(ctl, "--cost");
    int before = conf->password_scheme;
    if (scheme != NULL && strcmp(scheme, "bcrypt") == 0)
        conf->password_scheme = PASSWORD_BCRYPT;
    else if (scheme != NULL && strcmp(scheme, "yescrypt") == 0)
        conf->password_scheme = PASSWORD_YESCRYPT;
    else if (scheme != NULL)
        return fail(CTL_USAGE, "--scheme is bcrypt or yescrypt, not \"%s\"", scheme);
    bool bcrypt = conf->password_scheme == PASSWORD_BCRYPT;
    if (conf->password_scheme != before)
        conf->password_cost = bcrypt ? 12 : 5;
    if (cost != NULL && !number_read(cost, bcrypt ? 4 : 1, bcrypt ? 20 : 11, &conf->password_cost))
        return fail(CTL_USAGE, "--cost of %s, not \"%s\"",
                    bcrypt ? "bcrypt is 4 to 20" : "yescrypt is 1 to 11", cost);
    return CTL_DONE;
}

/* Policy is not asked, only what a hash can hold: it may be for another program. */
static const char *unhashable(const struct input *password) {
    if (password->len == 0)
        return "the password is empty; it is read from standard input";
    if (memchr(password->bytes, '\0', password->len) != NULL)
        return "a password must not contain a NUL";
    return utf8_valid(password->bytes, password->len) ? NULL : "a password must be valid UTF-8";
}

int verb_password_hash(struct ctl *ctl) {
    struct conf conf = *ctl->conf;
    struct input password;
    char hash[PASSWORD_HASH_SIZE];
    int code = choose_scheme(ctl, &conf);
    if (code != CTL_DONE || (code = input_new_password(&password)) != CTL_DONE)
        return code;
    const char *why = unhashable(&password);
    if (why == NULL && !password_hash(&conf, password.bytes, password.len, hash))
        why = conf.password_scheme == PASSWORD_BCRYPT
                  ? "bcrypt takes passwords of at most 72 bytes; longer ones need --scheme yescrypt"
                  : "yescrypt takes passwords of at most 511 bytes";
    input_free(&password);
    if (why != NULL)
        return fail(CTL_REFUSED, "%s", why);
    out_line(ctl, "%s", hash);
    json *answer = json_new_object();
    json_add_string(answer, "hash", hash);
    out_json(ctl, answer);
    return CTL_DONE;
}

int verb_password_verify(struct ctl *ctl) {
    struct input password;
    int code = input_secret("Password: ", &password);
    if (code != CTL_DONE)
        return code;
    bool matches = password_verify(ctl->conf, password.bytes, password.len, ctl->operands[0]);
    input_free(&password);
    out_line(ctl, matches ? "the password matches"
                  : password_is_verifiable(ctl->conf, ctl->operands[0])
                      ? "the password does not match"
                      : "the password does not match: the service accepts no hash of this kind or cost");
    json *answer = json_new_object();
    json_add_bool(answer, "matches", matches);
    out_json(ctl, answer);
    return matches ? CTL_DONE : CTL_REFUSED;
}
