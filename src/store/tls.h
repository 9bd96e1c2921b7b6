/*
 * tls: TLS over a connected socket, from the side that connects.  The door to libssl.
 *
 * Nothing waits longer than its deadline, the handshake included: the socket is made non-blocking, and
 * a peer that sends one byte now and then gains no time.  A certificate is accepted for the chain, its
 * dates and the name that was asked for; TLS 1.2 or later.
 */
#ifndef STORE_TLS_H
#define STORE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Paths and a name; empty where nothing is configured.  Borrowed while tls_context_new runs, name for the
 * context's life. */
struct tls_options {
    const char *section; /* of the configuration, for sentences: "redis" */
    bool verify;
    const char *ca;        /* authorities (PEM); empty: those that the system trusts */
    const char *cert, *key; /* the client's own (PEM); empty: it has none */
    const char *name;      /* what the certificate must be for; empty: the host that was connected to */
};

struct tls_context;
struct tls;

/* Whether a file of the configuration can be read; false: why is a sentence that names section, key and
 * file.  An empty path is no file, and is fine. */
bool tls_file_ok(const char *section, const char *key, const char *path, char *why, size_t why_size);

/* Reads the files.  NULL: why says which is wrong.  Free with tls_context_free (NULL is fine). */
struct tls_context *tls_context_new(const struct tls_options *options, char *why, size_t why_size);
void tls_context_free(struct tls_context **context);

/*
 * The handshake with host (a name or an address) over fd, which stays the caller's to close, by deadline
 * (clock_mono_ms).  NULL: why says what is wrong; nothing of the caller's was sent.  Free with tls_close.
 */
struct tls *tls_open(struct tls_context *context, int fd, const char *host, int64_t deadline, char *why,
                     size_t why_size);
/* Frees, without a word to the other side, and clears the pointer; the socket stays open.  *tls may be
 * NULL. */
void tls_close(struct tls **tls);

/* Sends all of it.  False: it failed, or the deadline (clock_mono_ms) passed: tls_why, tls_late. */
bool tls_write(struct tls *tls, const void *bytes, size_t len, int64_t deadline);
/* Reads what has come, at most size bytes, and returns how many; 0: as tls_write. */
size_t tls_read(struct tls *tls, void *bytes, size_t size, int64_t deadline);
/* Of the last tls_write or tls_read that failed: what happened, as a sentence that lives as long as tls; and
 * whether it was that the deadline passed. */
const char *tls_why(const struct tls *tls);
bool tls_late(const struct tls *tls);

#endif
