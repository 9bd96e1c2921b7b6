# shellcheck shell=bash
# instance: one private gatehouse with its stores and its web server, in a directory of its own.
#
#   DIR/conf  keys  secrets  tls  redis  mariadb  www  log     what it keeps
#   DIR/settings                        port, tls_port, variant, front, start, php, set lines
#   /run/gatehouse-HASH/                                       sockets and process ids
#
# Sockets are not in DIR: their paths may have 107 bytes, and DIR may lie where the unprivileged
# workers may not go.

STARTED=()
declare -A SETTINGS=()

# instance_at DIR: names everything; touches nothing.
instance_at() {
    DIR=$(realpath -m -- "$1")
    case $DIR in
    *[!A-Za-z0-9/._+=@,~-]*) die "--dir: only letters, digits and ._+=@,~- can be used: $DIR" ;;
    /) die "--dir: not the root directory" ;;
    esac
    RUNDIR=/run/gatehouse-$(printf '%s' "$DIR" | sha256sum | cut -c1-8)
    CONF=$DIR/conf/gatehouse.conf
    LOG=$DIR/log/gatehouse.log
    PID_FILE=$RUNDIR/gatehouse-master.pid
    REDIS_SOCKET=$RUNDIR/redis.sock
    MARIADB_SOCKET=$RUNDIR/mariadb.sock
    MARIADB_DATABASE=gatehouse
    MARIADB_USER=gatehouse
    PHP_SOCKET=$RUNDIR/php.sock
    UPSTREAM_SOCKET=$RUNDIR/upstream.sock # nobody listens there unless a test does
    PORT='' TLS_PORT='' VARIANT='' FRONT='' START='' PHP='' SETTINGS=()
}

# dir_option COMMAND ARGUMENTS...: for commands whose only option is --dir.
dir_option() {
    local command=$1 dir=$TOP/run
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        --dir) option_value "$1" $# && dir=$2 && shift ;;
        *) usage_error "$command: unknown option $1" ;;
        esac
        shift
    done
    instance_at "$dir"
}

settings_load() {
    local line key value
    [ -r "$DIR/settings" ] || return 1
    while read -r line; do
        key=${line%%=*} value=${line#*=}
        case $key in
        port) PORT=$value ;;
        tls_port) TLS_PORT=$value ;;
        variant) VARIANT=$value ;;
        front) FRONT=$value ;;
        start) START=$value ;;
        php) PHP=$value ;;
        set) setting_add "$value" ;;
        esac
    done <"$DIR/settings"
}

settings_save() {
    local key
    {
        printf 'port=%s\ntls_port=%s\nvariant=%s\n' "$PORT" "$TLS_PORT" "$VARIANT"
        printf 'front=%s\nstart=%s\nphp=%s\n' "$FRONT" "$START" "$PHP"
        for key in "${!SETTINGS[@]}"; do
            printf 'set=%s=%s\n' "$key" "${SETTINGS[$key]}"
        done | sort
    } >"$DIR/settings.new"
    mv "$DIR/settings.new" "$DIR/settings"
}

