#include "base/json.h"

#include <json-c/json.h>
#include <json-c/printbuf.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/json_scan.h"
#include "base/log.h"
#include "base/secret.h"

/*
 * Two readers.  json_scan accepts RFC 8259 and not a byte more, and counts object members; json-c,
 * which is laxer even when strict, then builds the tree.  A name given twice is overwritten there:
 * the tree has fewer members than were counted.
 */
/* Members in the tree, at any depth; false when a double did not fit. */
static bool count_members(json *value, size_t *members) {
    if (json_object_is_type(value, json_type_double))
        return isfinite(json_object_get_double(value));
    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++)
            if (!count_members(json_object_array_get_idx(value, i), members))
                return false;
    } else if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, name, member) {
            (void)name;
            ++*members;
            if (!count_members(member, members))
                return false;
        }
    }
    return true;
}

/* False: json-c refused it.  True with *out NULL: the document is null, for which json-c has no value. */
static bool build(const char *text, size_t len, json **out) {
    /* json-c counts the scalar inside as a level of its own, and the one it looks for next. */
    struct json_tokener *tokener = json_tokener_new_ex(JSON_MAX_DEPTH + 2);
    if (!tokener)
        DIE("out of memory");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    *out = json_tokener_parse_ex(tokener, text, (int)len);
    /* A number at the top has no end of its own. */
    if (json_tokener_get_error(tokener) == json_tokener_continue)
        *out = json_tokener_parse_ex(tokener, "", 1);
    bool ok = json_tokener_get_error(tokener) == json_tokener_success;
    /* The last text of a document passes through here, a password perhaps. */
    secret_wipe(tokener->pb->buf, (size_t)tokener->pb->size);
    json_tokener_free(tokener);
    return ok;
}

json *json_parse(const char *text, size_t len, const char **why) {
    json *value;
    size_t scanned;
    size_t members = 0;
    *why = json_scan(text, len, &scanned);
    if (*why)
        return NULL;
    if (!build(text, len, &value))
        *why = "the document is not JSON";
    else if (!value)
        *why = "the document is null";
    else if (!count_members(value, &members))
        *why = "a number is out of range";
    else if (members != scanned)
        *why = "a name is given twice in one object";
    else
        return value;
    json_free(value);
    return NULL;
}

void json_free(json *value) {
    json_object_put(value);
}

/* json-c hands out the text itself, and const alone says that it is not ours to change. */
static void wipe(json *value) {
    if (json_object_is_type(value, json_type_string)) {
        secret_wipe((char *)(uintptr_t)json_object_get_string(value),
                    (size_t)json_object_get_string_len(value));
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++)
            wipe(json_object_array_get_idx(value, i));
    } else if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, name, member) {
            (void)name;
            wipe(member);
        }
    }
}

void json_wipe(json *value) {
    if (value == NULL)
        return;
    wipe(value);
    json_object_put(value);
}

bool json_is_object(const json *value) {
    return json_object_is_type(value, json_type_object);
}

bool json_is_array(const json *value) {
    return json_object_is_type(value, json_type_array);
}

bool json_is_string(const json *value) {
    return json_object_is_type(value, json_type_string);
}

static enum json_found find(const json *object, const char *name, enum json_type type, json **out) {
    if (!json_is_object(object) || !json_object_object_get_ex(object, name, out))
        return JSON_MISSING;
    if (!*out)
        return JSON_NULL;
    return json_object_is_type(*out, type) ? JSON_FOUND : JSON_WRONG_TYPE;
}

enum json_found json_get_string(const json *object, const char *name, const char **out,
                                size_t *len) {
    json *value;
    enum json_found found = find(object, name, json_type_string, &value);
    if (found == JSON_FOUND) {
        *out = json_object_get_string(value);
        *len = (size_t)json_object_get_string_len(value);
    }
    return found;
}

enum json_found json_get_int(const json *object, const char *name, int64_t *out) {
    json *value;
    enum json_found found = find(object, name, json_type_int, &value);
    if (found != JSON_FOUND)
        return found;
    /* Beyond int64 json-c would give its largest value. */
    if (json_object_get_uint64(value) > INT64_MAX)
        return JSON_WRONG_TYPE;
    *out = json_object_get_int64(value);
    return found;
}

