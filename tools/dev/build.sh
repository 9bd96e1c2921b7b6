# shellcheck shell=bash
# build: out of the source tree, in build/ or build-VARIANT/.

# build_dir VARIANT
build_dir() { printf '%s/build%s' "$TOP" "${1:+-$1}"; }

# build_flags VARIANT: what configure is told.
build_flags() {
    case $1 in
    '') ;;
    asan) printf '%s\n' --enable-asan --enable-ubsan ;;
    uncounted) printf '%s\n' CPPFLAGS=-DMETRICS_OFF ;;
    fuzz) printf '%s\n' --enable-asan --enable-ubsan CC=clang 'CFLAGS=-g -O1 -fsanitize=fuzzer-no-link' ;;
    *) die "no such build: $1" ;;
    esac
}

# Sources that decide whether something has to be done at all. Directories are among what find
# looks at, so a file that was removed counts too.
sources_changed() {
    local stamp=$1
    [ -e "$stamp" ] || return 0
    [ -n "$(cd "$TOP" && find src sql data m4 tests/pool tools/embed.sh tools/common.sh \
        configure.ac Makefile.am -newer "$stamp" -print -quit 2>/dev/null)" ]
}

configure_stale() {
    [ -x "$TOP/configure" ] || return 0
    [ -n "$(cd "$TOP" && find configure.ac Makefile.am m4 -name '*.[am][cm4]*' -newer configure \
        -print -quit 2>/dev/null)" ]
}

generate_configure() { (cd "$TOP" && autoreconf -fi && touch configure); }

# configure_tree DIR FLAGS...
configure_tree() {
    local dir=$1
    shift
    (cd "$dir" && "$TOP/configure" -q "$@")
}

# build_tree VARIANT: makes the programs, unless they are as new as the sources.
build_tree() {
    local variant=$1 dir flags mark
    dir=$(build_dir "$variant")
    mapfile -t flags < <(build_flags "$variant")
    # configure looks for the test library too; once that is installed it has to look again.
    mark="${flags[*]} cmocka $(pkg-config --modversion cmocka 2>/dev/null || printf none)"
    mkdir -p "$dir" "$TOP/build"
    if [ "$mark" = "$(cat "$dir/.dev-flags" 2>/dev/null)" ] &&
        ! sources_changed "$dir/.dev-stamp"; then
        return 0
    fi
    exec 8>"$TOP/build/.dev-lock"
    flock 8
    if configure_stale; then
        shown "autoreconf" "$dir/dev-autoreconf.log" generate_configure || die "autoreconf failed"
    fi
    if [ ! -e "$dir/config.status" ] || [ "$TOP/configure" -nt "$dir/config.status" ] ||
        [ "$mark" != "$(cat "$dir/.dev-flags" 2>/dev/null)" ]; then
        shown "configure${variant:+ ($variant)}" "$dir/dev-configure.log" \
            configure_tree "$dir" "${flags[@]}" || die "configure failed"
        printf '%s\n' "$mark" >"$dir/.dev-flags"
    fi
    # Before make, not after it: what is saved meanwhile is newer than the stamp.
    touch "$dir/.dev-stamp.new"
    shown "make${variant:+ ($variant)}" "$dir/dev-make.log" make -C "$dir" -j2 || die "make failed"
    mv "$dir/.dev-stamp.new" "$dir/.dev-stamp"
    exec 8>&-
}

cmd_build() {
    local variant=''
    while [ $# -gt 0 ]; do
        case $1 in
        --asan) variant=asan ;;
        *) usage_error "build: unknown option $1" ;;
        esac
        shift
    done
    packages_install build
    build_tree "$variant"
    say "built: $(build_dir "$variant")/gatehouse, gatehousectl"
}

cmd_bench() {
    local course=run
    case ${1:-} in
    import | metrics | capacity | single | sweep)
        course=$1
        shift
        ;;
    esac
    [ -x "$TOP/bench/$course" ] || die "bench/$course is missing"
    packages_install build run front-nginx bench
    build_tree ''
    [ "$course" != metrics ] || build_tree uncounted
    [ "$course" != capacity ] || packages_install test
    GATEHOUSE_DEV="$TOP/dev" "$TOP/bench/$course" "$@"
}
