# shellcheck shell=bash
# base: speaking, failing, cleaning up, showing that something long is under way.

say() { printf '%s\n' "$*"; }

die() {
    printf 'dev: %s\n' "$*" >&2
    exit 1
}

usage_error() {
    printf 'dev: %s (./dev help)\n' "$*" >&2
    exit 2
}

# Commands to run when the script ends, however it ends; the last one added runs first. Subshells
# inherit the list, not the duty.
EXIT_COMMANDS=()

on_exit() { EXIT_COMMANDS=("$1" ${EXIT_COMMANDS[@]+"${EXIT_COMMANDS[@]}"}); }

run_exit_commands() {
    EXIT_STATUS=$?
    local one
    trap - EXIT
    trap '' INT TERM
    set +e
    for one in ${EXIT_COMMANDS[@]+"${EXIT_COMMANDS[@]}"}; do
        "$one"
    done
    exit "$EXIT_STATUS"
}

trap run_exit_commands EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

require_root() {
    [ "$(id -u)" -eq 0 ] || die "run as root or with sudo: $1"
    [ -r /proc/self/stat ] || die "/proc is not mounted here: mount -t proc proc /proc"
}

# option_value NAME COUNT: the option takes a value, so two words must be left.
option_value() { [ "$2" -ge 2 ] || usage_error "$1 needs a value"; }

# Prints how long LABEL has been going on, until it is ended or the script is gone.
tick() {
    local label=$1 start=$SECONDS last=0 now
    trap - EXIT INT TERM
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        now=$((SECONDS - start))
        if [ -t 1 ]; then
            printf '\r  %s ... %d s' "$label" "$now"
        elif [ $((now - last)) -ge 15 ]; then
            printf '  ... %s: %d s so far\n' "$label" "$now"
            last=$now
        fi
    done
}

# shown LABEL LOG COMMAND...: runs a long command with its output in LOG, shows that it goes on and
# how long it took; when it fails, the end of LOG. A function given as COMMAND must check each of
# its steps itself (set -e is off inside).
shown() {
    local label=$1 log=$2 start=$SECONDS rc=0 ticker
    shift 2
    if [ -t 1 ]; then printf '  %s ...' "$label"; else printf '  %s ...\n' "$label"; fi
    tick "$label" 8>&- 9>&- &
    ticker=$!
    "$@" >"$log" 2>&1 </dev/null || rc=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    [ ! -t 1 ] || printf '\r'
    if [ "$rc" -eq 0 ]; then
        printf '  %s: done in %d s\n' "$label" $((SECONDS - start))
    else
        printf '  %s: FAILED after %d s; the end of %s:\n' "$label" $((SECONDS - start)) "$log"
        tail -n 40 "$log" | sed 's/^/    | /'
    fi
    return "$rc"
}

# random_hex BYTES
random_hex() { od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# Size and time of a file, to notice that it is another one.
file_mark() { stat -c '%s:%y' "$1" 2>/dev/null || printf 'none'; }
