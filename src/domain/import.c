#include "domain/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/account.h"
#include "domain/audit.h"
#include "domain/canon.h"
#include "domain/password.h"
#include "store/users.h"

#define TRIES 3 /* somebody may register one of the names meanwhile */

/* Names are known by the first 8 bytes of their digests: 10 million of them have one chance in 10^5
 * that two which differ are taken for one, and then a dry run says so of one row. */
struct import {
    const struct realm *realm;
    bool dry_run;
    uint64_t *seen; /* open addressing; 0: free */
    size_t room, used;
};

/* A row that may be inserted. */
struct candidate {
    struct import_row *row;
    struct user_new user;
};

struct batch {
    struct import *import;
    struct arena *arena;
    struct candidate *list;
    size_t count;
};

struct import *import_new(const struct realm *realm, bool dry_run) {
    struct import *import = calloc(1, sizeof *import);
    MUST(import != NULL);
    import->realm = realm;
    import->dry_run = dry_run;
    return import;
}

void import_free(struct import **import) {
    if (import == NULL || *import == NULL)
        return;
    free((*import)->seen);
    free(*import);
    *import = NULL;
}

static bool refuse(struct import_row *row, const char *reason) {
    row->outcome = IMPORT_REFUSED;
    row->reason = reason;
    return false;
}

/* One row by itself ---------------------------------------------------------------------------- */

static bool roles_are_sane(struct arena *arena, struct import_row *row) {
    size_t all = 0;
    char *rest = row->roles != NULL ? arena_str(arena, row->roles) : NULL;
    for (char *role; rest != NULL && (role = strsep(&rest, " ,;")) != NULL;) {
        const char *wrong = role[0] != '\0' ? account_role_fault(role) : NULL;
        if (wrong != NULL)
            return refuse(row, arena_printf(arena, "the role \"%s\" %s", role, wrong));
        all += strlen(role) + 1;
    }
    return all <= ACCOUNT_ROLES_MAX || refuse(row, "all roles together are longer than 1 KiB");
}

static bool fields_are_sane(const struct import *import, struct arena *arena,
                            struct import_row *row) {
    struct field_errors errors = {0};
    struct account_request request = {.email = row->email,
                                      .username = row->username,
                                      .display_name = row->display_name,
                                      .password = row->password,
                                      .password_len = row->password_len};
    if (row->email == NULL)
        return refuse(row, "the email is missing");
    if (!utf8_valid(row->email, strlen(row->email)))
        return refuse(row, "the email must be valid UTF-8");
    account_check(import->realm, &request, &errors);
    if (errors.count > 0)
        return refuse(
            row, arena_printf(arena, "the %s %s", errors.list[0].field, errors.list[0].sentence));
    return roles_are_sane(arena, row);
}

static bool take_hash(const struct import *import, struct arena *arena, struct import_row *row,
                      const char **hash) {
    char made[PASSWORD_HASH_SIZE] = "*";
    if ((row->password == NULL) == (row->password_hash == NULL))
        return refuse(
            row, row->password == NULL
                     ? "there is neither a password nor a hash (* as the hash: nobody can log in)"
                     : "there is a password and a hash: which of them counts?");
    *hash = row->password_hash;
    if (*hash != NULL && strcmp(*hash, "*") != 0 &&
        !password_hash_is_whole(import->realm->conf, *hash))
        return refuse(
            row, "the hash is of no kind that is accepted ($2y$ $2b$ $2a$ $5$ $6$ $7$ $y$ $gy$), "
                 "cut short, or too costly");
    if (*hash != NULL || import->dry_run)
        return true;
    if (!password_hash(import->realm->conf, row->password, row->password_len, made))
        return refuse(row, "the password cannot be hashed");
    *hash = arena_str(arena, made);
    return true;
}

static bool become_candidate(const struct import *import, struct arena *arena,
                             struct import_row *row, struct user_new *user) {
    if (row->reason != NULL || !fields_are_sane(import, arena, row))
        return refuse(row, row->reason);
    user->names = (struct user_names){
        .email = row->email,
        .email_canonical = canon_email(arena, row->email),
        .username = row->username,
        .username_canonical = row->username != NULL ? canon_username(arena, row->username) : NULL,
        .display_name = row->display_name};
    user->email_verified = row->email_verified;
    user->disabled = row->disabled;
    return user->names.email_canonical != NULL ||
           refuse(row, "the email must be at most 254 bytes");
}

/* Rows beside each other ----------------------------------------------------------------------- */

