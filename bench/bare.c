/*
 * bare: the yardstick of ./dev bench.  The classic FastCGI responder: processes forked in advance
 * that share one Unix socket and take one connection at a time with libfcgi.
 *
 *   bare MODE SOCKET WORKERS [REDIS_SOCKET] [KEYFILE]
 *
 *   empty   answers and does nothing else
 *   jwt     checks the HS256 bearer token first, with libjwt
 *   redis   and asks Redis for the session's record and the blacklist, in one round trip
 *
 * A good request gets the 204 of a forward-auth check: the same headers, of about the same size, as
 * /auth/verify sends.  It reads the parameters HTTP_AUTHORIZATION and REQUEST_ID.  Its records in
 * Redis are bench/run's own: the hash bench:session:<sid> and the keys bench:blacklist:<jti>.
 *
 * It is a measure and nothing to deploy: libfcgi waits for ever for a silent peer, and executes
 * requests that were cut off.
 */
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fcgiapp.h>
#include <hiredis/hiredis.h>
#include <jwt.h>

#define BACKLOG     1024
#define MAX_WORKERS 256

enum mode { EMPTY, JWT, REDIS };
enum verdict { ALLOW, DENY, CANNOT_TELL };

static enum mode mode;
static unsigned char key[512];
static int key_length;
static const char *redis_path;
static sigset_t watched;
static redisContext *redis; /* one for each worker, opened after the fork */

/* Who the request is from.  What a mode does not look up keeps these values, so that the answers
 * of all modes have the same size. */
struct identity {
    const char *user, *id, *email, *name, *groups, *session;
};

static const struct identity SOMEBODY = {
    .user = "bench0",
    .id = "1",
    .email = "bench0@example.org",
    .name = "Bench Nought",
    .groups = "user",
    .session = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
};

static void key_read(const char *path) {
    FILE *f = fopen(path, "rb");

    if (!f)
        err(1, "%s", path);
    key_length = (int)fread(key, 1, sizeof key, f);
    fclose(f);
    if (key_length < 32)
        errx(1, "%s: an HS256 key has at least 32 bytes", path);
}

static const char *bearer(const FCGX_Request *request) {
    const char *value = FCGX_GetParam("HTTP_AUTHORIZATION", request->envp);

    return value && strncasecmp(value, "Bearer ", 7) == 0 ? value + 7 : NULL;
}

/* The token, to be freed by the caller; NULL when it is not good. */
static jwt_t *token_check(const char *text) {
    jwt_t *token;

    if (!text || jwt_decode(&token, text, key, key_length) != 0)
        return NULL;
    if (jwt_get_alg(token) == JWT_ALG_HS256 && jwt_get_grant_int(token, "exp") > time(NULL) &&
        jwt_get_grant(token, "sub") && jwt_get_grant(token, "email") &&
        jwt_get_grant(token, "sid") && jwt_get_grant(token, "jti"))
        return token;
    jwt_free(token);
    return NULL;
}

static bool record_complete(const redisReply *record) {
    if (record->type != REDIS_REPLY_ARRAY || record->elements != 6)
        return false;
    for (size_t i = 0; i < record->elements; i++)
        if (record->element[i]->type != REDIS_REPLY_STRING)
            return false;
    return true;
}

/* Two commands, one round trip.  On ALLOW the identity points into *record, which the caller frees
 * in any case. */
static enum verdict session_check(jwt_t *token, struct identity *who, redisReply **record) {
    redisReply *listed = NULL;
    enum verdict verdict = CANNOT_TELL;

    redisAppendCommand(redis, "HMGET bench:session:%s user_id username email name roles expires",
                       who->session);
    redisAppendCommand(redis, "EXISTS bench:blacklist:%s", jwt_get_grant(token, "jti"));
    if (redisGetReply(redis, (void **)record) != REDIS_OK ||
        redisGetReply(redis, (void **)&listed) != REDIS_OK)
        errx(1, "redis: %s", redis->errstr);
    if (listed->type == REDIS_REPLY_INTEGER)
        verdict = listed->integer == 0 && record_complete(*record) ? ALLOW : DENY;
    if (verdict == ALLOW && atol((*record)->element[5]->str) <= time(NULL))
        verdict = DENY;
    if (verdict == ALLOW) {
        who->id = (*record)->element[0]->str;
        who->user = (*record)->element[1]->str;
        who->email = (*record)->element[2]->str;
        who->name = (*record)->element[3]->str;
        who->groups = (*record)->element[4]->str;
    }
    freeReplyObject(listed);
    return verdict;
}

