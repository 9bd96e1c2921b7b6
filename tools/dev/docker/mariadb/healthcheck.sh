#!/bin/bash
# --connect: whether it answers over TCP, which it does only after its first start is over;
# --innodb_initialized: whether tables can be used.
set -eo pipefail

ask() { mariadb --defaults-extra-file=/var/lib/mysql/.my-healthcheck.cnf -B -N "$@"; }

[ $# -gt 0 ] || exit 1
for test in "$@"; do
    case $test in
    --connect) [ "$(ask -h localhost --protocol tcp -e 'SELECT @@skip_networking')" = 0 ] ;;
    --innodb_initialized)
        [ "$(ask --protocol socket -e "SELECT 1 FROM information_schema.ENGINES
            WHERE engine = 'innodb' AND support IN ('YES', 'DEFAULT', 'ENABLED')")" = 1 ]
        ;;
    *) exit 1 ;;
    esac
done
