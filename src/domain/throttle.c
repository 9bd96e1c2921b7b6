#include "domain/throttle.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/metrics.h"
#include "base/secret.h"

/* How long, and how many, addresses are remembered that somebody signed in to an account from. */
#define KNOWN_FOR_MS (90 * INT64_C(86400000))
#define KNOWN_MOST   32

static const char *const limit_names[] = {"login_address",    "login_account",   "login_failures",
                                          "register_address", "refresh_address", "client_address",
                                          "profile_user"};
#define LIMITS (sizeof limit_names / sizeof *limit_names)
_Static_assert(LIMITS <= METRICS_LIMITS, "each limit is counted apart");

const char *throttle_limit_name(unsigned number) {
    return number < LIMITS ? limit_names[number] : NULL;
}

static void count(const struct limit_result *limit) {
    for (unsigned i = 0; i < LIMITS; i++)
        if (strcmp(limit_names[i], limit->name) == 0)
            metrics_limit(i, !limit->allowed);
}

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
static const char *digest_of(struct arena *arena, const char *text) {
    char *hex = arena_alloc(arena, SHA256_HEX_SIZE);
    secret_sha256_hex(text, strlen(text), hex);
    return hex;
}

/* A place holds the account, too: nobody can list who signed in from one address. */
static struct login_subject login_subject(struct arena *arena, const char *address,
                                          const char *account) {
    struct login_subject subject = {.address = throttle_subject(arena, address)};
    if (account != NULL) {
        subject.account = digest_of(arena, account);
        subject.place = digest_of(arena, arena_printf(arena, "%s %s", subject.address, account));
    }
    return subject;
}

static struct login_rates login_rates(const struct realm *realm) {
    return (struct login_rates){.address = realm->conf->limit_login_address,
                                .account = realm->conf->limit_login_account,
                                .failures = realm->conf->limit_login_failures};
}

/* Counted before the password is looked at, or guesses sent at once would all pass; a right one is
 * forgiven afterwards. */
struct throttle throttle_login_ask(const struct realm *realm, struct arena *arena,
                                   const char *address, const char *account) {
    struct throttle throttle = {.login = true};
    struct login_subject subject = login_subject(arena, address, account);
    struct login_rates rates = login_rates(realm);
    if (realm->conf->limit_enabled)
        throttle.ask = limits_login_ask(realm->cache, arena, &subject, &rates, KNOWN_FOR_MS);
    return throttle;
}

static struct throttle one(const struct realm *realm, struct arena *arena, const char *name,
                           const char *subject, struct conf_rate rate, int cost) {
    struct throttle throttle = {.of = {.name = name, .rate = rate}, .looks = cost == 0};
    if (realm->conf->limit_enabled)
        throttle.ask = limits_ask(realm->cache, arena, name, subject, rate, cost);
    return throttle;
}

struct throttle throttle_register_ask(const struct realm *realm, struct arena *arena,
                                      const char *address) {
    return one(realm, arena, "register_address", throttle_subject(arena, address),
               realm->conf->limit_register_address, 1);
}

struct throttle throttle_refresh_ask(const struct realm *realm, struct arena *arena,
                                     const char *address) {
    return one(realm, arena, "refresh_address", throttle_subject(arena, address),
               realm->conf->limit_refresh_address, 1);
}

struct throttle throttle_profile_ask(const struct realm *realm, struct arena *arena,
                                     const char *user_id) {
    return one(realm, arena, "profile_user", user_id, realm->conf->limit_profile_user, 1);
}

struct throttle throttle_client_ask(const struct realm *realm, struct arena *arena,
                                    const char *address, const char *id, int cost) {
    const char *subject = throttle_subject(arena, address);
    if (id != NULL)
        subject = arena_printf(arena, "%s:%s", subject, digest_of(arena, id));
    struct throttle throttle =
        one(realm, arena, "client_address", subject, realm->conf->limit_client_address, cost);
    throttle.looks |= id == NULL; /* told of with the id's */
    return throttle;
}

/* How long until every limit that refuses would allow one more. */
static void set_retry(struct throttle_result *result) {
    result->retry_after_ms = 0;
    for (size_t i = 0; i < result->all.count; i++)
        if (result->all.limits[i].retry_after_ms > result->retry_after_ms)
            result->retry_after_ms = result->all.limits[i].retry_after_ms;
}

enum answer throttle_answer(const struct realm *realm, const struct throttle *throttle,
                            struct throttle_result *result) {
    struct login_rates rates = login_rates(realm);
    enum answer answer;
    memset(result, 0, sizeof *result);
    if (throttle->ask == NULL)
        return ANSWER_YES;
    if (throttle->login) {
        answer = limits_login_answer(throttle->ask, &rates, &result->all);
    } else {
        result->all.count = 1;
        result->all.limits[0] = throttle->of;
        answer = limits_answer(throttle->ask, &result->all.limits[0]);
    }
    if (answer == ANSWER_UNKNOWN) {
        /* Nobody knows what is left of a limit that could not be asked about. */
        memset(result, 0, sizeof *result);
        return ANSWER_UNKNOWN;
    }
    set_retry(result);
    for (size_t i = 0; i < result->all.count; i++)
        if (!throttle->looks || !result->all.limits[i].allowed)
            count(&result->all.limits[i]);
    return answer;
}

bool throttle_is_besieged(struct throttle_result *result) {
    if (!result->all.besieged)
        return false;
    memcpy(&result->all.limits[1], result->all.strangers, sizeof result->all.strangers);
    set_retry(result);
    return true;
}

void throttle_forgive(const struct realm *realm, struct arena *arena, const char *address,
                      const char *account, const char *other,
                      const struct throttle_result *result) {
    const char *names[] = {account, other};
    if (!realm->conf->limit_enabled)
        return;
    for (size_t i = 0; i < 2; i++) {
        if (names[i] == NULL)
            continue;
        struct login_subject subject = login_subject(arena, address, names[i]);
        limits_login_good(realm->cache, arena, &subject, i == 0, result->all.known, KNOWN_FOR_MS,
                          KNOWN_MOST);
    }
}

void throttle_lift(const struct realm *realm, struct arena *arena, const char *account,
                   const char *other) {
    const char *names[] = {account, other};
    for (size_t i = 0; realm->conf->limit_enabled && i < 2; i++)
        if (names[i] != NULL)
            limits_login_lift(realm->cache, arena, digest_of(arena, names[i]));
}
