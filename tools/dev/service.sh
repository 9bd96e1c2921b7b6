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

# conf_values: the instance's own, then --set over it; "section key value", one to a line.
conf_values() {
    local key line
    local -A values=(
        [server.pid_file]=$PID_FILE
        [pool.web.listen]=$RUNDIR/web.sock
        [pool.login.listen]=$RUNDIR/login.sock
        [redis.url]=unix://$REDIS_SOCKET
        [mariadb.url]=mariadb://$MARIADB_USER@localhost/$MARIADB_DATABASE
        [mariadb.socket]=$MARIADB_SOCKET
        [mariadb.password_file]=$DIR/secrets/mariadb
        [token.keys]=$DIR/keys
    )
    limits_set || values[limit.enabled]=no
    for key in "${!SETTINGS[@]}"; do
        values[$key]=${SETTINGS[$key]}
    done
    for key in "${!values[@]}"; do
        line="${key%.*} ${key##*.} ${values[$key]}"
        printf '%s\n' "$line"
    done | sort
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
    BIN=$(build_dir "$VARIANT")
    conf_write >"$new"
    service_prepare "$new"
    mark="$(sha256sum <"$new") $BIN $(file_mark "$BIN/gatehouse")"
    if [ -n "$(master_pid)" ] && [ "$mark" = "$(cat "$RUNDIR/gatehouse.mark" 2>/dev/null)" ]; then
        return 0
    fi
    "$BIN/gatehouse" -c "$new" -t >"$log" 2>&1 || {
        report "$log"
        die "gatehouse refuses this configuration: $new"
    }
    service_stop gatehouse 15 "$(master_pid)"
    mv "$new" "$CONF"
    service_start gatehouse "$LOG" "$BIN/gatehouse" -c "$CONF" -f
    service_wait gatehouse 30 "$LOG" service_listens || die "gatehouse does not run"
    printf '%s\n' "$mark" >"$RUNDIR/gatehouse.mark"
    say "  gatehouse runs"
}

service_listens() { [ -S "$RUNDIR/web.sock" ] && [ -n "$(master_pid)" ]; }

# Through nginx, as everybody else will ask.
service_health() { fetch -f -o /dev/null "http://127.0.0.1:$PORT$(base_path)/health"; }

service_healthy() { service_wait gatehouse 30 "$LOG" service_health; }
