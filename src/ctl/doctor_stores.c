#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/encode.h"
#include "base/url.h"
#include "ctl/doctor.h"
#include "store/migrate.h"

#define CLOCK_WARN_MS 2000
#define CLOCK_FAIL_MS 30000

/* A clock that was asked for: ms since 1970; before and after are ours, around the question. */
static void compare_clock(struct doctor *doctor, const char *area, int64_t theirs, int64_t before,
                          int64_t after) {
    int64_t off = theirs < before ? before - theirs : theirs > after ? theirs - after : 0;
    const char *cure =
        "set both clocks by NTP (timedatectl set-ntp true, or chrony), there and here";
    if (off >= CLOCK_WARN_MS)
        doctor_says(doctor, off >= CLOCK_FAIL_MS ? DOCTOR_FAIL : DOCTOR_WARN, area, cure,
                    "its clock and this machine's are %lld s apart: sessions and tokens end at the "
                    "wrong time",
                    (long long)(off / 1000));
    else
        doctor_says(doctor, DOCTOR_OK, area, NULL, "its clock agrees with this machine's");
}

/* Every worker has one connection to each store, and a reload has two generations of them. */
static int64_t workers_wanted(const struct ctl *ctl) {
    int64_t sum = 0;
    for (size_t i = 0; i < ctl->conf->pool_count; i++)
        if (ctl->conf->pools[i].listen[0] != '\0')
            sum += ctl->conf->pools[i].workers;
    return sum;
}

static void look_at_connections(struct doctor *doctor, const char *area, const char *option,
                                int64_t most) {
    int64_t workers = workers_wanted(doctor->ctl);
    if (most > 0 && most < 2 * workers + 5)
        doctor_says(
            doctor, most < workers ? DOCTOR_FAIL : DOCTOR_WARN, area,
            arena_printf(doctor->ctl->arena, "raise %s to %lld at least, or lower workers", option,
                         (long long)(2 * workers + 20)),
            "%s = %lld, but %lld workers have a connection each, and twice as many during a reload",
            option, (long long)most, (long long)workers);
}

/* Redis ---------------------------------------------------------------------------------------- */

/* NULL: Redis refused it; cache_why says why. */
static const struct reply *redis_asks(struct doctor *doctor, const char *command,
                                      const char *argument) {
    struct cache *cache = doctor->ctl->realm.cache;
    struct ask *ask = cache_ask(cache, doctor->ctl->arena, command);
    if (argument != NULL)
        ask_text(ask, argument);
    cache_flush(cache);
    return ask->reply;
}

/* The value behind "name:" of what INFO says; "" where it does not say. */
static const char *info_text(struct arena *arena, const char *info, const char *name) {
    const char *line = arena_printf(arena, "\n%s:", name), *at = strstr(info, line);
    return at != NULL ? arena_dup(arena, at + strlen(line), strcspn(at + strlen(line), "\r\n"))
                      : "";
}

static int64_t info_int(struct arena *arena, const char *info, const char *name) {
    return strtoll(info_text(arena, info, name), NULL, 10);
}

static void look_at_memory(struct doctor *doctor, const char *info) {
    struct arena *arena = doctor->ctl->arena;
    const char *policy = info_text(arena, info, "maxmemory_policy");
    int64_t most = info_int(arena, info, "maxmemory"), used = info_int(arena, info, "used_memory");
    if (policy[0] != '\0' && strcmp(policy, "noeviction") != 0)
        doctor_says(
            doctor, most > 0 ? DOCTOR_FAIL : DOCTOR_WARN, "redis",
            "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
            "maxmemory-policy is %s: when memory is short, sessions and what was revoked are "
            "forgotten",
            policy);
    else if (policy[0] != '\0')
        doctor_says(doctor, DOCTOR_OK, "redis", NULL, "maxmemory-policy is noeviction");
    if (most > 0 && used > most / 10 * 9)
        doctor_says(doctor, DOCTOR_WARN, "redis",
                    "CONFIG SET maxmemory to more, and the same in redis.conf",
                    "%lld of %lld MiB are used: when it is full, sign-in is answered 503",
                    (long long)(used >> 20), (long long)(most >> 20));
}

static void look_at_persistence(struct doctor *doctor, const char *info) {
    struct arena *arena = doctor->ctl->arena;
    bool aof = info_int(arena, info, "aof_enabled") != 0;
    if (strcmp(info_text(arena, info, aof ? "aof_last_write_status" : "rdb_last_bgsave_status"),
               "err") == 0)
        doctor_says(doctor, DOCTOR_FAIL, "redis", "make room on its disk, and see its log",
                    "it cannot write to its disk: it refuses, or will forget, what it is told");
    else if (aof)
        doctor_says(doctor, DOCTOR_OK, "redis", NULL,
                    "what it is told is on disk within a second "
                    "(appendonly)");
    else
        doctor_says(
            doctor, DOCTOR_WARN, "redis", "CONFIG SET appendonly yes, and the same in redis.conf",
            "appendonly is off: after a crash it knows only its last snapshot; every session is "
            "ended then, for some of those in it had ended since");
}

