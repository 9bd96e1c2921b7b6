#include "ctl/ctl.h"

int verb_json_check(struct ctl *ctl) {
    size_t most = (size_t)ctl->conf->server_max_body;
    struct input document;
    const char *why = NULL;
    int code = input_all(most, &document);
    if (code != CTL_DONE)
        return code;
    json *value = NULL;
    if (document.len > most)
        why = arena_printf(ctl->arena, "the document is longer than [server] max_body, %zu bytes",
                           most);
    else if ((value = json_parse(document.bytes, document.len, &why)) != NULL &&
             !json_is_object(value))
        why = "the document is not an object";
    json_free(value);
    input_free(&document);
    out_line(ctl, "%s", why == NULL ? "ok" : why);
    json *answer = json_new_object();
    json_add_bool(answer, "ok", why == NULL);
    json_add_string(answer, "reason", why);
    out_json(ctl, answer);
    return why == NULL ? CTL_DONE : CTL_REFUSED;
}
