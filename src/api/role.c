#include "api/role.h"

#include <string.h>

/* Whether two comma-separated lists share a word, the first of which ends with its line; blanks around
 * words do not count. */
static bool share_a_word(const char *wanted, const char *had) {
    while (*wanted != '\0' && *wanted != '\n') {
        wanted += strspn(wanted, " ,");
        size_t len = strcspn(wanted, " ,\n");
        for (const char *at = had; len > 0 && *at != '\0';) {
            size_t had_len = strcspn(at, ",");
            if (had_len == len && memcmp(at, wanted, len) == 0)
                return true;
            at += had_len + (at[had_len] == ',');
        }
        wanted += len;
    }
    return false;
}

bool role_suffices(const struct request *request) {
    const char *demand = request->required_roles;
    while (demand != NULL) {
        if (!share_a_word(demand, request->who.roles))
            return false;
        demand = strchr(demand, '\n');
        demand += demand != NULL;
    }
    return true;
}
