# shellcheck shell=bash
# stores: the instance's Redis and MariaDB, reachable through Unix sockets only.
#
# LAB_NO_FSYNC=1 in the environment (./dev test sets it): they leave it to the kernel when something is
# written to the disk. What is killed still loses nothing; on a busy disk nobody waits for seconds.

redis_conf() {
    cat <<TEXT
port 0
unixsocket "$REDIS_SOCKET"
unixsocketperm 777
dir "$DIR/redis"
logfile "$DIR/log/redis.log"
daemonize no
# Sessions survive a crash, and a full memory is an error rather than a forgotten session.
appendonly yes
appendfsync $([ -n "${LAB_NO_FSYNC:-}" ] && printf no || printf everysec)
save ""
maxmemory-policy noeviction
# A session's record in one piece, user agent and all.
hash-max-listpack-value 1024
TEXT
}

redis_ping() { [ "$(redis-cli -s "$REDIS_SOCKET" ping)" = PONG ]; }

redis_up() {
    local log=$DIR/log/redis.log
    if service_alive redis; then
        return 0
    fi
    service_stop redis 5
    redis_conf >"$DIR/conf/redis.conf"
    service_start redis "$log" redis-server "$DIR/conf/redis.conf"
    service_wait redis 60 "$log" redis_ping || die "Redis does not run"
    say "  Redis runs"
}

sql() { mariadb --no-defaults --user=root --socket="$MARIADB_SOCKET" "$@"; }

mariadb_ping() { sql -e 'SELECT 1'; }

# The data directory is made under another name: one that was left half-made is never used.
# --force: without it the host's own name would have to be in /etc/hosts or the DNS.
mariadb_init() {
    local data=$DIR/mariadb.new
    [ ! -d "$DIR/mariadb" ] || return 0
    rm -rf "$data"
    shown "MariaDB makes its data directory" "$DIR/log/mariadb-install.log" \
        env TMPDIR="$DIR/mariadb-tmp" mariadb-install-db --no-defaults --force --user=root \
        --datadir="$data" --skip-test-db --skip-name-resolve --auth-root-authentication-method=socket \
        --auth-root-socket-user=root || die "mariadb-install-db failed"
    rm -f "$DIR/secrets/granted" "$DIR/secrets/migrated"
    mv "$data" "$DIR/mariadb"
}

mariadb_up() {
    local log=$DIR/log/mariadb.log
    if ! service_alive mariadb; then
        service_stop mariadb 30
        # A folder of its own for temporary tables: one that starts removes those of every other.
        mkdir -p "$DIR/mariadb-tmp"
        mariadb_init
        rm -f "$MARIADB_SOCKET"
        service_start mariadb "$log" mariadbd --no-defaults --user=root --datadir="$DIR/mariadb" \
            --tmpdir="$DIR/mariadb-tmp" --socket="$MARIADB_SOCKET" \
            --pid-file="$RUNDIR/mariadb-own.pid" --skip-networking --skip-name-resolve \
            --character-set-server=utf8mb4 --max-connections=500 \
            --innodb-use-native-aio=OFF --lc-messages-dir=/usr/share/mysql \
            --innodb-flush-log-at-trx-commit="$([ -n "${LAB_NO_FSYNC:-}" ] && printf 2 || printf 1)"
        service_wait mariadb 120 "$log" mariadb_ping || die "MariaDB does not run"
        say "  MariaDB runs"
    fi
    mariadb_grant
}

# The service's account: a random password, and the rights that sql/grants.sql gives.
mariadb_grant() {
    local password
    [ ! -e "$DIR/secrets/granted" ] || return 0
    password=$(random_hex 24)
    (umask 077 && printf '%s\n' "$password" >"$DIR/secrets/mariadb")
    sed -e "s/@DATABASE@/$MARIADB_DATABASE/g" -e "s/@USER@/$MARIADB_USER/g" \
        -e "s/@HOST@/localhost/g" -e "s/@PASSWORD@/$password/g" "$TOP/sql/grants.sql" | sql ||
        die "the database account cannot be made"
    touch "$DIR/secrets/granted"
}
