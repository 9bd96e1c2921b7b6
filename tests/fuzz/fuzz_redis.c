/*
 * What Redis may answer, a broken or a hostile one included: bytes on the wire, and what is stored.
 * Nothing but a whole record of a session is taken for one; whatever else comes is "cannot tell" or
 * no.
 *
 * A thread plays Redis: it greets as expected, then sends the input and hangs up.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "fuzz.h"
#include "store/cache.h"
#include "store/limits.h"
#include "store/sessions.h"

static struct conf *conf;
static struct gate gate;
static char directory[] = "/tmp/fuzz_redis.XXXXXX";
static int listener = -1;
/* What connections are answered. */
static pthread_mutex_t answer_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t answer[64 * 1024];
static size_t answer_size;
static struct arena *arena;

static void say(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        size -= (size_t)sent;
    }
}

static void greet(int fd) {
    static const char sha[] = "$40\r\n0123456789abcdef0123456789abcdef01234567\r\n";
    static const char role[] = "-ERR unknown command\r\n*1\r\n$6\r\nmaster\r\n";
    say(fd, role, sizeof role - 1);
    for (int i = 0; i < SCRIPT_COUNT; i++)
        say(fd, sha, sizeof sha - 1);
}

static void *play(void *unused) {
    (void)unused;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        static uint8_t bytes[sizeof answer];
        pthread_mutex_lock(&answer_lock);
        size_t size = answer_size;
        memcpy(bytes, answer, size);
        pthread_mutex_unlock(&answer_lock);
        greet(fd);
        say(fd, bytes, size);
        shutdown(fd, SHUT_WR);
        while (recv(fd, bytes, sizeof bytes, 0) > 0)
            continue;
        close(fd);
    }
    return NULL;
}

static void clean(void) {
    char path[100];
    snprintf(path, sizeof path, "%s/sock", directory);
    unlink(path);
    rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    char error[300] = "", url[140];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;
    (void)argc, (void)argv;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    PROMISE(mkdtemp(directory) != NULL);
    atexit(clean);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", directory);
    snprintf(url, sizeof url, "unix://%s", address.sun_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PROMISE(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
            listen(listener, 16) == 0);
    setenv("GATEHOUSE_REDIS_URL", url, 1);
    conf = conf_read(NULL, error, sizeof error);
    PROMISE(conf != NULL);
    arena = arena_new(4096);
    PROMISE(pthread_create(&thread, NULL, play, NULL) == 0);
    return 0;
}

static const char sid[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const struct session_lives lives = {86400000, 2592000000, 604800000, 10000, 10000};

static void look_up(struct cache *cache) {
    struct session_who who = {0};
    int64_t last = 0;
    struct session_lookup lookup = sessions_lookup_ask(cache, arena, sid, "jti-1", true);
    cache_flush(cache);
    if (sessions_lookup_answer(&lookup, arena, &who, &last) != SESSION_LIVES)
        return;
    PROMISE(who.user_id != NULL && who.email != NULL && who.roles != NULL);
    PROMISE(lookup.blacklist->reply->kind == REPLY_INT && lookup.blacklist->reply->number == 0);
}

static void refresh(struct cache *cache) {
    struct refresh_request request = {sid, "f", "p", "n", "0011"};
    struct refresh_result result;
    struct ask *ask = sessions_refresh_ask(cache, arena, &request, &lives);
    cache_flush(cache);
    if (sessions_refresh_answer(ask, arena, &result) == REFRESH_ROTATED)
        PROMISE(result.user_id != NULL && result.nonce != NULL && result.left_ms > 0 &&
                result.who.user_id != NULL);
}

static void list(struct cache *cache) {
    struct session_item *items;
    size_t count;
    struct ask *ask = sessions_list_ask(cache, arena, "42", sid);
    cache_flush(cache);
    if (sessions_list_answer(ask, arena, &items, &count) != ANSWER_YES)
        return;
    for (size_t i = 0; i < count; i++)
        PROMISE(items[i].sid != NULL);
}

static void end(struct cache *cache) {
    int64_t ended = 0;
    bool more = false;
    struct ask *one = sessions_end_ask(cache, arena, sid, "42", (struct token_end){"jti-1", 1000});
    struct ask *all = sessions_end_all_ask(cache, arena, "42", NULL);
    cache_flush(cache);
    sessions_end_answer(one);
    if (sessions_end_all_answer(all, &ended, &more) == ANSWER_YES)
        PROMISE(all->reply->kind == REPLY_LIST && ended >= 0);
}

static void sweep(struct cache *cache) {
    struct session_sweep sweep = {.user_id = "42", .except = sid, .cursor = "0"};
    struct ask *ask = sessions_sweep_ask(cache, arena, &sweep);
    cache_flush(cache);
    enum answer last = sessions_sweep_answer(cache, ask, &sweep);
    PROMISE((last == ANSWER_YES) == (last != ANSWER_UNKNOWN && strcmp(sweep.cursor, "0") == 0));
}

static void owner(struct cache *cache) {
    const char *user = NULL;
    struct ask *ask = sessions_owner_ask(cache, arena, sid);
    cache_flush(cache);
    PROMISE((sessions_owner_answer(ask, arena, &user) == ANSWER_YES) == (user != NULL));
}

static void limit(struct cache *cache) {
    struct limit_result result = {0};
    struct ask *ask = limits_ask(cache, arena, "login_address", "192.0.2.1",
                                 (struct conf_rate){30, 60000}, 1);
    cache_flush(cache);
    limits_answer(ask, &result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const questions[])(struct cache *) = {look_up, refresh, list, end, limit, sweep, owner};
    struct input input = input_of(data, size);
    unsigned which = input_byte(&input) % (sizeof questions / sizeof *questions);
    pthread_mutex_lock(&answer_lock);
    answer_size = input_left(&input) < sizeof answer ? input_left(&input) : sizeof answer;
    memcpy(answer, input.at, answer_size);
    pthread_mutex_unlock(&answer_lock);
    memset(&gate, 0, sizeof gate);
    struct cache *cache = cache_new(conf, NULL, &gate);
    questions[which](cache);
    cache_free(&cache);
    arena_reset(arena, 64 * 1024);
    return 0;
}
