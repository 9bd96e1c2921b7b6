#include "base/conf_table.h"

#include <stddef.h>

#define AT(section, key) offsetof(struct conf, section##_##key)
#define OPT_TEXT(section, key, initial, check, text)                                               \
    {#section, #key, KIND_TEXT, initial, NULL, NULL, NULL, check, text, AT(section, key)},
#define OPT_CHOICE(section, key, initial, choices, text)                                           \
    {#section, #key, KIND_CHOICE, initial, NULL, NULL, choices, NULL, text, AT(section, key)},
#define OPT_BOOL(section, key, initial, text)                                                      \
    {#section, #key, KIND_BOOL, initial, NULL, NULL, NULL, NULL, text, AT(section, key)},
#define OPT_DURATION(section, key, initial, min, max, text)                                        \
    {#section, #key, KIND_DURATION, initial, min, max, NULL, NULL, text, AT(section, key)},
#define OPT_SIZE(section, key, initial, min, max, text)                                            \
    {#section, #key, KIND_SIZE, initial, min, max, NULL, NULL, text, AT(section, key)},
#define OPT_INT(section, key, initial, min, max, text)                                             \
    {#section, #key, KIND_INT, initial, min, max, NULL, NULL, text, AT(section, key)},
#define OPT_RATE(section, key, initial, text)                                                      \
    {#section, #key, KIND_RATE, initial, NULL, NULL, NULL, NULL, text, AT(section, key)},
const struct option conf_options[CONF_OPTION_COUNT] = {
#include "base/conf_options.h"
};
#undef OPT_TEXT
#undef OPT_CHOICE
#undef OPT_BOOL
#undef OPT_DURATION
#undef OPT_SIZE
#undef OPT_INT
#undef OPT_RATE

#define OPT_TEXT(...)
#define OPT_CHOICE(...)
#define OPT_BOOL(...)
#define OPT_DURATION(...)
#define OPT_SIZE(...)
#define OPT_INT(...)
#define OPT_RATE(...)
#define POOL_AT(key) offsetof(struct conf_pool, key)
#define POOL_TEXT(key, initial, check, text)                                                       \
    {"", #key, KIND_TEXT, initial, NULL, NULL, NULL, check, text, POOL_AT(key)},
#define POOL_INT(key, initial, min, max, text)                                                     \
    {"", #key, KIND_INT, initial, min, max, NULL, NULL, text, POOL_AT(key)},
#define POOL_DURATION(key, initial, min, max, text)                                                \
    {"", #key, KIND_DURATION, initial, min, max, NULL, NULL, text, POOL_AT(key)},
const struct option conf_pool_options[CONF_POOL_OPTION_COUNT] = {
#include "base/conf_options.h"
};
