#include "store/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

struct tls_context {
    SSL_CTX *ssl;
    bool verify;
    const char *section, *name;
};

struct tls {
    SSL *ssl;
    int fd;
    bool late;
    char why[200];
};

bool tls_file_ok(const char *section, const char *key, const char *path, char *why, size_t why_size) {
    if (path[0] == '\0' || access(path, R_OK) == 0)
        return true;
    snprintf(why, why_size, "[%s] %s: %s: %s%s", section, key, path, strerror(errno),
             errno == EACCES ? " (the user that workers run as must be able to read it)" : "");
    return false;
}

/* The newest of libssl's complaints, and the list emptied for the next call. */
static const char *complaint(void) {
    unsigned long error = ERR_peek_last_error();
    const char *text = error != 0 ? ERR_reason_error_string(error) : NULL;
    ERR_clear_error();
    return text != NULL ? text : "no reason is known";
}

static bool refuse_file(const struct tls_options *options, const char *key, const char *path, char *why,
                        size_t why_size) {
    snprintf(why, why_size, "[%s] %s: %s: %s (PEM is expected)", options->section, key, path, complaint());
    return false;
}

static bool refuse(const struct tls_options *options, const char *what, char *why, size_t why_size) {
    snprintf(why, why_size, "[%s] tls: %s: %s", options->section, what, complaint());
    return false;
}

/* TLS 1.2 at the least. */
static bool take_version(SSL_CTX *ssl, const struct tls_options *options, char *why, size_t why_size) {
    return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 ||
           refuse(options, "old versions cannot be ruled out", why, why_size);
}

static bool take_authorities(SSL_CTX *ssl, const struct tls_options *options, char *why,
                             size_t why_size) {
    if (!options->verify)
        return true;
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    if (options->ca[0] == '\0')
        return SSL_CTX_set_default_verify_paths(ssl) == 1 ||
               refuse(options, "the system's authorities cannot be read", why, why_size);
    return SSL_CTX_load_verify_file(ssl, options->ca) == 1 ||
           refuse_file(options, "tls_ca", options->ca, why, why_size);
}

/* A key that wants a passphrase is refused: nobody is there to ask. */
static int no_passphrase(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return 0;
}

static bool take_own(SSL_CTX *ssl, const struct tls_options *options, char *why, size_t why_size) {
    if (options->cert[0] == '\0')
        return true;
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ssl, options->cert) != 1)
        return refuse_file(options, "tls_cert", options->cert, why, why_size);
    /* Also says so where the key is another certificate's. */
    return SSL_CTX_use_PrivateKey_file(ssl, options->key, SSL_FILETYPE_PEM) == 1 ||
           refuse_file(options, "tls_key", options->key, why, why_size);
}

