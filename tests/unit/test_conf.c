#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"

/* The linker puts this in: what is given back is looked at first. */
#define PASSWORD "of-that-test-alone"
void __real_free(void *block);
void __wrap_free(void *block);
static unsigned passwords_given_back;
void __wrap_free(void *block) {
    if (block && memmem(block, malloc_usable_size(block), PASSWORD, strlen(PASSWORD)))
        passwords_given_back++;
    __real_free(block);
}

static char path[] = "/tmp/test_conf.XXXXXX";
static char error[512];

static struct conf *read_bytes(const char *text, size_t len) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
    error[0] = '\0';
    return conf_read(path, error, sizeof error);
}

static struct conf *read_text(const char *text) {
    return read_bytes(text, strlen(text));
}

static struct conf *read_good(const char *text) {
    struct conf *conf = read_text(text);
    if (!conf)
        fail_msg("%s was refused: %s", text, error);
    return conf;
}

/* The sentence without the name of the file in front. */
static const char *refusal(const char *text) {
    struct conf *conf = read_text(text);
    if (conf)
        fail_msg("%s was accepted", text);
    assert_memory_equal(error, path, strlen(path));
    return error + strlen(path);
}

static char *dumped(const struct conf *conf) {
    static char *text;
    static size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    conf_dump(conf, out);
    fclose(out);
    return text;
}

static void defaults(void **state) {
    (void)state;
    struct conf *conf = conf_read(NULL, error, sizeof error);
    assert_non_null(conf);
    assert_string_equal(conf->server_base_path, "/auth");
    assert_int_equal(conf->server_max_body, 65536);
    assert_string_equal(conf->server_user, "");
    assert_int_equal(conf->redis_timeout, 500);
    assert_int_equal(conf->token_access_ttl, 900000);
    assert_int_equal(conf->token_leeway, 0);
    assert_int_equal(conf->session_max, INT64_C(30) * 86400000);
    assert_true(conf->cookie_enabled);
    assert_int_equal(conf->cookie_carries, COOKIE_CARRIES_SESSION);
    assert_int_equal(conf->login_transport, TRANSPORT_BOTH);
    assert_int_equal(conf->password_scheme, PASSWORD_BCRYPT);
    assert_int_equal(conf->password_cost, 12);
    assert_int_equal(conf->register_mode, REGISTER_OPEN);
    assert_int_equal(conf->limit_login_account.count, 10);
    assert_int_equal(conf->limit_login_account.period_ms, 900000);
    assert_int_equal(conf->log_level, LOG_LEVEL_INFO);
    assert_int_equal(conf->log_format, LOG_FORMAT_LOGFMT);
    assert_int_equal(conf->log_target, LOG_TARGET_STDERR);
    assert_int_equal(conf->pool_count, 2);
    assert_string_equal(conf->pools[0].name, "web");
    assert_string_equal(conf->pools[0].listen, "/run/gatehouse/web.sock");
    assert_string_equal(conf->pools[1].name, "login");
    assert_string_equal(conf->pools[1].listen, "/run/gatehouse/login.sock");
    assert_true(conf->pools[0].workers >= 2);
    assert_int_equal(conf->pools[0].batch, 64);
    assert_int_equal(conf->pools[1].batch, 1);
    assert_string_equal(conf->pools[1].mode, "0660");
    conf_free(conf);
    conf_free(NULL);
}

