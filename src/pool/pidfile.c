#include "pool/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

/* O_EXCL: whatever lies there under the temporary name is not written through. */
static bool write_new(const char *path) {
    char text[32];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    int fd;
    bool written;

    (void)unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    written = write(fd, text, (size_t)len) == len;
    return close(fd) == 0 && written;
}

bool pidfile_write(const char *path) {
    struct buf temporary = {0};
    bool written;

    if (!path[0])
        return true;
    buf_addf(&temporary, "%s.%ld", path, (long)getpid());
    written = write_new(temporary.data) && rename(temporary.data, path) == 0;
    if (!written) {
        log_error("pid file cannot be written", F_STR("pid_file", path), F_ERRNO(errno),
                  F_STR("cure", "create its directory and let this user write to it"));
        (void)unlink(temporary.data);
    }
    buf_free(&temporary);
    return written;
}

void pidfile_remove(const char *path) {
    char text[32] = "";
    int fd = path[0] ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) > 0 && atol(text) == (long)getpid())
        (void)unlink(path);
    close(fd);
}
