/*
 * Configuration files.  What is refused says why; what is accepted prints itself as a file that is
 * accepted again and prints the same.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    log_open(LOG_TARGET_STDERR, LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    return 0;
}

/* A file of these bytes that is on no disk. */
static int file_of(const void *bytes, size_t size, char path[64]) {
    int fd = memfd_create("conf", MFD_CLOEXEC);
    PROMISE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static char *dump(const struct conf *conf, size_t *len) {
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    PROMISE(out != NULL);
    conf_dump(conf, out);
    PROMISE(fclose(out) == 0);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64], error[400] = "";
    int fd = file_of(data, size, path);
    struct conf *conf = conf_read(path, error, sizeof error);
    close(fd);
    if (conf == NULL) {
        PROMISE(error[0] != '\0');
        return 0;
    }
    size_t len, again_len;
    char *text = dump(conf, &len);
    fd = file_of(text, len, path);
    struct conf *again = conf_read(path, error, sizeof error);
    close(fd);
    if (again == NULL)
        fprintf(stderr, "%s\n%s", error, text);
    PROMISE(again != NULL);
    char *second = dump(again, &again_len);
    PROMISE(len == again_len && memcmp(text, second, len) == 0);
    free(second);
    free(text);
    conf_free(again);
    conf_free(conf);
    return 0;
}
