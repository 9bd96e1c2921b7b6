# shellcheck shell=bash
# Run once by MariaDB's image, as soon as the data directory has been made: the database and its two
# accounts. `gatehouse` reads and writes rows (sql/grants.sql); `gatehouse_owner` makes and changes the
# tables and reads the audit trail, and only the service `migrate` knows its password.
#
# The image sources this file or executes it, as the host's file system gives permissions; in a
# subshell it changes nothing of the image's script.
(
    set -eu
    export MYSQL_PWD="$MARIADB_ROOT_PASSWORD"
    {
        sed -e '/^--/d' -e 's/@DATABASE@/gatehouse/g' -e 's/@USER@/gatehouse/g' -e 's/@HOST@/%/g' \
            -e "s/@PASSWORD@/$(cat /secrets/mariadb/password)/g" /gatehouse/grants.sql
        echo "CREATE USER 'gatehouse_owner'@'%' IDENTIFIED BY '$(cat /secrets/owner/password)';"
        echo "GRANT ALL ON gatehouse.* TO 'gatehouse_owner'@'%';"
    } | mariadb --protocol=socket --user=root
)
