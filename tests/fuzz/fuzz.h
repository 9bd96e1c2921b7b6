/*
 * fuzz: one reader of foreign bytes for each file fuzz_*.c.
 *
 * Each is built twice: with replay.c, which runs the corpus in `make check` (under whatever
 * sanitizers the build has), and with libFuzzer, for `./dev fuzz`.  A reader that breaks a promise
 * ends with PROMISE, which libFuzzer reports like any other crash.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);       \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* libFuzzer's two doors (https://llvm.org/docs/LibFuzzer.html): once before the first input, and
 * for each input, which is not to be changed. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes taken from the front of an input to decide something; zeros when there are none left. */
struct input {
    const uint8_t *at, *end;
};

static inline struct input input_of(const uint8_t *data, size_t size) {
    return (struct input){.at = data, .end = data + size};
}

static inline unsigned input_byte(struct input *input) {
    return input->at < input->end ? *input->at++ : 0;
}

static inline size_t input_left(const struct input *input) {
    return (size_t)(input->end - input->at);
}

/* The rest, or what comes before the next byte 0xff, as a text of its own to be freed. */
static inline char *input_text(struct input *input, size_t *len) {
    const uint8_t *stop = input_left(input) > 0 ? memchr(input->at, 0xff, input_left(input)) : NULL;
    size_t size = stop != NULL ? (size_t)(stop - input->at) : input_left(input);
    char *text = malloc(size + 1);
    PROMISE(text != NULL);
    if (size > 0)
        memcpy(text, input->at, size);
    text[size] = '\0';
    input->at += size + (stop != NULL ? 1 : 0);
    *len = size;
    return text;
}

#endif
