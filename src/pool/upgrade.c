/*
 * upgrade: SIGUSR2.  The program file, whatever lies there now, is first run with -T beside the
 * loop; only when that succeeds it is executed in place.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pool/handover.h"
#include "pool/master.h"
#include "pool/notify.h"
#include "pool/status.h"

static void refused(const char *why, int error) {
    metrics_event(EVENT_UPGRADE_REFUSED, 1);
    log_error("new program refused, the old one goes on", F_STR("why", why),
              F_STR("errno", error ? log_errno_text(error) : ""),
              F_STR("cure", "mend what the lines above say, try it with gatehouse -T, send SIGUSR2 again"));
}

static void begin(struct master *master) {
    log_info("checking the new program", F_STR("path", master->program.path));
    handover_tell(&master->sockets);
    master->checker = program_check(&master->program);
    handover_untell();
    if (master->checker < 0) {
        master->checker = 0;
        refused("the check cannot be started", errno);
        return;
    }
    master->check_until_ms = clock_mono_ms() + CHECK_MS;
}

static void execute(struct master *master) {
    struct handover more = {.number = master->last_number,
                            .pid_file = master->pid_file,
                            .status_fd = status_fd(),
                            .status_directory = status_directory()};
    int error;

    log_info("executing the new program", F_STR("path", master->program.path));
    notify_reloading();
    handover_leave(&master->sockets, &master->channels, &more);
    program_execute(&master->program);
    error = errno;
    handover_cancel(&master->sockets, &master->channels, &more);
    refused("it cannot be executed", error);
    master_tells_ready(master);
}

bool upgrade_reap(struct master *master, pid_t pid, int status) {
    if (master->checker == 0 || pid != master->checker)
        return false;
    master->checker = 0;
    master->check_until_ms = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        master->upgrade_checked = !master->stopping;
    else if (!master->stopping)
        refused("its check with -T failed or took too long, see above", 0);
    return true;
}

void upgrade_cancel(struct master *master) {
    if (master->checker > 0)
        (void)kill(master->checker, SIGKILL);
    master->upgrade_wanted = false;
    master->upgrade_checked = false;
}

void upgrade_go_on(struct master *master) {
    if (master->checker > 0 && clock_mono_ms() >= master->check_until_ms) {
        (void)kill(master->checker, SIGKILL);
        master->check_until_ms += KILL_AGAIN_MS;
    }
    /* A generation that is half born would be lost. */
    if (master->coming)
        return;
    if (master->upgrade_checked) {
        master->upgrade_checked = false;
        execute(master);
    } else if (master->upgrade_wanted && master->checker == 0) {
        master->upgrade_wanted = false;
        begin(master);
    }
}
