#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/import_read.h"

#define PROGRESS_MS 500

struct run {
    struct ctl *ctl;
    struct arena *arena; /* of one batch */
    struct import *import;
    struct import_reader reader;
    FILE *from;
    bool dry, each, progress;
    int64_t counts[3]; /* by outcome */
    int64_t begun, shown, size, last_line;
};

static int64_t rows_of(const struct run *run) {
    return run->counts[IMPORT_DONE] + run->counts[IMPORT_THERE] + run->counts[IMPORT_REFUSED];
}

static int64_t rate_of(const struct run *run) {
    int64_t ms = clock_mono_ms() - run->begun;
    return rows_of(run) * 1000 / (ms > 0 ? ms : 1);
}

/* The line on the terminal; the report goes below it. */
static void clear_progress(const struct run *run) {
    if (run->shown != 0)
        fputs("\r\033[K", stderr);
}

static void show_progress(struct run *run) {
    int64_t now = clock_mono_ms();
    if (!run->progress || now - run->shown < PROGRESS_MS)
        return;
    run->shown = now;
    fprintf(stderr, "\r\033[K%lld rows, %lld a second", (long long)rows_of(run),
            (long long)rate_of(run));
    if (run->size > 0)
        fprintf(stderr, ", %d %%", (int)(ftello(run->from) * 100 / run->size));
    fflush(stderr);
}

static const char *outcome_name(const struct run *run, enum import_outcome outcome) {
    static const char *const names[] = {
        [IMPORT_DONE] = "imported", [IMPORT_THERE] = "there", [IMPORT_REFUSED] = "refused"};
    return outcome == IMPORT_DONE && run->dry ? "good" : names[outcome];
}

static void report_row(const struct run *run, const struct import_row *row) {
    const char *outcome = outcome_name(run, row->outcome);
    if (row->outcome == IMPORT_DONE && !run->each)
        return;
    clear_progress(run);
    if (row->reason != NULL)
        out_line(run->ctl, "line %lld: %s: %s: %s", (long long)row->line,
                 row->email != NULL ? row->email : "?", outcome, row->reason);
    else
        out_line(run->ctl, "line %lld: %s: %s", (long long)row->line, row->email, outcome);
    json *object = json_new_object();
    json_add_int(object, "line", row->line);
    json_add_string(object, "email", row->email);
    json_add_string(object, "outcome", outcome);
    json_add_string(object, "reason", row->reason);
    out_json(run->ctl, object);
}

static void report(struct run *run, const struct import_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        run->counts[rows[i].outcome]++;
        run->last_line = rows[i].line;
        report_row(run, &rows[i]);
    }
    show_progress(run);
}

static int broke_off(const struct run *run) {
    const char *why = arena_str(run->ctl->arena, db_why(run->ctl->realm.db));
    if (blame_schema(run->ctl))
        return CTL_NO_STORE;
    return fail(
        CTL_NO_STORE,
        "MariaDB failed on the way: %s; everything up to line %lld is done: give the same command "
        "again when it answers, it passes over who is there already",
        why, (long long)run->last_line);
}

static int import_rows(struct run *run) {
    static struct import_row rows[IMPORT_BATCH];
    size_t count;
    do {
        arena_reset(run->arena, 4 * 1024 * 1024);
        for (count = 0; count < IMPORT_BATCH; count++)
            if (!import_reader_next(&run->reader, run->arena, &rows[count]))
                break;
        if (count > 0 && import_batch(run->import, run->arena, rows, count) != ANSWER_YES)
            return broke_off(run);
        report(run, rows, count);
    } while (count == IMPORT_BATCH);
    if (!ferror(run->from))
        return CTL_DONE;
    return fail(CTL_REFUSED,
                "the file cannot be read to its end: %s; everything up to line %lld is done",
                strerror(errno), (long long)run->last_line);
}

static int sum_up(const struct run *run) {
    int64_t ms = clock_mono_ms() - run->begun, rate = rate_of(run);
    clear_progress(run);
    out_line(run->ctl,
             "%lld %s, %lld there already, %lld refused, in %lld.%lld s (%lld row%s a second)%s",
             (long long)run->counts[IMPORT_DONE], run->dry ? "would be imported" : "imported",
             (long long)run->counts[IMPORT_THERE], (long long)run->counts[IMPORT_REFUSED],
             (long long)(ms / 1000), (long long)(ms % 1000 / 100), (long long)rate,
             rate == 1 ? "" : "s", run->dry ? "; nothing was changed" : "");
    json *object = json_new_object();
    json_add_bool(object, "dryRun", run->dry);
    json_add_int(object, "imported", run->counts[IMPORT_DONE]);
    json_add_int(object, "there", run->counts[IMPORT_THERE]);
    json_add_int(object, "refused", run->counts[IMPORT_REFUSED]);
    json_add_int(object, "ms", ms);
    out_json(run->ctl, object);
    return run->counts[IMPORT_REFUSED] == 0
               ? CTL_DONE
               : fail(CTL_REFUSED, "rows were refused; mend these and give the command again");
}

static int run_import(struct run *run, const char *name) {
    char why[200];
    int code;
    if (!import_reader_open(&run->reader, run->from, why, sizeof why)) {
        code = fail(CTL_REFUSED, "%s: %s", name, why);
    } else {
        code = import_rows(run);
        int sum = sum_up(run);
        code = code != CTL_DONE ? code : sum;
    }
    import_reader_close(&run->reader);
    return code;
}

static int64_t size_of(FILE *file) {
    int64_t size = fseeko(file, 0, SEEK_END) == 0 ? ftello(file) : 0;
    if (size > 0)
        rewind(file);
    clearerr(file);
    return size;
}

int verb_user_import(struct ctl *ctl) {
    const char *name = ctl->operands[0];
    bool standard = strcmp(name, "-") == 0;
    FILE *from = standard ? stdin : fopen(name, "re");
    if (from == NULL)
        return fail(CTL_REFUSED, "%s cannot be opened: %s", name, strerror(errno));
    struct run run = {.ctl = ctl,
                      .dry = args_option(ctl, "--dry-run") != NULL,
                      .each = args_option(ctl, "--each") != NULL,
                      .progress = isatty(STDERR_FILENO),
                      .begun = clock_mono_ms(),
                      .from = from};
    run.size = standard ? 0 : size_of(run.from);
    run.arena = arena_new(256 * 1024);
    run.import = import_new(&ctl->realm, run.dry);
    /* A batch may wait for a slow disk, and nobody waits for us. */
    db_be_patient(ctl->realm.db);
    int code = run_import(&run, standard ? "standard input" : name);
    import_free(&run.import);
    arena_free(&run.arena);
    if (!standard)
        fclose(run.from);
    return code;
}
