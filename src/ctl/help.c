#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static void print_usage(const struct verb *verb) {
    printf("  %s%s%s%s%s\n      %s\n", verb->noun, verb->word[0] != '\0' ? " " : "", verb->word,
           verb->synopsis[0] != '\0' ? " " : "", verb->synopsis, verb->help);
}

void help_all(void) {
    puts("usage: gatehousectl [-c FILE] [--json] VERB...\n"
         "  -c FILE    the configuration (default: " DEFAULT_CONF ")\n"
         "  --json     answer in JSON\n"
         "  --help     this page; behind a verb: about that verb, with an example\n"
         "  --version  print the version\n"
         "\n"
         "USER is an id, an email address or a username. Passwords and tokens are read from the\n"
         "terminal or from standard input.\n");
    for (const struct verb *verb = verbs; verb->noun != NULL; verb++)
        print_usage(verb);
    puts("\n"
         "Exit codes: 0 done, 1 refused or not found, 2 usage, 69 a store cannot be reached,\n"
         "78 configuration. See gatehousectl(8).");
}

int help_on(const char *noun, const char *word) {
    bool found = false;
    for (const struct verb *verb = verbs; verb->noun != NULL; verb++) {
        if (strcmp(verb->noun, noun) != 0 || (word != NULL && strcmp(verb->word, word) != 0))
            continue;
        print_usage(verb);
        printf("      example: %s\n", verb->example);
        found = true;
    }
    if (found)
        return CTL_DONE;
    return fail(CTL_USAGE, "there is no help on \"%s%s%s\"; see gatehousectl help", noun,
                word != NULL ? " " : "", word != NULL ? word : "");
}

const char *help_words(struct arena *arena, const char *noun) {
    const char *words = "";
    for (const struct verb *verb = verbs; verb->noun != NULL; verb++)
        if (strcmp(verb->noun, noun) == 0 && verb->word[0] != '\0')
            words = arena_printf(arena, "%s%s%s", words, words[0] != '\0' ? ", " : "", verb->word);
    return words;
}