struct tls_context *tls_context_new(const struct tls_options *options, char *why, size_t why_size) {
    const char *section = options->section;
    if (!tls_file_ok(section, "tls_ca", options->ca, why, why_size) ||
        !tls_file_ok(section, "tls_cert", options->cert, why, why_size) ||
        !tls_file_ok(section, "tls_key", options->key, why, why_size))
        return NULL;
    struct tls_context *context = calloc(1, sizeof *context);
    MUST(context != NULL);
    *context = (struct tls_context){.ssl = SSL_CTX_new(TLS_client_method()),
                                    .verify = options->verify,
                                    .section = section,
                                    .name = options->name};
    MUST(context->ssl != NULL);
    SSL_CTX_set_mode(context->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
    ERR_clear_error();
    if (!take_version(context->ssl, options, why, why_size) ||
        !take_authorities(context->ssl, options, why, why_size) ||
        !take_own(context->ssl, options, why, why_size))
        tls_context_free(&context);
    return context;
}

void tls_context_free(struct tls_context **context) {
    if (*context != NULL)
        SSL_CTX_free((*context)->ssl);
    free(*context);
    *context = NULL;
}

static bool is_address(const char *host) {
    struct in6_addr bytes;
    return inet_pton(AF_INET, host, &bytes) == 1 || inet_pton(AF_INET6, host, &bytes) == 1;
}

/* Which certificate is wanted (SNI, which knows names alone), and which is accepted. */
static bool expect(const struct tls_context *context, SSL *ssl, const char *name) {
    bool address = is_address(name);
    if (!address && SSL_set_tlsext_host_name(ssl, name) != 1)
        return false;
    if (!context->verify)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
                   : SSL_set1_host(ssl, name) == 1;
}

/* Waits until the socket is ready for what libssl wants to do.  False: libssl has failed, and waits for
 * nothing; or the deadline has passed (late). */
static bool wait_for(struct tls *tls, int rc, int64_t deadline) {
    int error = SSL_get_error(tls->ssl, rc);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return false;
    struct pollfd wanted = {.fd = tls->fd, .events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT};
    int64_t left;
    while ((left = deadline - clock_mono_ms()) > 0) {
        int ready = poll(&wanted, 1, (int)left);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
    tls->late = true;
    return false;
}

/* problem: errno of the call that failed; it says why where libssl itself has no complaint. */
static void note_failure(struct tls *tls, int problem) {
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (tls->late)
        snprintf(tls->why, sizeof tls->why, "no answer in time");
    else if (ERR_peek_last_error() != 0 && !ended)
        snprintf(tls->why, sizeof tls->why, "TLS: %s", complaint());
    else
        snprintf(tls->why, sizeof tls->why, "%s",
                 problem != 0 ? strerror(problem) : "the server closed the connection");
    ERR_clear_error();
}

static void explain(const struct tls_context *context, struct tls *tls, const char *name, int problem,
                    char *why, size_t why_size) {
    long verdict = SSL_get_verify_result(tls->ssl);
    unsigned long error = ERR_peek_last_error();
    note_failure(tls, problem);
    if (tls->late)
        snprintf(why, why_size, "no TLS handshake within [%s] timeout; does this port speak TLS?",
                 context->section);
    else if (context->verify && verdict != X509_V_OK)
        snprintf(why, why_size, "the certificate for %s is refused: %s", name,
                 X509_verify_cert_error_string(verdict));
    else if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER)
        snprintf(why, why_size, "this port speaks no TLS");
    else
        snprintf(why, why_size, "no TLS handshake: %s", tls->why);
}

static bool shake_hands(struct tls *tls, int64_t deadline, int *problem) {
    int rc;
    do {
        ERR_clear_error();
        errno = 0;
        rc = SSL_connect(tls->ssl);
        *problem = errno;
    } while (rc != 1 && wait_for(tls, rc, deadline));
    return rc == 1;
}

struct tls *tls_open(struct tls_context *context, int fd, const char *host, int64_t deadline, char *why,
                     size_t why_size) {
    const char *name = context->name[0] != '\0' ? context->name : host;
    struct tls *tls = calloc(1, sizeof *tls);
    int problem = 0, flags = fcntl(fd, F_GETFL);
    MUST(tls != NULL && flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
    tls->fd = fd;
    tls->ssl = SSL_new(context->ssl);
    MUST(tls->ssl != NULL && SSL_set_fd(tls->ssl, fd) == 1);
    /* The other side learns from the socket's end that this one is gone; nobody waits to say so. */
    SSL_set_quiet_shutdown(tls->ssl, 1);
    if (!expect(context, tls->ssl, name))
        snprintf(why, why_size, "\"%s\" is no name that a certificate can be for", name);
    else if (shake_hands(tls, deadline, &problem))
        return tls;
    else
        explain(context, tls, name, problem, why, why_size);
    tls_close(&tls);
    return NULL;
}

void tls_close(struct tls **tls) {
    if (*tls != NULL)
        SSL_free((*tls)->ssl);
    free(*tls);
    *tls = NULL;
    ERR_clear_error();
}

/* Who refuses our certificate says so only after the handshake (TLS 1.3), and hangs up: writing finds the
 * connection gone, the reason waits to be read. */
static void note_refusal(struct tls *tls, int problem) {
    char byte;
    size_t got;
    if (!tls->late && ERR_peek_last_error() == 0)
        (void)SSL_peek_ex(tls->ssl, &byte, 1, &got);
    note_failure(tls, problem);
}

bool tls_write(struct tls *tls, const void *bytes, size_t len, int64_t deadline) {
    const char *at = bytes;
    while (len > 0) {
        size_t sent = 0;
        ERR_clear_error();
        errno = 0;
        int rc = SSL_write_ex(tls->ssl, at, len, &sent), problem = errno;
        if (rc != 1 && !wait_for(tls, rc, deadline)) {
            note_refusal(tls, problem);
            return false;
        }
        at += sent;
        len -= sent;
    }
    return true;
}

size_t tls_read(struct tls *tls, void *bytes, size_t size, int64_t deadline) {
    for (;;) {
        size_t got = 0;
        ERR_clear_error();
        errno = 0;
        int rc = SSL_read_ex(tls->ssl, bytes, size, &got), problem = errno;
        if (rc == 1)
            return got;
        if (!wait_for(tls, rc, deadline)) {
            note_failure(tls, problem);
            return 0;
        }
    }
}

const char *tls_why(const struct tls *tls) {
    return tls->why;
}

bool tls_late(const struct tls *tls) {
    return tls->late;
}
