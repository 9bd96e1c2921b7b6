# shellcheck shell=bash
# web: the instance's nginx, with the very files from conf/nginx. Only what must differ is changed
# in its copy: where the sockets are, and the base path where that was set.

base_path() { printf '%s' "${SETTINGS[server.base_path]:-/auth}"; }

web_ports_free() {
    local port owner conf=$DIR/conf/nginx.conf
    # shellcheck disable=SC2153
    for port in "$PORT" "$TLS_PORT"; do
        if service_alive nginx && grep -q "listen 127.0.0.1:${port}[ ;]" "$conf" 2>/dev/null; then
            continue
        fi
        if service_read nginx && ! service_alive nginx; then
            service_stop nginx 2 # workers of a killed master still listen
        fi
        if owner=$(port_owner "$port"); then
            die "port $port is in use by $owner: choose another with --port N (and --tls-port N)"
        fi
    done
}

web_certificate() {
    local cert=$DIR/tls/cert.pem
    if openssl x509 -in "$cert" -noout -checkend 86400 >/dev/null 2>&1; then
        return 0
    fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$DIR/tls/key.pem" -out "$cert" >"$DIR/log/openssl.log" 2>&1 ||
        die "no certificate could be made; see $DIR/log/openssl.log"
}

web_conf() {
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

    include gatehouse/gatehouse-http.conf;

    server {
        listen 127.0.0.1:$PORT backlog=1024;
        listen 127.0.0.1:$TLS_PORT ssl http2 backlog=1024;
        server_name localhost;
        ssl_certificate "$DIR/tls/cert.pem";
        ssl_certificate_key "$DIR/tls/key.pem";
        root "$DIR/www";
        index index.html;

        include gatehouse/gatehouse-locations.conf;

        location / { try_files \$uri \$uri/ =404; }
        location /members/ {
            include gatehouse/gatehouse-protect.conf;
        }
        location /admin/ {
            include gatehouse/gatehouse-protect.conf;
            set \$gatehouse_role admin;
        }
    }
}
TEXT
}

# Writes nginx.conf and copies of the shipped files below $DIR/conf.
web_conf_write() {
    local file base
    base=$(base_path)
    mkdir -p "$DIR/conf/gatehouse"
    for file in "$TOP"/conf/nginx/gatehouse-*.conf; do
        sed -e "s|unix:/run/gatehouse/|unix:$RUNDIR/|" -e "s|\([ ]\)/auth/|\1$base/|g" "$file" \
            >"$DIR/conf/gatehouse/${file##*/}"
    done
    web_conf >"$DIR/conf/nginx.conf"
}

web_pages() {
    local base
    base=$(base_path)
    cp -R "$TOP/examples/www/." "$TOP/tools/dev/www/." "$DIR/www/"
    [ "$base" = /auth ] || sed -i "s|data-base=\"/auth\"|data-base=\"$base\"|g" "$DIR"/www/*.html
}

web_up() {
    local log=$DIR/log/nginx-error.log mark
    local run=(nginx -p "$DIR/nginx/" -c "$DIR/conf/nginx.conf" -e "$log")
    web_certificate
    web_pages
    web_conf_write
    mark=$(cat "$DIR/conf/nginx.conf" "$DIR"/conf/gatehouse/* "$DIR/tls/cert.pem" | sha256sum)
    if service_alive nginx && [ "$mark" = "$(cat "$RUNDIR/nginx.mark" 2>/dev/null)" ]; then
        return 0
    fi
    "${run[@]}" -t >"$DIR/log/nginx-check.log" 2>&1 || {
        sed 's/^/    | /' "$DIR/log/nginx-check.log" >&2
        die "nginx refuses its configuration"
    }
    service_stop nginx 5
    service_start nginx "$log" "${run[@]}"
    service_wait nginx 20 "$log" web_answers || die "nginx does not run"
    printf '%s\n' "$mark" >"$RUNDIR/nginx.mark"
    say "  nginx runs on 127.0.0.1:$PORT, and with TLS on $TLS_PORT"
}

# fetch URL [CURL OPTIONS]: to our own nginx, past any proxy of the environment.
fetch() { curl -sS --noproxy '*' --max-time 10 "$@"; }

web_answers() { fetch -f -o /dev/null "http://127.0.0.1:$PORT/index.html"; }
