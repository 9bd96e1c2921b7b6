# shellcheck shell=bash
# faults, soak: a running service is harmed under load, on purpose or at random (tests/faults).

faults_run() {
    local script=$1
    shift
    export GATEHOUSE_DEV=$TOP/dev PYTHONDONTWRITEBYTECODE=1
    /usr/bin/python3 "$TOP/tests/faults/$script" "$@" </dev/null
}

cmd_faults() {
    require_root "it starts and kills servers"
    packages_install build run front-nginx test faults
    build_tree ''
    faults_run run.py "$@"
}

cmd_soak() {
    local args=() variant='' rc=0
    while [ $# -gt 0 ]; do
        case $1 in
        --asan) variant=asan ;;
        [0-9]*) args+=("$1") ;;
        *) usage_error "soak: unknown option $1" ;;
        esac
        shift
    done
    require_root "it starts and kills servers"
    packages_install build run front-nginx test faults
    build_tree "$variant"
    if [ -n "$variant" ]; then
        TEST_ROOT=$(mktemp -d /tmp/gatehouse-soak.XXXXXX)
        # shellcheck disable=SC2034 # sanitizers_count looks there
        TEST_DIR=$TEST_ROOT/run
        chmod 755 "$TEST_ROOT"
        sanitizers_prepare
    fi
    faults_run soak.py ${args[@]+"${args[@]}"} || rc=$?
    if [ -n "$variant" ]; then
        sanitizers_count
        [ "$FAILED" -eq 0 ] || die "the sanitizers reported"
        rm -rf "$TEST_ROOT"
        say "the sanitizers reported nothing"
    fi
    return "$rc"
}
