#include "base/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"

#define WORD_SIZE 80
#define DIGITS    "0123456789"
#define LETTERS   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Every address in 16 bytes, IPv4 as ::ffff:a.b.c.d: a socket for both kinds shows it so, too. */
struct block {
    uint8_t bytes[16];
    unsigned bits;
};

struct peers {
    struct block *blocks;
    uid_t *users;
    size_t block_count, user_count;
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* Addresses --------------------------------------------------------------------------------------- */

static void map_v4(const void *four, uint8_t bytes[16]) {
    memcpy(bytes, mapped, sizeof mapped);
    memcpy(bytes + sizeof mapped, four, 4);
}

/* "/N" behind an address, or nothing, which is the whole address. */
static bool read_bits(const char *slash, unsigned most, unsigned *bits) {
    *bits = most;
    if (slash == NULL)
        return true;
    size_t len = strlen(slash + 1);
    if (len < 1 || len > 3 || strspn(slash + 1, DIGITS) != len)
        return false;
    *bits = (unsigned)strtoul(slash + 1, NULL, 10);
    return *bits <= most;
}

/* ::/0 is every IPv6 address, and no IPv4 one. */
static bool has(const struct block *block, const uint8_t bytes[16]) {
    unsigned whole = block->bits / 8, rest = block->bits % 8;
    if (memcmp(bytes, mapped, sizeof mapped) == 0 && block->bits < 8 * sizeof mapped)
        return false;
    if (memcmp(block->bytes, bytes, whole) != 0)
        return false;
    return rest == 0 || (block->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

static bool read_block(const char *word, struct block *block) {
    char address[WORD_SIZE];
    uint8_t four[4];
    const char *slash = strchr(word, '/');
    snprintf(address, sizeof address, "%.*s", (int)(slash != NULL ? slash - word : WORD_SIZE), word);
    if (inet_pton(AF_INET, address, four) == 1) {
        map_v4(four, block->bytes);
        if (!read_bits(slash, 32, &block->bits))
            return false;
        block->bits += 96;
        return true;
    }
    return inet_pton(AF_INET6, address, block->bytes) == 1 && read_bits(slash, 128, &block->bits);
}

static bool is_loopback(const struct block *block) {
    static const struct block v4 = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127}, .bits = 104},
                              v6 = {.bytes = {[15] = 1}, .bits = 128};
    return (block->bits >= v4.bits && has(&v4, block->bytes)) ||
           (block->bits == v6.bits && has(&v6, block->bytes));
}

/* Words ------------------------------------------------------------------------------------------- */

static bool is_user(const char *word) {
    size_t len = strlen(word);
    return len >= 1 && len <= 32 && strspn(word, LETTERS DIGITS "_.-") == len && word[0] != '-' &&
           word[0] != '.';
}

enum peer_word peer_word(const char *word) {
    struct block block;
    if (read_block(word, &block))
        return is_loopback(&block) ? PEER_LOOPBACK : PEER_ADDRESS;
    /* 10.0.0 is a mistake, not a user. */
    bool digits_and_dots = strspn(word, DIGITS ".") == strlen(word) && strchr(word, '.') != NULL;
    return is_user(word) && !digits_and_dots ? PEER_USER : PEER_BAD;
}

bool peer_next(const char **at, char *word, size_t size) {
    *at += strspn(*at, " \t,");
    size_t len = strcspn(*at, " \t,");
    snprintf(word, size, "%.*s", (int)len, *at);
    *at += len;
    return len > 0;
}

/* A number needs no account: in a container the web server's user may be unknown here. */
static bool find_user(const char *word, uid_t *uid) {
    if (strspn(word, DIGITS) == strlen(word)) {
        unsigned long number = strtoul(word, NULL, 10);
        *uid = (uid_t)number;
        return strlen(word) <= 10 && number < UINT32_MAX;
    }
    const struct passwd *user = getpwnam(word);
    if (user != NULL)
        *uid = user->pw_uid;
    return user != NULL;
}

static bool add_word(struct peers *peers, const char *word, char *why, size_t why_size) {
    enum peer_word kind = peer_word(word);
    if (kind == PEER_LOOPBACK || kind == PEER_ADDRESS)
        return read_block(word, &peers->blocks[peers->block_count++]);
    if (kind == PEER_USER && find_user(word, &peers->users[peers->user_count]))
        peers->user_count++;
    else
        snprintf(why, why_size, "\"%.40s\" is no user of this system; create the user, or give a number",
                 word);
    return why[0] == '\0';
}

struct peers *peers_new(const char *list, char *why, size_t why_size) {
    char word[WORD_SIZE];
    struct peers *peers = calloc(1, sizeof *peers);
    size_t most = strlen(list) / 2 + 1; /* a word and what ends it */
    MUST(peers != NULL);
    peers->blocks = calloc(most, sizeof *peers->blocks);
    peers->users = calloc(most, sizeof *peers->users);
    MUST(peers->blocks != NULL && peers->users != NULL);
    why[0] = '\0';
    while (peer_next(&list, word, sizeof word))
        if (!add_word(peers, word, why, why_size)) {
            peers_free(&peers);
            return NULL;
        }
    return peers;
}

void peers_free(struct peers **peers) {
    if (peers == NULL || *peers == NULL)
        return;
    free((*peers)->blocks);
    free((*peers)->users);
    free(*peers);
    *peers = NULL;
}

/* Connections ------------------------------------------------------------------------------------- */

static bool is_empty(const struct peers *peers) {
    return peers->user_count == 0 && peers->block_count == 0;
}

bool peers_are_all(const struct peers *peers, int listen_fd) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    return is_empty(peers) && getsockname(listen_fd, (struct sockaddr *)&address, &len) == 0 &&
           address.ss_family == AF_UNIX;
}

static bool refuse(const char *who) {
    static int64_t quiet_until;
    if (log_seldom(&quiet_until))
        log_warning("a peer was disconnected that is not on the pool's list (peers)",
                    F_STR("peer", who));
    return false;
}

static bool admit_user(const struct peers *peers, int fd) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    char who[32];
    if (is_empty(peers))
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return refuse("unknown user");
    for (size_t i = 0; i < peers->user_count; i++)
        if (peers->users[i] == peer.uid)
            return true;
    snprintf(who, sizeof who, "user %lu", (unsigned long)peer.uid);
    return refuse(who);
}

static bool admit_address(const struct peers *peers, const uint8_t bytes[16]) {
    char who[INET6_ADDRSTRLEN];
    struct block one = {.bits = 128};
    memcpy(one.bytes, bytes, 16);
    if (is_empty(peers) && is_loopback(&one))
        return true;
    for (size_t i = 0; i < peers->block_count; i++)
        if (has(&peers->blocks[i], bytes))
            return true;
    return refuse(inet_ntop(AF_INET6, bytes, who, sizeof who));
}

bool peers_admit(const struct peers *peers, int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } address;
    socklen_t len = sizeof address;
    uint8_t bytes[16];
    if (getpeername(fd, &address.any, &len) != 0)
        return false; /* gone already */
    switch (address.any.sa_family) {
    case AF_UNIX:
        return admit_user(peers, fd);
    case AF_INET:
        map_v4(&address.v4.sin_addr, bytes);
        return admit_address(peers, bytes);
    case AF_INET6:
        return admit_address(peers, address.v6.sin6_addr.s6_addr);
    default:
        return refuse("neither Unix nor TCP");
    }
}
