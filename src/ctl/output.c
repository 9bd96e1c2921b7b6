#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "ctl/ctl.h"

/* What turns the writing direction (UAX 9) could make one name look like another. */
static bool turns_direction(const unsigned char *c, size_t size) {
    return size == 3 && c[0] == 0xe2 &&
           ((c[1] == 0x80 && ((c[2] >= 0xaa && c[2] <= 0xae) || c[2] == 0x8e || c[2] == 0x8f)) ||
            (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

/* User agents and names come from strangers: nothing of theirs may steer the terminal. */
static bool is_harmless(const unsigned char *c, size_t size) {
    if (size == 1)
        return c[0] >= 0x20 && c[0] != 0x7f;
    return size > 1 && !(c[0] == 0xc2 && c[1] < 0xa0) && !turns_direction(c, size);
}

static void add_clean(struct buf *to, const char *text) {
    for (size_t len = strlen(text); len > 0;) {
        const unsigned char *c = (const unsigned char *)text;
        size_t size = utf8_sequence(text, len), step = size > 0 ? size : 1;
        if (is_harmless(c, size))
            buf_add(to, text, step);
        else
            for (size_t i = 0; i < step; i++)
                buf_addf(to, "\\x%02x", c[i]);
        text += step;
        len -= step;
    }
}

static const char *clean(struct arena *arena, const char *text) {
    struct buf buf = {0};
    add_clean(&buf, text);
    const char *copy = arena_dup(arena, buf.len > 0 ? buf.data : "", buf.len);
    buf_free(&buf);
    return copy;
}

static void print_line(FILE *to, const char *before, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void print_line(FILE *to, const char *before, const char *format, va_list args) {
    char *text = NULL;
    struct buf line = {0};
    MUST(vasprintf(&text, format, args) >= 0);
    add_clean(&line, text);
    fprintf(to, "%s%s\n", before, line.len > 0 ? line.data : "");
    buf_free(&line);
    free(text);
}

int fail(int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_line(stderr, "gatehousectl: ", format, args);
    va_end(args);
    return code;
}

void out_line(const struct ctl *ctl, const char *format, ...) {
    va_list args;
    if (ctl->json)
        return;
    va_start(args, format);
    print_line(stdout, "", format, args);
    va_end(args);
}

void out_pair(const struct ctl *ctl, const char *name, const char *value) {
    bool empty = value == NULL || value[0] == '\0';
    out_line(ctl, "%-14s %s", name, empty ? "-" : value);
}

void out_json(const struct ctl *ctl, json *value) {
    size_t len;
    if (ctl->json)
        puts(json_text(value, &len));
    json_free(value);
}

const char *out_time(struct arena *arena, int64_t ms) {
    return clock_rfc3339(ms, arena_alloc(arena, CLOCK_RFC3339_SIZE));
}

struct table table_new(struct arena *arena, const char *const *heads, size_t most) {
    struct table table = {.arena = arena};
    while (heads[table.columns] != NULL)
        table.columns++;
    table.cells = arena_array(arena, (most + 1) * table.columns, sizeof *table.cells);
    table_row(&table, heads);
    return table;
}

void table_row(struct table *table, const char *const *cells) {
    for (size_t i = 0; i < table->columns; i++) {
        bool empty = cells[i] == NULL || cells[i][0] == '\0';
        table->cells[table->rows * table->columns + i] =
            empty ? "-" : clean(table->arena, cells[i]);
    }
    table->rows++;
}

static size_t width(const char *cell) {
    return utf8_length(cell, strlen(cell));
}

static size_t column_width(const struct table *table, size_t column) {
    size_t most = 0;
    for (size_t row = 0; row < table->rows; row++) {
        size_t one = width(table->cells[row * table->columns + column]);
        if (one > most)
            most = one;
    }
    return most;
}

void table_print(const struct ctl *ctl, const struct table *table) {
    if (ctl->json)
        return;
    size_t *widths = arena_array(table->arena, table->columns, sizeof *widths);
    for (size_t column = 0; column < table->columns; column++)
        widths[column] = column_width(table, column);
    for (size_t row = 0; row < table->rows; row++) {
        const char *const *cells = (const char *const *)&table->cells[row * table->columns];
        size_t last = table->columns - 1;
        for (size_t column = 0; column < last; column++)
            printf("%s%*s", cells[column], (int)(widths[column] - width(cells[column]) + 2), "");
        printf("%s\n", cells[last]);
    }
}
