<?php
// Verifies gatehouse's access tokens without asking gatehouse, and without any library.
//
//     $keys = token_keys_from_folder('/etc/example-app/keys');          // HS256
//     $keys = token_keys_from_jwks(file_get_contents('jwks.json'));     // RS256
//     $claims = token_claims($token, $keys, 'gatehouse', 'gatehouse');  // null: not a good token
//
// What that gives up: a token stays good until its exp, 15 minutes at most by default, even after a
// logout, a revocation or a change of roles. token_still_good() asks. And with HS256 whoever can
// verify can also sign: share that key only with what you trust as much as gatehouse itself.

declare(strict_types=1);

/** Keys by name (kid), from files KID.hs256.key; each key has its one algorithm. */
function token_keys_from_folder(string $folder): array
{
    $keys = [];
    foreach (glob($folder . '/*.hs256.key') as $file) {
        $secret = token_unbase64(trim((string) file_get_contents($file)));
        if ($secret === null || strlen($secret) < 32) {
            throw new RuntimeException("$file: not a key of 256 bits");
        }
        $keys[basename($file, '.hs256.key')] = ['alg' => 'HS256', 'key' => $secret];
    }
    if ($keys === []) {
        throw new RuntimeException("$folder: no keys");  // no keys must never mean no check
    }
    return $keys;
}

/** The RSA keys of a JWK set (RFC 7517), as GET /auth/.well-known/jwks.json answers it. */
function token_keys_from_jwks(string $json): array
{
    $keys = [];
    foreach (json_decode($json, true, 8, JSON_THROW_ON_ERROR)['keys'] as $jwk) {
        if (($jwk['kty'] ?? '') !== 'RSA' || ($jwk['alg'] ?? '') !== 'RS256') {
            continue;
        }
        $public = openssl_pkey_get_public(token_pem(
            (string) token_unbase64($jwk['n']), (string) token_unbase64($jwk['e'])));
        if ($public === false || openssl_pkey_get_details($public)['bits'] < 2048) {
            throw new RuntimeException("key {$jwk['kid']}: not an RSA key of 2048 bits");
        }
        $keys[$jwk['kid']] = ['alg' => 'RS256', 'key' => $public];
    }
    return $keys;
}

/** The claims of a good token, else null. */
function token_claims(string $token, array $keys, string $issuer, string $audience, ?int $now = null): ?array
{
    $now ??= time();
    $part = '([A-Za-z0-9_-]+)';
    if (strlen($token) > 4096 || !preg_match("/^$part\\.$part\\.$part\$/D", $token, $parts)) {
        return null;
    }
    $header = token_object($parts[1]);
    $signature = token_unbase64($parts[3]);
    // The key's name picks a row of a table, never a file, and the algorithm is the key's: a token
    // must not choose how it is verified. A crit that nobody understands is a refusal (RFC 7515).
    $kid = $header['kid'] ?? null;
    $key = is_string($kid) ? ($keys[$kid] ?? null) : null;
    if ($key === null || $signature === null || ($header['alg'] ?? null) !== $key['alg']
        || ($header['typ'] ?? null) !== 'JWT' || array_key_exists('crit', $header)
        || !token_signed($parts[1] . '.' . $parts[2], $signature, $key)) {
        return null;
    }
    $claims = token_object($parts[2]);
    $good = $claims !== null
        && ($claims['iss'] ?? null) === $issuer && ($claims['aud'] ?? null) === $audience
        && is_int($claims['exp'] ?? null) && $claims['exp'] > $now
        && is_int($claims['iat'] ?? null) && is_string($claims['sub'] ?? null)
        && is_string($claims['sid'] ?? null) && is_array($claims['roles'] ?? null);
    return $good ? $claims : null;
}

/** Whether gatehouse still stands by the token: true, false, or null when it cannot tell. */
function token_still_good(string $token, string $url): ?bool
{
    $context = stream_context_create(['http' => [
        'header' => "Authorization: Bearer $token\r\n", 'timeout' => 3, 'ignore_errors' => true,
        'follow_location' => 0]]);
    $body = @file_get_contents($url, false, $context);
    $status = $body === false ? 0 : (int) explode(' ', $http_response_header[0])[1];
    return [200 => true, 401 => false][$status] ?? null;
}

function token_signed(string $text, string $signature, array $key): bool
{
    return match ($key['alg']) {
        // hash_equals takes the same time wherever the two differ.
        'HS256' => hash_equals(hash_hmac('sha256', $text, $key['key'], true), $signature),
        'RS256' => openssl_verify($text, $signature, $key['key'], OPENSSL_ALGO_SHA256) === 1,
    };
}

function token_object(string $part): ?array
{
    $value = json_decode((string) token_unbase64($part), false, 8);
    return $value instanceof stdClass ? json_decode(token_unbase64($part), true, 8) : null;
}

/** base64url as RFC 7515 has it: one spelling for each value, nothing else. */
function token_unbase64(string $text): ?string
{
    $bytes = base64_decode(strtr($text, '-_', '+/'), true);
    $again = rtrim(strtr(base64_encode((string) $bytes), '+/', '-_'), '=');
    return $bytes !== false && hash_equals($again, $text) ? $bytes : null;
}

/** An RSA public key in PEM (RFC 8017, RFC 5280), from its two numbers. */
function token_pem(string $modulus, string $exponent): string
{
    $der = function (int $tag, string $content): string {
        $length = strlen($content);
        $size = $length < 128 ? chr($length) : ltrim(pack('N', $length), "\0");
        return chr($tag) . ($length < 128 ? '' : chr(0x80 | strlen($size))) . $size . $content;
    };
    $number = fn (string $bytes): string => $der(2, (ord($bytes[0] ?? "\0") & 0x80 ? "\0" : '') . $bytes);
    $key = $der(0x30, $number($modulus) . $number($exponent));
    $rsa = $der(0x30, "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00");
    $info = $der(0x30, $rsa . $der(3, "\0" . $key));
    return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($info), 64, "\n")
        . "-----END PUBLIC KEY-----\n";
}
