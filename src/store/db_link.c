#include "store/db_link.h"

#include <mysql.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "store/db.h"
#include "store/tls.h"

void db_link_init(struct db_link *link, const struct conf *conf, const char *password) {
    *link = (struct db_link){.conf = conf};
    MUST(conf_mariadb_address(conf->mariadb_url, &link->address));
    link->password = password != NULL ? password : link->address.password;
    snprintf(link->why, sizeof link->why, "not asked yet");
}

void db_link_close(struct db_link *link) {
    if (link->mysql != NULL)
        mysql_close(link->mysql);
    link->mysql = NULL;
}

static void note(struct db_link *link, const char *why) {
    snprintf(link->why, sizeof link->why, "%s", why);
}

/* Each is a promise: of a time limit, of TLS, of files that stay here.  None may be missing unnoticed. */
static void set(struct db_link *link, enum mysql_option option, const void *value) {
    MUST(mysql_options(link->mysql, option, value) == 0);
}

static void set_options(struct db_link *link) {
    unsigned seconds = (unsigned)((link->conf->mariadb_timeout + 999) / 1000), off = 0;
    unsigned long_time = link->patient ? 7 * 86400 : seconds;
    /* Where somebody has locked a table, the server refuses the statement a second before we would give
     * the connection up: then only what needs that table fails, and MariaDB is not taken to be away. */
    unsigned table_time = link->patient ? long_time : seconds > 1 ? seconds - 1 : 1;
    char init[320];
    /* The server ends what we no longer wait for, and what waits for a lock. */
    snprintf(init, sizeof init,
             "SET sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
             "collation_connection = 'utf8mb4_nopad_bin', max_statement_time = %u, "
             "innodb_lock_wait_timeout = %u, lock_wait_timeout = %u",
             link->patient ? 0 : seconds, long_time, table_time);
    set(link, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    set(link, MYSQL_OPT_READ_TIMEOUT, &long_time);
    set(link, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
    /* On by default, and lets a rogue server read our files. */
    set(link, MYSQL_OPT_LOCAL_INFILE, &off);
    set(link, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    set(link, MYSQL_INIT_COMMAND, init);
}

static bool wants_tls(const struct db_link *link) {
    return link->conf->mariadb_tls && link->conf->mariadb_socket[0] == '\0';
}

/* libmariadb checks nothing by itself; asked to check, it refuses a server without TLS before it
 * sends the password, and compares the name or the address that it connected to. */
static void set_tls(struct db_link *link) {
    const struct conf *conf = link->conf;
    my_bool yes = 1, verify = conf->mariadb_tls_verify;
    if (!wants_tls(link))
        return;
    const char *ca = conf->mariadb_tls_ca, *cert = conf->mariadb_tls_cert;
    set(link, MYSQL_OPT_SSL_ENFORCE, &yes);
    set(link, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    set(link, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
    if (verify && ca[0] != '\0')
        set(link, MYSQL_OPT_SSL_CA, ca);
    if (cert[0] != '\0') {
        set(link, MYSQL_OPT_SSL_CERT, cert);
        set(link, MYSQL_OPT_SSL_KEY, conf->mariadb_tls_key);
    }
}

static bool certificates_ok(struct db_link *link) {
    const struct conf *conf = link->conf;
    return tls_file_ok("mariadb", "tls_ca", conf->mariadb_tls_ca, link->why, sizeof link->why) &&
           tls_file_ok("mariadb", "tls_cert", conf->mariadb_tls_cert, link->why,
                       sizeof link->why) &&
           tls_file_ok("mariadb", "tls_key", conf->mariadb_tls_key, link->why, sizeof link->why);
}

/* CLIENT_FOUND_ROWS: matched rows are counted, not changed ones, so that writing the same value
 * again is no "nobody there".  host NULL: the local socket. */
static bool connect_to(struct db_link *link, const struct conf_host *host) {
    link->mysql = mysql_init(NULL);
    MUST(link->mysql != NULL);
    set_options(link);
    set_tls(link);
    const char *password = link->password[0] != '\0' ? link->password : NULL;
    if (mysql_real_connect(link->mysql, host != NULL ? host->host : "localhost", link->address.user,
                           password, link->address.database, host != NULL ? host->port : 0,
                           host != NULL ? NULL : link->conf->mariadb_socket,
                           CLIENT_FOUND_ROWS) == NULL)
        note(link, mysql_error(link->mysql));
    else if (wants_tls(link) && mysql_get_ssl_cipher(link->mysql) == NULL)
        note(link, "the server speaks no TLS, and [mariadb] tls demands it");
    else
        return true;
    db_link_close(link);
    return false;
}

/* A replica, or a server whose administrator has stopped writing: what it knows may be old, and
 * what it is told is refused.  An account with READ_ONLY ADMIN would not notice. */
static bool can_be_written_to(struct db_link *link) {
    bool writable = false;
    MYSQL_RES *result = NULL;
    if (mysql_query(link->mysql, "SELECT @@global.read_only") == 0)
        result = mysql_store_result(link->mysql);
    MYSQL_ROW row = result != NULL ? mysql_fetch_row(result) : NULL;
    if (row != NULL && row[0] != NULL)
        writable = db_is_off(row[0]);
    note(link, row == NULL ? mysql_error(link->mysql) : "the server is read-only");
    if (result != NULL)
        mysql_free_result(result);
    return writable;
}

static bool log_host(struct db_link *link, size_t which) {
    if (which != link->host && link->address.host_count > 1)
        log_warning("another MariaDB host is used now",
                    F_STR("host", link->address.hosts[which].host),
                    F_INT("port", link->address.hosts[which].port));
    link->host = which;
    return true;
}

/* The first host, in the order of the configuration, that can be written to.  A single server that
 * is read-only is used as it is: reading goes on, and what must be written is answered 503. */
bool db_link_open(struct db_link *link) {
    struct buf said = {0};
    if (wants_tls(link) && !certificates_ok(link))
        return false;
    if (link->conf->mariadb_socket[0] != '\0')
        return connect_to(link, NULL);
    for (size_t i = 0; i < link->address.host_count; i++) {
        if (connect_to(link, &link->address.hosts[i]) &&
            (link->address.host_count == 1 || can_be_written_to(link))) {
            buf_free(&said);
            return log_host(link, i);
        }
        db_link_close(link);
        buf_addf(&said, "%s%s:%u: %s", said.len > 0 ? "; " : "", link->address.hosts[i].host,
                 link->address.hosts[i].port, link->why);
    }
    note(link, said.data);
    buf_free(&said);
    return false;
}