static void look_at_info(struct doctor *doctor) {
    const char *reply = reply_text(redis_asks(doctor, "INFO", NULL));
    struct arena *arena = doctor->ctl->arena;
    if (reply == NULL) {
        doctor_says(doctor, DOCTOR_WARN, "redis",
                    "ACL SETUSER … +info, or ask redis-cli INFO by hand",
                    "its settings cannot be seen: %s", cache_why(doctor->ctl->realm.cache));
        return;
    }
    const char *info = arena_printf(arena, "\n%s", reply),
               *version = info_text(arena, info, "redis_version");
    if (strtol(version, NULL, 10) < 6)
        doctor_says(doctor, DOCTOR_WARN, "redis", "update it",
                    "version %s is older than 6, which gatehouse "
                    "is tried with",
                    version);
    else
        doctor_says(doctor, DOCTOR_OK, "redis", NULL, "version %s", version);
    look_at_memory(doctor, info);
    look_at_persistence(doctor, info);
    look_at_connections(doctor, "redis", "maxclients", info_int(arena, info, "maxclients"));
}

/* What the scripts do, done once to a key of no meaning; the first that is refused is named. */
static const char rights_script[] =
    "local k = KEYS[1]\n"
    "local all = {{'TIME'}, {'HSET', k, 'a', '1'}, {'HGET', k, 'a'}, {'HMGET', k, 'a'}, "
    "{'PEXPIRE', k, 1000},\n"
    "  {'PTTL', k}, {'EXISTS', k}, {'DEL', k}, {'ZADD', k, 1, 'a'}, {'ZSCORE', k, 'a'}, {'ZRANGE', "
    "k, 0, -1},\n"
    "  {'ZREM', k, 'a'}, {'ZREMRANGEBYSCORE', k, 0, 1}, {'ZREMRANGEBYRANK', k, 0, 1}, {'DEL', k},\n"
    "  {'SET', k, '1', 'PX', 1000}, {'GET', k}, {'DEL', k}, {'INCR', k}, {'UNLINK', k},\n"
    "  {'SCAN', '0', 'COUNT', 1}}\n"
    "for _, one in ipairs(all) do\n"
    "  local answer = redis.pcall(unpack(one))\n"
    "  if type(answer) == 'table' and answer.err then\n"
    "    return redis.error_reply('ERR ' .. one[1] .. ': ' .. answer.err)\n"
    "  end\n"
    "end\n"
    "return 1";

static void look_at_rights(struct doctor *doctor) {
    struct cache *cache = doctor->ctl->realm.cache;
    struct arena *arena = doctor->ctl->arena;
    uint8_t bytes[12];
    char name[HEX_SIZE(sizeof bytes)];
    secret_random(bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, name);
    struct ask *ask = cache_ask(cache, arena, "EVAL");
    ask_text(ask, rights_script);
    ask_text(ask, "1");
    ask_key(cache, arena, ask, "doctor:", name);
    cache_flush(cache);
    if (ask->reply != NULL)
        doctor_says(doctor, DOCTOR_OK, "redis", NULL,
                    "our account may do all that is needed to keys %s*",
                    doctor->ctl->conf->redis_prefix);
    else
        doctor_says(doctor, DOCTOR_FAIL, "redis",
                    arena_printf(arena,
                                 "ACL SETUSER … ~%s* +@read +@write +@scripting +@connection +time "
                                 "+role +info",
                                 doctor->ctl->conf->redis_prefix),
                    "it does not let us do what is needed: %s", cache_why(cache));
}

static void look_at_redis_clock(struct doctor *doctor) {
    int64_t before = clock_wall_ms();
    const struct reply *reply = redis_asks(doctor, "TIME", NULL);
    int64_t seconds = reply_int(reply_at(reply, 0), -1), micros = reply_int(reply_at(reply, 1), 0);
    if (seconds >= 0)
        compare_clock(doctor, "redis", seconds * 1000 + micros / 1000, before, clock_wall_ms());
}

/* Whoever can write there can sign in as anybody. */
static void look_at_door(struct doctor *doctor) {
    const struct ctl *ctl = doctor->ctl;
    struct conf_redis_address address;
    struct stat st;
    bool read = conf_redis_address(ctl->conf->redis_url, &address);
    bool has_password = address.password[0] != '\0';
    secret_wipe(address.password, sizeof address.password);
    if (!read || has_password || ctl->site->redis_password != NULL)
        return;
    if (address.path[0] != '\0' && (stat(address.path, &st) != 0 || (st.st_mode & S_IWOTH) == 0))
        return;
    doctor_says(
        doctor, DOCTOR_WARN, "redis",
        "requirepass in redis.conf and password_file in [redis], or a Unix socket that only its "
        "group "
        "may open",
        "it asks for no password, and every user of this machine can connect: whoever writes there "
        "signs in as anybody");
}

