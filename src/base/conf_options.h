/*
 * conf_options: every option, written once.
 *
 * A row yields a member of struct conf (section_key), its default, its bounds, its parser, its
 * environment variable (GATEHOUSE_SECTION_KEY), its line in `gatehouse -T` and in the example file.
 * It is included several times with the macros defined anew; conf.h says what each type becomes.
 *
 *   OPT_TEXT(section, key, default, check, explanation)        check: a function of conf_check.c
 *   OPT_CHOICE(section, key, default, "a|b", explanation)      becomes the number of the word
 *   OPT_BOOL(section, key, default, explanation)               yes|no|on|off|true|false
 *   OPT_DURATION(section, key, default, min, max, explanation) milliseconds
 *   OPT_SIZE(section, key, default, min, max, explanation)     bytes
 *   OPT_INT(section, key, default, min, max, explanation)
 *   OPT_RATE(section, key, default, explanation)               "30/1m": count in a period
 */

OPT_TEXT(server, base_path, "/auth", check_base_path,
         "The path below which every route lives.")
OPT_SIZE(server, max_body, "64k", "1k", "16m",
         "The longest request body that is read; longer ones are answered 413.")
OPT_TEXT(server, user, "", NULL,
         "The user that workers run as. Only read when started as root; empty: gatehouse where that "
         "user exists, else nobody.")
OPT_TEXT(server, group, "", NULL,
         "The group that workers run as; empty: the user's own.")
OPT_TEXT(server, pid_file, "", check_path,
         "Where the master writes its process id; empty: nowhere.")
OPT_TEXT(server, status_dir, "/run/gatehouse", check_path,
         "Where the master has a socket, status-PID.sock, on which it tells root and its own user how "
         "the service is (gatehousectl status). Where it cannot write there, it does without.")
OPT_DURATION(server, shutdown, "10s", "100ms", "10m",
             "How long a stopping worker may take to finish the requests it has begun.")
OPT_DURATION(server, request_timeout, "2s", "100ms", "1m",
             "How long the web server may take to hand over one request, and to take one answer. A body "
             "that goes on coming has longer, half a minute at most: Apache passes it on as it comes.")
OPT_DURATION(server, hang, "30s", "0s", "1h",
             "A worker that stands still for so long, in a request or out of one, is killed and "
             "replaced; 0s: none is. Never less than what the stores' timeouts and the cost of a hash "
             "allow one request.")
OPT_BOOL(server, seccomp, "yes",
         "Whether workers refuse themselves every system call that they do not need (where the "
         "program was built with libseccomp).")

OPT_TEXT(redis, url, "redis://127.0.0.1:6379/0", check_redis_url,
         "redis://[user:password@]host[:port][/db], unix:///path/to/redis.sock[?db=N], or "
         "redis+sentinel://[user:password@]host[:port],host[:port]/primary[/db] where sentinels know "
         "which Redis is the primary. With TLS rediss:// or rediss+sentinel://.")
OPT_TEXT(redis, password_file, "", check_path,
         "A file that holds the Redis password; an absolute path. A credential of systemd's is "
         "/run/credentials/gatehouse.service/NAME.")
OPT_TEXT(redis, sentinel_user, "", NULL,
         "The user to log in to the sentinels as; empty: their default user.")
OPT_TEXT(redis, sentinel_password_file, "", check_path,
         "A file that holds the sentinels' own password; empty: they want none.")
OPT_TEXT(redis, tls_ca, "", check_path,
         "With TLS: a file (PEM) with the authorities of which one must have signed the certificate of "
         "Redis and of the sentinels; empty: those that the system trusts.")
OPT_TEXT(redis, tls_cert, "", check_path,
         "With TLS: a file with our own certificate (PEM, the chain behind it), where Redis wants one.")
OPT_TEXT(redis, tls_key, "", check_path,
         "Its key (PEM, without a passphrase), which the user that workers run as must be able to read.")
OPT_TEXT(redis, tls_name, "", check_name,
         "With TLS: the name that certificates must be for; empty: the host that is connected to, which "
         "sentinels may give as an address.")
OPT_BOOL(redis, tls_verify, "yes",
         "With TLS: whether the certificate is checked, its chain, dates and name. Without, whoever "
         "answers at this address is believed; only for a lab.")
OPT_TEXT(redis, prefix, "gh:", check_redis_prefix,
         "What every key in Redis starts with.")
OPT_DURATION(redis, timeout, "500ms", "10ms", "30s",
             "How long Redis may take to connect or to answer; then the request is answered 503.")

