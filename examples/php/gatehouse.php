<?php
// Who is signed in, for a PHP application behind nginx or Apache. Copy this file beside yours:
//
//     require __DIR__ . '/gatehouse.php';
//     $user = gatehouse_user();                    // null: nobody
//     $user = gatehouse_require_role('admin');     // or the request ends here
//
// The web server has asked gatehouse already and passes on the answer in variables that no client
// can set: what a client sends arrives as HTTP_*. So believe these names alone, and never a header
// such as Remote-User (HTTP_REMOTE_USER) or a cookie.

declare(strict_types=1);

/**
 * The signed-in user, or null: id, name (to be called by), email, username (or the email of those
 * who have none), groups (the roles, a list) and session (its public id, not a secret).
 */
function gatehouse_user(): ?array
{
    // Apache puts REDIRECT_ in front of variables when it rewrites a request internally
    // (.htaccess, FallbackResource), once for each time. All are taken from the same request.
    foreach (['', 'REDIRECT_', 'REDIRECT_REDIRECT_'] as $prefix) {
        $of = fn (string $name): string => (string) ($_SERVER[$prefix . $name] ?? '');
        // Not REMOTE_USER: a Basic login, which other modules know, sets that one too.
        if ($of('AUTH_USER_ID') !== '') {
            return [
                'id' => $of('AUTH_USER_ID'),
                'username' => $of('REMOTE_USER'),
                'email' => $of('AUTH_EMAIL'),
                'name' => $of('AUTH_NAME') !== '' ? $of('AUTH_NAME') : $of('REMOTE_USER'),
                'groups' => $of('AUTH_GROUPS') !== '' ? explode(',', $of('AUTH_GROUPS')) : [],
                'session' => $of('AUTH_SESSION_ID'),
            ];
        }
    }
    return null;
}

/** The signed-in user; for nobody the request ends with 401. */
function gatehouse_require_user(): array
{
    // Where the web server protects the page nobody comes this far, so there is no way to the login
    // page here: it would lead back to this page for ever.
    return gatehouse_user() ?? gatehouse_refuse(401, 'Please sign in.');
}

/** The signed-in user who has at least one of the roles; anybody else ends with 401 or 403. */
function gatehouse_require_role(string ...$roles): array
{
    $user = gatehouse_require_user();
    if (array_intersect($roles, $user['groups']) === []) {
        gatehouse_refuse(403, 'You may not see this page.');
    }
    return $user;
}

function gatehouse_refuse(int $status, string $sentence): never
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    header('Cache-Control: no-store');
    echo $sentence, "\n";
    exit;
}
