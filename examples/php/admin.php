<?php
// A page for one role: the application asks for it in one line.

declare(strict_types=1);

require __DIR__ . '/gatehouse.php';

$user = gatehouse_require_role('admin');

header('Content-Type: text/plain; charset=utf-8');
header('Cache-Control: no-store');
echo "Hello, administrator {$user['username']}.\n";
