# shellcheck shell=bash
# web: the web server in front of the instance. Ports, certificate, pages and readiness are here;
# each server is a file of its own, front_NAME.sh.
#
# A front NAME has these functions (a dash in the name is written _ in the names of the file and of
# the functions), and a line "front-NAME PACKAGE..." in tools/packages:
#
#   front_NAME_write     writes its configuration below $FRONT_CONF, from the files in conf/ that are
#                        shipped: sockets, ports, certificate, document root and base path are
#                        replaced in the copies, and nothing else
#   front_NAME_command   sets FRONT_COMMAND, which runs the server in the foreground as the leader of
#                        all its processes and ends at SIGTERM; FRONT_CHECK, which tells whether the
#                        configuration is good; FRONT_LOG, where it writes what is wrong
#
# and, where it needs them:
#
#   front_NAME_settings  prints what gatehouse needs for this front, section.key=value on a line:
#                        pool.apache.listen=127.0.0.1:$((TLS_PORT + 1)). --set goes before these
#   front_NAME_single    prints the address of the one socket that spawn-fcgi opens: HOST:PORT, or a
#                        path. Without it, that is the socket of the pool web
#   front_NAME_serves    true: the server starts gatehouse by itself, so nobody else does
#
# They find: PORT TLS_PORT; base_path; pool_address NAME (a path, or HOST:PORT; login's may be web's);
# $DIR/tls/cert.pem and key.pem; $DIR/www, the document root; $DIR/log; $RUNDIR for sockets;
# PHP_SOCKET, where php-fpm listens after `./dev up --php`; $BIN/gatehouse and $CONF. All the fronts
# serve the same site on both ports:
#
#   $(base_path)/...       gatehouse; health and metrics for this machine alone
#   /members/ /admin/      files for the signed-in; for those with the role admin
#   /app/                  PHP for the signed-in
#   /open/ and all else    files and PHP for everybody, where a client cannot pass for somebody

base_path() { printf '%s' "${SETTINGS[server.base_path]:-/auth}"; }

# front_function NAME FUNCTION: the function's whole name; fails when the front has none.
front_function() {
    local name=front_${1//-/_}_$2
    declare -F "$name"
}

# front_do FUNCTION: nothing, where the front has no such function.
front_do() {
    local name
    if name=$(front_function "$FRONT" "$1"); then
        "$name"
    fi
}

# The fronts that there are, one to a line.
fronts() {
    local file name
    for file in "$TOP"/tools/dev/front_*.sh; do
        name=$(basename "$file" .sh)
        name=${name#front_}
        say "${name//_/-}"
    done
}

front_serves() { front_function "$FRONT" serves >/dev/null && front_do serves; }

# front_use NAME: the front from here on.
front_use() {
    grep -qx -e "$1" <<<"$(fronts)" || usage_error "--front $1: one of $(fronts | xargs)"
    FRONT=$1
    FRONT_CONF=$DIR/conf/$1
    FRONT_COMMAND=() FRONT_CHECK=() FRONT_LOG=''
}

fronts_stop() {
    local name
    for name in $(fronts); do
        [ "$name" = "${1:-}" ] || service_stop "$name" 5
    done
}

# Whether one of our own servers may hold the ports. What is left of one that was killed, workers
# that still listen, goes first.
web_has_ports() {
    local name
    for name in $(fronts); do
        if service_alive "$name"; then
            [ "$(cat "$RUNDIR/ports" 2>/dev/null)" = "$PORT $TLS_PORT" ] || service_stop "$name" 5
        else
            service_stop "$name" 2
        fi
    done
    for name in $(fronts); do
        if service_alive "$name"; then
            return 0
        fi
    done
    return 1
}

web_ports_free() {
    local port owner
    if web_has_ports; then
        return 0
    fi
    # shellcheck disable=SC2153
    for port in "$PORT" "$TLS_PORT"; do
        if owner=$(port_owner "$port"); then
            die "port $port is in use by $owner: choose another with --port N (and --tls-port N)"
        fi
    done
}

web_certificate() {
    local cert=$DIR/tls/cert.pem
    if openssl x509 -in "$cert" -noout -checkend 86400 >/dev/null 2>&1; then
        return 0
    fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$DIR/tls/key.pem" -out "$cert" >"$DIR/log/openssl.log" 2>&1 ||
        die "no certificate could be made; see $DIR/log/openssl.log"
}

web_pages() {
    local base
    base=$(base_path)
    cp -R "$TOP/examples/www/." "$TOP/tools/dev/www/." "$DIR/www/"
    [ "$base" = /auth ] || sed -i "s|data-base=\"/auth\"|data-base=\"$base\"|g" "$DIR"/www/*.html
}

# What the running server was started with.
web_mark() {
    { find "$FRONT_CONF" -type f | LC_ALL=C sort | xargs -r cat; cat "$DIR/tls/cert.pem"; } |
        sha256sum
}

# web_write: the configuration anew; the front checks it.
web_write() {
    rm -rf "$FRONT_CONF"
    mkdir -p "$FRONT_CONF"
    front_do write
    front_do command
    "${FRONT_CHECK[@]}" >"$DIR/log/$FRONT-check.log" 2>&1 </dev/null || {
        report "$DIR/log/$FRONT-check.log"
        die "$FRONT refuses its configuration"
    }
}

web_up() {
    local mark
    web_certificate
    web_pages
    web_write
    fronts_stop "$FRONT"
    mark=$(web_mark)
    if service_alive "$FRONT" && [ "$mark" = "$(cat "$RUNDIR/front.mark" 2>/dev/null)" ]; then
        return 0
    fi
    service_stop "$FRONT" 5
    service_start "$FRONT" "$FRONT_LOG" "${FRONT_COMMAND[@]}"
    printf '%s\n' "$PORT $TLS_PORT" >"$RUNDIR/ports"
    service_wait "$FRONT" 20 "$FRONT_LOG" web_answers || die "$FRONT does not run"
    printf '%s\n' "$mark" >"$RUNDIR/front.mark"
    say "  $FRONT runs on 127.0.0.1:$PORT, and with TLS on $TLS_PORT"
}

# fetch URL [CURL OPTIONS]: to our own server, past any proxy of the environment.
fetch() { curl -sS --noproxy '*' --max-time 10 "$@"; }

web_answers() { fetch -f -o /dev/null "http://127.0.0.1:$PORT/index.html"; }
