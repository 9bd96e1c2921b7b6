#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static const char *const level_names[] = {
    [DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warning", [DOCTOR_FAIL] = "failure"};
static const char *const level_words[] = {
    [DOCTOR_OK] = "ok   ", [DOCTOR_WARN] = "WARN ", [DOCTOR_FAIL] = "FAIL "};

void doctor_says(struct doctor *doctor, enum doctor_level level, const char *area, const char *cure,
                 const char *format, ...) {
    char *text;
    va_list args;
    va_start(args, format);
    MUST(vasprintf(&text, format, args) >= 0);
    va_end(args);
    if (doctor->about != NULL) {
        char *whole;
        MUST(asprintf(&whole, "%s (of %s)", text, doctor->about) >= 0);
        free(text);
        text = whole;
    }
    for (char *at = text; (at = strchr(at, '\n')) != NULL;)
        *at = ' '; /* what a program has said */
    doctor->counts[level]++;
    out_line(doctor->ctl, "%s %-10s %s", level_words[level], area, text);
    if (cure != NULL)
        out_line(doctor->ctl, "                 -> %s", cure);
    json *finding = json_new_object();
    json_add_string(finding, "level", level_names[level]);
    json_add_string(finding, "area", area);
    json_add_string(finding, "finding", text);
    json_add_string(finding, "cure", cure);
    json_append(doctor->findings, finding);
    free(text);
}

static void open_realm(struct doctor *doctor, struct site_gates *gates) {
    struct ctl *ctl = doctor->ctl;
    char why[1024];
    /* What is wrong with the password files was said already. */
    ctl->site = site_read(ctl_conf_path(ctl), SITE_WITHOUT_KEYS, why, sizeof why);
    if (ctl->site == NULL) {
        doctor_says(doctor, DOCTOR_FAIL, "stores", "mend that first", "not asked: %s", why);
        return;
    }
    realm_open(&ctl->realm, ctl->site, gates);
    doctor_redis(doctor);
    doctor_mariadb(doctor);
}

static void examine(struct doctor *doctor) {
    static struct site_gates gates;
    struct ctl *ctl = doctor->ctl;
    const char *which = args_option(ctl, "--web"), *file = args_option(ctl, "--web-conf");
    doctor_conf(doctor);
    doctor_service(doctor);
    open_realm(doctor, &gates);
    doctor_sockets(doctor);
    if (which == NULL || strcmp(which, "none") != 0)
        doctor_web(doctor, which, file);
    doctor_host(doctor);
}

static int sum_up(struct doctor *doctor) {
    int64_t warnings = doctor->counts[DOCTOR_WARN], failures = doctor->counts[DOCTOR_FAIL];
    out_line(doctor->ctl, "%lld good, %lld warning%s, %lld failure%s",
             (long long)doctor->counts[DOCTOR_OK], (long long)warnings, warnings == 1 ? "" : "s",
             (long long)failures, failures == 1 ? "" : "s");
    json *answer = json_new_object();
    json_add(answer, "findings", doctor->findings);
    json_add_int(answer, "good", doctor->counts[DOCTOR_OK]);
    json_add_int(answer, "warnings", warnings);
    json_add_int(answer, "failures", failures);
    out_json(doctor->ctl, answer);
    if (failures == 0 && (warnings == 0 || args_option(doctor->ctl, "--strict") == NULL))
        return CTL_DONE;
    return doctor->bad_conf ? CTL_BAD_CONF : doctor->no_store ? CTL_NO_STORE : CTL_REFUSED;
}

static bool options_are_sane(const struct ctl *ctl) {
    static const char *const words[] = {"nginx", "apache", "lighttpd", "none"};
    const char *which = args_option(ctl, "--web");
    for (size_t i = 0; which != NULL && i < sizeof words / sizeof *words; i++)
        if (strcmp(which, words[i]) == 0)
            return true;
    return which == NULL && args_option(ctl, "--web-conf") == NULL;
}

int verb_doctor(struct ctl *ctl) {
    char why[1024];
    struct doctor doctor = {.ctl = ctl};
    const char *path = ctl_conf_path(ctl);
    if (!options_are_sane(ctl))
        return fail(CTL_USAGE,
                    "--web is nginx, apache, lighttpd or none, and --web-conf goes with it");
    doctor.findings = json_new_array();
    ctl->own_conf = conf_read(path, why, sizeof why);
    ctl->conf = ctl->own_conf;
    if (ctl->conf == NULL) {
        doctor.bad_conf = true;
        doctor_says(&doctor, DOCTOR_FAIL, "conf",
                    "mend that line; gatehouse.conf(5) says what may stand "
                    "there",
                    "%s", why);
        return sum_up(&doctor);
    }
    examine(&doctor);
    int code = sum_up(&doctor);
    services_free(&doctor.services);
    return code;
}
