# shellcheck shell=bash
# attack: what an attacker would try, against real servers on the loopback (tests/attack). Each run
# prints its figures in one line and fails when it misses a criterion.

# In the order of their running; those at the end ask for what others have published.
ATTACKS=(records races refresh replay confusion mixing spellings clock large texts methods guessing timing
    keyfiles rotation fronts documents wycheproof)

attack_known() {
    local one
    for one in "${ATTACKS[@]}"; do
        if [ "$one" = "$1" ]; then
            return 0
        fi
    done
    return 1
}

# The addresses of the instance, in the environment of what follows.
attack_environment() {
    local line
    while IFS= read -r line; do
        export "${line?}"
    done < <("$TOP/dev" env --dir "$TEST_DIR")
    export GATEHOUSE_DIR=$TEST_DIR GATEHOUSE_DEV=$TOP/dev PYTHONDONTWRITEBYTECODE=1
}

# No attack may take longer than this, whatever happens to it: 2,000 logins of each kind take seven minutes.
ATTACK_PATIENCE=1200

attack_one() {
    local name=$1 rc=0
    shift
    timeout --foreground -k 10 "$ATTACK_PATIENCE" /usr/bin/python3 \
        "$TOP/tests/attack/$name.py" "$@" </dev/null 2>"$TEST_ROOT/$name.log" || rc=$?
    if [ "$rc" -ne 0 ] && [ -s "$TEST_ROOT/$name.log" ]; then
        report "$TEST_ROOT/$name.log"
    fi
    [ "$rc" -ne 124 ] || say "$name: not done in $ATTACK_PATIENCE s"
    return "$rc"
}

cmd_attack() {
    local vectors='' documents='' names=() name failed=() start=$SECONDS
    while [ $# -gt 0 ]; do
        case $1 in
        --wycheproof) option_value "$1" $# && vectors=$2 && shift ;;
        --json-suite) option_value "$1" $# && documents=$2 && shift ;;
        -*) usage_error "attack: unknown option $1" ;;
        *)
            attack_known "$1" || usage_error "attack: there is no $1; there are: ${ATTACKS[*]}"
            names+=("$1")
            ;;
        esac
        shift
    done
    [ "${#names[@]}" -gt 0 ] || names=("${ATTACKS[@]}")
    require_root "it installs packages and starts servers"
    packages_install build run test attack front-nginx front-apache front-lighttpd php
    build_tree ''
    TEST_ROOT=$(mktemp -d /tmp/gatehouse-attack.XXXXXX)
    chmod 755 "$TEST_ROOT"
    TEST_DIR=$TEST_ROOT/run
    on_exit test_instance_down
    "$TOP/dev" up --dir "$TEST_DIR" --port "$(free_port)" --set limit.enabled=no \
        --set password.cost=4 >"$TEST_ROOT/up.log" 2>&1 || {
        report "$TEST_ROOT/up.log"
        die "the instance to be attacked does not run"
    }
    for name in "${names[@]}"; do
        # A run may have started gatehouse afresh.
        attack_environment
        case $name in
        wycheproof) attack_one "$name" ${vectors:+"$vectors"} || failed+=("$name") ;;
        documents) attack_one "$name" ${documents:+"$documents"} || failed+=("$name") ;;
        *) attack_one "$name" || failed+=("$name") ;;
        esac
    done
    say "all of it took $((SECONDS - start)) s"
    say "$((${#names[@]} - ${#failed[@]})) passed, ${#failed[@]} failed${failed[*]:+: ${failed[*]}}"
    [ "${#failed[@]}" -eq 0 ]
}
