/*
 * Form bodies and lists of peers.  What a form is read as can be encoded again and is then read as the
 * same; no name is there twice, and no value holds a NUL.  Every word of a list has one meaning.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/form.h"
#include "base/log.h"
#include "base/peers.h"
#include "fuzz.h"

static struct arena *arena;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    arena = arena_new(4096);
    return 0;
}

static void encode(struct buf *out, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        buf_addf(out, "%%%02X", (unsigned char)text[i]);
}

static void check_names(const struct form *form) {
    for (size_t i = 0; i < form->count; i++) {
        size_t len;
        PROMISE(strlen(form->fields[i].value) == form->fields[i].value_len);
        /* The first of a name is the one. */
        PROMISE(form_get(form, form->fields[i].name, &len) == form->fields[i].value);
        PROMISE(len == form->fields[i].value_len);
    }
}

static void forms(const char *text, size_t len) {
    struct form form, again;
    struct buf encoded = {0};
    const char *why = form_parse(arena, text, len, &form);
    if (why != NULL) {
        PROMISE(why[0] != '\0');
        return;
    }
    PROMISE(form.count <= FORM_MAX_FIELDS);
    check_names(&form);
    for (size_t i = 0; i < form.count; i++) {
        if (i > 0)
            buf_addc(&encoded, '&');
        encode(&encoded, form.fields[i].name, strlen(form.fields[i].name));
        buf_addc(&encoded, '=');
        encode(&encoded, form.fields[i].value, form.fields[i].value_len);
    }
    PROMISE(form_parse(arena, encoded.data != NULL ? encoded.data : "", encoded.len, &again) == NULL);
    PROMISE(again.count == form.count);
    for (size_t i = 0; i < form.count; i++) {
        PROMISE(strcmp(again.fields[i].name, form.fields[i].name) == 0);
        PROMISE(strcmp(again.fields[i].value, form.fields[i].value) == 0);
    }
    buf_free(&encoded);
}

static void lists(const char *text) {
    char word[64], why[200];
    const char *at = text;
    bool bad = false;
    while (peer_next(&at, word, sizeof word)) {
        PROMISE(word[0] != '\0' && strpbrk(word, " \t,") == NULL);
        bad |= peer_word(word) == PEER_BAD;
    }
    if (bad) {
        struct peers *peers = peers_new(text, why, sizeof why);
        PROMISE(peers == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = input_of(data, size);
    size_t len;
    char *text = input_text(&input, &len);
    forms(text, len);
    lists(text);
    free(text);
    arena_reset(arena, 64 * 1024);
    return 0;
}
