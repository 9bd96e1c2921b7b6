# shellcheck shell=bash
# service: gatehouse itself, its configuration, keys and tables.

# Whoever tries or measures an instance does so from one address, which the limits on addresses
# would soon stop. They are off until a limit is set.
limits_set() {
    case " ${!SETTINGS[*]}" in
    *" limit."*) ;;
    *) return 1 ;;
    esac
}

# conf_gather: VALUES, the instance's own, then the front's, then --set over both.
conf_gather() {
    local key line
    VALUES=(
        [server.pid_file]=$PID_FILE
        [server.status_dir]=$RUNDIR
        [pool.web.listen]=$RUNDIR/web.sock
        [pool.login.listen]=$RUNDIR/login.sock
        [redis.url]=unix://$REDIS_SOCKET
        [mariadb.url]=mariadb://$MARIADB_USER@localhost/$MARIADB_DATABASE
        [mariadb.socket]=$MARIADB_SOCKET
        [mariadb.password_file]=$DIR/secrets/mariadb
        [token.keys]=$DIR/keys
    )
    limits_set || VALUES[limit.enabled]=no
    while IFS= read -r line; do
        VALUES[${line%%=*}]=${line#*=}
    done < <(front_do settings)
    for key in "${!SETTINGS[@]}"; do
        VALUES[$key]=${SETTINGS[$key]}
    done
    ! start_single || conf_single
}

# For one socket there is one pool; and masters of the same kind have no pid file in common.
conf_single() {
    local key
    for key in "${!VALUES[@]}"; do
        if [[ $key == pool.* && $key != pool.web.* ]]; then
            unset "VALUES[$key]"
        fi
    done
    [ "$START" != spawn-fcgi ] || unset 'VALUES[server.pid_file]'
}

# conf_values: "section key value", one to a line.
conf_values() {
    local -A VALUES=()
    local key
    conf_gather
    for key in "${!VALUES[@]}"; do
        printf '%s\n' "${key%.*} ${key##*.} ${VALUES[$key]}"
    done | sort
}

# conf_value section.key
conf_value() {
    local -A VALUES=()
    conf_gather
    printf '%s' "${VALUES[$1]:-}"
}

conf_limit_comment() {
    limits_set || cat <<'TEXT'
# Everybody on a development instance has one address and would share its limits. Any
# --set limit.KEY=VALUE (limit.enabled=yes) puts them on again, with the defaults for the rest.
TEXT
}

conf_write() {
    local section key value last=''
    say "# Made by ./dev up; changes here are lost. Use --set section.key=value."
    conf_values | while read -r section key value; do
        if [ "$section" != "$last" ]; then
            printf '\n[%s]\n' "$section"
            [ "$section" != limit ] || conf_limit_comment
        fi
        printf '%s = %s\n' "$key" "$value"
        last=$section
    done
}

# As the administrator of the database, which the service's own account is not.
service_migrate() {
    GATEHOUSE_MARIADB_URL=mariadb://root@localhost/$MARIADB_DATABASE \
        GATEHOUSE_MARIADB_PASSWORD_FILE='' GATEHOUSE_MARIADB_SOCKET=$MARIADB_SOCKET \
        "$BIN/gatehousectl" -c "$1" db migrate
}

# report LOG: what a failed step said.
report() { sed 's/^/    | /' "$1" >&2; }

service_prepare() {
    local conf=$1 log=$DIR/log/prepare.log mark
    mark=$(file_mark "$BIN/gatehousectl")
    if [ "$mark" != "$(cat "$DIR/secrets/migrated" 2>/dev/null)" ]; then
        service_migrate "$conf" >"$log" 2>&1 || {
            report "$log"
            die "the database cannot be migrated"
        }
        printf '%s\n' "$mark" >"$DIR/secrets/migrated"
        say "  database migrated"
    fi
    if [ -z "$(ls -A "$DIR/keys")" ]; then
        "$BIN/gatehousectl" -c "$conf" key new >"$log" 2>&1 || {
            report "$log"
            die "no signing key could be made"
        }
        say "  signing key made"
    fi
}

# Runs with the configuration and the binary of now: else it is started anew. A configuration that
# gatehouse refuses leaves a running one as it is.
service_up() {
    # shellcheck disable=SC2153
    local new=$CONF.new log=$DIR/log/prepare.log mark
    conf_write >"$new"
    service_prepare "$new"
    mark="$(sha256sum <"$new") $BIN $(file_mark "$BIN/gatehouse") $START"
    ! front_serves || mark+=" $FRONT"
    if { [ -n "$(master_pid)" ] || front_serves; } && [ "$mark" = "$(cat "$RUNDIR/gatehouse.mark" 2>/dev/null)" ]; then
        return 0
    fi
    "$BIN/gatehouse" -c "$new" -t >"$log" 2>&1 || {
        report "$log"
        die "gatehouse refuses this configuration: $new"
    }
    gatehouse_stop
    mv "$new" "$CONF"
    if front_serves; then
        service_stop "$FRONT" 15 # so that it starts another one
    else
        start_up
        service_wait gatehouse 30 "$LOG" service_listens || die "gatehouse does not run"
        say "  gatehouse runs"
    fi
    printf '%s\n' "$mark" >"$RUNDIR/gatehouse.mark"
}

# A socket in the file system is there as soon as somebody listens; one on TCP is asked for later.
service_listens() {
    local address
    address=$(pool_address web)
    [[ $address != /* || -S $address ]] && [ -n "$(master_pid)" ]
}

# Through the web server, as everybody else will ask.
service_health() { fetch -f -o /dev/null "http://127.0.0.1:$PORT$(base_path)/health"; }

service_healthy() {
    local name=gatehouse
    ! front_serves || name=$FRONT
    service_wait "$name" 30 "$LOG" service_health
}
