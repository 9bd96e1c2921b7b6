#include "store/command.h"

#include <string.h>

/* A mark, a number, the end of a line. */
static void add_number(struct buf *out, char mark, size_t number) {
    char text[24], *end = text + sizeof text, *at = end;
    *--at = '\n';
    *--at = '\r';
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    *--at = mark;
    buf_add(out, at, (size_t)(end - at));
}

void command_add(struct buf *out, int argc, const char *const *argv, const size_t *lens) {
    add_number(out, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        size_t len = lens != NULL ? lens[i] : strlen(argv[i]);
        add_number(out, '$', len);
        buf_add(out, argv[i], len);
        buf_add(out, "\r\n", 2);
    }
}