static void syntax(void **state) {
    (void)state;
    struct conf *conf = read_good("# comment\r\n"
                                  "  ; another\r\n"
                                  "\r\n"
                                  " [ log ] \r\n"
                                  "level=debug\r\n"
                                  "\tformat\t=\tjson \r\n"
                                  "[token]\n"
                                  "issuer = a # b ; c\n"
                                  "audience = \"  quoted  \"\n"
                                  "access_ttl =\n"
                                  "[pool.web]\n"
                                  "workers =\n"
                                  "batch = 0\n"
                                  "[log]\n"
                                  "target = \"syslog\"\n"
                                  "[server]\n"
                                  "user = \"\"\n"
                                  "group = say \"x\"\n"
                                  "max_body = 1000000");
    assert_int_equal(conf->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(conf->log_format, LOG_FORMAT_JSON);
    assert_int_equal(conf->log_target, LOG_TARGET_SYSLOG);
    assert_string_equal(conf->token_issuer, "a # b ; c");
    assert_string_equal(conf->token_audience, "  quoted  ");
    assert_int_equal(conf->token_access_ttl, 900000);
    assert_true(conf->pools[0].workers >= 2);
    assert_int_equal(conf->pools[0].batch, 64);
    assert_string_equal(conf->server_user, "");
    assert_string_equal(conf->server_group, "say \"x\"");
    assert_int_equal(conf->server_max_body, 1000000);
    conf_free(conf);
}

static void syntax_errors(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"x = 1\n", ":1: x: a key before the first [section]"},
        {"\n\n[nothing]\n", ":3: [nothing]: unknown section"},
        {"[redsi]\n", ":1: [redsi]: unknown section; did you mean [redis]?"},
        {"[pool]\n", ":1: [pool]: unknown section"},
        {"[Redis]\n", ":1: [Redis]: unknown section; did you mean [redis]?"},
        {"[redis\n", ":1: a section is written [name], with nothing behind it"},
        {"[redis] # x\n", ":1: a section is written [name], with nothing behind it"},
        {"[]\n", ":1: []: unknown section"},
        {"[redis]\ntimout = 1s\n", ":2: [redis] timout: unknown key; did you mean timeout?"},
        {"[redis]\npassword = x\n", ":2: [redis] password: unknown key; did you mean password_file?"},
        {"[mariadb]\npassword = x\n", ":2: [mariadb] password: unknown key; did you mean password_file?"},
        {"[pool.web]\nsecret = x\n", ":2: [pool.web] secret: unknown key; did you mean secret_file?"},
        {"[redis]\n_file = x\n", ":2: [redis] _file: unknown key"},
        {"[redis]\nsomething = 1s\n", ":2: [redis] something: unknown key"},
        {"[redis]\nkeys = /x\n", ":2: [redis] keys: unknown key"},
        {"[pool.web]\nworker = 1\n", ":2: [pool.web] worker: unknown key; did you mean workers?"},
        {"[redis]\n= 1\n", ":2: [redis] : unknown key"},
        {"[redis]\nno equals\n", ":2: the line is neither [section] nor key = value"},
        {"[redis]\ntimeout=1s\n[log]\n[redis]\ntimeout=2s\n",
         ":5: [redis] timeout: given twice, first in line 2"},
        {"[pool.web]\nmode=0600\n[pool.web]\nmode=\n",
         ":4: [pool.web] mode: given twice, first in line 2"},
        {"[token]\nissuer = \"x\n", ":2: [token] issuer: the closing quote is missing"},
        {"[token]\nissuer = \"\n", ":2: [token] issuer: the closing quote is missing"},
        {"[server]\nuser = a\tb\n",
         ":2: [server] user: it holds control characters or is not UTF-8"},
        {"\xef\xbb\xbf[log]\n",
         ":1: the file begins with a byte order mark: save it as UTF-8 without one"},
        {"[log]\n#\xff\n", ":2: the line is not UTF-8 text"},
        {"[pool.A]\n", ":1: [pool.A]: a pool's name has 1 to 31 of a-z 0-9 _ -"},
        {"[pool.]\n", ":1: [pool.]: a pool's name has 1 to 31 of a-z 0-9 _ -"},
        {"[pool.x]\nworkers=1\n", ":1: [pool.x] listen: this pool must say where it listens"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(refusal(rows[i][0]), rows[i][1]);
    assert_null(read_bytes("[log]\0\n", 7));
    assert_non_null(strstr(error, ":1: the line is not UTF-8 text"));
}

static void long_lines(void **state) {
    (void)state;
    char text[5000];
    for (int more = 0; more < 2; more++) {
        int len = snprintf(text, sizeof text, "#%0*d\r\n[log]\nlevel=error\n", 4095 + more, 0);
        struct conf *conf = read_bytes(text, (size_t)len);
        assert_int_equal(conf != NULL, !more);
        conf_free(conf);
    }
    assert_non_null(strstr(error, ":1: the line is longer than 4096 bytes"));
}

static void files_that_cannot_be_read(void **state) {
    (void)state;
    assert_null(conf_read("/nonexistent/g.conf", error, sizeof error));
    assert_string_equal(error, "/nonexistent/g.conf: cannot be read: No such file or directory; "
                               "write one, for example with: gatehouse -E (see gatehouse.conf(5))");
    assert_null(conf_read("/tmp", error, sizeof error));
    assert_string_equal(error, "/tmp: cannot be read: Is a directory");
    char small[10];
    assert_null(conf_read("/nonexistent/g.conf", small, sizeof small));
    assert_string_equal(small, "/nonexist");
}

struct value_row {
    const char *section, *key, *value, *dump; /* dump NULL: refused */
};

static const struct value_row values[] = {
    {"redis", "timeout", "10ms", "10ms"},
    {"redis", "timeout", "30s", "30s"},
    {"redis", "timeout", "1500ms", "1500ms"},
    {"redis", "timeout", "9ms", NULL},
    {"redis", "timeout", "30001ms", NULL},
    {"redis", "timeout", "0", NULL},
    {"redis", "timeout", "5", NULL},
    {"redis", "timeout", "1 s", NULL},
    {"redis", "timeout", "1S", NULL},
    {"redis", "timeout", "1.5s", NULL},
    {"redis", "timeout", "-1s", NULL},
    {"redis", "timeout", "+1s", NULL},
    {"redis", "timeout", "s", NULL},
    {"redis", "timeout", "1sx", NULL},
    {"redis", "timeout", "999999999999999999d", NULL},
    {"redis", "timeout", "99999999999999999999s", NULL},
    {"token", "leeway", "0", "0s"},
    {"token", "leeway", "60s", "1m"},
    {"session", "max", "366d", "366d"},
    {"session", "max", "367d", NULL},
    {"session", "idle", "1440m", "24h"},
    {"session", "idle", "48h", "2d"},
    {"server", "max_body", "1024", "1k"},
    {"server", "max_body", "1025", "1025"},
    {"server", "max_body", "16m", "16m"},
    {"server", "max_body", "17m", NULL},
    {"server", "max_body", "1000", NULL},
    {"server", "max_body", "64kb", NULL},
    {"password", "min_length", "64", "64"},
    {"password", "min_length", "65", NULL},
    {"password", "min_length", "7", NULL},
    {"password", "min_length", "10k", NULL},
    {"password", "min_length", "ten", NULL},
    {"password", "cost", "4", "4"},
    {"password", "cost", "3", NULL},
    {"password", "cost", "21", NULL},
    {"cookie", "secure", "no", "no"},
    {"cookie", "secure", "on", "yes"},
    {"cookie", "secure", "false", "no"},
    {"cookie", "secure", "1", NULL},
    {"cookie", "secure", "YES", NULL},
    {"log", "level", "warning", "warning"},
    {"log", "level", "warn", NULL},
    {"log", "level", "error|warning", NULL},
    {"log", "level", "err", NULL},
    {"limit", "login_address", "1/1s", "1/1s"},
    {"limit", "login_address", "5/90s", "5/90s"},
    {"limit", "login_address", "30/60s", "30/1m"},
    {"limit", "login_address", "0/1m", NULL},
    {"limit", "login_address", "30", NULL},
    {"limit", "login_address", "30/", NULL},
    {"limit", "login_address", "30/m", NULL},
    {"limit", "login_address", "/1m", NULL},
    {"limit", "login_address", "1/500ms", NULL},
    {"limit", "login_address", "1000001/1m", NULL},
    {"limit", "login_address", "99999999999999/1m", NULL},
    {"server", "base_path", "/", "/"},
    {"server", "base_path", "/a/b-c_d.E", "/a/b-c_d.E"},
    {"server", "base_path", "auth", NULL},
    {"server", "base_path", "/auth/", NULL},
    {"server", "base_path", "//", NULL},
    {"server", "base_path", "/a b", NULL},
    {"server", "base_path", "/a?b", NULL},
    {"server", "pid_file", "/run/x.pid", "/run/x.pid"},
    {"server", "pid_file", "x.pid", NULL},
    {"redis", "url", "unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"},
    {"redis", "url", "redis://u:hush@h:1/2", "redis://u:***@h:1/2"},
    {"redis", "url", "redis://u@h", "redis://u@h"},
    {"redis", "url", "rediss://u:hush@h:1/2", "rediss://u:***@h:1/2"},
    {"redis", "url", "rediss+unix:///p", NULL},
    {"redis", "url", "redis+sentinel://h", NULL},
    {"redis", "url", "h:6379", NULL},
    {"redis", "prefix", "a{b}:", "a{b}:"},
    {"redis", "prefix", "a b", NULL},
    {"redis", "prefix", "\xc3\xa9", NULL},
    {"redis", "prefix", "0123456789012345678901234567890123456789012345678901234567890123",
     "0123456789012345678901234567890123456789012345678901234567890123"},
    {"redis", "prefix", "01234567890123456789012345678901234567890123456789012345678901234", NULL},
    {"mariadb", "url", "mysql://u:p@h/d", "mysql://u:***@h/d"},
    {"mariadb", "url", "mariadb://h/d", NULL},
    {"mariadb", "url", "mariadb://u@h", NULL},
    {"token", "issuer", "https://login.example.org/", "https://login.example.org/"},
    {"token", "issuer", "", "gatehouse"},
    {"token", "issuer", "a\\b", NULL},
    {"token", "issuer", "\xc3\xa9", NULL},
    {"cookie", "name", "sid", "sid"},
    {"cookie", "name", "a b", NULL},
    {"cookie", "name", "a=b", NULL},
    {"cookie", "name", "a;b", NULL},
    {"cookie", "domain", ".Example.ORG", "example.org"},
    {"cookie", "domain", ".", NULL},
    {"cookie", "domain", "a..b", NULL},
    {"cookie", "domain", "example.org:80", NULL},
    {"cookie", "domain", "https://example.org", NULL},
    {"cookie", "origins", " https://A.example , http://b:8080,https://c:443 http://d:80",
     "https://a.example http://b:8080 https://c http://d"},
    {"cookie", "origins", "https://[::1]:8443", "https://[::1]:8443"},
    {"cookie", "origins", "https://a.example/", NULL},
    {"cookie", "origins", "https://a.example/x", NULL},
    {"cookie", "origins", "*", NULL},
    {"cookie", "origins", "null", NULL},
    {"cookie", "origins", "https://*.example", NULL},
    {"cookie", "origins", "https://u@a.example", NULL},
    {"cookie", "origins", "https://a:0", NULL},
    {"cookie", "origins", "https://a:65536", NULL},
    {"cookie", "origins", "https://", NULL},
    {"cookie", "origins", "https://[::1", NULL},
    {"cookie", "origins", "a.example", NULL},
    {"pool.web", "listen", "/run/x.sock", "/run/x.sock"},
    {"pool.web", "listen", "127.0.0.1:9000", "127.0.0.1:9000"},
    {"pool.web", "listen", "[::1]:9000", "[::1]:9000"},
    {"pool.web", "listen", "", ""},
    {"pool.web", "listen", "x.sock", NULL},
    {"pool.web", "listen", "9000", NULL},
    {"pool.web", "listen", "::1:9000", NULL},
    {"pool.web", "listen", "[127.0.0.1]:9000", NULL},
    {"pool.web", "listen", "127.0.0.1:0", NULL},
    {"pool.web", "listen", "127.0.0.1:65536", NULL},
    {"pool.web", "listen", "127.0.0.1", NULL},
    {"pool.web", "listen", "[::1]", NULL},
    {"pool.web", "mode", "600", "600"},
    {"pool.web", "mode", "0880", NULL},
    {"pool.web", "mode", "1777", NULL},
    {"pool.web", "mode", "rw", NULL},
    {"pool.web", "mode", "60", NULL},
    {"pool.web", "backlog", "65535", "65535"},
    {"pool.web", "backlog", "0", NULL},
    {"pool.web", "queue", "", "0"},
    {"pool.web", "queue", "16", "16"},
    {"pool.web", "queue", "65536", NULL},
};

static void check_value(const struct value_row *row) {
    char text[512], expected[300];
    snprintf(text, sizeof text, "[%s]\n%s = %s\n", row->section, row->key, row->value);
    if (!row->dump) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, ":2: [%s] %s: ", row->section, row->key);
        assert_memory_equal(refusal(text), prefix, strlen(prefix));
        return;
    }
    struct conf *conf = read_good(text);
    char *dump = dumped(conf);
    snprintf(expected, sizeof expected, "\n%s =%s%s\n", row->key, *row->dump ? " " : "", row->dump);
    snprintf(text, sizeof text, "[%s]\n", row->section);
    const char *section = strstr(dump, text);
    assert_non_null(section);
    if (!strstr(section, expected))
        fail_msg("%s = %s is not dumped as %s", row->key, row->value, row->dump);
    free(dump);
    conf_free(conf);
}