static bool same(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void there(struct import_row *row, const char *reason) {
    row->outcome = IMPORT_THERE;
    row->reason = reason;
}

static int by_email(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    int order = strcmp(x->user.names.email_canonical, y->user.names.email_canonical);
    return order != 0 ? order : x->row->line < y->row->line ? -1 : 1;
}

static int by_username(const void *a, const void *b) {
    const struct candidate *const *x = a, *const *y = b;
    int order = strcmp((*x)->user.names.username_canonical, (*y)->user.names.username_canonical);
    return order != 0 ? order : (*x)->row->line < (*y)->row->line ? -1 : 1;
}

/* Drops the candidates whose outcome is known by now. */
static void keep_undecided(struct batch *batch) {
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->list[i].row->outcome == IMPORT_DONE)
            batch->list[kept++] = batch->list[i];
    batch->count = kept;
}

static void drop_same_emails(struct batch *batch) {
    qsort(batch->list, batch->count, sizeof *batch->list, by_email);
    for (size_t i = 1, first = 0; i < batch->count; i++) {
        struct candidate *one = &batch->list[i], *before = &batch->list[first];
        if (strcmp(one->user.names.email_canonical, before->user.names.email_canonical) != 0)
            first = i;
        else if (same(one->user.names.username_canonical, before->user.names.username_canonical))
            there(one->row, arena_printf(batch->arena, "is there already: line %lld",
                                         (long long)before->row->line));
        else
            refuse(one->row, arena_printf(batch->arena, "line %lld has the same email address",
                                          (long long)before->row->line));
    }
    keep_undecided(batch);
}

/* The candidates that have a username, sorted by it; *count is how many there are. */
static struct candidate **with_usernames(struct batch *batch, size_t *count) {
    struct candidate **list = arena_array(batch->arena, batch->count, sizeof *list);
    *count = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->list[i].user.names.username_canonical != NULL)
            list[(*count)++] = &batch->list[i];
    qsort(list, *count, sizeof *list, by_username);
    return list;
}

static void drop_same_usernames(struct batch *batch) {
    size_t count;
    struct candidate **list = with_usernames(batch, &count);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(list[i]->user.names.username_canonical,
                   list[first]->user.names.username_canonical) != 0)
            first = i;
        else
            refuse(list[i]->row, arena_printf(batch->arena, "line %lld has the same username",
                                              (long long)list[first]->row->line));
    }
    keep_undecided(batch);
}

/* Earlier batches of a dry run ----------------------------------------------------------------- */

static uint64_t print_of(char kind, const char *name) {
    uint8_t digest[SHA256_SIZE];
    uint64_t print;
    secret_sha256(name, strlen(name), digest);
    memcpy(&print, digest, sizeof print);
    print = kind == 'e' ? print : ~print;
    return print != 0 ? print : 1;
}

static bool add_print(struct import *import, uint64_t print) {
    size_t at = print & (import->room - 1);
    for (; import->seen[at] != 0; at = (at + 1) & (import->room - 1))
        if (import->seen[at] == print)
            return false;
    import->seen[at] = print;
    import->used++;
    return true;
}

static void make_room(struct import *import) {
    struct import before = *import;
    if (import->room > 0 && import->used < import->room / 2)
        return;
    import->room = before.room > 0 ? before.room * 2 : 4096;
    import->used = 0;
    import->seen = calloc(import->room, sizeof *import->seen);
    MUST(import->seen != NULL);
    for (size_t i = 0; i < before.room; i++)
        if (before.seen[i] != 0)
            add_print(import, before.seen[i]);
    free(before.seen);
}

/* Notes a name (NULL: none is given).  False: an earlier row of this run had it. */
static bool remember(struct import *import, char kind, const char *name) {
    if (name == NULL)
        return true;
    make_room(import);
    return add_print(import, print_of(kind, name));
}

static void drop_seen(struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        const struct user_names *names = &batch->list[i].user.names;
        bool email = remember(batch->import, 'e', names->email_canonical);
        bool username = remember(batch->import, 'u', names->username_canonical);
        if (!email || !username)
            refuse(batch->list[i].row, email ? "an earlier line has the same username"
                                             : "an earlier line has the same email address");
    }
    keep_undecided(batch);
}

/* Who is there --------------------------------------------------------------------------------- */

