/*
 * import_read: rows for user import, out of CSV with a line of names at its top, or of JSON, one object a
 * line.
 */
#ifndef CTL_IMPORT_READ_H
#define CTL_IMPORT_READ_H

#include "base/arena.h"
#include "base/csv.h"
#include "domain/import.h"

enum import_column {
    COLUMN_EMAIL,
    COLUMN_USERNAME,
    COLUMN_DISPLAY_NAME,
    COLUMN_PASSWORD,
    COLUMN_PASSWORD_HASH,
    COLUMN_ROLES,
    COLUMN_EMAIL_VERIFIED,
    COLUMN_DISABLED,
    COLUMN_COUNT
};

struct import_reader {
    struct csv csv;
    bool json;
    enum import_column columns[CSV_MAX_FIELDS];
    size_t column_count;
};

/* Looks at what the file begins with, and reads the names of the columns.  False: why says why not
 * (at least 200 bytes). */
bool import_reader_open(struct import_reader *reader, FILE *from, char *why, size_t why_size);
/* Frees what it holds; the file stays open. */
void import_reader_close(struct import_reader *reader);
/* The next row, its texts in arena; one that cannot be read has a reason.  False: that was all. */
bool import_reader_next(struct import_reader *reader, struct arena *arena, struct import_row *row);

#endif
