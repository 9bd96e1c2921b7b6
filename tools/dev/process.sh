# shellcheck shell=bash
# process: daemons in the background, known by process id and start time together, so that a
# number the system has given to somebody else is never mistaken for ours.
#
# Each daemon leads a session of its own (setsid): whatever it forks can be found by it, also when
# the daemon itself was killed. $RUNDIR/NAME.pid holds "PID STARTTIME".

# proc_read PID: sets PROC_STATE, PROC_SESSION and PROC_START; fails when there is no such process.
proc_read() {
    local stat='' fields
    { read -r -d '' stat <"/proc/$1/stat"; } 2>/dev/null || true
    [ -n "$stat" ] || return 1
    # The second field is the name in parentheses, which may hold spaces itself.
    read -r -a fields <<<"${stat##*) }"
    PROC_STATE=${fields[0]}
    PROC_SESSION=${fields[3]}
    PROC_START=${fields[19]}
}

# service_read NAME: sets SERVICE_PID and SERVICE_START as recorded; fails when nothing is.
service_read() {
    SERVICE_PID='' SERVICE_START=''
    [ -r "$RUNDIR/$1.pid" ] || return 1
    read -r SERVICE_PID SERVICE_START <"$RUNDIR/$1.pid" || return 1
    [ -n "$SERVICE_START" ]
}

# service_alive NAME; sets SERVICE_PID. Where nobody reaps (a container without init), a killed
# daemon stays as a zombie: that is dead.
service_alive() {
    service_read "$1" && proc_read "$SERVICE_PID" &&
        [ "$PROC_START" = "$SERVICE_START" ] && [ "$PROC_STATE" != Z ]
}

# service_record NAME PID: for a daemon that somebody else has started; it leads its session.
service_record() {
    proc_read "$2" || return 1
    printf '%s %s\n' "$2" "$PROC_START" >"$RUNDIR/$1.pid"
    STARTED+=("$1")
}

# service_start NAME LOG COMMAND...
service_start() {
    local name=$1 log=$2
    shift 2
    (
        cd /
        exec setsid "$@" </dev/null >>"$log" 2>&1 8>&- 9>&-
    ) &
    SERVICE_PID=$!
    disown
    if proc_read "$SERVICE_PID"; then
        printf '%s %s\n' "$SERVICE_PID" "$PROC_START" >"$RUNDIR/$name.pid"
    fi
    STARTED+=("$name")
}

# service_wait NAME SECONDS LOG COMMAND...: until COMMAND succeeds; false with the end of LOG shown
# when the daemon died or time is up.
service_wait() {
    local name=$1 end=$((SECONDS + $2)) log=$3 why
    shift 3
    until "$@" >/dev/null 2>&1; do
        why=''
        service_alive "$name" || why="$name stopped as soon as it was started"
        [ $SECONDS -lt $end ] || why="$name did not answer in time"
        if [ -n "$why" ]; then
            printf 'dev: %s; the end of %s:\n' "$why" "$log" >&2
            tail -n 20 "$log" | sed 's/^/    | /' >&2
            return 1
        fi
        sleep 0.1
    done
}

# Everybody in the session of a recorded daemon, the daemon included.
service_family() {
    local dir
    service_read "$1" || return 0
    for dir in /proc/[0-9]*; do
        proc_read "${dir#/proc/}" || continue
        if [ "$PROC_SESSION" = "$SERVICE_PID" ] && [ "$PROC_STATE" != Z ] &&
            [ "$PROC_START" -ge "$SERVICE_START" ]; then
            printf '%s\n' "${dir#/proc/}"
        fi
    done
}

# service_ask PIDS FAMILY: SIGTERM to those of PIDS that are in the family; to all of it when
# none is, because the leader was killed and has left its children behind.
service_ask() {
    local one asked=''
    for one in $1; do
        if grep -qx "$one" <<<"$2"; then
            kill -TERM "$one" 2>/dev/null || true
            asked=yes
        fi
    done
    # shellcheck disable=SC2086
    [ -n "$asked" ] || kill -TERM $2 2>/dev/null || true
}

# service_stop NAME SECONDS [PID]: asks the daemon (and PID, where another process leads by now),
# waits for its whole family, then insists.
service_stop() {
    local name=$1 end=$((SECONDS + $2)) family
    service_read "$name" || return 0
    family=$(service_family "$name")
    [ -z "$family" ] || service_ask "$SERVICE_PID ${3:-}" "$family"
    while family=$(service_family "$name") && [ -n "$family" ]; do
        if [ $SECONDS -ge $end ]; then
            # shellcheck disable=SC2086
            kill -KILL $family 2>/dev/null || true
        fi
        sleep 0.05
    done
    rm -f "$RUNDIR/$name.pid"
}

# port_owner PORT: who listens there on this machine, as "process PID (NAME)"; fails when nobody.
port_owner() {
    local port=$1 inode='' fd pid
    inode=$(awk -v want="$(printf ':%04X' "$port")" \
        '$4 == "0A" && substr($2, length($2) - 4) == want { print $10; exit }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null || true)
    [ -n "$inode" ] || return 1
    for fd in /proc/[0-9]*/fd/*; do
        if [ "$(readlink "$fd" 2>/dev/null)" = "socket:[$inode]" ]; then
            pid=${fd#/proc/}
            pid=${pid%%/*}
            printf 'process %s (%s)' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)"
            return 0
        fi
    done
    printf 'a process of somebody else'
}