static struct candidate *candidate_with_email(const struct batch *batch, const char *canonical) {
    size_t low = 0, high = batch->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(batch->list[middle].user.names.email_canonical, canonical);
        if (order == 0)
            return &batch->list[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool drop_known_emails(struct batch *batch) {
    const char **emails = arena_array(batch->arena, batch->count, sizeof *emails);
    size_t found;
    for (size_t i = 0; i < batch->count; i++)
        emails[i] = batch->list[i].user.names.email_canonical;
    const struct user_key *keys =
        users_with_emails(batch->import->realm->db, batch->arena, emails, batch->count, &found);
    for (size_t i = 0; keys != NULL && i < found; i++) {
        const struct candidate *one = candidate_with_email(batch, keys[i].email_canonical);
        if (one != NULL && same(one->user.names.username_canonical, keys[i].username_canonical))
            there(one->row, "is left as they are");
        else if (one != NULL)
            refuse(one->row, "another user has this email address");
    }
    keep_undecided(batch);
    return keys != NULL;
}

static bool drop_known_usernames(struct batch *batch) {
    size_t count, found;
    struct candidate **list = with_usernames(batch, &count);
    const char **names = arena_array(batch->arena, count, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = list[i]->user.names.username_canonical;
    const struct user_key *keys =
        users_with_usernames(batch->import->realm->db, batch->arena, names, count, &found);
    for (size_t i = 0; keys != NULL && i < found; i++)
        for (size_t j = 0; j < count; j++)
            if (strcmp(names[j], keys[i].username_canonical) == 0)
                refuse(list[j]->row, "another user has this username");
    keep_undecided(batch);
    return keys != NULL;
}

/* Storing -------------------------------------------------------------------------------------- */

static enum answer add_roles(const struct batch *batch) {
    const char **emails = arena_array(batch->arena, batch->count, sizeof *emails);
    size_t wanted = 0, found, count = 0, room = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const char *roles = batch->list[i].row->roles;
        room += roles != NULL ? strlen(roles) / 2 + 1 : 0;
        if (roles != NULL)
            emails[wanted++] = batch->list[i].user.names.email_canonical;
    }
    const struct user_key *keys =
        users_with_emails(batch->import->realm->db, batch->arena, emails, wanted, &found);
    struct user_role *list = arena_array(batch->arena, room, sizeof *list);
    for (size_t i = 0; keys != NULL && i < found; i++) {
        const struct candidate *one = candidate_with_email(batch, keys[i].email_canonical);
        MUST(one != NULL);
        char *rest = arena_str(batch->arena, one->row->roles);
        for (char *role; (role = strsep(&rest, " ,;")) != NULL;)
            if (role[0] != '\0')
                list[count++] = (struct user_role){keys[i].id, role};
    }
    if (keys == NULL || found != wanted)
        return ANSWER_UNKNOWN;
    return users_add_roles(batch->import->realm->db, batch->arena, list, count);
}

/* One event of the audit trail for the whole batch: created_at shows which users were in it. */
static enum answer commit(const struct batch *batch) {
    const struct realm *realm = batch->import->realm;
    struct audit_note note = {.event = AUDIT_USER_IMPORT, .details = json_new_object()};
    json_add_int(note.details, "count", (int64_t)batch->count);
    enum answer done = audit_commit(realm, &note);
    audit_flush(realm);
    return done;
}

/* NO: a name was taken meanwhile. */
static enum answer store(const struct batch *batch) {
    struct db *db = batch->import->realm->db;
    struct user_new *users = arena_array(batch->arena, batch->count, sizeof *users);
    for (size_t i = 0; i < batch->count; i++)
        users[i] = batch->list[i].user;
    if (db_begin(db) != ANSWER_YES)
        return ANSWER_UNKNOWN;
    enum answer answer = users_insert_many(db, batch->arena, users, batch->count);
    if (answer == ANSWER_YES)
        answer = add_roles(batch);
    if (answer == ANSWER_YES)
        return commit(batch);
    db_rollback(db);
    return answer;
}

/* Hashes are made last, for whoever is left. */
static void hash_passwords(struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        if (batch->list[i].user.password_hash == NULL)
            take_hash(batch->import, batch->arena, batch->list[i].row,
                      &batch->list[i].user.password_hash);
    keep_undecided(batch);
}

static void gather(struct batch *batch, struct import_row *rows, size_t count) {
    batch->list = arena_array(batch->arena, count, sizeof *batch->list);
    for (size_t i = 0; i < count; i++) {
        struct candidate *next = &batch->list[batch->count];
        next->row = &rows[i];
        if (become_candidate(batch->import, batch->arena, &rows[i], &next->user)) {
            rows[i].outcome = IMPORT_DONE;
            batch->count++;
        }
    }
    drop_same_emails(batch);
    drop_same_usernames(batch);
}

enum answer import_batch(struct import *import, struct arena *arena, struct import_row *rows,
                         size_t count) {
    struct batch batch = {.import = import, .arena = arena};
    enum answer answer = ANSWER_NO;
    MUST(count <= IMPORT_BATCH);
    gather(&batch, rows, count);
    for (int tries = 0; tries < TRIES && answer == ANSWER_NO; tries++) {
        if (!drop_known_emails(&batch) || !drop_known_usernames(&batch))
            return ANSWER_UNKNOWN;
        hash_passwords(&batch);
        if (import->dry_run)
            drop_seen(&batch);
        answer = import->dry_run || batch.count == 0 ? ANSWER_YES : store(&batch);
    }
    return answer == ANSWER_YES ? ANSWER_YES : ANSWER_UNKNOWN;
}
