#include "domain/throttle.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"

const char *throttle_subject(struct arena *arena, const char *address) {
    struct in6_addr v6;
    char text[INET6_ADDRSTRLEN];
    if (inet_pton(AF_INET6, address, &v6) != 1)
        return address;
    if (IN6_IS_ADDR_V4MAPPED(&v6))
        return arena_str(arena, inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof text));
    memset(v6.s6_addr + 8, 0, 8);
    return arena_printf(arena, "%s/64", inet_ntop(AF_INET6, &v6, text, sizeof text));
}

/* Redis is not to hold names that somebody tried (a password typed into the wrong field). */
static const char *account_subject(struct arena *arena, const char *account) {
    uint8_t digest[SHA256_SIZE];
    char *hex = arena_alloc(arena, HEX_SIZE(SHA256_SIZE));
    secret_sha256(account, strlen(account), digest);
    hex_encode(digest, sizeof digest, hex);
    return hex;
}

static struct ask *by_address(const struct realm *realm, struct arena *arena, const char *name,
                              const char *address, struct conf_rate rate) {
    if (!realm->conf->limit_enabled)
        return NULL;
    return limits_ask(realm->cache, arena, name, throttle_subject(arena, address), rate, 1);
}

struct throttle throttle_login_ask(const struct realm *realm, struct arena *arena,
                                   const char *address, const char *account) {
    struct throttle throttle = {0};
    throttle.by_address =
        by_address(realm, arena, "login_address", address, realm->conf->limit_login_address);
    /* Counted before the password is looked at, or guesses sent at once would all pass; a right
     * one is forgiven afterwards. */
    if (realm->conf->limit_enabled && account != NULL)
        throttle.by_account = limits_ask(realm->cache, arena, "login_account",
                                         account_subject(arena, account),
                                         realm->conf->limit_login_account, 1);
    return throttle;
}

struct throttle throttle_register_ask(const struct realm *realm, struct arena *arena,
                                      const char *address) {
    return (struct throttle){.by_address = by_address(realm, arena, "register_address", address,
                                                      realm->conf->limit_register_address)};
}

struct throttle throttle_refresh_ask(const struct realm *realm, struct arena *arena,
                                     const char *address) {
    return (struct throttle){.by_address = by_address(realm, arena, "refresh_address", address,
                                                      realm->conf->limit_refresh_address)};
}

struct throttle throttle_client_ask(const struct realm *realm, struct arena *arena,
                                    const char *address, const char *id, int cost) {
    struct throttle throttle = {0};
    if (realm->conf->limit_enabled)
        throttle.by_address = limits_ask(
            realm->cache, arena, "client_address",
            arena_printf(arena, "%s:%s", throttle_subject(arena, address),
                         account_subject(arena, id)),
            realm->conf->limit_client_address, cost);
    return throttle;
}

enum answer throttle_answer(const struct throttle *throttle, struct limit_result *result) {
    const struct ask *asks[] = {throttle->by_address, throttle->by_account};
    enum answer verdict = ANSWER_YES;
    memset(result, 0, sizeof *result);
    for (size_t i = 0; i < 2; i++) {
        struct limit_result one;
        if (asks[i] == NULL)
            continue;
        enum answer answer = limits_answer(asks[i], &one);
        if (answer == ANSWER_UNKNOWN)
            return ANSWER_UNKNOWN;
        if (answer == ANSWER_NO && one.retry_after_ms >= result->retry_after_ms) {
            verdict = ANSWER_NO;
            *result = one;
        }
    }
    return verdict;
}

void throttle_forgive(const struct realm *realm, struct arena *arena, const char *account) {
    if (!realm->conf->limit_enabled)
        return;
    struct ask *ask = cache_ask(realm->cache, arena, "DEL");
    ask_key(realm->cache, arena, ask, "ratelimit:login_account:", account_subject(arena, account));
}
