# shellcheck shell=bash
# front nginx: the very files of conf/nginx, the example site among them. Changed in the copies:
# where the sockets are, ports, certificate, document root, the upstream behind /proxied/, and the
# base path where that was set.

# pool_nginx NAME: a pool's address as nginx writes it.
pool_nginx() {
    local address
    address=$(pool_address "$1")
    case $address in
    /*) printf 'unix:%s' "$address" ;;
    *) printf '%s' "$address" ;;
    esac
}

front_nginx_files() {
    local file base
    base=$(base_path)
    mkdir -p "$FRONT_CONF/gatehouse"
    for file in "$TOP"/conf/nginx/gatehouse-*.conf; do
        sed -e "s|unix:/run/gatehouse/web.sock|$(pool_nginx web)|" \
            -e "s|unix:/run/gatehouse/login.sock|$(pool_nginx login)|" \
            -e "s|= /auth {|= ${base:-/auth} {|" \
            -e "s|\([ ]\)/auth/|\1$base/|g" "$file" >"$FRONT_CONF/gatehouse/${file##*/}"
    done
}

# One server on both ports, so that plain HTTP is not led to TLS, and without the header that would
# tie the browser to TLS on this host.
front_nginx_site() {
    sed -e '/^# Plain HTTP leads to TLS/,/^}/d' -e '/Strict-Transport-Security/d' -e '/gatehouse_hsts/d' \
        -e '/listen \[::\]/d' \
        -e "s|listen 443 .*;|listen 127.0.0.1:$PORT backlog=1024; listen 127.0.0.1:$TLS_PORT ssl http2 backlog=1024;|" \
        -e "s|server_name .*;|server_name localhost;|" \
        -e "s|/etc/ssl/certs/[^;]*|$DIR/tls/cert.pem|" -e "s|/etc/ssl/private/[^;]*|$DIR/tls/key.pem|" \
        -e "s|/var/www/example.org|$DIR/www|" -e "s|unix:/run/php/[^;]*|unix:$PHP_SOCKET|" \
        -e "s|http://127.0.0.1:3000|http://unix:$UPSTREAM_SOCKET|" "$TOP/conf/nginx/gatehouse.conf"
}

front_nginx_main() {
    cat <<TEXT
user root;
worker_processes 2;
worker_rlimit_nofile 8192;
pid "$RUNDIR/nginx-own.pid";
daemon off;
error_log "$DIR/log/nginx-error.log";
events { worker_connections 2048; }

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log "$DIR/log/nginx-access.log";
    client_body_temp_path "$DIR/nginx/body";
    fastcgi_temp_path "$DIR/nginx/fastcgi";
    proxy_temp_path "$DIR/nginx/proxy";
    scgi_temp_path "$DIR/nginx/scgi";
    uwsgi_temp_path "$DIR/nginx/uwsgi";
    keepalive_requests 100000;

    include site.conf;
}
TEXT
}

front_nginx_write() {
    mkdir -p "$DIR/nginx"
    front_nginx_files
    front_nginx_site >"$FRONT_CONF/site.conf"
    front_nginx_main >"$FRONT_CONF/nginx.conf"
}

front_nginx_command() {
    FRONT_LOG=$DIR/log/nginx-error.log
    FRONT_COMMAND=(nginx -p "$DIR/nginx/" -c "$FRONT_CONF/nginx.conf" -e "$FRONT_LOG")
    FRONT_CHECK=("${FRONT_COMMAND[@]}" -t)
}
