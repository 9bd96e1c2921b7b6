#include "domain/last_login.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "domain/pause.h"
#include "store/users.h"

#define ARENA_BLOCK (4 * 1024)
#define ARENA_KEEP  (16 * 1024)

struct note {
    int64_t user_id, wall_ms;
};

struct last_login {
    struct db *db;
    struct arena *arena; /* of a statement */
    struct note notes[LAST_LOGIN_MOST];
    size_t count;
    int64_t since; /* clock_mono_ms of the first */
    struct pause pause;
    int64_t quiet_until, quiet_dropped_until;
};

struct last_login *last_login_new(struct db *db) {
    struct last_login *logins = calloc(1, sizeof *logins);
    MUST(logins != NULL);
    logins->db = db;
    logins->arena = arena_new(ARENA_BLOCK);
    return logins;
}

void last_login_free(struct last_login **logins) {
    if (logins == NULL || *logins == NULL)
        return;
    last_login_flush(*logins);
    arena_free(&(*logins)->arena);
    free(*logins);
    *logins = NULL;
}

static void drop(struct last_login *logins, size_t at, size_t count) {
    logins->count -= count;
    memmove(logins->notes + at, logins->notes + at + count,
            (logins->count - at) * sizeof *logins->notes);
}

void last_login_note(struct last_login *logins, int64_t user_id, int64_t wall_ms) {
    for (size_t i = 0; i < logins->count; i++)
        if (logins->notes[i].user_id == user_id) {
            if (wall_ms > logins->notes[i].wall_ms)
                logins->notes[i].wall_ms = wall_ms;
            return;
        }
    if (logins->count == LAST_LOGIN_MOST) {
        if (log_seldom(&logins->quiet_dropped_until))
            log_warning("when users last signed in is not written: MariaDB does not take it, and too "
                        "many wait",
                        F_INT("user", logins->notes[0].user_id),
                        F_STR("reason", db_why(logins->db)));
        drop(logins, 0, 1);
    }
    if (logins->count == 0)
        logins->since = clock_mono_ms();
    logins->notes[logins->count++] = (struct note){user_id, wall_ms};
}

bool last_login_has_notes(const struct last_login *logins) {
    return logins->count > 0 && !pause_goes_on(&logins->pause);
}

static int by_time_and_user(const void *a, const void *b) {
    const struct note *left = a, *right = b;
    if (left->wall_ms / 1000 != right->wall_ms / 1000)
        return left->wall_ms / 1000 < right->wall_ms / 1000 ? -1 : 1;
    return left->user_id < right->user_id ? -1 : left->user_id > right->user_id;
}

/* How many of the notes, which are sorted, fall into the first one's second (people are shown whole seconds).
 * They share one statement, with the time of the latest of them, *newest. */
static size_t of_one_second(const struct last_login *logins, int64_t *newest) {
    size_t count = 0;
    *newest = logins->notes[0].wall_ms;
    while (count < logins->count && count < WRITE_TOGETHER &&
           logins->notes[count].wall_ms / 1000 == logins->notes[0].wall_ms / 1000) {
        if (logins->notes[count].wall_ms > *newest)
            *newest = logins->notes[count].wall_ms;
        count++;
    }
    return count;
}

static bool write_some(struct last_login *logins) {
    int64_t ids[WRITE_TOGETHER], newest;
    size_t count = of_one_second(logins, &newest);
    for (size_t i = 0; i < count; i++)
        ids[i] = logins->notes[i].user_id;
    bool written = users_set_last_login(logins->db, logins->arena, ids, count, newest) == ANSWER_YES;
    arena_reset(logins->arena, ARENA_KEEP);
    if (written)
        drop(logins, 0, count);
    return written;
}

void last_login_flush(struct last_login *logins) {
    if (!last_login_has_notes(logins))
        return;
    int64_t begun = clock_mono_ms();
    qsort(logins->notes, logins->count, sizeof *logins->notes, by_time_and_user);
    bool taken = true;
    while (taken && logins->count > 0 && clock_mono_ms() - begun < PAUSE_MIN_MS)
        taken = !db_is_away(logins->db) && write_some(logins);
    if (logins->count == 0)
        return;
    pause_after(&logins->pause, begun, PAUSE_MIN_MS);
    if (!taken && log_seldom(&logins->quiet_until))
        log_warning("when users last signed in cannot be written, and is tried again",
                    F_INT("users", (int64_t)logins->count), F_STR("reason", db_why(logins->db)));
}

void last_login_flush_due(struct last_login *logins) {
    if (logins->count >= WRITE_TOGETHER ||
        (logins->count > 0 && clock_mono_ms() - logins->since >= WRITE_TOGETHER_MS))
        last_login_flush(logins);
}

const char *last_login_shown(struct arena *arena, const char *stored, int64_t began_ms) {
    char began[CLOCK_RFC3339_SIZE];
    if (began_ms <= 0)
        return stored;
    clock_rfc3339(began_ms, began);
    /* Both are of one form, in which the later time is the greater text. */
    return stored != NULL && strcmp(stored, began) >= 0 ? stored : arena_str(arena, began);
}
