#include "ctl/import_read.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "domain/account.h"

static const char *const names[COLUMN_COUNT] = {
    [COLUMN_EMAIL] = "email",
    [COLUMN_USERNAME] = "username",
    [COLUMN_DISPLAY_NAME] = "displayName",
    [COLUMN_PASSWORD] = "password",
    [COLUMN_PASSWORD_HASH] = "passwordHash",
    [COLUMN_ROLES] = "roles",
    [COLUMN_EMAIL_VERIFIED] = "emailVerified",
    [COLUMN_DISABLED] = "disabled",
};
#define NAMES "email, username, displayName, password, passwordHash, roles, emailVerified, disabled"

static bool refuse(struct import_row *row, const char *reason) {
    row->outcome = IMPORT_REFUSED;
    row->reason = reason;
    return false;
}

/* CSV ------------------------------------------------------------------------------------------ */

/* password_hash is passwordHash. */
static bool is_name(const char *text, const char *name) {
    for (; *text != '\0' && *name != '\0'; text++) {
        if (*text == '_')
            continue;
        if (strncasecmp(text, name, 1) != 0)
            return false;
        name++;
    }
    return *text == '\0' && *name == '\0';
}

static bool take_column(struct import_reader *reader, const char *text, char *why,
                        size_t why_size) {
    for (int column = 0; column < COLUMN_COUNT; column++) {
        if (!is_name(text, names[column]))
            continue;
        for (size_t i = 0; i < reader->column_count; i++)
            if (reader->columns[i] == (enum import_column)column) {
                snprintf(why, why_size, "the column %s is there twice", names[column]);
                return false;
            }
        reader->columns[reader->column_count++] = (enum import_column)column;
        return true;
    }
    snprintf(why, why_size, "line 1 names the columns, and \"%.40s\" is none of " NAMES, text);
    return false;
}

static bool has_column(const struct import_reader *reader, enum import_column column) {
    for (size_t i = 0; i < reader->column_count; i++)
        if (reader->columns[i] == column)
            return true;
    return false;
}

static bool read_head(struct import_reader *reader, char *why, size_t why_size) {
    const char *reason = "it is empty";
    int64_t line;
    if (csv_record(&reader->csv, &line, &reason) != CSV_RECORD) {
        snprintf(why, why_size, "line 1 must name the columns: %s", reason);
        return false;
    }
    for (size_t i = 0; i < reader->csv.count; i++)
        if (!take_column(reader, reader->csv.fields[i], why, why_size))
            return false;
    snprintf(why, why_size, "line 1 names the columns, and email is not among them");
    return has_column(reader, COLUMN_EMAIL);
}

bool import_reader_open(struct import_reader *reader, FILE *from, char *why, size_t why_size) {
    *reader = (struct import_reader){0};
    csv_open(&reader->csv, from);
    int first = getc(from);
    ungetc(first, from);
    reader->json = first == '{';
    return reader->json || read_head(reader, why, why_size);
}

void import_reader_close(struct import_reader *reader) {
    csv_close(&reader->csv);
}

static bool take_bool(struct import_row *row, const char *text, bool *out) {
    static const char *const yes[] = {"1", "yes", "true", "on"}, *const no[] = {"0", "no", "false",
                                                                                "off", ""};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (strcasecmp(text, yes[i]) == 0)
            return *out = true;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (strcasecmp(text, no[i]) == 0)
            return true;
    return refuse(row, "emailVerified and disabled are yes or no");
}

static void take_text(struct import_row *row, enum import_column column, const char *text,
                      size_t len) {
    switch (column) {
    case COLUMN_EMAIL:
        row->email = text;
        break;
    case COLUMN_USERNAME:
        row->username = text;
        break;
    case COLUMN_DISPLAY_NAME:
        row->display_name = text;
        break;
    case COLUMN_PASSWORD:
        row->password = text;
        row->password_len = len;
        break;
    case COLUMN_PASSWORD_HASH:
        row->password_hash = text;
        break;
    default:
        row->roles = text;
    }
}

