/*
 * Records of CSV, and lines.  What a record was read as can be written again, each field in quotes, and
 * is then read as the same; whatever is wrong, the reader comes to the end, and lines only grow.
 */
#include "base/csv.h"
#include "base/log.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    return 0;
}

static void write_again(struct buf *out, const struct csv *csv) {
    for (size_t i = 0; i < csv->count; i++) {
        buf_adds(out, i > 0 ? ",\"" : "\"");
        for (const char *c = csv->fields[i]; *c != '\0'; c++)
            buf_adds(out, *c == '"' ? "\"\"" : (char[]){*c, '\0'});
        buf_addc(out, '"');
    }
    buf_addc(out, '\n');
}

static void read_again(const struct csv *csv) {
    struct buf text = {0};
    struct csv again;
    const char *why;
    int64_t line;
    write_again(&text, csv);
    FILE *file = fmemopen(text.data, text.len, "r");
    PROMISE(file != NULL);
    csv_open(&again, file);
    PROMISE(csv_record(&again, &line, &why) == CSV_RECORD);
    PROMISE(line == 1 && again.count == csv->count);
    for (size_t i = 0; i < csv->count; i++)
        PROMISE(strcmp(again.fields[i], csv->fields[i]) == 0);
    PROMISE(csv_record(&again, &line, &why) == CSV_END);
    csv_close(&again);
    fclose(file);
    buf_free(&text);
}

static void read_all(const uint8_t *data, size_t size, bool records) {
    struct csv csv;
    enum csv_result result;
    const char *why = NULL;
    int64_t line, before = 0;
    /* "rb": not ending at a NUL. */
    FILE *file = fmemopen((void *)(uintptr_t)data, size, "rb");
    PROMISE(file != NULL);
    csv_open(&csv, file);
    while ((result = records ? csv_record(&csv, &line, &why) : csv_line(&csv, &line, &why)) != CSV_END) {
        PROMISE(line > before && csv.line >= line);
        PROMISE(result != CSV_BAD || why[0] != '\0');
        PROMISE(csv.text.len <= CSV_MAX_BYTES + CSV_MAX_FIELDS);
        if (records && result == CSV_RECORD)
            read_again(&csv);
        before = line;
    }
    csv_close(&csv);
    fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0) {
        read_all(data, size, true);
        read_all(data, size, false);
    }
    return 0;
}