OPT_TEXT(mariadb, url, "mariadb://gatehouse@localhost/gatehouse", check_mariadb_url,
         "mariadb://user[:password]@host[:port][,host[:port]]/database. Of several hosts the first that "
         "can be written to is used (the nodes of a Galera cluster, or a primary and its replicas).")
OPT_TEXT(mariadb, socket, "", check_path,
         "The server's Unix socket; used instead of host and port when it is set.")
OPT_TEXT(mariadb, password_file, "", check_path,
         "A file that holds the MariaDB password; an absolute path, as for Redis.")
OPT_BOOL(mariadb, tls, "no",
         "Whether MariaDB is spoken to with TLS; a server that has none is then refused. A Unix socket "
         "(socket) needs none, and gets none.")
OPT_TEXT(mariadb, tls_ca, "", check_path,
         "With TLS: a file (PEM) with the authorities of which one must have signed the server's "
         "certificate; empty: those that the system trusts.")
OPT_TEXT(mariadb, tls_cert, "", check_path,
         "With TLS: a file with our own certificate (PEM), where the account wants one (REQUIRE X509).")
OPT_TEXT(mariadb, tls_key, "", check_path,
         "Its key (PEM, without a passphrase), which the user that workers run as must be able to read.")
OPT_BOOL(mariadb, tls_verify, "yes",
         "With TLS: whether the server's certificate is checked, its chain, dates and name. Without, "
         "whoever answers at this address is believed; only for a lab.")
OPT_DURATION(mariadb, timeout, "2s", "1s", "1m",
             "How long MariaDB may take to connect or to answer; then the request is answered 503. "
             "MariaDB counts whole seconds: 1500ms is 2s.")

OPT_DURATION(token, access_ttl, "15m", "1s", "24h",
             "The life of an access token.")
OPT_TEXT(token, issuer, "gatehouse", check_claim,
         "The iss claim of access tokens, and the only one accepted.")
OPT_TEXT(token, audience, "gatehouse", check_claim,
         "The aud claim of access tokens, and the only one accepted.")
OPT_TEXT(token, keys, "/etc/gatehouse/keys", check_path,
         "The directory of signing keys, made by gatehousectl key new.")
OPT_DURATION(token, jwks_max_age, "0s", "0s", "24h",
             "How long others may keep the public keys (.well-known/jwks.json); 0s: not at all. A new key "
             "should be published for this long before it signs.")
OPT_DURATION(token, leeway, "0s", "0s", "60s",
             "How far past its exp an access token is still accepted.")

OPT_DURATION(session, idle, "24h", "1s", "366d",
             "A session token that is not used for this long is dead.")
OPT_DURATION(session, max, "30d", "1s", "366d",
             "Every session and its refresh token end this long after login, however busy.")
OPT_DURATION(session, touch, "60s", "0s", "1h",
             "A session's last activity is written to Redis at most once in this time (and at "
             "least four times in session.idle).")
OPT_INT(session, per_user, "10000", "1", "1000000",
        "How many sessions a user may have at once; one login more ends the oldest.")

OPT_DURATION(refresh, ttl, "7d", "1s", "366d",
             "A refresh token that is not used for this long is dead.")
OPT_DURATION(refresh, grace, "10s", "0s", "5m",
             "For this long after its first use a refresh token may be presented again and brings "
             "the same successor.")

OPT_BOOL(cookie, enabled, "yes",
         "Whether cookies are set and accepted at all.")
OPT_TEXT(cookie, name, "__Host-session", check_cookie_name,
         "The session cookie. With a domain the prefix __Host- becomes __Secure-, with secure=no "
         "it is left out: browsers refuse it there.")
OPT_TEXT(cookie, domain, "", check_cookie_domain,
         "The Domain attribute, for several subdomains; empty: this host alone.")
OPT_BOOL(cookie, secure, "yes",
         "The Secure attribute; no only in a lab without TLS.")
OPT_CHOICE(cookie, carries, "session", "session|jwt",
           "What the cookie holds: the session token, or the access token.")
OPT_TEXT(cookie, origins, "", check_origins,
         "Further origins (https://app.example.org, separated by spaces) whose pages may write "
         "with the cookie and read answers (CORS).")

OPT_CHOICE(login, transport, "both", "both|bearer|cookie",
           "How a login hands over its tokens when the request does not say. Not cookie while [cookie] "
           "enabled = no.")

OPT_CHOICE(password, scheme, "bcrypt", "bcrypt|yescrypt",
           "How new password hashes are made.")
OPT_INT(password, cost, "12", "1", "20",
        "The cost of new hashes: bcrypt 4 to 20, yescrypt 1 to 11.")
OPT_INT(password, concurrency, "0", "0", "128",
        "How many passwords are hashed at once at the most, by all workers together; empty or 0: one for "
        "each processor.")
