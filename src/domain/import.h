/*
 * import: users from elsewhere, many at once, with their hashes or with passwords to be hashed.
 *
 * Rows come in batches, and each batch is one transaction: what is reported as imported is there.
 * Whoever is there already, with the same email and username, is left as they are, so that an import that
 * broke off is run again from its beginning.
 */
#ifndef DOMAIN_IMPORT_H
#define DOMAIN_IMPORT_H

#include "domain/realm.h"

#define IMPORT_BATCH 500

enum import_outcome {
    IMPORT_DONE,   /* imported, or would be */
    IMPORT_THERE,  /* is there already, left as they are */
    IMPORT_REFUSED /* reason says why */
};

/* What a row asks for; NULL where it says nothing.  Texts are borrowed until the batch is done. */
struct import_row {
    int64_t line; /* where it begins */
    const char *email, *username, *display_name;
    const char *password; /* or password_hash; "*" as a hash: nobody can log in */
    size_t password_len;
    const char *password_hash;
    const char *roles; /* separated by blanks, commas or semicolons */
    bool email_verified, disabled;

    enum import_outcome outcome; /* IMPORT_REFUSED with a reason before: stays so */
    const char *reason;          /* a sentence about the row; NULL: done */
};

struct import;

/* One import, of any number of batches; realm is borrowed.  A dry run inserts nobody, and so remembers names
 * across batches itself: 32 bytes a row. */
struct import *import_new(const struct realm *realm, bool dry_run);
/* Clears the pointer; import and *import may be NULL. */
void import_free(struct import **import);

/* At most IMPORT_BATCH rows; every outcome is filled in.  ANSWER_UNKNOWN: MariaDB could not be asked
 * (db_why), and the batch is not there, or, where it broke off at the very end, may be. */
enum answer import_batch(struct import *import, struct arena *arena, struct import_row *rows,
                         size_t count);

#endif
