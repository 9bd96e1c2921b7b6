#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/url.h"

static void redis_rows(void **state) {
    (void)state;
    static const struct {
        const char *url, *user, *password, *host;
        int port;
        const char *path;
        int db;
    } rows[] = {
        {"redis://127.0.0.1:6379/0", "", "", "127.0.0.1", 6379, "", 0},
        {"redis://cache", "", "", "cache", 6379, "", 0},
        {"redis://cache/", "", "", "cache", 6379, "", 0},
        {"redis://cache/15", "", "", "cache", 6379, "", 15},
        {"redis://:pw@cache:7000", "", "pw", "cache", 7000, "", 0},
        {"redis://u:p%40%3a%2F%25@cache/1", "u", "p@:/%", "cache", 6379, "", 1},
        {"redis://u:a@b@cache", "u", "a@b", "cache", 6379, "", 0},
        {"redis://u:a:b@cache", "u", "a:b", "cache", 6379, "", 0},
        {"redis://u@cache", "u", "", "cache", 6379, "", 0},
        {"redis://[::1]", "", "", "::1", 6379, "", 0},
        {"redis://[fe80::1]:1/2", "", "", "fe80::1", 1, "", 2},
        {"unix:///run/redis.sock", "", "", "", 0, "/run/redis.sock", 0},
        {"unix:///run/redis.sock?db=3", "", "", "", 0, "/run/redis.sock", 3},
        {"unix://u:p@/run/a%20b.sock", "u", "p", "", 0, "/run/a b.sock", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct conf_redis_address address;
        if (!conf_redis_address(rows[i].url, &address))
            fail_msg("%s was refused", rows[i].url);
        assert_string_equal(address.user, rows[i].user);
        assert_string_equal(address.password, rows[i].password);
        assert_string_equal(address.host, rows[i].host);
        assert_int_equal(address.port, rows[i].port);
        assert_string_equal(address.path, rows[i].path);
        assert_int_equal(address.db, rows[i].db);
        assert_false(address.tls);
    }
}

static void redis_tls(void **state) {
    (void)state;
    struct conf_redis_address address;
    assert_true(conf_redis_address("rediss://u:p@cache:7000/3", &address));
    assert_true(address.tls);
    assert_string_equal(address.host, "cache");
    assert_int_equal(address.port, 7000);
    assert_int_equal(address.db, 3);
    assert_true(conf_redis_address("rediss://cache", &address));
    assert_int_equal(address.port, 6379);
    assert_true(conf_redis_address("rediss+sentinel://a,b:1/m/2", &address));
    assert_true(address.tls);
    assert_int_equal(address.sentinel_count, 2);
    assert_string_equal(address.master, "m");
    assert_true(conf_redis_address("redis+sentinel://a/m", &address));
    assert_false(address.tls);
}

static void redis_refusals(void **state) {
    (void)state;
    static const char *const rows[] = {
        "", "redis", "redis:", "redis:/h", "redis://", "redis:///0", "redis://:6379", "redis://u@",
        "rediss:/h", "redisss://h", "rediss+unix:///p", "redis+sentinels://h/m", "redis+sentinel://h", "redis+sentinel://h/", "redis+sentinel://h,/m",
        "redis+sentinel://,h/m", "redis+sentinel://h/m/x", "redis+sentinel://h/m?db=1",
        "redis+sentinel://a,b,c,d,e,f,g,h,i/m", "redis://a,b",
        "http://h", "REDIS://h", "redis://h:", "redis://h:0",
        "redis://h:65536", "redis://h:x", "redis://h:-1", "redis://h:1:2", "redis://h/x",
        "redis://h/-1", "redis://h/1/2", "redis://h/99999", "redis://h?db=1", "redis://h#x",
        "redis://h%zz", "redis://h%0", "redis://h%", "redis://u:%00@h", "redis://[::1", "redis://[]",
        "redis://[::1]x", "redis://[::1]:", "unix://", "unix:///", "unix://host/path",
        "unix:///p?db=", "unix:///p?db=x", "unix:///p?db=1&x=2", "unix:///p?x=1", "unix:///p%00",
        "unix:relative",
    };
    struct conf_redis_address address;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (conf_redis_address(rows[i], &address))
            fail_msg("%s was accepted", rows[i]);
}

static void mariadb_rows(void **state) {
    (void)state;
    static const struct {
        const char *url, *user, *password, *host;
        int port;
        const char *database;
    } rows[] = {
        {"mariadb://gatehouse@localhost/gatehouse", "gatehouse", "", "localhost", 3306, "gatehouse"},
        {"mysql://u:p%23w@db.example:3307/x", "u", "p#w", "db.example", 3307, "x"},
        {"mariadb://u%40h:@[::1]:1/d%2fb", "u@h", "", "::1", 1, "d/b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct conf_mariadb_address address;
        if (!conf_mariadb_address(rows[i].url, &address))
            fail_msg("%s was refused", rows[i].url);
        assert_string_equal(address.user, rows[i].user);
        assert_string_equal(address.password, rows[i].password);
        assert_int_equal(address.host_count, 1);
        assert_string_equal(address.hosts[0].host, rows[i].host);
        assert_int_equal(address.hosts[0].port, rows[i].port);
        assert_string_equal(address.database, rows[i].database);
    }
}

static void several_hosts(void **state) {
    (void)state;
    struct conf_redis_address redis;
    struct conf_mariadb_address mariadb;
    assert_true(conf_redis_address("redis+sentinel://u:p@a,b:1,[::1]:2/my%20primary/3", &redis));
    assert_string_equal(redis.user, "u");
    assert_string_equal(redis.password, "p");
    assert_string_equal(redis.master, "my primary");
    assert_int_equal(redis.db, 3);
    assert_string_equal(redis.host, "");
    assert_int_equal(redis.sentinel_count, 3);
    assert_string_equal(redis.sentinels[0].host, "a");
    assert_int_equal(redis.sentinels[0].port, 26379);
    assert_string_equal(redis.sentinels[2].host, "::1");
    assert_int_equal(redis.sentinels[2].port, 2);
    assert_true(conf_redis_address("redis+sentinel://a/m", &redis));
    assert_int_equal(redis.sentinel_count, 1);
    assert_true(conf_mariadb_address("mariadb://u:p@a:1,b/d", &mariadb));
    assert_int_equal(mariadb.host_count, 2);
    assert_string_equal(mariadb.hosts[0].host, "a");
    assert_int_equal(mariadb.hosts[0].port, 1);
    assert_string_equal(mariadb.hosts[1].host, "b");
    assert_int_equal(mariadb.hosts[1].port, 3306);
}

static void mariadb_refusals(void **state) {
    (void)state;
    static const char *const rows[] = {
        "", "mariadb://", "mariadb://h/d", "mariadb://u@h", "mariadb://u@h/", "mariadb://u@/d",
        "mariadb://:p@h/d", "mariadb://u@h/d/e", "mariadb://u@h/d?x=1", "postgres://u@h/d",
        "mariadb://u@h:0/d", "mariadb://u@h,/d", "mariadb://u@,h/d", "mariadb://u:%4@h/d",
    };
    struct conf_mariadb_address address;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (conf_mariadb_address(rows[i], &address))
            fail_msg("%s was accepted", rows[i]);
}

/* One byte too many for each part. */
static void long_parts_are_refused(void **state) {
    (void)state;
    char url[2048];
    struct conf_redis_address redis;
    struct conf_mariadb_address mariadb;
    static const struct {
        const char *format;
        int fits;
    } rows[] = {{"redis://%0*d:p@h", 128}, {"redis://u:%0*d@h", 512}, {"redis://%0*d", 255},
                {"unix:///%0*d", 106},     {"mariadb://%0*d@h/d", 128}, {"mariadb://u@h/%0*d", 192}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int more = 0; more < 2; more++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(url, sizeof url, rows[i].format, rows[i].fits + more, 0);
#pragma GCC diagnostic pop
            bool ok = i < 4 ? conf_redis_address(url, &redis) : conf_mariadb_address(url, &mariadb);
            assert_int_equal(ok, !more);
        }
}

static void passwords_are_found(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"redis://u:secret@h", "secret"},  {"redis://:s%40x@h:1/2", "s%40x"},
        {"redis://u:a@b@h", "a@b"},        {"unix://:pw@/p?db=1", "pw"},
        {"mariadb://u:p:q@h/d", "p:q"},    {"mariadb://u@h:3306/d", NULL},
        {"redis://u:@h", NULL},            {"redis://h/a:b@c", NULL},
        {"nothing", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len;
        const char *password = conf_url_password(rows[i][0], &len);
        assert_int_equal(password != NULL, rows[i][1] != NULL);
        if (password) {
            assert_int_equal(len, strlen(rows[i][1]));
            assert_memory_equal(password, rows[i][1], len);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_hosts), cmocka_unit_test(redis_rows), cmocka_unit_test(redis_tls),       cmocka_unit_test(redis_refusals),
        cmocka_unit_test(mariadb_rows),     cmocka_unit_test(mariadb_refusals),
        cmocka_unit_test(passwords_are_found), cmocka_unit_test(long_parts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
