# shellcheck shell=bash
# php: the instance's PHP-FPM, for the applications behind the web server.

# As root: $DIR may lie where nobody else may go. Its processes read what anybody could.
php_conf() {
    cat <<TEXT
[global]
error_log = $DIR/log/php-fpm.log
daemonize = no
[www]
user = root
group = root
listen = $PHP_SOCKET
listen.mode = 0666
pm = static
pm.max_children = 2
catch_workers_output = yes
php_admin_value[error_log] = $DIR/log/php.log
php_admin_flag[log_errors] = on
TEXT
}

# Debian names the program after its version.
php_program() {
    local path
    for path in /usr/sbin/php-fpm*; do
        if [ -x "$path" ]; then
            printf '%s' "$path"
            return 0
        fi
    done
    die "php-fpm is not installed"
}

php_listens() { [ -S "$PHP_SOCKET" ]; }

php_up() {
    local log=$DIR/log/php-fpm.log
    if [ -z "$PHP" ]; then
        service_stop php 5
        return 0
    fi
    if service_alive php; then
        return 0
    fi
    service_stop php 5
    rm -f "$PHP_SOCKET"
    php_conf >"$DIR/conf/php-fpm.conf"
    service_start php "$log" "$(php_program)" -R -F -n -y "$DIR/conf/php-fpm.conf"
    service_wait php 20 "$log" php_listens || die "PHP-FPM does not run"
    say "  PHP-FPM runs"
}
