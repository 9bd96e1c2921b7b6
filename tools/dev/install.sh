# shellcheck shell=bash
# install: docs/install.md, apache.md and lighttpd.md from a machine that has nothing, packages and all.

install_root_remove() { rm -rf "$INSTALL_ROOT"; }

# install_bare DIR: a minimal Debian with systemd below DIR, and in it what the page installs. Nothing
# is started there before the test boots it.
install_bare() {
    debootstrap --variant=minbase --include=systemd-sysv,dbus,procps,ca-certificates,util-linux,iproute2 \
        bookworm "$1" || return
    # How packages are fetched here: a proxy, a mirror's certificate.
    cp -r /etc/apt/apt.conf.d "$1/etc/apt/" || return
    cp /etc/resolv.conf "$1/etc/" || return
    # Nobody needs this machine after a power cut: unpacking without a sync for each file.
    echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/unsafe-io" || return
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
    PYTHONPATH=$TOP/tests/docs /usr/bin/python3 -c '
import page
for block in page.blocks("install.md", "Packages"):
    print(block.text)
for name in "apache.md", "lighttpd.md":
    for block in page.blocks(name):
        print(*(line for line in block.text.splitlines() if line.startswith("apt-get ")), sep="\n")
' >"$1/packages.sh" || return
    DEBIAN_FRONTEND=noninteractive chroot "$1" bash -eux /packages.sh || return
    rm "$1/usr/sbin/policy-rc.d" "$1/packages.sh"
}

cmd_test_install() {
    [ $# -eq 0 ] || usage_error "test-install takes no options"
    require_root "it makes a machine"
    packages_install build test install
    build_tree ''
    INSTALL_ROOT=$(mktemp -d /var/tmp/gatehouse-bare.XXXXXX)
    # Its root folder: packages' scripts that become another user must get through it.
    chmod 755 "$INSTALL_ROOT"
    on_exit install_root_remove
    shown "a bare Debian and the packages that docs/ installs" "$(build_dir '')/dev-install.log" \
        install_bare "$INSTALL_ROOT" || die "no bare machine could be made"
    cd "$TOP" || return
    GATEHOUSE_INSTALL_ROOT=$INSTALL_ROOT PYTHONDONTWRITEBYTECODE=1 timeout --foreground -k 10 1500 \
        /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/install </dev/null
}
