# shellcheck shell=bash
# test: unit tests, flow tests against a real instance, make distcheck; one line of totals at last.

PASSED=0 FAILED=0 SKIPPED=0

# count PASSED FAILED SKIPPED
count() {
    PASSED=$((PASSED + $1)) FAILED=$((FAILED + $2)) SKIPPED=$((SKIPPED + $3))
}

# sum_of WORD FILE: the numbers behind "# WORD:" in automake's summaries, added up.
sum_of() { awk -v word="$1:" '$1 == "#" && $2 == word { sum += $3 } END { print sum + 0 }' "$2"; }

# before_word WORD TEXT: the number in front of a word in pytest's last line.
before_word() { grep -oE "[0-9]+ $1" <<<"$2" | grep -oE '[0-9]+' || printf 0; }

# A test that Makefile.am does not name would never be missed.
unit_forgotten() {
    local file name
    for file in "$TOP"/tests/unit/test_*.c; do
        name=$(basename "$file" .c)
        grep -q "^[A-Z]*: tests/unit/$name\$" "$1" || say "  $name was not run: see Makefile.am"
    done
}

test_unit() {
    local build=$1 only=$2 log rc=0 names args=()
    log=$build/dev-check.log
    if [ -n "$only" ]; then
        names=$(cd "$TOP/tests" && find unit -name "test_*$only*.c" 2>/dev/null |
            sed 's/\.c$//; s/^/tests\//' | sort | xargs) || true
        [ -n "$names" ] || return 0
        args=("TESTS=$names")
    fi
    shown "unit tests" "$log" timeout --foreground -k 10 900 make -C "$build" -j2 check \
        ${args[@]+"${args[@]}"} || rc=$?
    local passed failed skipped
    passed=$(sum_of PASS "$log")
    failed=$(($(sum_of FAIL "$log") + $(sum_of ERROR "$log") + $(sum_of XPASS "$log")))
    skipped=$(sum_of SKIP "$log")
    if [ "$rc" -ne 0 ]; then
        # A make that broke before any test ran is a failure too.
        [ "$failed" -gt 0 ] || failed=1
        tail -n 100 "$build/test-suite.log" 2>/dev/null || true
    fi
    if [ -z "$only" ]; then
        failed=$((failed + $(unit_forgotten "$log" | wc -l)))
        unit_forgotten "$log"
    fi
    say "  unit tests: $passed passed, $failed failed"
    count "$passed" "$failed" "$skipped"
}

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 9000))
        if ! port_owner $port >/dev/null && ! port_owner $((port + 363)) >/dev/null; then
            printf '%s' $port
            return 0
        fi
    done
}

# In memory, where there is enough: a store that waits for a busy disk answers too late, rightly, and a
# test that asked it fails.
test_root() {
    local free
    free=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)
    if [ "${free:-0}" -gt $((2 * 1024 * 1024)) ]; then
        mktemp -d /dev/shm/gatehouse-test.XXXXXX
    else
        mktemp -d /tmp/gatehouse-test.XXXXXX
    fi
}

test_instance_down() {
    # Nobody's verdict hangs on it: a run that broke off before the service started has no log.
    if [ -n "${TEST_BUILD:-}" ]; then
        cp "$TEST_DIR/log/gatehouse.log" "$TEST_BUILD/dev-test-gatehouse.log" 2>/dev/null || true
    fi
    "$TOP/dev" down --dir "$TEST_DIR" --wipe >/dev/null 2>&1
    rm -rf "$TEST_ROOT"
}

# flow_run STATUS_FILE ARGUMENTS...: pytest, told where everything is.
flow_run() {
    local status=$1 line rc=0
    shift
    while IFS= read -r line; do
        export "${line?}"
    done < <("$TOP/dev" env --dir "$TEST_DIR")
    export GATEHOUSE_DIR=$TEST_DIR GATEHOUSE_DEV=$TOP/dev GATEHOUSE_TOY=$BIN_DIR/tests/pool/toy
    export PYTHONDONTWRITEBYTECODE=1
    cd "$TOP" || return
    timeout --foreground -k 10 1500 /usr/bin/python3 -m pytest -q -p no:cacheprovider \
        --durations=12 --durations-min=4 "$@" \
        </dev/null 2>&1 || rc=$?
    printf '%s\n' "$rc" >"$status"
}