static void read_record(const struct import_reader *reader, struct arena *arena,
                        struct import_row *row) {
    const struct csv *csv = &reader->csv;
    if (csv->count != reader->column_count) {
        refuse(row, csv->count < reader->column_count
                        ? "it has fewer fields than there are columns"
                        : "it has more fields than there are columns");
        return;
    }
    for (size_t i = 0; i < csv->count; i++) {
        enum import_column column = reader->columns[i];
        if (column == COLUMN_EMAIL_VERIFIED || column == COLUMN_DISABLED)
            take_bool(row, csv->fields[i],
                      column == COLUMN_DISABLED ? &row->disabled : &row->email_verified);
        else if (csv->fields[i][0] != '\0')
            take_text(row, column, arena_str(arena, csv->fields[i]), strlen(csv->fields[i]));
    }
}

/* JSON ----------------------------------------------------------------------------------------- */

/* "roles": ["editor", "admin"] */
static bool read_roles(const json *array, struct arena *arena, struct import_row *row) {
    row->roles = "";
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *role = json_array_string(array, i);
        if (role == NULL)
            return refuse(row, "roles must be texts");
        row->roles = arena_printf(arena, "%s%s%s", row->roles, i > 0 ? "," : "", role);
        if (strpbrk(role, " ,;") != NULL)
            return refuse(row, arena_printf(arena, "the role \"%s\" %s", role, account_role_fault(role)));
        if (strlen(row->roles) > CSV_MAX_BYTES / 16)
            return refuse(row, "all roles together are longer than 1 KiB");
    }
    return true;
}

/* False: row says what is wrong. */
static bool read_member(const json *object, enum import_column column, struct arena *arena,
                        struct import_row *row, size_t *known) {
    const char *text;
    size_t len;
    json *array;
    enum json_found found;
    if (column == COLUMN_EMAIL_VERIFIED || column == COLUMN_DISABLED)
        found = json_get_bool(object, names[column],
                              column == COLUMN_DISABLED ? &row->disabled : &row->email_verified);
    else if (column == COLUMN_ROLES)
        found = json_get_array(object, names[column], &array);
    else
        found = json_get_string(object, names[column], &text, &len);
    *known += found != JSON_MISSING;
    if (found == JSON_WRONG_TYPE)
        return refuse(row, arena_printf(arena, "%s is of the wrong type", names[column]));
    if (found != JSON_FOUND || column == COLUMN_EMAIL_VERIFIED || column == COLUMN_DISABLED)
        return true;
    if (column == COLUMN_ROLES)
        return read_roles(array, arena, row);
    take_text(row, column, arena_dup(arena, text, len), len);
    return true;
}

static void read_object(const struct import_reader *reader, struct arena *arena,
                        struct import_row *row) {
    const char *why;
    size_t known = 0;
    json *object = json_parse(reader->csv.text.data, reader->csv.text.len, &why);
    if (object == NULL || !json_is_object(object))
        refuse(row, object == NULL ? why : "it is no object");
    for (int column = 0; row->reason == NULL && column < COLUMN_COUNT; column++)
        read_member(object, (enum import_column)column, arena, row, &known);
    if (row->reason == NULL && known != json_object_size(object))
        refuse(row, "it has a member that is none of " NAMES);
    json_free(object);
}

bool import_reader_next(struct import_reader *reader, struct arena *arena, struct import_row *row) {
    *row = (struct import_row){0};
    enum csv_result result = reader->json ? csv_line(&reader->csv, &row->line, &row->reason)
                                          : csv_record(&reader->csv, &row->line, &row->reason);
    if (result == CSV_END)
        return false;
    if (result == CSV_BAD)
        refuse(row, row->reason);
    else if (reader->json)
        read_object(reader, arena, row);
    else
        read_record(reader, arena, row);
    return true;
}
