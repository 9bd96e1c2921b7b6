#include "pool/confine.h"

#include <errno.h>

#include "base/log.h"

#if defined(HAVE_SECCOMP) && !defined(__SANITIZE_ADDRESS__)
#define CONFINE 1
#else
#define CONFINE 0
#endif

bool confine_is_built_in(void) {
    return CONFINE;
}

#if CONFINE

#include <fcntl.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* clang-format off */
static const int allowed[] = {
    /* waiting, and descriptors it has */
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(ioctl),
    SCMP_SYS(lseek), SCMP_SYS(pipe2), SCMP_SYS(eventfd2), SCMP_SYS(fsync),
    /* sockets: the web server's, and those to the stores, the resolver and syslog; bind is what the
     * resolver does to ask the kernel for its addresses */
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind),
    SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg),
    SCMP_SYS(recvmmsg), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(socketpair),
    /* looking at files (a name resolved, a plugin of a library, the time zone); opening: below */
    SCMP_SYS(stat), SCMP_SYS(fstat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd),
    SCMP_SYS(fadvise64), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
    /* memory */
    SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
    SCMP_SYS(madvise), SCMP_SYS(mlock), SCMP_SYS(munlock),
    /* time, chance, itself */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(alarm), SCMP_SYS(setitimer),
    SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getuid),
    SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getgroups), SCMP_SYS(uname),
    SCMP_SYS(sysinfo), SCMP_SYS(getrusage), SCMP_SYS(times), SCMP_SYS(getrlimit),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(getpriority),
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier),
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending), SCMP_SYS(sigaltstack), SCMP_SYS(tgkill),
    SCMP_SYS(signalfd4), SCMP_SYS(arch_prctl), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static const int fatal[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(clone),
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setgroups),
    SCMP_SYS(capset), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
    SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(keyctl),
    SCMP_SYS(add_key), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(init_module),
    SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(listen),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
    SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(link),
    SCMP_SYS(symlink), SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(truncate), SCMP_SYS(ftruncate),
};
/* clang-format on */

/* Calls that this architecture does not have are skipped by libseccomp. */
static int add_each(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count) {
    int problem = 0;

    for (size_t i = 0; i < count && problem == 0; i++)
        problem = seccomp_rule_add(filter, action, calls[i], 0);
    return problem;
}

#define WRITING (O_ACCMODE | O_CREAT | O_TRUNC)

/* Reading only; the limits of itself may be looked at, nothing of another process. */
static int add_conditions(scmp_filter_ctx filter) {
    int problem = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                   SCMP_A2(SCMP_CMP_MASKED_EQ, WRITING, O_RDONLY));
    if (problem == 0)
        problem = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                                   SCMP_A1(SCMP_CMP_MASKED_EQ, WRITING, O_RDONLY));
    if (problem == 0)
        problem = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                                   SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
    return problem;
}

/* Calls of the list above that are fatal with this second argument: typing into the terminal that the
 * service was started from, and having signals sent to other processes. */
static const struct {
    int call;
    uint32_t command;
} misuse[] = {
    {SCMP_SYS(ioctl), TIOCSTI},   {SCMP_SYS(ioctl), TIOCLINUX}, {SCMP_SYS(ioctl), FIOSETOWN},
    {SCMP_SYS(ioctl), SIOCSPGRP}, {SCMP_SYS(fcntl), F_SETOWN},  {SCMP_SYS(fcntl), F_SETOWN_EX},
};

/* The kernel looks at 32 bits of a command, whatever the others are. */
static int add_misuse(scmp_filter_ctx filter) {
    int problem = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(tgkill), 1,
                                   SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid()));

    for (size_t i = 0; i < sizeof misuse / sizeof *misuse && problem == 0; i++)
        problem = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, misuse[i].call, 1,
                                   SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, misuse[i].command));
    return problem;
}

static int add_calls(scmp_filter_ctx filter) {
    int problem = add_each(filter, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed);

    if (problem == 0)
        problem = add_each(filter, SCMP_ACT_KILL_PROCESS, fatal, sizeof fatal / sizeof *fatal);
    if (problem == 0)
        problem = add_conditions(filter);
    /* A tree instead of a list; older libraries know no tree, and the list is as right. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return problem;
}

static int load(uint32_t otherwise, int (*add_rules)(scmp_filter_ctx filter)) {
    scmp_filter_ctx filter = seccomp_init(otherwise);
    int problem = filter != NULL ? add_rules(filter) : -ENOMEM;

    if (problem == 0)
        problem = seccomp_load(filter);
    seccomp_release(filter);
    return problem;
}

/* Two filters, of which the stricter answer counts: in one, libseccomp drops the conditions of a call
 * that is allowed without any. */
bool confine_process(void) {
    int problem = load(SCMP_ACT_ALLOW, add_misuse);

    if (problem == 0)
        problem = load(SCMP_ACT_ERRNO(ENOSYS), add_calls);
    if (problem != 0)
        log_warning("system calls are not filtered: the kernel takes no filter", F_ERRNO(-problem),
                    F_STR("cure", "nothing else changes; seccomp = no in [server] keeps this quiet"));
    return problem == 0;
}

#else

bool confine_process(void) {
    errno = ENOSYS;
    return false;
}

#endif