static void value_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check_value(&values[i]);
}

static void errors_say_what_is_allowed(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"[redis]\ntimeout = 5\n",
         ":2: [redis] timeout: \"5\" is not understood; allowed is a number "
         "with a unit (500ms, 10s, 15m, 24h, 30d) from 10ms to 30s"},
        {"[redis]\ntimeout = 5h\n",
         ":2: [redis] timeout: \"5h\" is out of range; allowed is a number "
         "with a unit (500ms, 10s, 15m, 24h, 30d) from 10ms to 30s"},
        {"[log]\nlevel = loud\n", ":2: [log] level: \"loud\" is not understood; allowed is "
                                  "error|warning|info|debug"},
        {"[password]\nscheme = yescrypt\ncost = 12\n",
         ":3: [password] cost: 12 is out of range for yescrypt; allowed is 1 to 11"},
        {"[password]\ncost = 2\n",
         ":2: [password] cost: 2 is out of range for bcrypt; allowed is 4 to 20"},
        {"[pool.a]\nlisten=/run/gatehouse/web.sock\n",
         ":2: [pool.a] listen: [pool.web] listens there already"},
        {"[pool.web]\nworkers=500\n[pool.login]\nworkers=13\n",
         ":4: [pool.login] workers: all pools together may have 512 workers"},
        {"[pool.login]\n\n[pool.web]\nworkers=512\n",
         ":4: [pool.web] workers: all pools together may have 512 workers"},
        {"[pool.web]\npeers = 10.0.0.0/33\n",
         ":2: [pool.web] peers: each must be a user's name or number (www-data, 33), an address "
         "(192.0.2.10, ::1) or a block of addresses (10.0.0.0/8, fd00::/8)"},
        {"[pool.web]\npeers = www-data 127.0.0.1\n",
         ":2: [pool.web] peers: of a Unix socket these are users: nobody there has an address"},
        {"[pool.web]\nlisten = 127.0.0.1:9000\npeers = ::1 www-data\n",
         ":3: [pool.web] peers: of a TCP socket these are addresses: who is behind one, nobody knows"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(refusal(rows[i][0]), rows[i][1]);
}

