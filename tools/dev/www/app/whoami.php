<?php
// Whom the web server names as the caller, as JSON. After an internal redirect Apache passes a
// variable as REDIRECT_NAME; no request header can have that name, they are all HTTP_*.
$caller = [];
foreach (['REMOTE_USER', 'AUTH_USER_ID', 'AUTH_EMAIL', 'AUTH_NAME', 'AUTH_GROUPS',
          'AUTH_SESSION_ID'] as $name) {
    $caller[$name] = $_SERVER[$name] ?? $_SERVER["REDIRECT_$name"] ?? '';
}
header('Content-Type: application/json');
header('Cache-Control: no-store');
echo json_encode($caller, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