# flow_count LOG STATUS_FILE ONLY: what pytest's last line says.
flow_count() {
    local log=$1 rc line passed failed
    rc=$(cat "$2" 2>/dev/null || printf 1)
    line=$(grep -E '[0-9]+ (passed|failed|error|skipped|deselected).* in [0-9.]+' "$log" | tail -n 1 || true)
    passed=$(before_word passed "$line")
    failed=$(($(before_word failed "$line") + $(before_word 'errors?' "$line")))
    # 5: nothing was selected, which --only may do; else a run that broke is a failure.
    if [ "$rc" -ne 0 ] && [ "$failed" -eq 0 ] && ! { [ "$rc" -eq 5 ] && [ -n "$3" ]; }; then
        failed=1
    fi
    count "$passed" "$failed" "$(before_word skipped "$line")"
}

# Those of FOLDERS that hold tests.
flow_folders() {
    local folder
    for folder in "$@"; do
        if compgen -G "$TOP/tests/$folder/test_*.py" >/dev/null; then
            printf 'tests/%s\n' "$folder"
        fi
    done
}

SECOND_PID=''

# Once it has ended by itself, its number may belong to somebody else.
second_end() { [ -s "$TEST_ROOT/second.status" ] || kill -TERM -- "-$SECOND_PID" 2>/dev/null; }

# Of tests/flow, what has servers of its own and leaves the instance alone.
FLOW_APART=(tests/flow/test_faults.py tests/flow/test_mariadb_hosts.py tests/flow/test_sentinel.py)

# Two at once: what drives the instance, and what sets up machines, servers and browsers of its own.
# Much of both is waiting. The second speaks when the first has ended.
test_flow() {
    local only=$1 first second
    mapfile -t first < <(flow_folders house flow)
    first+=("${FLOW_APART[@]/#/--ignore=}")
    mapfile -t second < <(flow_folders fronts docs install pool)
    second+=("${FLOW_APART[@]}")
    if [ "${#second[@]}" -gt 0 ]; then
        # A process group of its own, so that all of it can be ended.
        set -m
        flow_run "$TEST_ROOT/second.status" "${second[@]}" ${only:+-k "$only"} \
            >"$TEST_ROOT/second.log" 2>&1 9>&- &
        set +m
        SECOND_PID=$!
        on_exit second_end
    fi
    flow_run "$TEST_ROOT/first.status" "${first[@]}" ${only:+-k "$only"} | tee "$TEST_ROOT/first.log"
    flow_count "$TEST_ROOT/first.log" "$TEST_ROOT/first.status" "$only"
    if [ -n "$SECOND_PID" ]; then
        [ -s "$TEST_ROOT/second.status" ] || say "  web servers, documents and machines: still going on"
        wait "$SECOND_PID" || true
        cat "$TEST_ROOT/second.log"
        flow_count "$TEST_ROOT/second.log" "$TEST_ROOT/second.status" "$only"
    fi
}

# What the sanitizers find in a running service shows in no answer. AddressSanitizer writes it to
# files, one for each process, in a directory where the unprivileged workers may write too; beside
# it UndefinedBehaviorSanitizer knows the service's log alone, which `down --wipe` keeps in
# DEV_REPORTS.
sanitizers_prepare() {
    local log=$TEST_ROOT/sanitizer/report
    mkdir -m 1777 "$TEST_ROOT/sanitizer"
    chmod 1777 "$TEST_ROOT/sanitizer"
    export DEV_VARIANT=asan ASAN_OPTIONS=log_path=$log
    export UBSAN_OPTIONS=print_stacktrace=1 DEV_REPORTS=$TEST_ROOT/sanitizer
}

SANITIZER_WORDS='runtime error: |(ERROR|WARNING|SUMMARY): [A-Za-z]*Sanitizer'

