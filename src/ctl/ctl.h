/*
 * ctl: gatehousectl, the administrator's tool.  Every verb is a row in main.c and a function in a
 * verb_*.c; the domain decides, as it does for the service.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "domain/account.h"
#include "domain/audit.h"
#include "domain/site.h"

/* Exit codes; scripts count on them (sysexits.h where it has a name). */
enum {
    CTL_DONE = 0,
    CTL_REFUSED = 1, /* refused, or not found */
    CTL_USAGE = 2,
    CTL_NO_STORE = 69, /* EX_UNAVAILABLE */
    CTL_BAD_CONF = 78  /* EX_CONFIG */
};

/* What a verb needs before it runs. */
enum {
    NEEDS_CONF_IF_ANY = 1, /* without the default file the built-in defaults do */
    NEEDS_CONF = 2,
    NEEDS_DATABASE = 4, /* these bring the configuration along */
    NEEDS_REDIS = 8,
    NEEDS_KEYS = 16
};

struct ctl;

struct verb {
    const char *noun, *word; /* word "": the noun alone */
    int (*run)(struct ctl *ctl);
    unsigned needs;
    int min, max;        /* operands; max -1: any number */
    const char *options; /* "--after= --yes": those with = take a value */
    const char *synopsis, *example, *help;
};

#define CTL_MAX_OPTIONS 40

struct ctl_option {
    const char *name;  /* "--after" */
    const char *value; /* "": the option takes none */
};

/* One run of the program. */
struct ctl {
    const struct verb *verb;
    const char *conf_path; /* NULL: -c was not given */
    bool json, help, version;
    const char **operands;
    size_t operand_count;
    struct ctl_option options[CTL_MAX_OPTIONS];
    size_t option_count;

    struct arena *arena;
    const struct conf *conf;
    struct conf *own_conf; /* NULL: conf is the site's */
    struct site *site;
    struct realm realm;
};

/* The table in main.c; it ends with a row whose noun is NULL. */
extern const struct verb verbs[];

/* args.c: the words of the command line ------------------------------------------------------- */

/* -c FILE, --json, --help and --version, and which verb; index is left behind it.  CTL_DONE, or
 * CTL_USAGE after saying why.  ctl->verb stays NULL where help or the version is all that is asked
 * for; behind index are then the words that help is to be about. */
int args_begin(struct ctl *ctl, int argc, char **argv, int *index);
/* The verb's options and operands, from argv[index] on. */
int args_rest(struct ctl *ctl, int argc, char **argv, int index);
/* The path of the configuration: what -c says, else the default. */
const char *ctl_conf_path(const struct ctl *ctl);
/* The value of an option ("" when it takes none); NULL: it was not given. */
const char *args_option(const struct ctl *ctl, const char *name);

/* help.c -------------------------------------------------------------------------------------- */

/* How to call the program, and every verb, on standard output. */
void help_all(void);
/* All verbs of a noun; word NULL: of that noun.  CTL_USAGE: there is none. */
int help_on(const char *noun, const char *word);
/* "add, list, show": the words (none for a noun alone) of a noun; "" for an unknown one.  In arena. */
const char *help_words(struct arena *arena, const char *noun);

/* output.c ------------------------------------------------------------------------------------ */

