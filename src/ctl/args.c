#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/ctl.h"

static const struct verb *find_verb(const char *noun, const char *word) {
    for (const struct verb *verb = verbs; verb->noun != NULL; verb++)
        if (strcmp(verb->noun, noun) == 0 && strcmp(verb->word, word) == 0)
            return verb;
    return NULL;
}

/* "user add"; "audit". */
static const char *verb_name(const struct ctl *ctl) {
    const struct verb *verb = ctl->verb;
    return verb->word[0] != '\0' ? arena_printf(ctl->arena, "%s %s", verb->noun, verb->word)
                                 : verb->noun;
}

static int choose_verb(struct ctl *ctl, int argc, char **argv, int *index) {
    if (ctl->version || (ctl->help && *index == argc))
        return CTL_DONE;
    if (*index == argc)
        return fail(CTL_USAGE, "what is to be done? See gatehousectl help");
    const char *noun = argv[(*index)++], *words = help_words(ctl->arena, noun);
    const struct verb *plain = find_verb(noun, "");
    if (strcmp(noun, "help") == 0) {
        ctl->help = true;
        return CTL_DONE;
    }
    if (words[0] == '\0' && plain == NULL)
        return fail(CTL_USAGE, "there is no \"%s\"; see gatehousectl help", noun);
    bool missing = *index == argc || argv[*index][0] == '-';
    if (plain != NULL && (missing || words[0] == '\0')) {
        ctl->verb = plain;
        return CTL_DONE;
    }
    if (!missing)
        ctl->verb = find_verb(noun, argv[*index]);
    if (ctl->verb == NULL)
        return fail(CTL_USAGE, "%s goes with one of: %s%s%s%s", noun, words,
                    missing ? "" : " (not \"", missing ? "" : argv[*index], missing ? "" : "\")");
    ++*index;
    return CTL_DONE;
}

int args_begin(struct ctl *ctl, int argc, char **argv, int *index) {
    for (*index = 1; *index < argc && argv[*index][0] == '-'; ++*index) {
        const char *word = argv[*index];
        if (strcmp(word, "--json") == 0)
            ctl->json = true;
        else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            ctl->help = true;
        else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
            ctl->version = true;
        else if (strcmp(word, "-c") != 0)
            return fail(CTL_USAGE, "unknown option %s; see gatehousectl help", word);
        else if (++*index == argc)
            return fail(CTL_USAGE, "-c must be followed by a configuration file");
        else
            ctl->conf_path = argv[*index];
    }
    return choose_verb(ctl, argc, argv, index);
}

/* Whether options, "--after= --yes", has name, which is len bytes of an argument. */
static bool is_option(const char *options, const char *name, size_t len, bool *takes_value) {
    for (const char *at = options; *at != '\0'; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        *takes_value = at[word - 1] == '=';
        if (word - (*takes_value ? 1 : 0) == len && strncmp(at, name, len) == 0)
            return true;
        at += word;
    }
    return false;
}

static int unknown_option(const struct ctl *ctl, const char *word, size_t len) {
    if (strncmp(word, "--pass", 6) == 0 || strcmp(word, "-p") == 0)
        return fail(CTL_USAGE, "passwords are read from the terminal or from standard input, never "
                               "from the arguments, where every user of this machine sees them");
    const char *name = verb_name(ctl);
    return fail(CTL_USAGE, "%s has no option %.*s; see gatehousectl help %s", name, (int)len, word,
                name);
}

static int take_option(struct ctl *ctl, int argc, char **argv, int *index) {
    char *word = argv[*index], *value = strchr(word, '=');
    size_t len = value != NULL ? (size_t)(value - word) : strlen(word);
    bool takes_value;
    if (len == 6 && strcmp(word, "--json") == 0) {
        ctl->json = true;
        return CTL_DONE;
    }
    if (strcmp(word, "--help") == 0) {
        ctl->help = true;
        return CTL_DONE;
    }
    if (!is_option(ctl->verb->options, word, len, &takes_value))
        return unknown_option(ctl, word, len);
    if (value != NULL && !takes_value)
        return fail(CTL_USAGE, "%.*s takes no value", (int)len, word);
    if (takes_value && value == NULL && ++*index == argc)
        return fail(CTL_USAGE, "%s must be followed by a value", word);
    if (ctl->option_count == CTL_MAX_OPTIONS)
        return fail(CTL_USAGE, "more than %d options", CTL_MAX_OPTIONS);
    struct ctl_option *option = &ctl->options[ctl->option_count++];
    option->name = arena_dup(ctl->arena, word, len);
    option->value = !takes_value ? "" : value != NULL ? value + 1 : argv[*index];
    return CTL_DONE;
}

static int check_count(const struct ctl *ctl) {
    const struct verb *verb = ctl->verb;
    int count = (int)ctl->operand_count;
    if (ctl->help || (count >= verb->min && (verb->max < 0 || count <= verb->max)))
        return CTL_DONE;
    if (count > verb->max && verb->max >= 0)
        return fail(CTL_USAGE, "too many arguments; usage: gatehousectl %s%s%s", verb_name(ctl),
                    verb->synopsis[0] != '\0' ? " " : "", verb->synopsis);
    return fail(CTL_USAGE, "something is missing; usage: gatehousectl %s %s", verb_name(ctl),
                verb->synopsis);
}

int args_rest(struct ctl *ctl, int argc, char **argv, int index) {
    bool options_end = false;
    ctl->operands = arena_array(ctl->arena, (size_t)(argc + 1), sizeof *ctl->operands);
    /* A verb with no limit of operands takes -WORD as one: user role ANNA -editor. */
    bool minus_is_operand = ctl->verb->max < 0;
    for (; index < argc; index++) {
        const char *word = argv[index];
        bool option = word[0] == '-' && word[1] != '\0' && (word[1] == '-' || !minus_is_operand) &&
                      !options_end;
        if (option && strcmp(word, "--") == 0)
            options_end = true;
        else if (!option)
            ctl->operands[ctl->operand_count++] = word;
        else if (take_option(ctl, argc, argv, &index) != CTL_DONE)
            return CTL_USAGE;
    }
    return check_count(ctl);
}

const char *ctl_conf_path(const struct ctl *ctl) {
    return ctl->conf_path != NULL ? ctl->conf_path : DEFAULT_CONF;
}

const char *args_option(const struct ctl *ctl, const char *name) {
    for (size_t i = ctl->option_count; i-- > 0;)
        if (strcmp(ctl->options[i].name, name) == 0)
            return ctl->options[i].value;
    return NULL;
}
