# shellcheck shell=bash
# fuzz: libFuzzer on each reader of foreign bytes (tests/fuzz), with the sanitizers.
#
# What is found by the way is kept in build-fuzz/corpus/NAME and goes on from there; the inputs of
# tests/fuzz/corpus are the beginning, and what make check replays.

fuzz_names() {
    local file
    for file in "$TOP"/tests/fuzz/fuzz_*.c; do
        file=${file##*/fuzz_}
        say "${file%.c}"
    done
}

# fuzz_one NAME SECONDS DIR: in the background of cmd_fuzz; the exit status is kept in a file.
fuzz_one() {
    local name=$1 seconds=$2 dir=$3 rc=0
    mkdir -p "$dir/corpus/$name" "$dir/found/$name"
    (cd "$dir/found/$name" && exec nice "$dir/tests/fuzz/fuzz_$name" -max_total_time="$seconds" \
        -timeout=60 -max_len=8192 -print_final_stats=1 -artifact_prefix="$dir/found/$name/" \
        "$dir/corpus/$name" "$TOP/tests/fuzz/corpus/$name") >"$dir/fuzz-$name.log" 2>&1 </dev/null ||
        rc=$?
    printf '%s\n' "$rc" >"$dir/fuzz-$name.status"
}

# The figure behind a word of libFuzzer's last lines.
fuzz_figure() { grep -oE "$2:? +[0-9]+" "$1" | tail -n 1 | grep -oE '[0-9]+' || printf 0; }

fuzz_report() {
    local name=$1 dir=$2 log=$2/fuzz-$1.log status
    status=$(cat "$dir/fuzz-$name.status" 2>/dev/null || printf none)
    printf '%-10s %12s runs  %6s features  %s\n' "$name" \
        "$(fuzz_figure "$log" stat::number_of_executed_units)" "$(fuzz_figure "$log" ft)" \
        "$([ "$status" = 0 ] && printf 'no report' || printf 'REPORT (exit %s)' "$status")"
    [ "$status" != 0 ] || return 0
    grep -m 1 -E -A 20 'broken promise|ERROR:|runtime error' "$log" | sed 's/^/    | /'
    ls "$dir/found/$name" | sed "s|^|    | input: $dir/found/$name/|"
    return 1
}

fuzz_build() {
    local dir
    command -v clang >/dev/null || die "clang is missing"
    build_tree fuzz
    dir=$(build_dir fuzz)
    shown "make fuzzers" "$dir/dev-fuzzers.log" make -C "$dir" -j2 fuzzers || die "make failed"
}

# The smallest set of inputs that reaches all that was reached, into the tree.
fuzz_keep() {
    local name dir
    dir=$(build_dir fuzz)
    for name in "$@"; do
        "$dir/tests/fuzz/fuzz_$name" -merge=1 -max_len=1024 "$TOP/tests/fuzz/corpus/$name" \
            "$dir/corpus/$name" >"$dir/merge-$name.log" 2>&1 </dev/null || die "merge of $name failed"
        say "$name: $(find "$TOP/tests/fuzz/corpus/$name" -type f | wc -l) inputs"
    done
}

cmd_fuzz() {
    local seconds=60 keep='' name dir failed=0 names=()
    while [ $# -gt 0 ]; do
        case $1 in
        --keep) keep=yes ;;
        [0-9]*) seconds=$1 ;;
        -*) usage_error "fuzz: unknown option $1" ;;
        *) names+=("$1") ;;
        esac
        shift
    done
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || usage_error "fuzz: how many seconds? $seconds"
    [ "${#names[@]}" -gt 0 ] || mapfile -t names < <(fuzz_names)
    for name in "${names[@]}"; do
        [ -e "$TOP/tests/fuzz/fuzz_$name.c" ] || usage_error "fuzz: there is no fuzzer $name"
    done
    packages_install build test fuzz
    fuzz_build
    dir=$(build_dir fuzz)
    if [ -n "$keep" ]; then
        fuzz_keep "${names[@]}"
        return
    fi
    say "each of ${#names[@]} fuzzers for $seconds s, all at once"
    for name in "${names[@]}"; do
        rm -f "$dir/fuzz-$name.status"
        fuzz_one "$name" "$seconds" "$dir" &
    done
    wait
    for name in "${names[@]}"; do
        fuzz_report "$name" "$dir" || failed=$((failed + 1))
    done
    say "$((${#names[@]} - failed)) passed, $failed failed"
    [ "$failed" -eq 0 ]
}
