#include "domain/common.h"

#include <stdlib.h>
#include <strings.h>

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