static void answer_allow(FCGX_Request *request, const struct identity *who) {
    const char *id = FCGX_GetParam("REQUEST_ID", request->envp);

    FCGX_FPrintF(request->out,
                 "Status: 204 No Content\r\n"
                 "Cache-Control: no-store\r\n"
                 "X-Content-Type-Options: nosniff\r\n"
                 "X-Request-Id: %s\r\n"
                 "Remote-User: %s\r\n"
                 "Remote-User-Id: %s\r\n"
                 "Remote-Email: %s\r\n"
                 "Remote-Name: %s\r\n"
                 "Remote-Groups: %s\r\n"
                 "Remote-Session: %s\r\n"
                 "\r\n",
                 id ? id : "-", who->user, who->id, who->email, who->name, who->groups,
                 who->session);
}

static void answer(FCGX_Request *request, enum verdict verdict, const struct identity *who) {
    if (verdict == ALLOW)
        answer_allow(request, who);
    else
        FCGX_FPrintF(request->out, "Status: %s\r\nContent-Type: application/json\r\n\r\n{}",
                     verdict == DENY ? "401 Unauthorized" : "503 Service Unavailable");
}

static void serve(FCGX_Request *request) {
    struct identity who = SOMEBODY;
    enum verdict verdict = ALLOW;
    redisReply *record = NULL;
    jwt_t *token = NULL;

    if (mode != EMPTY) {
        token = token_check(bearer(request));
        verdict = token ? ALLOW : DENY;
    }
    if (token) {
        who.id = jwt_get_grant(token, "sub");
        who.email = jwt_get_grant(token, "email");
        who.session = jwt_get_grant(token, "sid");
    }
    if (token && mode == REDIS)
        verdict = session_check(token, &who, &record);
    answer(request, verdict, &who);
    FCGX_Finish_r(request);
    freeReplyObject(record);
    jwt_free(token);
}

static _Noreturn void work(int listener) {
    FCGX_Request request;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever ends the first process */
    sigprocmask(SIG_UNBLOCK, &watched, NULL);
    if (mode == REDIS) {
        redis = redisConnectUnix(redis_path);
        if (!redis || redis->err)
            errx(1, "%s: %s", redis_path, redis ? redis->errstr : "no memory");
    }
    FCGX_Init();
    FCGX_InitRequest(&request, listener, 0);
    while (FCGX_Accept_r(&request) == 0)
        serve(&request);
    errx(1, "accept failed");
}

static enum mode mode_named(const char *name) {
    static const char *const NAMES[] = {[EMPTY] = "empty", [JWT] = "jwt", [REDIS] = "redis"};

    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(name, NAMES[i]) == 0)
            return (enum mode)i;
    errx(2, "%s: the modes are empty, jwt and redis", name);
}

/* Keeps so many workers until told to stop; then none is left.  A worker that ends by itself has
 * failed, and with it the measurement. */
static int watch(int listener, int workers) {
    pid_t pids[MAX_WORKERS];
    int signo;

    sigemptyset(&watched);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    for (int i = 0; i < workers; i++) {
        pids[i] = fork();
        if (pids[i] < 0)
            err(1, "fork"); /* the others go with this process */
        if (pids[i] == 0)
            work(listener);
    }
    sigwait(&watched, &signo);
    for (int i = 0; i < workers; i++)
        kill(pids[i], SIGKILL);
    while (wait(NULL) > 0)
        ;
    return signo == SIGCHLD ? 1 : 0;
}

int main(int argc, char **argv) {
    int listener, workers;

    if (argc < 4 || argc > 6)
        errx(2, "usage: bare empty|jwt|redis SOCKET WORKERS [REDIS_SOCKET] [KEYFILE]");
    mode = mode_named(argv[1]);
    workers = atoi(argv[3]);
    if (workers < 1 || workers > MAX_WORKERS)
        errx(2, "%s: 1 to %d workers", argv[3], MAX_WORKERS);
    if (mode != EMPTY) {
        if (argc != 6)
            errx(2, "%s needs REDIS_SOCKET and KEYFILE", argv[1]);
        redis_path = argv[4];
        key_read(argv[5]);
    }
    umask(0177);
    listener = FCGX_OpenSocket(argv[2], BACKLOG);
    if (listener < 0)
        err(1, "%s", argv[2]);
    return watch(listener, workers);
}