# setting_add section.key=value; the section of a pool has a dot of its own: pool.web.workers=4.
setting_add() {
    [[ $1 =~ ^[a-z][a-z0-9_.-]*\.[a-z][a-z0-9_]*= && $1 != *$'\n'* ]] ||
        usage_error "--set $1: write section.key=value"
    SETTINGS[${1%%=*}]=${1#*=}
}

port_check() {
    [[ $2 =~ ^[1-9][0-9]{0,4}$ && $2 -le 65535 ]] || usage_error "$1 $2: a port is 1 to 65535"
}

# instance_open: makes the directories and keeps a second `dev` out of this instance meanwhile.
instance_open() {
    mkdir -p "$DIR"/{conf,keys,secrets,tls,redis,log,www} "$RUNDIR"
    chmod 755 "$RUNDIR"
    chmod 700 "$DIR/keys" "$DIR/secrets" "$DIR/tls"
    exec 9>"$RUNDIR/lock"
    flock -w 120 9 || die "another dev is at work on $DIR"
}

# What this run has started is stopped again when it fails: nothing stays half-started.
instance_abort() {
    local i
    [ "${EXIT_STATUS:-1}" -ne 0 ] && [ "${#STARTED[@]}" -gt 0 ] || return 0
    say "stopping what was started: ${STARTED[*]}" >&2
    for ((i = ${#STARTED[@]} - 1; i >= 0; i--)); do
        service_stop "${STARTED[i]}" 10
    done
}

instance_stop() {
    fronts_stop
    service_stop php 5
    gatehouse_stop
    service_stop mariadb 60
    service_stop redis 10
}

instance_running() {
    local name
    for name in $(fronts) php $(gatehouse_names) mariadb redis; do
        if [ -n "$(service_family "$name")" ]; then
            return 0
        fi
    done
    return 1
}

UP_DIR='' UP_PORT='' UP_TLS_PORT='' UP_VARIANT='' UP_FRONT='' UP_START='' UP_PHP='' UP_RESET=''
UP_SET=()

up_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --dir) option_value "$1" $# && UP_DIR=$2 && shift ;;
        --port) option_value "$1" $# && UP_PORT=$2 && port_check "$1" "$2" && shift ;;
        --tls-port) option_value "$1" $# && UP_TLS_PORT=$2 && port_check "$1" "$2" && shift ;;
        --set) option_value "$1" $# && UP_SET+=("$2") && shift ;;
        --front) option_value "$1" $# && UP_FRONT=$2 && shift ;;
        --start) option_value "$1" $# && UP_START=$2 && start_check "$2" && shift ;;
        --php) UP_PHP=yes ;;
        --reset) UP_RESET=yes ;;
        --asan) UP_VARIANT=asan ;;
        *) usage_error "up: unknown option $1" ;;
        esac
        shift
    done
}

# What was said now, else what was said before, else the defaults.
up_settings() {
    local one old_port
    settings_load || true
    if [ -n "$UP_RESET" ]; then
        SETTINGS=() VARIANT='' FRONT='' START='' PHP=''
    fi
    for one in ${UP_SET[@]+"${UP_SET[@]}"}; do
        setting_add "$one"
    done
    # DEV_VARIANT: instances that a test makes are of the build under test.
    VARIANT=${UP_VARIANT:-${VARIANT:-${DEV_VARIANT:-}}}
    BIN=$(build_dir "$VARIANT")
    front_use "${UP_FRONT:-${FRONT:-nginx}}"
    START=${UP_START:-${START:-direct}}
    PHP=${UP_PHP:-$PHP}
    old_port=$PORT
    PORT=${UP_PORT:-${PORT:-8080}}
    if [ -n "$UP_TLS_PORT" ]; then
        TLS_PORT=$UP_TLS_PORT
    elif [ -z "$TLS_PORT" ] || [ "$PORT" != "$old_port" ]; then
        TLS_PORT=$((PORT + 363))
    fi
    port_check --tls-port "$TLS_PORT"
    [ "$PORT" != "$TLS_PORT" ] || usage_error "--port and --tls-port are the same"
}

# The groups of tools/packages that these settings need beside build and run.
up_packages() {
    say "front-$FRONT"
    case $START in
    spawn-fcgi*) say start-spawn-fcgi ;;
    systemd-socket) say start-systemd-socket ;;
    esac
    [ -z "$PHP" ] || say php
}

cmd_up() {
    local start=$SECONDS groups
    up_options "$@"
    require_root "it installs packages and starts servers"
    instance_at "${UP_DIR:-$TOP/run}"
    up_settings
    mapfile -t groups < <(up_packages)
    packages_install build run "${groups[@]}"
    build_tree "$VARIANT"
    instance_open
    on_exit instance_abort
    if [ ! -e "$DIR/settings" ] && instance_running; then
        say "  $DIR was removed while it was running: starting afresh"
        instance_stop
    fi
    web_ports_free
    redis_up
    mariadb_up
    php_up
    service_up
    web_up
    service_healthy || die "gatehouse does not become healthy; see $LOG"
    settings_save
    STARTED=()
    exec 9>&-
    up_report $((SECONDS - start))
}

