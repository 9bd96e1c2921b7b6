/* token verify --jws: one signature and nothing else, judged as the service judges it. */
#include "ctl/ctl.h"
#include "ctl/jws_key.h"
#include "domain/jws.h"

#define JWS_MAX_BYTES (64 * 1024)
#define KEY_MAX_BYTES (64 * 1024)

static size_t without_line_end(const struct input *text) {
    size_t len = text->len;
    if (len > 0 && text->bytes[len - 1] == '\n')
        len--;
    if (len < text->len && len > 0 && text->bytes[len - 1] == '\r')
        len--;
    return len;
}

/* The key that the text says it is signed with; NULL: it does not say. */
static const char *kid_of(struct arena *arena, const char *text, size_t len) {
    struct jws jws;
    const char *why, *kid = NULL;
    size_t kid_len;
    json *header =
        jws_take_apart(arena, text, len, &jws) ? json_parse(jws.header, jws.header_len, &why) : NULL;
    if (header != NULL && json_get_string(header, "kid", &kid, &kid_len) == JSON_FOUND)
        kid = arena_str(arena, kid);
    json_free(header);
    return kid;
}

/* Whether it is good by one of the readings; else *why says why not. */
static bool is_good(struct ctl *ctl, const struct input *text, const struct jws_keys *keys,
                    const char **why) {
    struct jws jws;
    *why = "longer than 64 KiB";
    for (size_t i = 0; i < keys->count && text->len <= JWS_MAX_BYTES; i++)
        if (jws_verify(ctl->arena, text->bytes, without_line_end(text), &keys->keys[i], &jws, why))
            return true;
    return false;
}

static int judge(struct ctl *ctl, const struct input *text, const struct jws_keys *keys) {
    const char *why;
    bool valid = is_good(ctl, text, keys, &why);
    out_line(ctl, "%s%s", valid ? "valid" : "invalid: ", valid ? "" : why);
    json *answer = json_new_object();
    json_add_bool(answer, "valid", valid);
    json_add_string(answer, "reason", valid ? NULL : why);
    out_json(ctl, answer);
    return valid ? CTL_DONE : CTL_REFUSED;
}

static int verify(struct ctl *ctl, const char *path, const struct input *file, enum key_alg alg) {
    struct input text;
    struct jws_keys keys;
    const char *why;
    int code = input_all(JWS_MAX_BYTES, &text);
    if (code != CTL_DONE)
        return code;
    const char *kid = kid_of(ctl->arena, text.bytes, without_line_end(&text));
    if (jws_keys_read(file, alg, kid, &keys, &why))
        code = judge(ctl, &text, &keys);
    else
        code = fail(CTL_REFUSED, "%s is no key for %s: %s", path, key_alg_name(alg), why);
    jws_keys_clear(&keys);
    input_free(&text);
    return code;
}

int verify_jws(struct ctl *ctl) {
    const char *name = args_option(ctl, "--alg"), *path = args_option(ctl, "--key");
    enum key_alg alg;
    struct input file;
    if (name == NULL || path == NULL || args_option(ctl, "--at") != NULL)
        return fail(CTL_USAGE, "--jws goes with --alg and --key, and without --at");
    if (!key_alg_read(name, &alg))
        return fail(CTL_USAGE,
                    "--alg %s is not supported; use HS256, HS384, HS512, RS256 or ES256", name);
    int code = input_file(path, KEY_MAX_BYTES, &file);
    if (code != CTL_DONE)
        return code;
    code = verify(ctl, path, &file, alg);
    input_free(&file);
    return code;
}
