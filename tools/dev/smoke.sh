# shellcheck shell=bash
# smoke: one user's way from register to logout, each answer shown and checked.

# step NAME EXPECTED METHOD PATH [CURL OPTIONS]: sets ANSWER (the body) and HEADERS.
step() {
    local name=$1 expected=$2 method=$3 path=$4 out status
    shift 4
    out=$(fetch -i -X "$method" -w '\n%{http_code}' "$@" "$SMOKE_URL$path") ||
        die "$name: no answer from $SMOKE_URL"
    status=${out##*$'\n'}
    out=${out%$'\n'*}
    out=${out//$'\r'/}
    HEADERS=${out%%$'\n\n'*}
    ANSWER=${out#*$'\n\n'}
    [ "$ANSWER" != "$out" ] || ANSWER=''
    printf '\n%s: %s %s -> %s\n' "$name" "$method" "/${SMOKE_URL#*://*/}$path" "$status"
    # Tokens are secret, and long ones would fill the screen.
    [ -z "$ANSWER" ] || sed 's/\("[A-Za-z0-9_.-]\{24\}\)[A-Za-z0-9_.-]\{16,\}"/\1..."/g; s/^/  /' \
        <<<"$ANSWER"
    if [ "$status" != "$expected" ]; then
        [ "$status" != 429 ] || say "  Too many of these from one address just now; an instance of" \
            "./dev up does without the limits with: --set limit.enabled=no" >&2
        die "$name: status $status where $expected was expected"
    fi
}

# expect TEXT: the last answer contains it, in its head or its body.
expect() {
    case $HEADERS$'\n'$ANSWER in
    *"$1"*) ;;
    *) die "the answer above lacks: $1" ;;
    esac
}

# field NAME: a text member of the last answer.
field() {
    local value
    value=$(sed -n "s/.*\"$1\": *\"\\([^\"]*\\)\".*/\\1/p" <<<"$ANSWER" | head -n 1)
    [ -n "$value" ] || die "the answer above lacks: $1"
    printf '%s' "$value"
}

# The address of ./dev up's instance, unless one was given.
smoke_url() {
    if [ "${1:-}" = --url ]; then
        [ $# -eq 2 ] || usage_error "smoke: --url URL and nothing else"
        [[ $2 =~ ^https?://[^/]+/.*[^/]$ ]] ||
            usage_error "smoke: --url http://HOST:PORT/auth, the path included"
        SMOKE_URL=$2
        return 0
    fi
    dir_option smoke "$@"
    settings_load || die "no instance in $DIR: ./dev up$(dir_words)"
    SMOKE_URL=http://127.0.0.1:$PORT$(base_path)
}

cmd_smoke() {
    local name password token refresh json='Content-Type: application/json'
    smoke_url "$@"
    name=smoke-$(random_hex 6)
    password=$(random_hex 12)

    step register 201 POST /register -H "$json" \
        -d "{\"email\":\"$name@example.org\",\"username\":\"$name\",\"password\":\"$password\"}"
    expect "\"$name@example.org\""
    step login 200 POST /login -H "$json" -d "{\"email\":\"$name@example.org\",\
\"password\":\"$password\",\"transport\":\"bearer\",\"deviceInfo\":{\"name\":\"dev smoke\"}}"
    token=$(field accessToken)
    refresh=$(field refreshToken)
    step profile 200 GET /profile -H "Authorization: Bearer $token"
    expect "\"$name\""
    step verify 204 GET /verify -H "Authorization: Bearer $token"
    grep -i '^remote-' <<<"$HEADERS" | sed 's/^/  /'
    expect "$name"
    step refresh 200 POST /refresh -H "$json" -d "{\"refreshToken\":\"$refresh\"}"
    token=$(field accessToken)
    step sessions 200 GET /sessions -H "Authorization: Bearer $token"
    expect "dev smoke"
    step logout 200 POST /logout -H "$json" -H "Authorization: Bearer $token" -d '{}'
    expect "Logged out successfully"
    step "profile after logout" 401 GET /profile -H "Authorization: Bearer $token"
    expect '"code"'
    printf '\nsmoke: every answer was as it should be\n'
}
