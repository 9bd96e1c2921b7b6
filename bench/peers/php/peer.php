<?php
// The peer in PHP-FPM: what an application would write with phpredis and PDO, connections kept from
// request to request. BENCH_* come from nginx.

function answer(int $status, array $headers = [], string $body = ''): never
{
    http_response_code($status);
    header('Cache-Control: no-store');
    header('X-Content-Type-Options: nosniff');
    header('X-Request-Id: ' . ($_SERVER['REQUEST_ID'] ?? '-'));
    foreach ($headers as $name => $value) {
        header("$name: $value");
    }
    echo $body;
    exit;
}

function json(array $body): never
{
    answer(200, ['Content-Type' => 'application/json'], json_encode($body, JSON_UNESCAPED_SLASHES));
}

function base64url(string $text): string
{
    return rtrim(strtr(base64_encode($text), '+/', '-_'), '=');
}

function secret(): string
{
    return file_get_contents($_SERVER['BENCH_KEY']);
}

/** The claims of a good token, or null. */
function claims(): ?array
{
    $header = $_SERVER['HTTP_AUTHORIZATION'] ?? '';
    $parts = explode('.', substr($header, 7));
    if (strncasecmp($header, 'Bearer ', 7) !== 0 || count($parts) !== 3) {
        return null;
    }
    $head = json_decode(base64_decode(strtr($parts[0], '-_', '+/')), true);
    $mac = base64url(hash_hmac('sha256', "$parts[0].$parts[1]", secret(), true));
    if (($head['alg'] ?? '') !== 'HS256' || !hash_equals($mac, $parts[2])) {
        return null;
    }
    $claims = json_decode(base64_decode(strtr($parts[1], '-_', '+/')), true);
    return isset($claims['sub'], $claims['sid'], $claims['jti'], $claims['exp'])
        && $claims['exp'] > time() ? $claims : null;
}

function redis(): Redis
{
    $redis = new Redis();
    $redis->pconnect($_SERVER['BENCH_REDIS']);
    return $redis;
}

/** The session's record, in one round trip; answers 401 where there is none. */
function session(): array
{
    $claims = claims() ?? answer(401);
    [$record, $revoked] = redis()->pipeline()
        ->hMGet("bench:session:$claims[sid]",
                ['user_id', 'username', 'email', 'name', 'roles', 'expires'])
        ->exists("bench:blacklist:$claims[jti]")
        ->exec();
    if ($revoked || in_array(false, $record, true) || $record['expires'] <= time()) {
        answer(401);
    }
    return $record + ['sid' => $claims['sid']];
}

function database(): PDO
{
    return new PDO($_SERVER['BENCH_DSN'], 'root', null,
                   [PDO::ATTR_PERSISTENT => true, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
                    PDO::ATTR_EMULATE_PREPARES => true]);
}

function user(string $where, string $value): ?array
{
    $statement = database()->prepare(
        'SELECT id, email, username, display_name, password_hash, email_verified, created_at, '
        . 'last_login_at FROM users WHERE ' . $where . ' = ?');
    $statement->execute([$value]);
    return $statement->fetch(PDO::FETCH_ASSOC) ?: null;
}

function shown(array $user): array
{
    return ['id' => (string) $user['id'], 'email' => $user['email'],
            'username' => $user['username'], 'displayName' => $user['display_name'],
            'emailVerified' => (bool) $user['email_verified'],
            'createdAt' => $user['created_at'], 'lastLoginAt' => $user['last_login_at']];
}

function verify(): never
{
    $who = session();
    answer(204, ['Remote-User' => $who['username'], 'Remote-User-Id' => $who['user_id'],
                 'Remote-Email' => $who['email'], 'Remote-Name' => $who['name'],
                 'Remote-Groups' => $who['roles'], 'Remote-Session' => $who['sid']]);
}

function login(): never
{
    $body = json_decode(file_get_contents('php://input'), true);
    $user = user('username_canonical', $body['username'] ?? '');
    if ($user === null || !password_verify($body['password'] ?? '', $user['password_hash'])) {
        answer(401);
    }
    $sid = bin2hex(random_bytes(32));
    $now = time();
    redis()->pipeline()
        ->hMSet("bench:login:$sid", ['user_id' => $user['id'], 'email' => $user['email'],
                                     'expires' => $now + 86400])
        ->expire("bench:login:$sid", 86400)
        ->exec();
    database()->prepare('UPDATE users SET last_login_at = UTC_TIMESTAMP(3) WHERE id = ?')
        ->execute([$user['id']]);
    $input = base64url('{"alg":"HS256","typ":"JWT"}') . '.' . base64url(json_encode(
        ['sub' => (string) $user['id'], 'iat' => $now, 'exp' => $now + 900, 'sid' => $sid,
         'jti' => bin2hex(random_bytes(16)), 'email' => $user['email']]));
    json(['accessToken' => "$input." . base64url(hash_hmac('sha256', $input, secret(), true)),
          'user' => shown($user)]);
}

match ($_SERVER['BENCH_ROUTE']) {
    'verify' => verify(),
    'profile' => json(shown(user('id', session()['user_id']))),
    'login' => login(),
};
