-- The peer inside nginx: no hop to another process; a pool of connections to Redis in each worker.
-- HMAC comes from libcrypto through FFI, once for each request: tokens are not remembered.
local ffi = require "ffi"
local cjson = require "cjson"
local redis = require "nginx.redis"

ffi.cdef [[
typedef struct env_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n,
                    unsigned char *out, unsigned int *out_len);
int CRYPTO_memcmp(const void *a, const void *b, size_t len);
]]
local crypto = ffi.load "libcrypto.so.3"
local mac, mac_len = ffi.new "unsigned char[32]", ffi.new "unsigned int[1]"

local peer = {}

local function unbase64url(text)
    text = text:gsub("-", "+"):gsub("_", "/")
    return ngx.decode_base64(text .. ("="):rep(-#text % 4))
end

-- The claims of a good token, or nil.
local function claims(key)
    local header = ngx.var.http_authorization or ""
    local input, head, payload, signature =
        header:match "^[Bb]earer (([%w_-]+)%.([%w_-]+))%.([%w_-]+)$"
    if not input then return nil end
    local given = unbase64url(signature)
    crypto.HMAC(crypto.EVP_sha256(), key, #key, input, #input, mac, mac_len)
    if not given or #given ~= 32 or crypto.CRYPTO_memcmp(mac, given, 32) ~= 0 then return nil end
    if cjson.decode(unbase64url(head)).alg ~= "HS256" then return nil end
    local found = cjson.decode(unbase64url(payload))
    return found.sub and found.sid and found.jti and found.exp > ngx.time() and found or nil
end

function peer.verify(key, socket)
    local who = claims(key)
    if not who then return ngx.exit(401) end
    local link = redis:new()
    local ok = link:connect("unix:" .. socket)
    if not ok then return ngx.exit(503) end
    link:init_pipeline(2)
    link:hmget("bench:session:" .. who.sid, "user_id", "username", "email", "name", "roles", "expires")
    link:exists("bench:blacklist:" .. who.jti)
    local answers = link:commit_pipeline()
    link:set_keepalive(60000, 64)
    if not answers then return ngx.exit(503) end
    local record = answers[1]
    for i = 1, 6 do
        if record[i] == ngx.null then return ngx.exit(401) end
    end
    if answers[2] ~= 0 or tonumber(record[6]) <= ngx.time() then return ngx.exit(401) end
    local header = ngx.header
    header["Cache-Control"] = "no-store"
    header["X-Content-Type-Options"] = "nosniff"
    header["X-Request-Id"] = ngx.var.request_id
    header["Remote-User"] = record[2]
    header["Remote-User-Id"] = record[1]
    header["Remote-Email"] = record[3]
    header["Remote-Name"] = record[4]
    header["Remote-Groups"] = record[5]
    header["Remote-Session"] = who.sid
    ngx.status = 204
end

return peer