up_report() {
    local url json="-H 'Content-Type: application/json'"
    url=http://127.0.0.1:$PORT$(base_path)
    cat <<TEXT

gatehouse is up ($1 s) in $DIR, behind $FRONT, started as "$START"
  $url/    https://127.0.0.1:$TLS_PORT$(base_path)/  (certificate made here: curl -k)
  log: $LOG

Try:
  curl -s $json -d '{"email":"ada@example.org","password":"spoon-lantern-42"}' $url/register
  TOKEN=\$(curl -s $json -d '{"email":"ada@example.org","password":"spoon-lantern-42"}' $url/login | sed 's/.*"accessToken": *"\([^"]*\)".*/\1/')
  curl -s -H "Authorization: Bearer \$TOKEN" $url/profile
  curl -s -H "Authorization: Bearer \$TOKEN" $url/sessions
  curl -s -H "Authorization: Bearer \$TOKEN" $json -d '{}' $url/logout

All of it at once: ./dev smoke$(dir_words)      Stop: ./dev down$(dir_words)
TEXT
}

# " --dir DIR", where it is not the default.
dir_words() { [ "$DIR" = "$TOP/run" ] || printf ' --dir %s' "$DIR"; }

live_pid() { if service_alive "$1"; then printf '%s' "$SERVICE_PID"; fi; }

cmd_env() {
    dir_option env "$@"
    settings_load || die "no instance in $DIR: ./dev up$(dir_words)"
    front_use "${FRONT:-nginx}"
    START=${START:-direct}
    cat <<TEXT
GATEHOUSE_URL=http://127.0.0.1:$PORT
GATEHOUSE_TLS_URL=https://127.0.0.1:$TLS_PORT
REDIS_SOCKET=$REDIS_SOCKET
MARIADB_SOCKET=$MARIADB_SOCKET
MARIADB_DATABASE=$MARIADB_DATABASE
MARIADB_USER=$MARIADB_USER
CONF=$CONF
LOG=$LOG
MASTER_PID=$(master_pid)
MASTER_PIDS=$(master_pids)
GATEHOUSE_FRONT=$FRONT
GATEHOUSE_START=$START
FRONT_PID=$(live_pid "$FRONT")
REDIS_PID=$(live_pid redis)
MARIADB_PID=$(live_pid mariadb)
NGINX_PID=$(live_pid nginx)
PHP_PID=$(live_pid php)
UPSTREAM_SOCKET=$UPSTREAM_SOCKET
BIN_DIR=$(build_dir "$VARIANT")
TEXT
}

cmd_down() {
    local dir=$TOP/run wipe=''
    while [ $# -gt 0 ]; do
        case $1 in
        --dir) option_value "$1" $# && dir=$2 && shift ;;
        --wipe) wipe=yes ;;
        *) usage_error "down: unknown option $1" ;;
        esac
        shift
    done
    require_root "it stops servers that root has started"
    instance_at "$dir"
    if [ -d "$RUNDIR" ]; then
        exec 9>"$RUNDIR/lock"
        flock -w 120 9 || die "another dev is at work on $DIR"
        instance_stop
        rm -rf "$RUNDIR"
        exec 9>&-
        say "stopped: $DIR"
    else
        say "nothing runs in $DIR"
    fi
    if [ -n "$wipe" ] && [ -d "$DIR/conf" ] && [ -d "$DIR/secrets" ]; then
        # A test may want to look at what it cannot see any more.
        [ -z "${DEV_REPORTS:-}" ] || cp "$LOG" "$DEV_REPORTS/${RUNDIR##*-}.$$.log" || true
        rm -rf "$DIR"
        say "removed: $DIR"
    fi
}
