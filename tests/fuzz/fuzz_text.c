/*
 * Names, addresses, URLs: whatever passes is in its one form, and making that form again changes
 * nothing.
 */
#include "base/arena.h"
#include "base/log.h"
#include "base/url.h"
#include "domain/account_check.h"
#include "domain/canon.h"
#include "fuzz.h"

static struct arena *arena;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    arena = arena_new(4096);
    return 0;
}

static void emails(const char *text) {
    const char *canonical = canon_email(arena, text);
    if (canonical != NULL) {
        PROMISE(strlen(canonical) <= 254);
        const char *again = canon_email(arena, canonical);
        PROMISE(again != NULL && strcmp(again, canonical) == 0);
    }
    if (check_email(text) == NULL) {
        PROMISE(strlen(text) <= 254 && strchr(text, '@') != NULL);
        PROMISE(strpbrk(text, "\t\r\n ") == NULL);
        PROMISE(canonical != NULL);
    }
}

static void names(const char *text) {
    if (check_username(text) == NULL) {
        PROMISE(strlen(text) >= 3 && strlen(text) <= 32);
        PROMISE(strcmp(canon_username(arena, text),
                       canon_username(arena, canon_username(arena, text))) == 0);
    }
    if (check_display_name(text) == NULL)
        PROMISE(strpbrk(text, "\t\r\n") == NULL && canon_is_line(text));
    if (check_role(text) == NULL)
        PROMISE(strpbrk(text, ", \t\r\n\"") == NULL && text[0] != '\0');
    canon_is_words(text);
}

static void passwords(const char *text, size_t len) {
    size_t out_len, again_len;
    char *form = canon_password(text, len, &out_len);
    if (form == NULL)
        return;
    char *again = canon_password(form, out_len, &again_len);
    PROMISE(again != NULL && again_len == out_len && memcmp(form, again, out_len) == 0);
    free(again);
    free(form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = input_of(data, size);
    struct conf_redis_address redis;
    struct conf_mariadb_address mariadb;
    size_t len;
    char *text = input_text(&input, &len);
    emails(text);
    names(text);
    passwords(text, len);
    if (conf_redis_address(text, &redis))
        PROMISE((redis.host[0] != '\0') + (redis.path[0] != '\0') + (redis.sentinel_count > 0) == 1);
    if (conf_mariadb_address(text, &mariadb))
        PROMISE(mariadb.user[0] != '\0' && mariadb.database[0] != '\0');
    conf_url_password(text, &len);
    free(text);
    arena_reset(arena, 64 * 1024);
    return 0;
}
