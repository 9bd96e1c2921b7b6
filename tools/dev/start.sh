# shellcheck shell=bash
# start: the ways to start gatehouse that work without an init. Each leaves the process that leads
# recorded as the service "gatehouse"; where there are several masters, the others as gatehouse-N.

START_WAYS=(direct init spawn-fcgi spawn-fcgi-single systemd-socket)
SPAWNED=2 # masters that `spawn-fcgi -F` starts

start_check() {
    local way
    for way in "${START_WAYS[@]}"; do
        if [ "$way" = "$1" ]; then
            return 0
        fi
    done
    usage_error "--start $1: one of ${START_WAYS[*]}"
}

# One socket, as descriptor 0, for all that there is: the first pool serves it alone.
start_single() { [[ $START == spawn-fcgi* ]]; }

# The socket that spawn-fcgi opens.
single_address() {
    local address
    address=$(front_do single)
    printf '%s' "${address:-$RUNDIR/web.sock}"
}

# pool_address NAME: where the web server reaches a pool; a path or HOST:PORT.
pool_address() {
    if start_single; then
        single_address
    else
        conf_value "pool.$1.listen"
    fi
}

# Everybody may connect: the web server may run as whoever it likes.
spawn_options() {
    local address
    address=$(single_address)
    case $address in
    /*)
        rm -f "$address"
        SPAWN=(spawn-fcgi -s "$address" -M 0666)
        ;;
    *) SPAWN=(spawn-fcgi -a "${address%:*}" -p "${address##*:}") ;;
    esac
}

start_direct() {
    service_start gatehouse "$LOG" "$BIN/gatehouse" -c "$CONF" -f
}

# It goes to the background by itself, once it serves, and is known by its pid file.
start_init() {
    local pid=''
    (cd / && "$BIN/gatehouse" -c "$CONF" </dev/null >>"$LOG" 2>&1 8>&- 9>&-) ||
        die "gatehouse does not start; see $LOG"
    read -r pid <"$PID_FILE" || die "gatehouse left no process id in $PID_FILE"
    service_record gatehouse "$pid"
}

# One process in the foreground: it becomes gatehouse.
start_spawn_fcgi_single() {
    spawn_options
    service_start gatehouse "$LOG" "${SPAWN[@]}" -n -- "$BIN/gatehouse" -c "$CONF" -f
}

# Several, each a session of its own, with nowhere to write to: hence the shell.
start_spawn_fcgi() {
    local pid number=1 pids=$RUNDIR/spawned
    spawn_options
    # shellcheck disable=SC2016,SC2094
    (cd / && "${SPAWN[@]}" -F "$SPAWNED" -P "$pids" -- /bin/sh -c 'exec 2>>"$0" "$@"' "$LOG" \
        "$BIN/gatehouse" -c "$CONF" -f </dev/null >>"$LOG" 2>&1 8>&- 9>&-) ||
        die "spawn-fcgi does not start gatehouse; see $LOG"
    while read -r pid || [ -n "$pid" ]; do
        service_record "gatehouse$([ $number -eq 1 ] || printf -- '-%d' $number)" "$pid"
        number=$((number + 1))
    done <"$pids"
    rm -f "$pids"
}

# paths_listen PATH...
paths_listen() {
    local path
    for path in "$@"; do
        [ -S "$path" ] || return 1
    done
}

# It becomes gatehouse with the first connection. Its sockets are for root alone (0644), and the web
# server may be anybody.
start_systemd_socket() {
    local name address names='' words=() paths=()
    while read -r name address; do
        words+=(-l "$address")
        names=$names${names:+:}$name
        [[ $address != /* ]] || paths+=("$address")
    done < <(conf_values | awk '$1 ~ /^pool\./ && $2 == "listen" && $3 != "" { print substr($1, 6), $3 }')
    for name in ASAN_OPTIONS UBSAN_OPTIONS; do
        [ -z "${!name:-}" ] || words+=(-E "$name")
    done
    rm -f "${paths[@]}"
    service_start gatehouse "$LOG" systemd-socket-activate "${words[@]}" --fdname="$names" \
        "$BIN/gatehouse" -c "$CONF" -f
    service_wait gatehouse 20 "$LOG" paths_listen "${paths[@]}" || die "gatehouse does not listen"
    chmod 0666 "${paths[@]}"
}

# start_up: in the way that was chosen.
start_up() { "start_${START//-/_}"; }

# The names under which masters are recorded.
gatehouse_names() {
    local file
    for file in "$RUNDIR"/gatehouse.pid "$RUNDIR"/gatehouse-[0-9]*.pid; do
        [ ! -e "$file" ] || basename "$file" .pid
    done
}

gatehouse_stop() {
    local name
    service_stop gatehouse 15 "$(master_pid)"
    for name in $(gatehouse_names); do
        service_stop "$name" 15
    done
}

# The master's process id. After its binary was replaced (SIGUSR2) another process leads, and only
# its own pid file knows it.
master_pid() {
    local pid=''
    { read -r pid <"$PID_FILE"; } 2>/dev/null || true
    if [[ $pid =~ ^[0-9]+$ ]] && service_family gatehouse | grep -qx "$pid"; then
        printf '%s' "$pid"
    elif service_alive gatehouse; then
        printf '%s' "$SERVICE_PID"
    fi
}

# All the masters, the one above first.
master_pids() {
    local name
    master_pid
    for name in $(gatehouse_names); do
        if [ "$name" != gatehouse ] && service_alive "$name"; then
            printf ' %s' "$SERVICE_PID"
        fi
    done
}
