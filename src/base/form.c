#include "base/form.h"

#include <string.h>

#include "base/encode.h"

const char *form_decode(struct arena *arena, const char *text, size_t len, size_t *out_len) {
    char *out = arena_alloc(arena, len + 1), *to = out;
    for (size_t i = 0; i < len; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0)
                return NULL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return NULL;
        *to++ = c;
    }
    *to = '\0';
    *out_len = (size_t)(to - out);
    return utf8_valid(out, *out_len) ? out : NULL;
}

/* "name=value"; a name alone has the value "". */
static bool take_field(struct arena *arena, const char *text, size_t len, struct form *form) {
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - text) : len, unused;
    const char *value = equals != NULL ? equals + 1 : text + len;
    struct form_field *field = &form->fields[form->count++];
    field->name = form_decode(arena, text, name_len, &unused);
    field->value = form_decode(arena, value, (size_t)(text + len - value), &field->value_len);
    return field->name != NULL && field->value != NULL;
}

static bool has(const struct form *form, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(form->fields[i].name, name) == 0)
            return true;
    return false;
}

const char *form_parse(struct arena *arena, const char *text, size_t len, struct form *form) {
    const char *end = text + len;
    form->count = 0;
    while (text < end) {
        const char *ampersand = memchr(text, '&', (size_t)(end - text));
        size_t field_len = (size_t)((ampersand != NULL ? ampersand : end) - text);
        if (field_len > 0) {
            if (form->count == FORM_MAX_FIELDS)
                return "has more than 16 parameters";
            if (!take_field(arena, text, field_len, form))
                return "is not form-encoded UTF-8";
            if (has(form, form->count - 1, form->fields[form->count - 1].name))
                return "has a parameter twice";
        }
        text += field_len + 1;
    }
    return NULL;
}

const char *form_get(const struct form *form, const char *name, size_t *len) {
    for (size_t i = 0; i < form->count; i++) {
        if (strcmp(form->fields[i].name, name) != 0)
            continue;
        *len = form->fields[i].value_len;
        return form->fields[i].value;
    }
    return NULL;
}
