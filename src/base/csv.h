/*
 * csv: records of RFC 4180, one after another, of a file of any length; and lines.
 *
 * Fields are separated by commas; one in double quotes may hold commas, line breaks and doubled quotes.
 * Lines end with LF or CRLF.  What two readers could take for different things is refused: a quote inside
 * a field that does not begin with one, text behind a closing quote, a NUL.
 */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

#define CSV_MAX_FIELDS 32
#define CSV_MAX_BYTES  65536 /* of one record or line */

struct csv {
    FILE *from; /* borrowed */
    int64_t line; /* the next one's number, from 1 */
    struct buf text;
    const char *fields[CSV_MAX_FIELDS]; /* of the record that was read, each with a NUL behind */
    size_t count;
};

enum csv_result { CSV_RECORD, CSV_BAD, CSV_END };

/* A byte order mark at the beginning is passed over.  csv_close frees, and leaves the file open. */
void csv_open(struct csv *csv, FILE *from);
void csv_close(struct csv *csv);

/* The next record that is not an empty line; *line is where it begins.  CSV_BAD: *why is a sentence
 * (static), and the reader goes on with the line behind.  CSV_END: also where the file cannot be read,
 * see ferror. */
enum csv_result csv_record(struct csv *csv, int64_t *line, const char **why);
/* The same for a line as it stands: text and its length. */
enum csv_result csv_line(struct csv *csv, int64_t *line, const char **why);

#endif
