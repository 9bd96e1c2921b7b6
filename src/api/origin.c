#include "api/origin.h"

#include <string.h>
#include <strings.h>

/* Whether the word is one of those that single spaces separate.  Two of them are no word: redirects may
 * leave several in one Origin (RFC 6454 section 7.1). */
static bool is_listed(const char *list, const char *word) {
    size_t len = strlen(word);
    if (strchr(word, ' ') != NULL)
        return false;
    for (const char *at = list; (at = strcasestr(at, word)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

const char *origin_listed(const struct request *request) {
    const char *origin = request->origin;
    return origin != NULL && origin[0] != '\0' &&
                   is_listed(request->realm->conf->cookie_origins, origin)
               ? origin
               : NULL;
}

/* The origin of the page is the one that this very request was sent to. */
static bool is_own_origin(const struct request *request) {
    if (request->origin == NULL || request->host == NULL)
        return false;
    const char *scheme = request->https ? "https://" : "http://";
    size_t len = strlen(scheme);
    return strncasecmp(request->origin, scheme, len) == 0 &&
           strcasecmp(request->origin + len, request->host) == 0;
}

/*
 * Browsers that know Sec-Fetch-Site always send it, and pages cannot; "same-site" is another origin
 * (on shared hosting often another customer's) and must be listed.  Older browsers send Origin with
 * every write.  With neither, nothing shows where the write came from.
 */
bool origin_is_ours(const struct request *request) {
    if (origin_listed(request) != NULL)
        return true;
    if (request->fetch_site != NULL)
        return strcmp(request->fetch_site, "same-origin") == 0 ||
               strcmp(request->fetch_site, "none") == 0;
    return is_own_origin(request);
}
