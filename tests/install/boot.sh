#!/bin/sh
# The first process of a machine of its own: makes a root out of LOWER, read-only, with everything
# that is written going to memory, and becomes systemd there. Runs in fresh namespaces (mount, pid,
# net, uts, ipc, cgroup), so nothing of the host can be changed.
#
# usage: boot.sh LOWER SCRATCH        SCRATCH: an empty folder, in which all of it lives
set -e
lower=$1 scratch=$2
mount --make-rprivate /
mount -t tmpfs -o mode=755 machine "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$scratch/upper,workdir=$scratch/work" overlay \
    "$scratch/root"
cd "$scratch/root"
mkdir -p proc sys run tmp dev

# What is the kernel's is seen and not touched.
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
# One hierarchy without controllers, even where the host has them: they stay the host's.
mount -t cgroup2 cgroup2 sys/fs/cgroup

mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=755 dev dev
for name in null zero full random urandom tty; do
    : >"dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 shm dev/shm
: >dev/console
ip link set lo up

# Nothing that the host starts by itself; what the tests need they start.
rm -f etc/systemd/system/*.wants/* etc/gatehouse/gatehouse.conf
: >etc/machine-id
mkdir run/host
pivot_root . run/host
umount -l /run/host
mount --make-rshared / # as credentials of services need it
exec env -i container=gatehouse-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --log-target=journal --show-status=0 --unit=basic.target </dev/null >/dev/null 2>&1