/* "gatehousectl: …" on standard error; returns code, so that a verb can end with it. */
int fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line for people; nothing with --json.  What could move a terminal's cursor is escaped. */
void out_line(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "name      value" for people; NULL and "" are shown as a dash. */
void out_pair(const struct ctl *ctl, const char *name, const char *value);
/* The answer with --json, else nothing.  Takes value in both cases. */
void out_json(const struct ctl *ctl, json *value);
/* RFC 3339, in arena. */
const char *out_time(struct arena *arena, int64_t ms);

struct table {
    struct arena *arena;
    size_t columns, rows;
    const char **cells;
};

/* A table for people: heads are the columns' names, NULL at the end; room for most rows. */
struct table table_new(struct arena *arena, const char *const *heads, size_t most);
/* cells: one for each column; borrowed.  NULL and "" are shown as a dash. */
void table_row(struct table *table, const char *const *cells);
/* Writes it to standard output, columns aligned; nothing with --json. */
void table_print(const struct ctl *ctl, const struct table *table);

/* input.c ------------------------------------------------------------------------------------- */

/* Bytes that were read; with a NUL behind.  Wiped and freed by input_free. */
struct input {
    char *bytes;
    size_t len;
};
/* Wipes and frees; what was never read is fine. */
void input_free(struct input *input);

/* One line of standard input, without its end; from a terminal it is asked for with prompt, and not
 * shown.  CTL_DONE, or the exit code after saying why. */
int input_secret(const char *prompt, struct input *input);
/* The same for a new password: asked for twice on a terminal. */
int input_new_password(struct input *input);
/* All of standard input, up to most bytes and one more. */
int input_all(size_t most, struct input *input);
/* All of a file of at most that many bytes.  CTL_DONE, or the exit code after saying why. */
int input_file(const char *path, size_t most, struct input *input);
/* A question on the terminal, answered yes; true without asking where there is none. */
bool input_confirms(const char *question);

/* common to verbs: verb.c --------------------------------------------------------------------- */

/* CTL_DONE, or CTL_NO_STORE after saying which store cannot be reached. */
int reach_database(struct ctl *ctl);
int reach_redis(struct ctl *ctl);
/* After MariaDB refused something: true after saying that the schema lacks a step, and what to do. */
bool blame_schema(const struct ctl *ctl);
/* Says that a store failed on the way, and returns CTL_NO_STORE. */
int store_failed(const struct ctl *ctl);
/* CTL_DONE, or the exit code after saying that nobody has this name. */
int find_user(struct ctl *ctl, const char *name, struct user *user);
/* CTL_DONE, or the exit code after saying what was wrong. */
int account_outcome(const struct ctl *ctl, enum account_result result, const char *who,
                    const struct field_errors *errors);
/* A whole number within bounds; false: it is none. */
bool number_read(const char *text, int64_t min, int64_t max, int64_t *out);

/* verb_jws.c: token verify --jws, a signature alone.  The exit code. */
int verify_jws(struct ctl *ctl);

/* The audit trail: record.c -------------------------------------------------------------------- */

/* From now on what happens is done by the user of the system who runs this program. */
void record_scene(struct ctl *ctl);
/* Before something is done that no transaction undoes: CTL_DONE, or the exit code after saying that it
 * could not be recorded, which mode strict wants. */
int record_ready(struct ctl *ctl);
/* What a verb itself has done; takes note's details.  CTL_DONE, or the exit code after saying that it
 * was done but not recorded, which mode strict wants. */
int record(struct ctl *ctl, const struct audit_note *note);
/* Writes what was noted, and says so if that failed. */
void record_finish(struct ctl *ctl);

/* The verbs ----------------------------------------------------------------------------------- */

/* Each is a row of the table in main.c, which has its operands, its options and its help: verb_user_add is
 * user add.  They return the exit code, after saying on standard error why it is not CTL_DONE. */
int verb_audit(struct ctl *ctl);
int verb_audit_prune(struct ctl *ctl);
int verb_client_add(struct ctl *ctl);
int verb_client_delete(struct ctl *ctl);
int verb_client_list(struct ctl *ctl);
int verb_db_migrate(struct ctl *ctl);
int verb_db_status(struct ctl *ctl);
int verb_doctor(struct ctl *ctl);
int verb_json_check(struct ctl *ctl);
int verb_key_list(struct ctl *ctl);
int verb_key_new(struct ctl *ctl);
int verb_key_retire(struct ctl *ctl);
int verb_key_rotate(struct ctl *ctl);
int verb_password_hash(struct ctl *ctl);
int verb_password_verify(struct ctl *ctl);
int verb_session_list(struct ctl *ctl);
int verb_session_revoke(struct ctl *ctl);
int verb_status(struct ctl *ctl);
int verb_token_inspect(struct ctl *ctl);
int verb_token_revoke(struct ctl *ctl);
int verb_token_verify(struct ctl *ctl);
int verb_user_add(struct ctl *ctl);
int verb_user_delete(struct ctl *ctl);
int verb_user_disable(struct ctl *ctl);
int verb_user_enable(struct ctl *ctl);
int verb_user_import(struct ctl *ctl);
int verb_user_list(struct ctl *ctl);
int verb_user_passwd(struct ctl *ctl);
int verb_user_role(struct ctl *ctl);
int verb_user_show(struct ctl *ctl);

#endif
