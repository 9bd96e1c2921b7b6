/*
 * Parameters, cookies, credentials and bodies, through the whole front door, with both stores away:
 * nothing that anybody sends is answered yes, every answer is well formed, and no byte of a request
 * gets out of its place in one.
 *
 * An input is a list of parameters: a byte that chooses the name, the value, 0xff; after a byte 0
 * comes the body.
 */
#include <ctype.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "api/api_private.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "domain/key_dir.h"
#include "domain/site.h"
#include "fcgi/record.h"
#include "fuzz.h"
#include "../unit/wire.h"

static struct site site;
static struct site_gates gates;
static struct realm realm;
static struct api *api;
static unsigned finished;

/* In place of the loop's. */
void fcgi_finish(struct fcgi_request *request) {
    (void)request;
    finished++;
}

bool fcgi_put_off(struct fcgi_request *request) {
    PROMISE(!request->has_turn);
    return false;
}

void fcgi_go_on_later(struct fcgi_request *request, const void *kept, size_t len) {
    (void)request, (void)kept, (void)len;
    PROMISE(false); /* nothing here has a session to end */
}

static void write_file(const char *directory, const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    PROMISE(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0 && chmod(path, 0600) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    char directory[] = "/tmp/fuzz_request.XXXXXX", why[300] = "", path[200];
    static const char *const files[] = {"k1.hs256.key", "signing"};
    (void)argc, (void)argv;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    PROMISE(mkdtemp(directory) != NULL);
    write_file(directory, files[0], "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    write_file(directory, files[1], "k1\n");
    site.keys = keyring_read(directory, why, sizeof why);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        unlink(path);
    }
    rmdir(directory);
    setenv("GATEHOUSE_REDIS_URL", "unix:///nonexistent/redis.sock", 1);
    setenv("GATEHOUSE_MARIADB_SOCKET", "/nonexistent/mariadb.sock", 1);
    setenv("GATEHOUSE_COOKIE_ORIGINS", "https://app.example.org", 1);
    site.conf = conf_read(NULL, why, sizeof why);
    PROMISE(site.keys != NULL && site.conf != NULL);
    realm_open(&realm, &site, &gates);
    api = api_new(&realm, NULL, 1);
    return 0;
}

static const char *const names[] = {
    "REQUEST_METHOD", "DOCUMENT_URI", "SCRIPT_NAME", "PATH_INFO", "CONTENT_TYPE", "CONTENT_LENGTH",
    "HTTP_AUTHORIZATION", "REDIRECT_HTTP_AUTHORIZATION", "HTTP_X_SESSION_ID", "HTTP_COOKIE",
    "HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_HOST", "HTTPS", "HTTP_USER_AGENT", "REMOTE_ADDR",
    "REQUEST_ID", "AUTH_REQUIRE_ROLE", "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "QUERY_STRING",
    "REMOTE_USER", "HTTP_REMOTE_USER", "FCGI_APACHE_ROLE", "GATEHOUSE_SECRET", "REQUEST_URI",
    "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
};
#define NAMES (sizeof names / sizeof *names)

static void add_param(struct buf *params, const char *name, const char *value, size_t len) {
    size_t name_len = strlen(name);
    if (memchr(value, '\0', len) != NULL) /* the reader of records refuses it */
        return;
    wire_length(params, (uint32_t)name_len, 0);
    wire_length(params, (uint32_t)len, 1);
    buf_add(params, name, name_len);
    buf_add(params, value, len);
}

/* The status, after a look at the answer's form. */
static int status_of(const struct buf *out, const char **headers_end) {
    int status = 200;
    const char *at = out->data, *end = out->data + out->len;
    PROMISE(out->len > 0);
    for (;;) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        PROMISE(line_end != NULL);
        if (line_end == at)
            break;
        const char *colon = memchr(at, ':', (size_t)(line_end - at));
        PROMISE(colon != NULL && colon > at && colon[1] == ' ');
        for (const char *c = at; c < colon; c++)
            PROMISE(isalnum((unsigned char)*c) || *c == '-' || *c == '_');
        for (const char *c = colon; c < line_end; c++)
            PROMISE(*c != '\n' && *c != '\r' && *c != '\0');
        if (strncmp(at, "Status: ", 8) == 0)
            status = atoi(at + 8);
        PROMISE(strncmp(at, "Variable-", 9) != 0 && strncmp(at, "Remote-", 7) != 0);
        at = line_end + 2;
    }
    *headers_end = at + 2;
    return status;
}

static bool is_named(const struct fcgi_param *param, const char *name) {
    return param->value_len > 0 && param->name_len == strlen(name) &&
           memcmp(param->name, name, param->name_len) == 0;
}

/* On the path of the check: whether nothing shows that the check itself was asked for, and no page. */
static bool may_be_a_page(const struct buf *params) {
    static const char check[] = "/auth/verify";
    const size_t len = sizeof check - 1;
    struct fcgi_param param;
    const char *at = params->data, *end = at + params->len;
    bool path = false, is_check = false, itself = false, role = false;
    while (params->len > 0 && fcgi_next_param(&at, end, &param) == FCGI_WHOLE) {
        if (is_named(&param, "DOCUMENT_URI") && !path) {
            path = true;
            is_check = param.value_len == len && memcmp(param.value, check, len) == 0;
        }
        itself |= is_named(&param, "REQUEST_URI") && param.value_len >= len &&
                  memcmp(param.value, check, len) == 0 && (param.value_len == len || param.value[len] == '?');
        role |= is_named(&param, "AUTH_REQUIRE_ROLE");
    }
    return is_check && (!itself || role);
}

/* What may be said without asking anybody. */
static bool is_free(const struct buf *params) {
    struct fcgi_param param;
    const char *at = params->data, *end = at + params->len;
    if (may_be_a_page(params))
        return false;
    while (params->len > 0 && fcgi_next_param(&at, end, &param) == FCGI_WHOLE) {
        if (memmem(param.value, param.value_len, "OPTIONS", 7) != NULL ||
            memmem(param.value, param.value_len, "/logout", 7) != NULL ||
            memmem(param.value, param.value_len, "/.well-known/", 13) != NULL ||
            memmem(param.value, param.value_len, "/metrics", 8) != NULL)
            return true;
    }
    return false;
}

static void check(const struct buf *params, const struct buf *out) {
    const char *body, *why;
    int status = status_of(out, &body);
    size_t len = (size_t)(out->data + out->len - body);
    PROMISE(status >= 200 && status < 600);
    PROMISE(status >= 300 || is_free(params));
    if (status >= 400 && len > 0) {
        json *error = json_parse(body, len, &why);
        PROMISE(error != NULL && json_is_object(error));
        json_free(error);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = input_of(data, size);
    struct buf params = {0}, out = {0};
    struct fcgi_request request = {.role = input_byte(&input) % 4 == 3 ? 2 : 1,
                                   .out = &out,
                                   .has_turn = true};
    while (input_left(&input) > 0) {
        unsigned code = input_byte(&input);
        if (code == 0)
            break;
        size_t len;
        char *value = input_text(&input, &len);
        add_param(&params, names[(code - 1) % NAMES], value, len);
        free(value);
    }
    request.params = params.data != NULL ? params.data : "";
    request.params_end = request.params + params.len;
    request.body = input_left(&input) > 0 ? (const char *)input.at : NULL;
    request.body_len = input_left(&input);
    struct fcgi_request *batch[] = {&request};
    finished = 0;
    api_serve(api, batch, 1);
    PROMISE(finished == 1);
    check(&params, &out);
    buf_free(&params);
    buf_free(&out);
    return 0;
}
