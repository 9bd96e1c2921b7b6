<?php
require __DIR__ . '/whoami.php';
