/*
 * web: what can be seen of a web server's configuration; one file for each kind of server.
 */
#ifndef CTL_WEB_H
#define CTL_WEB_H

#include "ctl/doctor.h"

/* What a running server was started with; NULL: its defaults. */
struct web_server {
    const char *conf, *prefix;
};

/* Read the configuration of such a server, as the server itself shows it, and say what is good and what is
 * wrong about the way it uses gatehouse. */
void web_nginx(struct doctor *doctor, const struct web_server *server);
void web_apache(struct doctor *doctor, const struct web_server *server);
void web_lighttpd(struct doctor *doctor, const struct web_server *server);

/* Says that its configuration could not be read: by code, the exit status of the command that was to
 * show it (negative: it was not there).  show and check: that command, and the one that tells whether a
 * configuration is good; why: what it printed. */
void web_refused(struct doctor *doctor, const char *area, int code, const char *show,
                 const char *check, const char *why);
/* Whether a pool is reached at this address (a path, or HOST:PORT), and says so if not. */
void web_address(struct doctor *doctor, const char *area, const char *address, const char *where);
/* The server runs as this user of the system: may it connect? */
void web_user(struct doctor *doctor, const char *area, const char *name);
/* The first line of text that holds word; NULL: none does.  In arena. */
const char *web_line(struct arena *arena, const char *text, const char *word);
/* Whether folder is inner, or one around it. */
bool web_holds(const char *folder, const char *inner);
/* The last part of a path. */
const char *web_base(const char *path);

#endif