void doctor_redis(struct doctor *doctor) {
    struct cache *cache = doctor->ctl->realm.cache;
    int64_t begun = clock_mono_us();
    if (cache_connect(cache) != ANSWER_YES) {
        doctor->no_store = true;
        doctor_says(
            doctor, DOCTOR_FAIL, "redis",
            "start it (systemctl start redis-server), or mend url, password_file and timeout in "
            "[redis]",
            "it cannot be reached: %s", cache_why(cache));
        return;
    }
    int64_t us = clock_mono_us() - begun;
    doctor_says(doctor, DOCTOR_OK, "redis", NULL, "it answers, and took %lld.%lld ms to connect",
                (long long)(us / 1000), (long long)(us % 1000 / 100));
    look_at_info(doctor);
    look_at_rights(doctor);
    look_at_door(doctor);
    look_at_redis_clock(doctor);
}

/* MariaDB -------------------------------------------------------------------------------------- */

/* "" where there is none, or it may not be asked. */
/* "": the server did not say. */
static const char *value(struct doctor *doctor, const char *query) {
    const char *text;
    return db_query_value(doctor->ctl->realm.db, doctor->ctl->arena, query, &text) == ANSWER_YES &&
                   text != NULL
               ? text
               : "";
}

static bool look_at_schema(struct doctor *doctor) {
    size_t count;
    const char *newer = NULL, *pending = NULL;
    struct db *db = doctor->ctl->realm.db;
    const struct migration *steps = migrate_status(db, doctor->ctl->arena, &count, &newer);
    for (size_t i = 0; steps != NULL && i < count; i++)
        if (!steps[i].applied && pending == NULL)
            pending = steps[i].name;
    if (steps == NULL)
        doctor_says(doctor, DOCTOR_FAIL, "mariadb", "grant the rights of grants.sql",
                    "its schema cannot be seen: %s", db_why(db));
    else if (newer != NULL)
        doctor_says(doctor, DOCTOR_FAIL, "mariadb", "install the gatehouse that made it",
                    "the schema has the step %s, which this program does not know", newer);
    else if (pending != NULL)
        doctor_says(doctor, DOCTOR_FAIL, "mariadb",
                    "gatehousectl db migrate, as an account that may change "
                    "tables",
                    "the schema is behind: the step %s is missing", pending);
    else
        doctor_says(doctor, DOCTOR_OK, "mariadb", NULL, "the schema is this program's");
    return steps != NULL && newer == NULL && pending == NULL;
}

static void look_at_grants(struct doctor *doctor) {
    struct db *db = doctor->ctl->realm.db;
    if (db_prepare_all(db) != ANSWER_YES)
        doctor_says(doctor, DOCTOR_FAIL, "mariadb",
                    "grant the rights of grants.sql to that account",
                    "our account may not do all that is needed: %s", db_why(db));
    else
        doctor_says(doctor, DOCTOR_OK, "mariadb", NULL, "our account may do all that is needed");
    const char *more = value(
        doctor,
        "SELECT GROUP_CONCAT(DISTINCT privilege_type ORDER BY 1 SEPARATOR ', ') FROM "
        "(SELECT privilege_type FROM information_schema.user_privileges UNION SELECT "
        "privilege_type FROM information_schema.schema_privileges) AS p WHERE privilege_type IN "
        "('CREATE', 'DROP', 'ALTER', 'SUPER', 'FILE', 'CREATE USER', 'GRANT OPTION', 'SHUTDOWN')");
    if (more[0] != '\0')
        doctor_says(doctor, DOCTOR_WARN, "mariadb",
                    "REVOKE ALL PRIVILEGES, GRANT OPTION FROM that account, then grants.sql; db "
                    "migrate is for "
                    "an administrator's account",
                    "our account may do more than the service needs: %.200s", more);
}

