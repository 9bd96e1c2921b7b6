# shellcheck shell=bash
# front apache: the very files of conf/apache, the example site among them; gatehouse runs by itself.
# Changed in the copies: where the sockets are, ports, certificate, document root, the upstream behind
# /proxied/, and the base path where that was set.

APACHE_MODULES=(mpm_event authn_core authz_core authz_user authz_host alias asis dir env headers mime
    proxy proxy_fcgi proxy_http rewrite setenvif socache_shmcb ssl)

# Checks go over TCP; a port beside the other two.
front_apache_settings() {
    say "pool.apache.listen=127.0.0.1:$((TLS_PORT + 1))"
    front_apache_modes
}

# Apache's children are not root.
front_apache_modes() {
    say pool.web.mode=0666
    say pool.login.mode=0666
}

front_apache_single() { printf '127.0.0.1:%d' $((TLS_PORT + 1)); }

# pool_apache NAME: a pool's address as mod_proxy_fcgi writes it.
pool_apache() {
    local address
    address=$(pool_address "$1")
    case $address in
    /*) printf 'unix:%s|fcgi://gatehouse-%s' "$address" "$1" ;;
    *) printf 'fcgi://%s' "$address" ;;
    esac
}

apache_checks() { if start_single; then front_apache_single; else conf_value pool.apache.listen; fi; }

front_apache_files() {
    local file base
    base=$(base_path)
    mkdir -p "$FRONT_CONF/gatehouse"
    cp -R "$TOP/conf/apache/pages" "$FRONT_CONF/gatehouse/"
    for file in "$TOP"/conf/apache/gatehouse-*.conf; do
        sed -e "s#unix:/run/gatehouse/web.sock|fcgi://gatehouse-web#$(pool_apache web)#" \
            -e "s#unix:/run/gatehouse/login.sock|fcgi://gatehouse-login#$(pool_apache login)#" \
            -e "s#127.0.0.1:9471/#$(apache_checks)/#" \
            -e "s#/etc/apache2/gatehouse#$FRONT_CONF/gatehouse#" \
            -e "s#\^/auth\\\$#^$base\$#" -e "s#/auth/#$base/#g" "$file" >"$FRONT_CONF/gatehouse/${file##*/}"
    done
}

# One virtual host on both ports, so that plain HTTP is not led to TLS, and without the header that
# would tie the browser to TLS on this host.
front_apache_site() {
    sed -e '/^# Plain HTTP leads to TLS/,/^<\/VirtualHost>/d' -e '/Strict-Transport-Security/d' \
        -e "s#<VirtualHost \*:443>#<VirtualHost 127.0.0.1:$1>#" \
        -e "s#ServerName www.example.org#ServerName localhost#" -e "s#/etc/ssl/certs/.*#\"$DIR/tls/cert.pem\"#" \
        -e "s#/etc/ssl/private/.*#\"$DIR/tls/key.pem\"#" \
        -e "s#/var/www/example.org#$DIR/www#" -e "s#unix:/run/php/[^|]*|#unix:$PHP_SOCKET|#" \
        -e "s#http://127.0.0.1:3000/#unix:$UPSTREAM_SOCKET|http://localhost/#" "$2"
}

# front_apache_sites FILE: the same site twice; what is for the whole server stands in the first.
front_apache_sites() {
    front_apache_site "$TLS_PORT" "$1"
    front_apache_site "$PORT" "$1" | sed -n -e '/SSL/d' -e '/^<VirtualHost/,$p'
}

# front_apache_main FILE MODULE...
front_apache_main() {
    local module file=$1
    shift
    for module in "${APACHE_MODULES[@]}" "$@"; do
        say "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
    done
    cat <<TEXT
ServerRoot "$FRONT_CONF"
DefaultRuntimeDir "$RUNDIR"
PidFile "$RUNDIR/apache-own.pid"
Mutex pthread default
User www-data
Group www-data
ServerName localhost
Listen 127.0.0.1:$PORT
Listen 127.0.0.1:$TLS_PORT
TypesConfig /etc/mime.types
ErrorLog "$FRONT_LOG"
LogFormat "%h %u %r %>s" common
CustomLog "$DIR/log/$FRONT-access.log" common
KeepAlive On
MaxKeepAliveRequests 0
TraceEnable Off
<Directory />
    Require all denied
</Directory>
TEXT
    front_apache_sites "$file"
}

front_apache_write() {
    front_apache_command
    front_apache_files
    front_apache_main "$TOP/conf/apache/gatehouse.conf" authnz_fcgi >"$FRONT_CONF/httpd.conf"
    front_apache_readable
}

# Apache's children are www-data, and serve files from below DIR.
front_apache_readable() {
    setpriv --reuid www-data --regid www-data --clear-groups test -r "$DIR/www/index.html" ||
        die "the user www-data, who serves the pages, may not read $DIR/www: use another --dir"
}

front_apache_command() {
    FRONT_LOG=$DIR/log/$FRONT-error.log
    FRONT_COMMAND=(apache2 -f "$FRONT_CONF/httpd.conf" -DFOREGROUND)
    FRONT_CHECK=(apache2 -f "$FRONT_CONF/httpd.conf" -t)
}
