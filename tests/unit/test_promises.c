/* A library that will not do what it is asked: what was promised of a connection is then not silently
 * missing.  The calls that fail are put in by the linker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/redis_wire.h"
#include "store/tls.h"

static bool no_time_limit, no_version, no_authorities;

struct redisContext;
int __real_redisSetTimeout(struct redisContext *redis, const struct timeval time);
int __wrap_redisSetTimeout(struct redisContext *redis, const struct timeval time);
long __real_SSL_CTX_ctrl(SSL_CTX *ssl, int command, long number, void *pointer);
long __wrap_SSL_CTX_ctrl(SSL_CTX *ssl, int command, long number, void *pointer);
int __real_SSL_CTX_set_default_verify_paths(SSL_CTX *ssl);
int __wrap_SSL_CTX_set_default_verify_paths(SSL_CTX *ssl);

int __wrap_redisSetTimeout(struct redisContext *redis, const struct timeval time) {
    return no_time_limit ? -1 : __real_redisSetTimeout(redis, time);
}

long __wrap_SSL_CTX_ctrl(SSL_CTX *ssl, int command, long number, void *pointer) {
    if (no_version && command == SSL_CTRL_SET_MIN_PROTO_VERSION)
        return 0;
    return __real_SSL_CTX_ctrl(ssl, command, number, pointer);
}

int __wrap_SSL_CTX_set_default_verify_paths(SSL_CTX *ssl) {
    return no_authorities ? 0 : __real_SSL_CTX_set_default_verify_paths(ssl);
}

static int mend(void **state) {
    (void)state;
    no_time_limit = no_version = no_authorities = false;
    return 0;
}

/* A server that has answered before it was asked, and would be believed. */
static void no_reply_is_waited_for_without_a_limit(void **state) {
    (void)state;
    char folder[] = "/tmp/gatehouse-wire.XXXXXX", heard[64];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct redis_wire wire;
    struct arena *arena = arena_new(4096);
    assert_non_null(mkdtemp(folder));
    snprintf(at.sun_path, sizeof at.sun_path, "%s/sock", folder);
    int door = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(door, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(door, 5), 0);
    assert_true(wire_open(&wire, at.sun_path, "", 0, NULL, arena, clock_mono_ms() + 30000));
    int link = accept(door, NULL, NULL);
    assert_int_equal(write(link, "+PONG\r\n+PONG\r\n", 14), 14);

    wire_patience(&wire, 30000);
    WIRE_WORDS(&wire, "PING");
    assert_non_null(wire_reply(&wire));
    assert_true(read(link, heard, sizeof heard) > 0);

    no_time_limit = true;
    wire_patience(&wire, 30000);
    WIRE_WORDS(&wire, "PING");
    assert_null(wire_reply(&wire));
    assert_false(wire.late);
    assert_non_null(strstr(wire.why, "time limit"));
    assert_int_equal(recv(link, heard, sizeof heard, MSG_DONTWAIT), -1); /* nothing was sent */

    wire_close(&wire);
    close(link);
    close(door);
    unlink(at.sun_path);
    rmdir(folder);
    arena_free(&arena);
}

static void expect(const char *reason) {
    char why[256] = "";
    struct tls_options options = {.section = "redis", .verify = true, .ca = "", .cert = "", .key = "",
                                  .name = ""};
    struct tls_context *context = tls_context_new(&options, why, sizeof why);
    if (reason == NULL)
        assert_non_null(context);
    else {
        assert_null(context);
        assert_non_null(strstr(why, reason));
        assert_non_null(strstr(why, "[redis]"));
    }
    tls_context_free(&context);
}

static void no_tls_of_just_any_version(void **state) {
    (void)state;
    expect(NULL);
    no_version = true;
    expect("old versions");
}

static void no_tls_without_authorities(void **state) {
    (void)state;
    no_authorities = true;
    expect("authorities");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(no_reply_is_waited_for_without_a_limit, mend),
        cmocka_unit_test_teardown(no_tls_of_just_any_version, mend),
        cmocka_unit_test_teardown(no_tls_without_authorities, mend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
