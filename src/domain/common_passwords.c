#include "domain/common_passwords.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Patterns.  Of longer ones the list has those that are common. */
#define PATTERN_MAX 11 /* characters */
#define BLOCK_MAX   5
#define RUN_MIN     3

/* Sorted and in lower case; made from data/common-passwords.txt by the build. */
static const char *const common[] = {
#include "domain/common_passwords.inc"
};

static int compare(const void *key, const void *member) {
    return strcasecmp(key, *(const char *const *)member);
}

bool password_is_common(const char *password) {
    return bsearch(password, common, sizeof common / sizeof *common, sizeof *common, compare) !=
           NULL;
}

static bool is_repeated(const char *text, size_t len) {
    for (size_t block = 1; block <= BLOCK_MAX && 2 * block <= len; block++)
        if (memcmp(text, text + block, len - block) == 0)
            return true;
    return false;
}

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* 0 follows 9, as on the keyboard. */
static bool follows(char before, char next, int step) {
    if (before == '9' && step > 0)
        return next == '0';
    if (before == '0' && step < 0)
        return next == '9';
    return next == before + step;
}

/* Of the run that text begins with, in one direction or standing still. */
static size_t run_length(const char *text) {
    size_t longest = 0;
    for (int step = -1; step <= 1; step++) {
        size_t len = 1;
        while (is_letter_or_digit(text[len]) && follows(text[len - 1], text[len], step))
            len++;
        longest = len > longest ? len : longest;
    }
    return longest;
}

static bool is_of_runs(const char *text) {
    while (is_letter_or_digit(*text)) {
        size_t len = run_length(text);
        if (len < RUN_MIN)
            return false;
        text += len;
    }
    return *text == '\0';
}

static bool is_ascii(const char *text) {
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

bool password_is_pattern(const char *password) {
    size_t len = strlen(password);
    return len <= PATTERN_MAX && is_ascii(password) &&
           (is_repeated(password, len) || is_of_runs(password));
}
