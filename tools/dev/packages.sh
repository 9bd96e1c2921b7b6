# shellcheck shell=bash
# packages: installs what tools/packages names and the machine lacks.

# packages_of GROUP...: the names, one to a line.
packages_of() {
    local group
    for group in "$@"; do
        awk -v group="$group" '$1 == group { for (i = 2; i <= NF; i++) print $i }' \
            "$TOP/tools/packages"
    done
}

# packages_groups PATTERN: the groups whose names begin so, one to a line.
packages_groups() { awk '/^[a-z]/ { print $1 }' "$TOP/tools/packages" | grep -E "^($1)" | sort -u; }

packages_missing() {
    local wanted installed
    mapfile -t wanted < <(packages_of "$@")
    # It fails as soon as it has never heard of one of the names.
    installed=$({ dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" \
        2>/dev/null || true; } | awk '$2 == "installed" { print $1 }')
    printf '%s\n' "${wanted[@]}" | grep -vxF -e "${installed:-none}" || true
}

# Debian starts a service when its package is installed. Ours are private instances: the system's
# own are kept from starting, unless the machine has a policy for that already.
POLICY=/usr/sbin/policy-rc.d
POLICY_MARK='# put here by gatehouse/dev while it installs packages'

policy_open() {
    if [ -e "$POLICY" ] && ! grep -qxF "$POLICY_MARK" "$POLICY"; then
        return 0
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
    chmod 755 "$POLICY"
    on_exit policy_close
}

policy_close() {
    if grep -qxF "$POLICY_MARK" "$POLICY" 2>/dev/null; then
        rm -f "$POLICY"
    fi
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
}

# packages_install GROUP...
packages_install() {
    local missing log
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] && [ -n "${missing[0]}" ] || return 0
    command -v apt-get >/dev/null || die "not a Debian; install by hand: ${missing[*]}"
    require_root "Debian packages are missing: ${missing[*]}"
    log=$(mktemp /tmp/gatehouse-apt.XXXXXX)
    policy_open
    say "${#missing[@]} Debian packages are missing: ${missing[*]}"
    shown "apt-get update" "$log" apt update || die "the package lists cannot be fetched"
    shown "apt-get install (a minute or two)" "$log" apt install --no-install-recommends \
        "${missing[@]}" || die "packages cannot be installed; all of it is in $log"
    policy_close
    rm -f "$log"
}