/* Before rights were given table by table the service could do as it liked with the trail. */
static void look_at_trail(struct doctor *doctor) {
    const char *more = value(
        doctor, "SELECT GROUP_CONCAT(DISTINCT privilege_type ORDER BY 1 SEPARATOR ', ') FROM "
                "(SELECT privilege_type FROM information_schema.user_privileges UNION SELECT "
                "privilege_type FROM information_schema.schema_privileges WHERE DATABASE() LIKE "
                "table_schema UNION SELECT privilege_type FROM information_schema.table_privileges "
                "WHERE table_schema = DATABASE() AND table_name = 'audit') AS p WHERE "
                "privilege_type IN ('SELECT', 'UPDATE', 'DELETE')");
    if (more[0] != '\0')
        doctor_says(
            doctor, DOCTOR_WARN, "mariadb", "run grants.sql again, as an administrator",
            "who takes over the service can read or wipe away the audit trail: our account has "
            "%.200s on it",
            more);
    if (doctor->ctl->conf->audit_mode == AUDIT_OFF)
        doctor_says(doctor, DOCTOR_WARN, "conf", "set mode = best_effort in [audit] and reload",
                    "nothing is recorded in the audit trail");
}

static void look_at_tables(struct doctor *doctor) {
    const char *loose = value(
        doctor,
        "SELECT GROUP_CONCAT(table_name, '.', column_name ORDER BY 1 SEPARATOR ', ') FROM "
        "information_schema.columns WHERE table_schema = DATABASE() AND table_name IN ('users', "
        "'user_roles', 'clients') AND collation_name <> 'utf8mb4_nopad_bin'");
    const char *other = value(
        doctor,
        "SELECT GROUP_CONCAT(table_name, ' ', engine SEPARATOR ', ') FROM "
        "information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'");
    if (loose[0] != '\0')
        doctor_says(
            doctor, DOCTOR_FAIL, "mariadb",
            "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
            "names are compared loosely (not utf8mb4_nopad_bin), so that two may be one account: "
            "%.200s",
            loose);
    else
        doctor_says(doctor, DOCTOR_OK, "mariadb", NULL, "names are compared byte for byte");
    if (other[0] != '\0')
        doctor_says(doctor, DOCTOR_FAIL, "mariadb", "ALTER TABLE … ENGINE = InnoDB",
                    "a table has no transactions and may lose rows in a crash: %.200s", other);
}

static void look_at_server(struct doctor *doctor) {
    const char *mode = value(doctor, "SELECT @@SESSION.sql_mode");
    if (strstr(mode, "STRICT_ALL_TABLES") == NULL)
        doctor_says(
            doctor, DOCTOR_FAIL, "mariadb", "take what sets sql_mode (init_connect, a proxy) away",
            "our sessions are not strict, so that values may be cut: sql_mode is \"%s\"", mode);
    const char *read_only = value(doctor, "SELECT @@GLOBAL.read_only");
    const char *flush = value(doctor, "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit");
    if (read_only[0] != '\0' && !db_is_off(read_only))
        doctor_says(doctor, DOCTOR_FAIL, "mariadb",
                    "SET GLOBAL read_only = 0, or name the primary in url",
                    "it is read-only: nobody can register, log in or be disabled");
    if (flush[0] != '\0' && strcmp(flush, "1") != 0)
        doctor_says(doctor, DOCTOR_WARN, "mariadb",
                    "SET GLOBAL innodb_flush_log_at_trx_commit = 1, and the same "
                    "in its configuration",
                    "a crash may undo the last second (innodb_flush_log_at_trx_commit): a user who "
                    "was just "
                    "disabled, a password that was just changed");
    look_at_connections(doctor, "mariadb", "max_connections",
                        strtoll(value(doctor, "SELECT @@GLOBAL.max_connections"), NULL, 10));
}

static void look_at_mariadb_clock(struct doctor *doctor) {
    int64_t before = clock_wall_ms();
    const char *theirs = value(doctor, "SELECT ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000)");
    if (theirs[0] != '\0')
        compare_clock(doctor, "mariadb", strtoll(theirs, NULL, 10), before, clock_wall_ms());
}

void doctor_mariadb(struct doctor *doctor) {
    struct db *db = doctor->ctl->realm.db;
    if (db_connect(db) != ANSWER_YES) {
        doctor->no_store = true;
        doctor_says(doctor, DOCTOR_FAIL, "mariadb",
                    "start it (systemctl start mariadb), or mend url, socket and password_file in "
                    "[mariadb]",
                    "it cannot be reached: %s", db_why(db));
        return;
    }
    const char *version = value(doctor, "SELECT VERSION()");
    long major = strtol(version, NULL, 10),
         minor = strchr(version, '.') != NULL ? strtol(strchr(version, '.') + 1, NULL, 10) : 0;
    bool old = major < 10 || (major == 10 && minor < 5);
    doctor_says(doctor, old ? DOCTOR_WARN : DOCTOR_OK, "mariadb", old ? "update it" : NULL,
                old ? "version %s is older than 10.5, which gatehouse is tried with"
                    : "version %s answers",
                version);
    if (look_at_schema(doctor)) {
        look_at_grants(doctor);
        look_at_trail(doctor);
        look_at_tables(doctor);
    }
    look_at_server(doctor);
    look_at_mariadb_clock(doctor);
}