sanitizers_count() {
    local one
    for one in "$TEST_ROOT"/sanitizer/* "$TEST_DIR"/log/gatehouse.log; do
        grep -qE "$SANITIZER_WORDS" "$one" 2>/dev/null || continue
        say "  a sanitizer reports:"
        grep -m 1 -E -A 40 "$SANITIZER_WORDS" "$one" | sed 's/^/    | /'
        count 0 1 0
    done
}

# distcheck_run DIR: in the background beside the flow tests; its exit status is kept in a file.
distcheck_run() {
    local rc=0
    nice make -C "$1" distcheck >"$DISTCHECK_LOG" 2>&1 </dev/null || rc=$?
    printf '%s\n' "$rc" >"$DISTCHECK_LOG.status"
}

distcheck_start() {
    DISTCHECK_LOG=$1/dev-distcheck.log
    rm -f "$DISTCHECK_LOG.status"
    # A process group of its own, so that all of it can be ended.
    set -m
    distcheck_run "$1" 9>&- &
    set +m
    DISTCHECK_PID=$!
    on_exit distcheck_end
}

# Once it has ended by itself, its number may belong to somebody else.
distcheck_end() { [ -s "$DISTCHECK_LOG.status" ] || kill -TERM -- "-$DISTCHECK_PID" 2>/dev/null; }

distcheck_wait() {
    until [ -s "$DISTCHECK_LOG.status" ]; do
        kill -0 "$DISTCHECK_PID" || break
        sleep 0.2
    done
    tail -n 40 "$DISTCHECK_LOG"
    [ "$(cat "$DISTCHECK_LOG.status")" = 0 ]
}

test_distcheck() {
    if shown "make distcheck (begun beside the flow tests)" "$DISTCHECK_LOG.end" distcheck_wait
    then
        count 1 0 0
    else
        count 0 1 0
    fi
}

cmd_test() {
    local variant='' only='' build groups start=$SECONDS
    while [ $# -gt 0 ]; do
        case $1 in
        --asan) variant=asan ;;
        --only) option_value "$1" $# && only=$2 && shift ;;
        *) usage_error "test: unknown option $1" ;;
        esac
        shift
    done
    require_root "it installs packages and starts servers"
    mapfile -t groups < <(packages_groups 'front-|start-|php$')
    packages_install build run test "${groups[@]}"
    build_tree "$variant"
    build=$(build_dir "$variant")
    test_unit "$build" "$only"

    TEST_ROOT=$(test_root) TEST_BUILD=$build
    chmod 755 "$TEST_ROOT"
    TEST_DIR=$TEST_ROOT/run
    on_exit test_instance_down
    [ -z "$variant" ] || sanitizers_prepare
    export LAB_NO_FSYNC=1
    # Thousands of logins come from one address, and each hashes a password. Stores are given more time
    # than as it comes: a machine that stands still for seconds is no outage. Tests of outages have
    # instances of their own.
    "$TOP/dev" up --dir "$TEST_DIR" --port "$(free_port)" --set limit.enabled=no \
        --set password.cost=4 --set redis.timeout=5s --set mariadb.timeout=5s ||
        die "the instance to be tested does not run"
    if [ -z "$variant$only" ]; then
        distcheck_start "$build"
    fi
    test_flow "$only"
    if [ -n "$variant" ]; then
        "$TOP/dev" down --dir "$TEST_DIR" # leaks are reported when a process ends
        sanitizers_count
    fi
    if [ -z "$variant$only" ]; then
        test_distcheck
    fi
    say "all of it took $((SECONDS - start)) s"
    [ "$FAILED" -eq 0 ] || say "what the service said will be in $build/dev-test-gatehouse.log"
    [ "$PASSED" -gt 0 ] || [ "$FAILED" -gt 0 ] || die "no test matches $only"
    if [ "$SKIPPED" -gt 0 ]; then
        say "$PASSED passed, $FAILED failed, $SKIPPED skipped"
    else
        say "$PASSED passed, $FAILED failed"
    fi
    [ "$FAILED" -eq 0 ] || exit 1
}
