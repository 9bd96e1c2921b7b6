# shellcheck shell=bash
# front lighttpd: the very files of conf/lighttpd, the example site among them. Changed in the copies:
# where the sockets are, user, ports, certificate, document root, and the base path where that was set.

# pool_lighttpd NAME: a pool's address as lighttpd writes it.
pool_lighttpd() {
    local address
    address=$(pool_address "$1")
    case $address in
    /*) printf '"socket" => "%s",' "$address" ;;
    *) printf '"host" => "%s", "port" => %s,' "${address%:*}" "${address##*:}" ;;
    esac
}

front_lighttpd_files() {
    local file base
    base=$(base_path)
    mkdir -p "$FRONT_CONF/gatehouse"
    for file in "$TOP"/conf/lighttpd/gatehouse-*.conf; do
        sed -e "s|\"socket\" .*/run/gatehouse/web.sock\",|$(pool_lighttpd web)|" \
            -e "s|\"socket\" .*/run/gatehouse/login.sock\",|$(pool_lighttpd login)|" \
            -e "s|\"/auth\"|\"${base:-/auth}\"|g" \
            -e "s|\([\"^]\)/auth/|\1$base/|g" "$file" >"$FRONT_CONF/gatehouse/${file##*/}"
    done
}

# Both ports are served, so that plain HTTP is not led to TLS, and without the header that would tie
# the browser to TLS on this host.
front_lighttpd_site() {
    sed -e '/^# Plain HTTP leads to TLS/,/^$/d' -e '/^\$SERVER.*\[::\]/d' \
        -e '/^server\.\(user\|group\)name/d' -e "s|\"0.0.0.0:443\"|\"127.0.0.1:$TLS_PORT\"|" \
        -e "s|^server.port *= 80|server.bind = \"127.0.0.1\"\nserver.port = $PORT|" \
        -e "s|/etc/ssl/certs/[^\"]*|$DIR/tls/cert.pem|" \
        -e "s|/etc/ssl/private/[^\"]*|$DIR/tls/key.pem|" \
        -e "s|/var/www/example.org|$DIR/www|" -e "s|/run/php/[^\"]*|$PHP_SOCKET|" \
        -e "s|/run/lighttpd.pid|$RUNDIR/lighttpd-own.pid|" \
        -e "s|/var/log/lighttpd/error.log|$DIR/log/lighttpd-error.log|" \
        -e "s|/var/cache/lighttpd/uploads|$DIR/lighttpd|" "$TOP/conf/lighttpd/gatehouse.conf"
}

front_lighttpd_write() {
    mkdir -p "$DIR/lighttpd"
    front_lighttpd_files
    {
        front_lighttpd_site
        printf 'server.max-fds = 8192\nserver.listen-backlog = 1024\n'
        printf 'server.max-keep-alive-requests = 100000\n'
    } >"$FRONT_CONF/lighttpd.conf"
}

front_lighttpd_command() {
    FRONT_LOG=$DIR/log/lighttpd-error.log
    FRONT_COMMAND=(lighttpd -D -f "$FRONT_CONF/lighttpd.conf")
    FRONT_CHECK=(lighttpd -tt -f "$FRONT_CONF/lighttpd.conf")
}
