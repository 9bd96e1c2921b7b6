<?php
// An interface that verifies access tokens itself. Reading believes the token; writing asks gatehouse
// whether it still holds. Settings are parameters of the web server: see docs/verify-tokens-yourself.md.

declare(strict_types=1);

require __DIR__ . '/access_token.php';

function answer(int $status, array $body): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    if ($status === 401) {
        header('WWW-Authenticate: Bearer');
    }
    if ($status === 503) {
        header('Retry-After: 5');
    }
    echo json_encode($body, JSON_UNESCAPED_SLASHES), "\n";
    exit;
}

/** The token of the request: the header's, else the cookie's where [cookie] carries = jwt. */
function request_token(): ?string
{
    $header = $_SERVER['HTTP_AUTHORIZATION'] ?? $_SERVER['REDIRECT_HTTP_AUTHORIZATION'] ?? null;
    if ($header !== null) {
        return preg_match('/^Bearer +([^ ]+)$/Di', $header, $found) ? $found[1] : '';
    }
    return $_COOKIE['__Host-session'] ?? null;
}

$token = request_token();
$claims = $token === null ? null : token_claims(
    $token, token_keys_from_folder($_SERVER['TOKEN_KEYS']), 'gatehouse', 'gatehouse');
if ($claims === null) {
    answer(401, ['error' => 'A good access token is required']);
}

if ($_SERVER['REQUEST_METHOD'] !== 'GET') {
    // A cookie is sent along with a write from another site's page, too.
    if (!isset($_SERVER['HTTP_AUTHORIZATION'])
        && ($_SERVER['HTTP_SEC_FETCH_SITE'] ?? '') !== 'same-origin') {
        answer(403, ['error' => 'The request did not come from this site']);
    }
    match (token_still_good($token, $_SERVER['TOKEN_ASK'])) {
        true => null,
        false => answer(401, ['error' => 'The session has ended']),
        null => answer(503, ['error' => 'Cannot tell at the moment']),
    };
    answer(200, ['written' => true, 'by' => $claims['sub']]);
}

answer(200, ['user' => $claims['sub'], 'email' => $claims['email'], 'roles' => $claims['roles'],
             'goodFor' => $claims['exp'] - time()]);
