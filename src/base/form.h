/*
 * form: the names and values of application/x-www-form-urlencoded (WHATWG URL standard, section
 * 5.1), read strictly: what two readers could take for different things is refused.
 */
#ifndef BASE_FORM_H
#define BASE_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

#define FORM_MAX_FIELDS 16

struct form {
    struct form_field {
        const char *name, *value; /* decoded; UTF-8 without a NUL */
        size_t value_len;
    } fields[FORM_MAX_FIELDS];
    size_t count;
};

/* One text, "+" and "%XX" decoded, in arena.  NULL: a broken escape, a NUL, or no UTF-8. */
const char *form_decode(struct arena *arena, const char *text, size_t len, size_t *out_len);

/* A whole body.  NULL: *form is filled; else why not, as a sentence that follows a name: an
 * encoding that is broken, a name given twice (RFC 6749 section 3.2), more than FORM_MAX_FIELDS. */
const char *form_parse(struct arena *arena, const char *text, size_t len, struct form *form);

/* The value of a name, NULL when it is not there. */
const char *form_get(const struct form *form, const char *name, size_t *len);

#endif