OPT_INT(password, min_length, "8", "8", "64",
        "The fewest characters of a new password.")

OPT_CHOICE(register, mode, "open", "open|closed",
           "Whether anyone may sign up; closed: only gatehousectl user add.")

OPT_BOOL(limit, enabled, "yes",
         "Whether abuse limits are applied.")
OPT_RATE(limit, login_address, "30/1m", "Logins from one address (IPv6: one /64).")
OPT_RATE(limit, login_account, "10/15m",
         "Failed logins for one account, from all addresses together that never signed in to it; "
         "each address that did has as many for itself.")
OPT_RATE(limit, login_failures, "100/4d",
         "The same in the long run: after so many failures in a row the account is slowed down "
         "further (here to one try an hour).")
OPT_RATE(limit, register_address, "10/1h", "Registrations from one address.")
OPT_RATE(limit, refresh_address, "120/1m", "Refreshes from one address.")
OPT_RATE(limit, profile_user, "300/1h", "Changes of their profile by one user.")
OPT_RATE(limit, client_address, "30/1m",
         "Wrong secrets from one address, for one client and for all together, at introspection and "
         "revocation.")

OPT_CHOICE(audit, mode, "best_effort", "off|best_effort|strict",
           "Whether what happens to users, sessions, clients and keys is recorded in the database: no; "
           "after the answer, and where that fails a log line says it instead; or before the answer, "
           "which is 503 where it fails.")
OPT_BOOL(audit, refreshes, "no",
         "Whether each refresh is recorded too; one that shows a theft always is.")

OPT_CHOICE(log, target, "stderr", "stderr|syslog|journal",
           "Where log lines go; journal is systemd's, with a priority for each line. Nobody waits for "
           "whoever reads them: lines that cannot be written at once are lost, and counted.")
OPT_CHOICE(log, format, "logfmt", "logfmt|json",
           "What a log line looks like.")
OPT_CHOICE(log, level, "info", "error|warning|info|debug",
           "The least important level that is written.")
OPT_CHOICE(log, access, "no", "no|errors|all",
           "Whether requests are logged too, a line for each (level info): those that were answered an "
           "error, or all.")
OPT_RATE(log, repeat, "100/10s",
         "How many lines with the same message one process writes in a period; one more says how many "
         "were left out. Lines that say who was let in or refused for a wrong password, what was "
         "taken from whom, or that a token may have been stolen are always written.")

/* Options of a pool; in a section [pool.NAME]. */
#ifdef POOL_TEXT
POOL_TEXT(listen, "", check_listen,
          "/path/to.sock, or ADDRESS:PORT, or [ADDRESS]:PORT; empty: this pool is off.")
POOL_INT(workers, "0", "0", "1024",
         "How many processes; empty or 0: one for each processor, at least 2. With batch = 1 two more "
         "than passwords may be hashed at once: while those wait for the stores all processors hash.")
POOL_INT(batch, "0", "0", "1024",
         "How many requests one worker takes at once. Those that hash a password wait their turn, "
         "at most as many again; further ones are answered 503. With 1 it takes one request at a "
         "time and keeps no connection, as hashing wants it, and runs at a lower priority (nice "
         "10), so that hashing takes no processor from verification or the stores. Empty or 0: 1 "
         "for the pool named login, else 64.")
POOL_DURATION(idle_timeout, "75s", "1s", "1h",
              "How long a kept connection may be idle.")
POOL_INT(backlog, "1024", "1", "65535",
         "How many connections may wait to be accepted.")
POOL_INT(queue, "0", "0", "65535",
         "With batch = 1: how many requests may wait for a worker. While more do, the next that wants a "
         "password hashed is answered 503 (Retry-After) at once. Empty or 0: 32 for each password that "
         "may be hashed at once, at most half of backlog.")
POOL_TEXT(owner, "", NULL, "Who owns the Unix socket; empty: who started gatehouse.")
POOL_TEXT(group, "", NULL, "The group of the Unix socket; empty: that of who started gatehouse.")
POOL_TEXT(mode, "0660", check_mode, "The permissions of the Unix socket.")
POOL_TEXT(peers, "", check_peers,
          "Who may connect, separated by spaces. On a Unix socket users (www-data, 33); empty: whoever "
          "its mode lets in. On a TCP socket addresses and blocks of them (192.0.2.10, 10.0.0.0/8, "
          "fd00::/8); empty: this machine alone.")
POOL_TEXT(secret_file, "", check_path,
          "A file with a secret of at least 16 bytes. Requests whose FastCGI parameter "
          "GATEHOUSE_SECRET is not that are answered 403. Needed where other machines can connect.")
#endif
