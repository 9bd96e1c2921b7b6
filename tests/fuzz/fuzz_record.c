/*
 * FastCGI records as a peer may send them.  However the bytes are cut, the same requests come out;
 * a whole request's parameters can be walked; no more of a body is kept than was asked for.
 */
#include "base/buf.h"
#include "fcgi/record.h"
#include "fuzz.h"

#define MAX_BODY 512
#define MAX_REQUESTS 64

/* What a reader made of the bytes: a digest of every request, and how it ended. */
struct outcome {
    uint64_t sum;
    unsigned requests;
    enum fcgi_progress end;
    size_t answers;
};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    return 0;
}

static void mix(struct outcome *outcome, const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++)
        outcome->sum = (outcome->sum ^ at[i]) * 0x100000001b3u;
    outcome->sum = (outcome->sum ^ len) * 0x100000001b3u;
}

static void look_at(struct outcome *outcome, const struct fcgi_reader *reader) {
    const char *at = reader->params.data, *end = at + reader->params.len;
    struct fcgi_param param;
    enum fcgi_progress step;
    unsigned count = 0;
    PROMISE(reader->id != 0);
    PROMISE(reader->role == 1 || reader->role == 2);
    PROMISE(reader->params.len <= FCGI_MAX_PARAMS_BYTES);
    while ((step = fcgi_next_param(&at, end, &param)) == FCGI_WHOLE) {
        PROMISE(memchr(param.name, '\0', param.name_len) == NULL);
        PROMISE(memchr(param.value, '\0', param.value_len) == NULL);
        mix(outcome, param.name, param.name_len);
        mix(outcome, param.value, param.value_len);
        count++;
    }
    PROMISE(step == FCGI_MORE);
    PROMISE(count <= FCGI_MAX_PARAMS);
    PROMISE(reader->body.len <= MAX_BODY);
    PROMISE(reader->body.len <= reader->body_len);
    mix(outcome, reader->body.data, reader->body.len);
    mix(outcome, &reader->body_len, sizeof reader->body_len);
    outcome->requests++;
}

/* Feeds in pieces of the given size. */
static struct outcome feed(const uint8_t *data, size_t size, size_t piece) {
    struct outcome outcome = {.sum = 0xcbf29ce484222325u, .end = FCGI_MORE};
    struct fcgi_reader reader = {0};
    struct buf in = {0}, out = {0};
    for (size_t at = 0; at < size && outcome.end != FCGI_BROKEN; at += piece) {
        buf_add(&in, data + at, size - at < piece ? size - at : piece);
        while (outcome.requests < MAX_REQUESTS) {
            outcome.end = fcgi_read(&reader, &in, MAX_BODY, &out);
            if (outcome.end != FCGI_WHOLE)
                break;
            look_at(&outcome, &reader);
            fcgi_reader_reset(&reader);
        }
    }
    outcome.answers = out.len;
    mix(&outcome, out.data, out.len);
    fcgi_reader_reset(&reader);
    buf_free(&in);
    buf_free(&out);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const size_t pieces[] = {1, 3, 8, 61};
    struct outcome whole = feed(data, size, size > 0 ? size : 1);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct outcome other = feed(data, size, pieces[i]);
        /* What is broken may be noticed before or after a request that stands in front of it. */
        PROMISE(whole.requests == other.requests);
        PROMISE(whole.end == other.end);
        PROMISE(whole.sum == other.sum);
        PROMISE(whole.answers == other.answers);
    }
    return 0;
}
