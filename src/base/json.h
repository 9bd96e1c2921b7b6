/*
 * json: strict JSON objects.  The door to json-c, and the guard around what json-c lets through.
 *
 * json_parse accepts one document of RFC 8259 and refuses what readers disagree about: invalid
 * UTF-8, lone surrogates, any NUL (raw or \u0000), duplicate names at any depth, nesting deeper than
 * 16, numbers that a 64-bit integer or a double cannot hold (RFC 7493), anything after the document.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 16

/* A JSON value; owned by its document, or by the caller where a function says so. */
typedef struct json_object json;

/* The whole document, to be freed with json_free; NULL: why is a sentence that says what is wrong
 * (static).  text need not end with a NUL.  The document null has no value: it is refused too. */
json *json_parse(const char *text, size_t len, const char **why);
/* Frees a value that the caller owns, with all that is in it; NULL is fine. */
void json_free(json *value);
/* Wipes every text in it, too; of a document that holds a secret, of which nothing is shared. */
void json_wipe(json *value);

/* Of which kind a value is; false for NULL, which is JSON's null. */
bool json_is_object(const json *value);
bool json_is_array(const json *value);
bool json_is_string(const json *value);

/* What a member was found to be. */
enum json_found { JSON_MISSING, JSON_NULL, JSON_WRONG_TYPE, JSON_FOUND };

/* A member by its name.  Exact types, never converted: "12" is no integer, 1.0 is no integer, "true" is no
 * boolean.  *out (and *len, in bytes) are set with JSON_FOUND alone; a text is borrowed from object, with a
 * NUL behind. */
enum json_found json_get_string(const json *object, const char *name, const char **out, size_t *len);
enum json_found json_get_int(const json *object, const char *name, int64_t *out);
enum json_found json_get_bool(const json *object, const char *name, bool *out);
/* The same for what has members of its own; borrowed from object. */
enum json_found json_get_object(const json *object, const char *name, json **out);
enum json_found json_get_array(const json *object, const char *name, json **out);
/* Whether the object has such a member, whatever it is, null too. */
bool json_has(const json *object, const char *name);
/* Whether that member is this very text. */
bool json_says(const json *object, const char *name, const char *text);
/* How many elements; 0 when it is no array. */
size_t json_array_size(const json *array);
/* How many members the object itself has, not those in them; 0 when it is no object. */
size_t json_object_size(const json *object);
/* An element; NULL when it is no object, or index is beyond the last.  Borrowed from array. */
json *json_array_object(const json *array, size_t index);
/* The same for a string: its text, borrowed from array. */
const char *json_array_string(const json *array, size_t index);

/* Empty ones; the caller's, until json_add or json_append takes them over. */
json *json_new_object(void);
json *json_new_array(void);
/* An array of the words that commas separate (roles), as strings; the caller's as well. */
json *json_new_words(const char *words);
/* The add functions take ownership of value, and copy a text; a NULL text or value adds null; bytes of a
 * text that are no UTF-8 become U+FFFD. */
void json_add(json *object, const char *name, json *value);
void json_add_string(json *object, const char *name, const char *text);
void json_add_int(json *object, const char *name, int64_t number);
void json_add_bool(json *object, const char *name, bool yes);
void json_append(json *array, json *value);
void json_append_string(json *array, const char *text);

/* The text without white space, slashes not escaped; owned by value, gone with it or at the next call. */
const char *json_text(json *value, size_t *len);

#endif
