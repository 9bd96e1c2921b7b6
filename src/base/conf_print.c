#include "base/conf_table.h"

#include <string.h>

#include "base/url.h"

enum { WIDTH = 78 };

static bool is_url(const struct option *option) {
    return strcmp(option->key, "url") == 0;
}

/* What would not be read back as it is: white space at the ends, a quote in front. */
static bool needs_quotes(const char *text) {
    size_t len = strlen(text);
    return len && (text[0] == ' ' || text[0] == '"' || text[len - 1] == ' ');
}

static void print_url(const char *url, FILE *out) {
    size_t len;
    const char *password = conf_url_password(url, &len);
    if (password)
        fprintf(out, "%.*s***%s\n", (int)(password - url), url, password + len);
    else
        fprintf(out, "%s\n", url);
}

static void dump_option(const void *base, const struct option *option, FILE *out) {
    struct buf value = {0};
    buf_reserve(&value, 0);
    conf_value_print(base, option, &value);
    fprintf(out, "%s =%s", option->key, value.len || option->check == check_base_path ? " " : "");
    if (is_url(option))
        print_url(value.data, out);
    else if (option->check == check_base_path && !value.len)
        fputs("/\n", out); /* an empty value would mean the default */
    else if (needs_quotes(value.data))
        fprintf(out, "\"%s\"\n", value.data);
    else
        fprintf(out, "%s\n", value.data);
    buf_free(&value);
}

static bool begins_section(size_t i) {
    return i == 0 || strcmp(conf_options[i].section, conf_options[i - 1].section) != 0;
}

void conf_dump(const struct conf *conf, FILE *out) {
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        if (begins_section(i))
            fprintf(out, "%s[%s]\n", i ? "\n" : "", conf_options[i].section);
        dump_option(conf, &conf_options[i], out);
    }
    for (size_t p = 0; p < conf->pool_count; p++) {
        fprintf(out, "\n[pool.%s]\n", conf->pools[p].name);
        for (size_t i = 0; i < CONF_POOL_OPTION_COUNT; i++)
            dump_option(&conf->pools[p], &conf_pool_options[i], out);
    }
}

/* text as comment lines, broken between words. */
static void comment(const char *text, FILE *out) {
    size_t column = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column && column + 1 + len > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += (size_t)fprintf(out, "%s%.*s", column ? " " : "# ", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void comment_bounds(const struct option *option, FILE *out) {
    if (option->min)
        fprintf(out, "# From %s to %s.\n", option->min, option->max);
    if (option->choices) {
        struct buf text = {0};
        buf_adds(&text, "One of: ");
        for (const char *c = option->choices; *c; c++)
            buf_adds(&text, *c == '|' ? ", " : (char[]){*c, '\0'});
        buf_addc(&text, '.');
        comment(text.data, out);
        buf_free(&text);
    }
    if (option->kind == KIND_BOOL)
        fputs("# yes or no.\n", out);
    if (option->kind == KIND_RATE)
        fputs("# A count in a period.\n", out);
}

static void explain(const struct option *option, const char *initial, FILE *out) {
    fputc('\n', out);
    comment(option->explanation, out);
    comment_bounds(option, out);
    fprintf(out, "#%s =%s%s\n", option->key, *initial ? " " : "", initial);
}

void conf_example(FILE *out) {
    static const char *const pools[] = {"web", "login"};
    comment("gatehouse.conf: every option, with its default behind a comment sign. Durations are "
            "written 500ms 10s 15m 24h 30d, sizes 64k 1m. An empty value means the default, but for "
            "listen. Each option can be set in the environment too, as GATEHOUSE_SECTION_KEY; see "
            "gatehouse.conf(5).",
            out);
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        if (begins_section(i))
            fprintf(out, "\n[%s]\n", conf_options[i].section);
        explain(&conf_options[i], conf_options[i].initial, out);
    }
    for (size_t p = 0; p < sizeof pools / sizeof *pools; p++) {
        fprintf(out, "\n[pool.%s]\n", pools[p]);
        for (size_t i = 0; i < CONF_POOL_OPTION_COUNT; i++)
            explain(&conf_pool_options[i],
                    i == 0 ? conf_pool_initial_listen(pools[p]) : conf_pool_options[i].initial,
                    out);
    }
}
