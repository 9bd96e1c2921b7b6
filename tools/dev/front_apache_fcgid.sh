# shellcheck shell=bash
# front apache-fcgid: the files of conf/apache for mod_fcgid, which starts gatehouse by itself, as
# Apache's user. That user cannot read the instance's secrets, so it is given copies below RUNDIR.

front_apache_fcgid_serves() { true; }

fcgid_secrets() {
    local to=$RUNDIR/fcgid
    mkdir -p "$to/ipc"
    chmod 700 "$to" "$to/ipc"
    cp -R "$DIR/keys" "$DIR/secrets/mariadb" "$to/"
    sed -e "s#$DIR/keys#$to/keys#" -e "s#$DIR/secrets/mariadb#$to/mariadb#" "$CONF" >"$to/gatehouse.conf"
    chown -R www-data:www-data "$to"
}

fcgid_files() {
    local file
    front_apache_files
    for file in "$FRONT_CONF"/gatehouse/*.conf; do
        sed -i -e "s#/usr/local/sbin/gatehouse#$BIN/gatehouse#" \
            -e "s#/etc/gatehouse/gatehouse.conf#$RUNDIR/fcgid/gatehouse.conf#" "$file"
    done
}

front_apache_fcgid_write() {
    front_apache_command
    fcgid_secrets
    fcgid_files
    {
        front_apache_main "$TOP/conf/apache/gatehouse-fcgid-site.conf" fcgid
        say "FcgidIPCDir \"$RUNDIR/fcgid/ipc\""
        say "FcgidProcessTableFile \"$RUNDIR/fcgid/table\""
    } >"$FRONT_CONF/httpd.conf"
    front_apache_readable
}

front_apache_fcgid_command() { front_apache_command; }
