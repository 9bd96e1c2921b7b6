/*
 * replay: runs a fuzzer's corpus once, without libFuzzer, so that what was found stays found.
 *
 *     replay_json [FILE]...      without files: all of $srcdir/tests/fuzz/corpus/json
 */
#include <dirent.h>

#include "fuzz.h"

static unsigned long replayed;

static void replay(const char *path) {
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    size_t size = 0, got;
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    do {
        bytes = realloc(bytes, size + 4096);
        PROMISE(bytes != NULL);
        got = fread(bytes + size, 1, 4096, file);
        size += got;
    } while (got > 0);
    fclose(file);
    /* A copy of exactly this size: a reader that goes one byte too far is seen. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    PROMISE(exact != NULL);
    memcpy(exact, bytes, size);
    free(bytes);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    replayed++;
}

static void replay_folder(const char *program) {
    const char *name = strrchr(program, '_'), *srcdir = getenv("srcdir");
    char folder[4096], path[4600];
    PROMISE(name != NULL);
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".",
             name + 1);
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        perror(folder);
        exit(1);
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        replay(path);
    }
    closedir(dir);
}

int main(int argc, char **argv) {
    LLVMFuzzerInitialize(&argc, &argv);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc == 1)
        replay_folder(argv[0]);
    printf("%lu inputs replayed\n", replayed);
    if (replayed == 0) {
        fprintf(stderr, "the corpus is empty\n");
        return 1;
    }
    return 0;
}
