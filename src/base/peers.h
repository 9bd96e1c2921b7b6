/*
 * peers: who may connect to a socket: users on a Unix socket, addresses on a TCP one.
 *
 * A list has words separated by blanks or commas: user names and numbers, addresses and blocks of
 * addresses (192.0.2.1, 10.0.0.0/8, fd00::/8).  On either kind of socket only its own words count.
 */
#ifndef BASE_PEERS_H
#define BASE_PEERS_H

#include <stdbool.h>
#include <stddef.h>

struct peers;

enum peer_word {
    PEER_BAD,      /* none of the others */
    PEER_USER,     /* it may be one; whether it exists, peers_new finds out */
    PEER_LOOPBACK, /* an address or a block of this machine alone */
    PEER_ADDRESS   /* one that other machines may have */
};

/* What one word of a list is. */
enum peer_word peer_word(const char *word);

/* The next word of a list, from *at on, copied to word; false: that was all.  *at is moved on.  A word
 * that does not fit is cut off, and too long for anything that is allowed. */
bool peer_next(const char **at, char *word, size_t size);

/*
 * A list's users and addresses, looked up now.  An empty list means whoever the socket's mode lets
 * in on a Unix socket, and this machine on a TCP one.  NULL: a word is wrong or names no user of this
 * system; why is a sentence (at least 160 bytes).  Free with peers_free (*peers may be NULL).
 */
struct peers *peers_new(const char *list, char *why, size_t why_size);
void peers_free(struct peers **peers);

/* Whether whoever is at the other end of a connected socket is on the list; a refusal is logged, once
 * in a while.  The kernel says who it is: who connected, whatever has become of them since. */
bool peers_admit(const struct peers *peers, int fd);

/* Whether everybody who can connect to this listening socket is welcome: then nobody need be asked. */
bool peers_are_all(const struct peers *peers, int listen_fd);

#endif
