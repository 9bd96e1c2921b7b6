#!/bin/sh
# Makes what the containers share in secret, each only where it is missing: passwords of 192 random
# bits, and the key that signs tokens. Nothing is printed, and nothing that is there is touched, so
# it may run before every start.
#
# The folders are volumes: a container reads only what is mounted into it, as a member of the group
# gatehouse. gatehouse itself refuses a secret that everybody on its system could read.
set -eu
umask 027

# Written aside and moved, so that a half-written secret is never taken for one.
put() {
    cat >"$1.new"
    chmod 0440 "$1.new"
    mv "$1.new" "$1"
}

password() {
    [ -s "$1" ] || od -An -v -N24 -tx1 /dev/urandom | tr -d ' \n' | put "$1"
    [ "$(wc -c <"$1")" -ge 32 ] || {
        echo "$1 is too short for a password" >&2
        exit 1
    }
}

password /secrets/root/password
password /secrets/owner/password
password /secrets/mariadb/password
password /secrets/redis/password
[ -s /secrets/redis/redis.conf ] ||
    printf 'requirepass %s\n' "$(cat /secrets/redis/password)" | put /secrets/redis/redis.conf

[ -s /etc/gatehouse/keys/signing ] || gatehousectl key new >/dev/null
echo "the secrets are there"