/* Where other machines can connect, a secret must be asked for. */
static void doors(void **state) {
    (void)state;
    static const char *const open[][2] = {
        {"[pool.web]\nlisten = 0.0.0.0:9000\n", ":2: [pool.web] listen"},
        {"[pool.web]\nlisten = [::]:9000\n", ":2: [pool.web] listen"},
        {"[pool.web]\nlisten = 192.0.2.1:9000\npeers = 127.0.0.1\n", ":2: [pool.web] listen"},
        {"[pool.web]\nlisten = 127.0.0.1:9000\npeers = 127.0.0.1, 192.0.2.1\n", ":3: [pool.web] peers"},
        {"[pool.web]\nlisten =\npeers = 10.0.0.0/8\n", ":3: [pool.web] peers"}, /* an inherited socket */
    };
    static const char *const shut[] = {
        "[pool.web]\nlisten = 127.0.0.1:9000\n",
        "[pool.web]\nlisten = [::1]:9000\npeers = ::1 127.0.0.0/8\n",
        "[pool.web]\npeers = www-data,33\n",
        "[pool.web]\nlisten =\npeers = www-data 127.0.0.1\n",
        "[pool.web]\nlisten = 0.0.0.0:9000\npeers = 10.0.0.0/8\nsecret_file = /etc/s\n",
    };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        const char *told = refusal(open[i][0]);
        assert_ptr_equal(strstr(told, open[i][1]), told);
        assert_non_null(strstr(told, ": where other machines can connect, secret_file must be set"));
    }
    for (size_t i = 0; i < sizeof shut / sizeof *shut; i++) {
        struct conf *conf = read_good(shut[i]);
        conf_free(conf);
    }
}

