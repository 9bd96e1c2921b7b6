/*
 * json_scan: the grammar of RFC 8259, without building anything; for json.c.
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stddef.h>

/* NULL: text is one document that json_parse may accept (see json.h), with that many object members
 * at all depths, names given twice counted twice.  Else a sentence that says what is wrong. */
const char *json_scan(const char *text, size_t len, size_t *members);

#endif
