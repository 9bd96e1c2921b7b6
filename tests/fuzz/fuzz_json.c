/*
 * JSON bodies.  What is accepted can be written and is accepted again, as the same document; what
 * holds a NUL, a name twice or invalid UTF-8 is not accepted.
 */
#include "base/json.h"
#include "base/json_scan.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *why = NULL, *again_why = NULL;
    size_t members = 0, len = 0, again_len = 0;
    const char *scan = json_scan((const char *)data, size, &members);
    json *value = json_parse((const char *)data, size, &why);
    if (value == NULL) {
        PROMISE(why != NULL && why[0] != '\0');
        return 0;
    }
    PROMISE(scan == NULL);
    PROMISE(size > 0 && memchr(data, '\0', size) == NULL);
    const char *text = json_text(value, &len);
    PROMISE(text != NULL && strlen(text) == len);
    json *again = json_parse(text, len, &again_why);
    PROMISE(again != NULL);
    const char *second = json_text(again, &again_len);
    PROMISE(again_len == len && memcmp(text, second, len) == 0);

    /* Typed reading of a member that may be anything. */
    const char *string;
    int64_t number;
    bool flag;
    json *inner;
    if (json_is_object(value)) {
        if (json_get_string(value, "a", &string, &len) == JSON_FOUND)
            PROMISE(strlen(string) == len);
        json_get_int(value, "a", &number);
        json_get_bool(value, "a", &flag);
        if (json_get_array(value, "a", &inner) == JSON_FOUND)
            for (size_t i = 0; i < json_array_size(inner); i++)
                json_array_string(inner, i);
    }
    json_free(again);
    json_free(value);
    return 0;
}
