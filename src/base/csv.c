#include "base/csv.h"

#include <string.h>

void csv_open(struct csv *csv, FILE *from) {
    static const char mark[] = "\xef\xbb\xbf";
    *csv = (struct csv){.from = from, .line = 1};
    int first = getc_unlocked(from);
    if (first != (unsigned char)mark[0]) {
        ungetc(first, from);
        return;
    }
    /* Without a look at the next two bytes: no file of ours begins with this one and not with the mark. */
    (void)getc_unlocked(from);
    (void)getc_unlocked(from);
}

void csv_close(struct csv *csv) {
    buf_free(&csv->text);
}

/* Something is wrong with a line: passes over the rest of it.  last: the byte that was read last. */
static enum csv_result bad(struct csv *csv, int last, const char *sentence, const char **why) {
    while (last != '\n' && last != EOF)
        last = getc_unlocked(csv->from);
    csv->line += last == '\n';
    *why = sentence;
    return CSV_BAD;
}

/* The next byte; CR and LF together are one LF. */
static int next_byte(struct csv *csv) {
    int c = getc_unlocked(csv->from);
    if (c != '\r')
        return c;
    int after = getc_unlocked(csv->from);
    if (after == '\n')
        return after;
    ungetc(after, csv->from);
    return c;
}

static bool ends(int c) {
    return c == '\n' || c == EOF;
}

/* A field in quotes up to its closing one; the byte behind that, or -2: error says what is wrong, and
 * *last which byte was read last. */
#define WRONG (-2)
static int quoted(struct csv *csv, int *last, const char **error) {
    for (;;) {
        int c = getc_unlocked(csv->from);
        *last = c;
        if (c == '"') {
            c = *last = next_byte(csv);
            if (c == ',' || ends(c))
                return c;
            *error = "there is text behind a closing quote";
            if (c != '"')
                return WRONG;
        } else if (c == EOF) {
            *error = "a quote is never closed";
            return WRONG;
        } else if (c == '\0' || csv->text.len >= CSV_MAX_BYTES) {
            *error = c == '\0' ? "there is a NUL" : "it is longer than 64 KiB";
            return WRONG;
        }
        csv->line += c == '\n';
        buf_addc(&csv->text, (char)c);
    }
}

static int plain(struct csv *csv, int c, int *last, const char **error) {
    for (; c != ',' && !ends(c); c = *last = next_byte(csv)) {
        *error = c == '"'    ? "there is a quote in a field that does not begin with one"
                 : c == '\0' ? "there is a NUL"
                             : "it is longer than 64 KiB";
        if (c == '"' || c == '\0' || csv->text.len >= CSV_MAX_BYTES)
            return WRONG;
        buf_addc(&csv->text, (char)c);
    }
    return c;
}

/* Empty lines are passed over; the first byte of what is behind them. */
static int first_byte(struct csv *csv) {
    int c;
    while ((c = next_byte(csv)) == '\n')
        csv->line++;
    return c;
}

static void name_fields(struct csv *csv, const size_t *starts) {
    for (size_t i = 0; i < csv->count; i++)
        csv->fields[i] = csv->text.data + starts[i];
}

enum csv_result csv_record(struct csv *csv, int64_t *line, const char **why) {
    size_t starts[CSV_MAX_FIELDS];
    const char *error = NULL;
    int c = first_byte(csv), last = c;
    buf_clear(&csv->text);
    csv->count = 0;
    *line = csv->line;
    if (c == EOF)
        return CSV_END;
    for (;;) {
        if (csv->count == CSV_MAX_FIELDS)
            return bad(csv, last, "it has more than 32 fields", why);
        starts[csv->count++] = csv->text.len;
        c = c == '"' ? quoted(csv, &last, &error) : plain(csv, c, &last, &error);
        if (c == WRONG)
            return bad(csv, last, error, why);
        buf_add(&csv->text, "", 1);
        if (ends(c))
            break;
        c = last = next_byte(csv);
    }
    csv->line += c == '\n';
    name_fields(csv, starts);
    return CSV_RECORD;
}

enum csv_result csv_line(struct csv *csv, int64_t *line, const char **why) {
    int c = first_byte(csv);
    buf_clear(&csv->text);
    *line = csv->line;
    if (c == EOF)
        return CSV_END;
    for (; !ends(c); c = next_byte(csv)) {
        if (csv->text.len >= CSV_MAX_BYTES)
            return bad(csv, c, "it is longer than 64 KiB", why);
        buf_addc(&csv->text, (char)c);
    }
    csv->line += c == '\n';
    return CSV_RECORD;
}
