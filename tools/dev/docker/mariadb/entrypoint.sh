#!/bin/bash
# The first start makes the data directory: root's password and reach, an account for
# healthcheck.sh, then what lies in /docker-entrypoint-initdb.d.
set -eo pipefail
shopt -s nullglob

DATADIR=/var/lib/mysql
SOCKET=/run/mysqld/mysqld.sock

fail() {
    echo "entrypoint: $*" >&2
    exit 1
}

# file_env NAME: the variable, or what the file named by NAME_FILE holds.
file_env() {
    local file="$1_FILE"
    [ -z "${!1:-}" ] || [ -z "${!file:-}" ] || fail "both $1 and $file are set"
    [ -z "${!file:-}" ] || export "$1"="$(<"${!file}")"
    unset "$file"
}

docker_process_sql() {
    MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --protocol=socket -uroot -hlocalhost \
        --socket="$SOCKET" "$@"
}

server_start() {
    "$@" --skip-networking --socket="$SOCKET" &
    SERVER=$!
    for _ in {1..60}; do
        if MARIADB_ROOT_PASSWORD='' docker_process_sql <<<'SELECT 1' &>/dev/null; then
            return 0
        fi
        sleep 1
    done
    fail "the server does not start"
}

server_stop() {
    kill "$SERVER"
    wait "$SERVER"
}

accounts() {
    local health host
    health=$(od -An -v -N16 -tx1 /dev/urandom | tr -d ' \n')
    echo "DROP USER IF EXISTS root@'127.0.0.1', root@'::1';"
    printf '%s\n' "EXECUTE IMMEDIATE CONCAT('DROP USER IF EXISTS root@''', @@hostname, '''');"
    echo "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('$MARIADB_ROOT_PASSWORD');"
    for host in 127.0.0.1 ::1 localhost; do
        echo "CREATE USER healthcheck@'$host' IDENTIFIED BY '$health';"
    done
    (
        umask 0077
        printf '[mariadb-client]\nsocket=%s\nuser=healthcheck\npassword=%s\nprotocol=tcp\n' \
            "$SOCKET" "$health" >"$DATADIR/.my-healthcheck.cnf"
    )
}

init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh)
            if [ -x "$file" ]; then
                "$file"
            else
                # shellcheck disable=SC1090
                . "$file"
            fi
            ;;
        *.sql) docker_process_sql <"$file" ;;
        *) fail "this stand-in does not know what to do with $file" ;;
        esac
    done
}

init() {
    file_env MARIADB_ROOT_PASSWORD
    [ -n "${MARIADB_ROOT_PASSWORD:-}" ] || fail "no password for root is given"
    [ "${MARIADB_ROOT_HOST:-%}" = localhost ] || fail "this stand-in has root at localhost alone"
    [ -n "${MARIADB_INITDB_SKIP_TZINFO:-}" ] || fail "this stand-in has no time zones"
    mariadb-install-db --datadir="$DATADIR" --rpm --auth-root-authentication-method=normal \
        "${@:2}" --skip-test-db
    server_start "$@"
    accounts | MARIADB_ROOT_PASSWORD='' docker_process_sql --database=mysql
    init_files
    server_stop
}

[ "$(id -u)" != 0 ] || fail "this stand-in does not run as root"
[ "$1" != mariadbd ] || [ -d "$DATADIR/mysql" ] || init "$@"
exec "$@"
