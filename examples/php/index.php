<?php
// Shows who is signed in: a page for people, and with ?json an answer for programs.

declare(strict_types=1);

require __DIR__ . '/gatehouse.php';

$user = gatehouse_require_user();

// What one user may see is for no cache between us.
header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');

if (isset($_GET['json'])) {
    header('Content-Type: application/json');
    echo json_encode($user, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    exit;
}

// People choose their own names: nothing goes into a page unescaped.
function escape(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
}

header('Content-Type: text/html; charset=utf-8');
?>
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Who am I?</title>
  <link rel="stylesheet" href="/gatehouse.css">
  <script src="/gatehouse.js" defer></script>
</head>
<body>
<main class="wide">
  <h1>Welcome, <?= escape($user['name']) ?></h1>
  <table>
    <tr><th scope="row">User</th><td><?= escape($user['username']) ?></td></tr>
    <tr><th scope="row">Email</th><td><?= escape($user['email']) ?></td></tr>
    <tr><th scope="row">Roles</th><td><?= escape(implode(', ', $user['groups'])) ?: 'none' ?></td></tr>
    <tr><th scope="row">Id</th><td><?= escape($user['id']) ?></td></tr>
    <tr><th scope="row">Session</th><td><code><?= escape($user['session']) ?></code></td></tr>
  </table>
<?php if (in_array('admin', $user['groups'], true)): ?>
  <p><a href="admin.php">For administrators</a></p>
<?php endif ?>
  <form method="post" data-gatehouse-logout data-base="/auth" data-then="/login.html">
    <p><button>Sign out</button></p>
  </form>
</main>
</body>
</html>
