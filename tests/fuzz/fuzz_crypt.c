/*
 * crypt(5) strings as they may be stored, and passwords as people may give them.  A hash is
 * believed only when it is of a kind on the list, and none takes longer than its bounds allow
 * (libFuzzer's own -timeout tells).
 */
#include "base/conf.h"
#include "base/log.h"
#include "domain/password.h"
#include "fuzz.h"

static struct conf *conf;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    char error[300] = "";
    (void)argc, (void)argv;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    setenv("GATEHOUSE_PASSWORD_COST", "4", 1);
    conf = conf_read(NULL, error, sizeof error);
    PROMISE(conf != NULL);
    return 0;
}

static void believed(const char *hash) {
    static const char *const kinds[] = {"$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$gy$", "$7$"};
    bool listed = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        listed |= strncmp(hash, kinds[i], strlen(kinds[i])) == 0;
    PROMISE(listed && password_is_verifiable(conf, hash));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = input_of(data, size);
    size_t hash_len, password_len;
    char *hash = input_text(&input, &hash_len), *password = input_text(&input, &password_len);
    if (password_verify(conf, password, password_len, hash))
        believed(hash);
    password_is_outdated(conf, hash);
    const char *refusal = password_refusal(conf, password, password_len, "ada@example.org", "ada");
    PROMISE(refusal == NULL || refusal[0] != '\0');
    if (refusal == NULL)
        PROMISE(password_len >= 8 && strlen(password) == password_len);
    free(hash);
    free(password);
    return 0;
}