enum json_found json_get_bool(const json *object, const char *name, bool *out) {
    json *value;
    enum json_found found = find(object, name, json_type_boolean, &value);
    if (found == JSON_FOUND)
        *out = json_object_get_boolean(value);
    return found;
}

enum json_found json_get_object(const json *object, const char *name, json **out) {
    json *value;
    enum json_found found = find(object, name, json_type_object, &value);
    if (found == JSON_FOUND)
        *out = value;
    return found;
}

enum json_found json_get_array(const json *object, const char *name, json **out) {
    json *value;
    enum json_found found = find(object, name, json_type_array, &value);
    if (found == JSON_FOUND)
        *out = value;
    return found;
}

bool json_has(const json *object, const char *name) {
    json *unused;
    return json_get_object(object, name, &unused) != JSON_MISSING;
}

bool json_says(const json *object, const char *name, const char *text) {
    const char *found;
    size_t len;
    return json_get_string(object, name, &found, &len) == JSON_FOUND && strcmp(found, text) == 0;
}

size_t json_array_size(const json *array) {
    return json_is_array(array) ? json_object_array_length(array) : 0;
}

size_t json_object_size(const json *object) {
    return json_is_object(object) ? (size_t)json_object_object_length(object) : 0;
}

json *json_array_object(const json *array, size_t index) {
    if (index >= json_array_size(array))
        return NULL;
    json *element = json_object_array_get_idx(array, index);
    return json_is_object(element) ? element : NULL;
}

const char *json_array_string(const json *array, size_t index) {
    if (index >= json_array_size(array))
        return NULL;
    json *element = json_object_array_get_idx(array, index);
    return json_is_string(element) ? json_object_get_string(element) : NULL;
}

static json *made(json *value) {
    if (!value)
        DIE("out of memory");
    return value;
}

json *json_new_object(void) {
    return made(json_object_new_object());
}

json *json_new_array(void) {
    return made(json_object_new_array());
}

/* Foreign text (a User-Agent) may be no UTF-8; an answer always is: U+FFFD for each bad byte. */
static json *new_repaired(const char *text, size_t len) {
    struct buf buf = {0};
    while (len) {
        size_t size = utf8_sequence(text, len);
        if (size)
            buf_add(&buf, text, size);
        else
            buf_adds(&buf, "\xef\xbf\xbd");
        text += size ? size : 1;
        len -= size ? size : 1;
    }
    json *value = made(json_object_new_string_len(buf.data, (int)buf.len));
    buf_free(&buf);
    return value;
}

static json *new_text(const char *text, size_t len) {
    MUST(len <= INT32_MAX / 3);
    return utf8_valid(text, len) ? made(json_object_new_string_len(text, (int)len))
                                 : new_repaired(text, len);
}

static json *new_string(const char *text) {
    return text ? new_text(text, strlen(text)) : NULL;
}

void json_add(json *object, const char *name, json *value) {
    MUST(json_is_object(object));
    if (json_object_object_add(object, name, value) != 0)
        DIE("out of memory");
}

void json_add_string(json *object, const char *name, const char *text) {
    json_add(object, name, new_string(text));
}

void json_add_int(json *object, const char *name, int64_t number) {
    json_add(object, name, made(json_object_new_int64(number)));
}

void json_add_bool(json *object, const char *name, bool yes) {
    json_add(object, name, made(json_object_new_boolean(yes)));
}

void json_append(json *array, json *value) {
    MUST(json_is_array(array));
    if (json_object_array_add(array, value) != 0)
        DIE("out of memory");
}

void json_append_string(json *array, const char *text) {
    json_append(array, new_string(text));
}

json *json_new_words(const char *words) {
    json *array = json_new_array();
    while (*(words += strspn(words, ",")) != '\0') {
        size_t len = strcspn(words, ",");
        json_append(array, new_text(words, len));
        words += len;
    }
    return array;
}

const char *json_text(json *value, size_t *len) {
    const char *text = json_object_to_json_string_length(
        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, len);
    if (!text)
        DIE("out of memory");
    return text;
}
