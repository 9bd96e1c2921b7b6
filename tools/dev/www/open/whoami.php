<?php
// The same page where nobody was asked who they are: whatever a client sends, it names nobody.
require __DIR__ . '/../app/whoami.php';
