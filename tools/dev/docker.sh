# shellcheck shell=bash
# docker: runs docker-compose.yml as it is, with an engine of its own, and tests what comes up.
#
# The engine lives in network and mount namespaces of its own, so its bridges, firewall rules, ports
# and mounts are not the machine's; slirp4netns gives it a way out, for apt. It pulls nothing: the
# base image is made by debootstrap, and the official images of nginx, MariaDB and Redis have
# stand-ins in tools/dev/docker/ under the names that docker-compose.yml asks for.
#
#   build-docker/                base image and engine's data, kept from run to run
#   /run/gatehouse-docker-HASH/  the engine's socket, state and process ids

DOCKER_BASE=debian:bookworm-slim
DOCKER_STAND_INS=(mariadb=mariadb:10.11 redis=redis:7.2 nginx=nginx:stable)

docker_at() {
    DOCKER_DIR=$TOP/build-docker
    DOCKER_NAME=gatehouse-docker-$(printf '%s' "$TOP" | sha256sum | cut -c1-8)
    RUNDIR=/run/$DOCKER_NAME
    export DOCKER_HOST=unix://$RUNDIR/docker.sock DOCKER_CONFIG=$RUNDIR/cli
    # The engine's own builder is all that Debian's package has.
    export DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
    unset DOCKER_CONTEXT DOCKER_TLS_VERIFY COMPOSE_FILE COMPOSE_PROJECT_NAME GATEHOUSE_PORT
}

# Another run, or one that was killed, may have left its engine behind.
docker_open() {
    mkdir -p "$DOCKER_DIR" "$RUNDIR/cli"
    exec 9>"$RUNDIR/lock"
    flock -n 9 || die "another ./dev test-docker is at work on $TOP"
    engine_stop
    on_exit docker_close
}

docker_close() {
    engine_stop
    rm -rf "$RUNDIR"
}

# Every process of a container, should the engine have died without stopping it, and the cgroups. All of
# them may end meanwhile by themselves: what is no longer there is what is wanted.
engine_leftovers() {
    local dir pids
    while IFS= read -r dir; do
        pids=$(cat "$dir/cgroup.procs" 2>/dev/null || true)
        # shellcheck disable=SC2086
        [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
    done < <(find /sys/fs/cgroup -type d -path "*/$DOCKER_NAME/*" 2>/dev/null)
    find /sys/fs/cgroup -depth -type d \( -name "$DOCKER_NAME" -o -path "*/$DOCKER_NAME/*" \) \
        -exec rmdir {} \; 2>/dev/null || true
}

engine_stop() {
    service_stop dockerd 90
    service_stop slirp4netns 5
    engine_leftovers
}

engine_answers() { docker info; }

engine_start() {
    local log=$RUNDIR/dockerd.log
    # shellcheck disable=SC2016
    service_start dockerd "$log" unshare --net --mount --propagation private -- \
        sh -c 'ip link set lo up && exec dockerd "$@"' sh \
        --data-root "$DOCKER_DIR/data" --exec-root "$RUNDIR/exec" --pidfile "$RUNDIR/engine.pid" \
        --host "$DOCKER_HOST" --dns 10.0.2.3 --cgroup-parent "/$DOCKER_NAME"
    ENGINE_PID=$SERVICE_PID
    until [ "$(readlink "/proc/$ENGINE_PID/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
        service_alive dockerd || die "no namespace can be made: $(tail -n 3 "$log")"
        sleep 0.05
    done
    service_start slirp4netns "$RUNDIR/slirp4netns.log" \
        slirp4netns --configure --disable-host-loopback "$ENGINE_PID" tap0
    service_wait dockerd 60 "$log" engine_answers || die "the Docker engine does not run"
    say "  the Docker engine runs"
}

# The mirror that this machine uses itself.
debian_mirror() {
    local mirror
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' \
        'Codename: bookworm' 2>/dev/null | head -n 1)
    printf '%s' "${mirror:-http://deb.debian.org/debian}"
}

base_make() {
    local root=$DOCKER_DIR/base.new
    rm -rf "$root"
    debootstrap --variant=minbase bookworm "$root" "$(debian_mirror)" &&
        rm -f "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*_* &&
        tar -C "$root" --numeric-owner -cf "$DOCKER_DIR/base.tar.new" . &&
        mv "$DOCKER_DIR/base.tar.new" "$DOCKER_DIR/base.tar" &&
        rm -rf "$root"
}

stand_in_build() { docker build -t "$2" "$TOP/tools/dev/docker/$1"; }

# What was made before is used again; the engine notices itself what has changed.
images_make() {
    local pair
    if [ ! -e "$DOCKER_DIR/base.tar" ]; then
        shown "debootstrap (a minute or two)" "$DOCKER_DIR/debootstrap.log" base_make ||
            die "no base image could be made"
    fi
    if ! docker image inspect "$DOCKER_BASE" >/dev/null 2>&1; then
        docker import "$DOCKER_DIR/base.tar" "$DOCKER_BASE" >/dev/null
    fi
    for pair in "${DOCKER_STAND_INS[@]}"; do
        shown "image ${pair#*=}" "$DOCKER_DIR/image-${pair%%=*}.log" \
            stand_in_build "${pair%%=*}" "${pair#*=}" || die "no stand-in for ${pair#*=}"
    done
    # Stages of builds that no run has used for long.
    docker image prune -f --filter until=168h >/dev/null
}

# A release, unpacked: its Dockerfile must find there all that it needs.
release_make() {
    local build
    build=$(build_dir '')
    make -C "$build" dist && rm -rf "$DOCKER_DIR/release" && mkdir "$DOCKER_DIR/release" &&
        tar -C "$DOCKER_DIR/release" --strip-components=1 -xf "$build"/gatehouse-*.tar.xz
}

# Inside the engine's network, where the published port is.
docker_pytest() {
    (
        cd "$TOP" || exit
        export GATEHOUSE_RELEASE=$DOCKER_DIR/release PYTHONDONTWRITEBYTECODE=1
        timeout --foreground -k 10 1500 nsenter --target "$ENGINE_PID" --net -- \
            /usr/bin/python3 -m pytest -q -p no:cacheprovider "$@" tests/docker </dev/null 2>&1
    )
}

cmd_test_docker() {
    local start=$SECONDS rc=0 line log
    require_root "it starts a Docker engine"
    packages_install build docker
    docker_at
    docker_open
    build_tree ''
    shown "make dist" "$DOCKER_DIR/dist.log" release_make || die "no release can be made"
    engine_start
    images_make
    log=$DOCKER_DIR/pytest.log
    docker_pytest "$@" | tee "$log" || rc=$?
    # No such line: pytest broke off, which its exit status tells.
    line=$(grep -E '[0-9]+ (passed|failed|error).* in [0-9.]+' "$log" | tail -n 1 || true)
    count "$(before_word passed "$line")" \
        $(($(before_word failed "$line") + $(before_word 'errors?' "$line"))) 0
    [ "$rc" -eq 0 ] || [ "$FAILED" -gt 0 ] || count 0 1 0
    say "all of it took $((SECONDS - start)) s"
    say "$PASSED passed, $FAILED failed"
    [ "$FAILED" -eq 0 ] || exit 1
}