static void cookies_that_are_off_carry_no_login(void **state) {
    (void)state;
    assert_string_equal(refusal("[cookie]\nenabled=no\n[login]\ntransport = cookie\n"),
                        ":4: [login] transport: there are no cookies while [cookie] enabled = no; "
                        "allowed are both and bearer");
    static const char *const rows[] = {"[login]\ntransport=cookie\n", "[cookie]\nenabled=no\n",
                                       "[cookie]\nenabled=no\n[login]\ntransport=bearer\n"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        conf_free(read_good(rows[i]));
}

static void passwords_are_never_shown(void **state) {
    (void)state;
    static const char *const rows[] = {
        "[redis]\nurl = redis://u:hush@h:bad\n",     "[redis]\nurl = rediss://u:hush@h:bad\n",
        "[redis]\nurl = redis://u:hush/hush@h\n",    "[mariadb]\nurl = mariadb://u:hush@h\n",
        "[mariadb]\nurl = \"mariadb://u:hush@h/d\n", "[redis]\nredis://u:hush@h\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_null(strstr(refusal(rows[i]), "hush"));
    struct conf *conf =
        read_good("[redis]\nurl=redis://:hush@h\n[mariadb]\nurl=mysql://u:hush@h/d\n");
    assert_string_equal(conf->redis_url, "redis://:hush@h");
    char *dump = dumped(conf);
    assert_null(strstr(dump, "hush"));
    assert_non_null(strstr(dump, "redis://:***@h"));
    free(dump);
    conf_free(conf);
}

static void yescrypt_has_its_own_cost(void **state) {
    (void)state;
    struct conf *conf = read_good("[password]\nscheme = yescrypt\n");
    assert_int_equal(conf->password_scheme, PASSWORD_YESCRYPT);
    assert_int_equal(conf->password_cost, 5);
    conf_free(conf);
    conf = read_good("[password]\ncost = 9\nscheme = yescrypt\n");
    assert_int_equal(conf->password_cost, 9);
    conf_free(conf);
    setenv("GATEHOUSE_PASSWORD_COST", "10", 1);
    conf = read_good("[password]\nscheme = yescrypt\n");
    assert_int_equal(conf->password_cost, 10);
    conf_free(conf);
    unsetenv("GATEHOUSE_PASSWORD_COST");
}

static void pools(void **state) {
    (void)state;
    struct conf *conf = read_good("[pool.api-2]\nlisten=127.0.0.1:9000\nidle_timeout=5s\n"
                                  "[pool.login]\nlisten=\nworkers=3\nbatch=2\n"
                                  "[pool.off]\nlisten=\n");
    assert_int_equal(conf->pool_count, 4);
    assert_string_equal(conf->pools[1].name, "login");
    assert_string_equal(conf->pools[1].listen, "");
    assert_int_equal(conf->pools[1].workers, 3);
    assert_int_equal(conf->pools[1].batch, 2);
    assert_string_equal(conf->pools[2].name, "api-2");
    assert_int_equal(conf->pools[2].idle_timeout, 5000);
    assert_int_equal(conf->pools[2].batch, 64);
    assert_string_equal(conf->pools[3].listen, "");
    conf_free(conf);
    assert_string_equal(
        refusal("[pool.a]\nlisten=\n[pool.b]\nlisten=\n[pool.c]\nlisten=\n[pool.d]\n"
                "listen=\n[pool.e]\nlisten=\n[pool.f]\nlisten=\n[pool.g]\n"),
        ":13: [pool.g]: there may be 8 pools");
}

static void environment(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"GATEHOUSE_REDIS_URL", "redis://other:1"}, {"GATEHOUSE_SERVER_BASE_PATH", "/login"},
        {"GATEHOUSE_POOL_WEB_WORKERS", "7"},        {"GATEHOUSE_POOL_API_2_LISTEN", "/run/a.sock"},
        {"GATEHOUSE_POOL_NONE_LISTEN", "junk"},     {"GATEHOUSE_URL", "http://localhost"},
        {"GATEHOUSE_TOKEN_ACCESS_TTL", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        setenv(rows[i][0], rows[i][1], 1);
    struct conf *conf =
        read_good("[redis]\nurl=redis://file\n[pool.api-2]\n[token]\naccess_ttl=1h\n");
    assert_string_equal(conf->redis_url, "redis://other:1");
    assert_string_equal(conf->server_base_path, "/login");
    assert_int_equal(conf->pools[0].workers, 7);
    assert_int_equal(conf->pool_count, 3);
    assert_string_equal(conf->pools[2].listen, "/run/a.sock");
    assert_int_equal(conf->token_access_ttl, 900000);
    conf_free(conf);
    setenv("GATEHOUSE_POOL_WEB_WORKERS", "many", 1);
    assert_null(conf_read(NULL, error, sizeof error));
    assert_string_equal(error, "GATEHOUSE_POOL_WEB_WORKERS: [pool.web] workers: \"many\" is not "
                               "understood; allowed is a whole number from 0 to 1024");
    setenv("GATEHOUSE_POOL_WEB_WORKERS", "500", 1);
    setenv("GATEHOUSE_POOL_LOGIN_WORKERS", "500", 1);
    assert_null(conf_read(NULL, error, sizeof error));
    assert_memory_equal(error, "GATEHOUSE_POOL_LOGIN_WORKERS: ", 30);
    unsetenv("GATEHOUSE_POOL_LOGIN_WORKERS");
    setenv("GATEHOUSE_POOL_WEB_WORKERS", "2", 1);
    setenv("GATEHOUSE_SERVER_USER", "a\nb", 1);
    assert_null(conf_read(NULL, error, sizeof error));
    assert_memory_equal(error, "GATEHOUSE_SERVER_USER: [server] user: ", 38);
    unsetenv("GATEHOUSE_SERVER_USER");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        unsetenv(rows[i][0]);
}

static void dump_is_read_back(void **state) {
    (void)state;
    struct conf *conf =
        read_good("[server]\nbase_path=/\nmax_body=5000\ngroup=\" x\"\nuser=\"\"a\"\"\n"
                  "[session]\nidle=90s\n[password]\nscheme=yescrypt\n[cookie]\n"
                  "origins=https://a,https://b\n[limit]\nlogin_address=7/2h\n"
                  "[pool.x]\nlisten=[::1]:80\n[pool.web]\nlisten=\n");
    assert_string_equal(conf->server_base_path, "");
    char *first = dumped(conf);
    conf_free(conf);
    conf = read_good(first);
    assert_string_equal(conf->server_base_path, "");
    assert_string_equal(conf->server_group, " x");
    assert_string_equal(conf->server_user, "\"a\"");
    assert_string_equal(conf->pools[0].listen, "");
    char *second = dumped(conf);
    assert_string_equal(first, second);
    free(first);
    free(second);
    conf_free(conf);
}

/* The example as it is, and with every comment sign in front of an option taken away, is the
 * defaults. */
static void example_is_the_defaults(void **state) {
    (void)state;
    struct conf *conf = conf_read(NULL, error, sizeof error);
    char *expected = dumped(conf);
    conf_free(conf);
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    conf_example(out);
    fclose(out);
    for (int bare = 0; bare < 2; bare++) {
        int options = 0;
        for (char *c = text; bare && *c; c++)
            if (c[0] == '\n' && c[1] == '#' && c[2] != ' ') {
                c[1] = ' ';
                options++;
            }
        assert_true(!bare || options > 50);
        conf = read_good(text);
        char *dump = dumped(conf);
        assert_string_equal(dump, expected);
        free(dump);
        conf_free(conf);
    }
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 78);
    free(text);
    free(expected);
}

static void passwords_are_wiped(void **state) {
    (void)state;
    static const char *const good[] = {
        "[redis]\nurl = redis://anna:" PASSWORD "@localhost\n",
        "[redis]\nurl = rediss://anna:" PASSWORD "@localhost\n",
        "[mariadb]\nurl = \"mariadb://anna:" PASSWORD "@localhost/gatehouse\"\r\n",
    };
    static const char *const bad[] = {
        "[redis]\nurl = redis://anna:" PASSWORD "@\n",
        "[redis]\nurl = redis://anna:" PASSWORD "@localhost\nurl = unix:///x\n",
        "[mariadb]\nurl = mariadb://anna:" PASSWORD "@localhost\n",
        "[mariadb]\nurl = mariadb://anna:" PASSWORD "@localhost/gatehouse\nnonsense\n",
        "url = mariadb://anna:" PASSWORD "@localhost/gatehouse\n",
    };
    passwords_given_back = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        conf_free(read_good(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(read_text(bad[i]));
    assert_int_equal(passwords_given_back, 0);
    setenv("GATEHOUSE_REDIS_URL", "redis://anna:" PASSWORD "@localhost", 1);
    conf_free(read_good(""));
    unsetenv("GATEHOUSE_REDIS_URL");
    assert_int_equal(passwords_given_back, 0);
    /* It would be noticed. */
    free(strdup(PASSWORD));
    assert_int_equal(passwords_given_back, 1);
}

static int make_file(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(syntax),
        cmocka_unit_test(syntax_errors),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(value_rows),
        cmocka_unit_test(errors_say_what_is_allowed),
        cmocka_unit_test(doors),
        cmocka_unit_test(cookies_that_are_off_carry_no_login),
        cmocka_unit_test(passwords_are_never_shown),
        cmocka_unit_test(passwords_are_wiped),
        cmocka_unit_test(yescrypt_has_its_own_cost),
        cmocka_unit_test(pools),
        cmocka_unit_test(environment),
        cmocka_unit_test(dump_is_read_back),
        cmocka_unit_test(example_is_the_defaults),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
