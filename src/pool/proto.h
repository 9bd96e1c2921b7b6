/* clang-format off */
/*
 * proto: everything that master and worker have agreed upon.
 *
 *   orders       signals, read by the worker from control_fd: SIGTERM drain, SIGQUIT quit; whether the
 *                service ends with it is on the board
 *                (workers ignore SIGHUP, SIGINT, SIGUSR1 and SIGUSR2, since Ctrl-C and a careless
 *                "kill -HUP 0" reach the whole process group and only the master decides)
 *   lifeline     a pipe whose write end only masters hold: its end says that the master is dead
 *   poke         a pipe to the master: one byte from a worker says "look at the board"
 *   board        shared memory, one slot for each worker; written by the worker, read by anyone; the
 *                master takes nothing in it for granted, since a worker may have been taken over
 *   exit codes   below
 */
/* clang-format on */
#ifndef POOL_PROTO_H
#define POOL_PROTO_H

#include <stdint.h>
#include <sysexits.h>

#include "pool/pool.h"

/* What a worker exits with; anything else is what work() returned. */
#define WORKER_EXIT_SETUP      EX_OSERR  /* control descriptor or signals could not be set up */
#define WORKER_EXIT_PRIVILEGES EX_NOPERM /* privileges could not be given up: served nothing */

/* A pool's name with its NUL; longer ones are cut. */
#define BOARD_NAME 32

/* A slot of its own cache line, so that counting disturbs no neighbour. */
struct board_slot {
    _Alignas(64) _Atomic int32_t pid; /* 0: free */
    _Atomic uint32_t ready;
    _Atomic uint64_t requests;  /* answered since birth */
    _Atomic int64_t busy_since; /* clock_mono_ms, 0: idle */
    _Atomic int64_t turn;       /* clock_mono_ms: waits for one since; negated: has one since; 0 */
    _Atomic int64_t turn_asked; /* clock_mono_ms: when that was asked for last */
    _Atomic uint64_t beats;     /* of the worker's loop: one that stands still hangs */
    char name[BOARD_NAME];      /* the pool's; of a free slot, its last one's */
};

/* Deaths are counted by a pool's name, which outlives its place in a plan. */
#define BOARD_POOLS 16
struct board_pool {
    char name[BOARD_NAME]; /* empty: free */
    _Atomic uint64_t deaths;
    _Atomic int64_t queue; /* connections that wait to be accepted, a moment ago; -1: not known */
};

/* A worker that has had a turn for longer, or waits for one and has not asked again for so long, is taken to
 * be stuck, and others go first. */
#define TURN_MS 5000
/* How long a worker waits for a permit: whoever has one for longer is stuck.  And how often it beats
 * meanwhile, so that it is not taken to hang. */
#define PERMIT_WAIT_MS 10000
#define PERMIT_BEAT_MS 250
/* A worker that dies younger than this slows the next birth in its pool. */
#define YOUNG_MS        1000
#define BACK_OFF_MIN_MS 100
#define BACK_OFF_MAX_MS 1000
/* A new generation has this long to be ready, and may lose this many workers before it is. */
#define READY_MS         30000
#define READY_MAX_DEATHS 3
/* A worker that is not ready yet hangs when it stands still for so many times hang_ms: it looks for stores that
 * may be away, one host after the other, by names that a resolver may not know at once. */
#define START_HANGS 2
/* How often a socket is tried that could not be had after a takeover. */
#define OPEN_AGAIN_MS 5000
/* How long workers have after SIGQUIT to write what nobody waits for; whoever is in the middle of a hash is
 * killed then.  When whoever was killed and is still there is killed again, and how long the check of a new
 * program file may take. */
#define QUIT_MS       50
#define KILL_AGAIN_MS 1000
#define CHECK_MS      10000

/* Set by supervisors: socket activation, readiness and watchdog, as systemd defines them. */
#define ENV_LISTEN_PID     "LISTEN_PID"
#define ENV_LISTEN_FDS     "LISTEN_FDS"
#define ENV_LISTEN_FDNAMES "LISTEN_FDNAMES"
#define ENV_NOTIFY_SOCKET  "NOTIFY_SOCKET"
#define ENV_WATCHDOG_PID   "WATCHDOG_PID"
#define ENV_WATCHDOG_USEC  "WATCHDOG_USEC"
#define LISTEN_FDS_START   3
/* From a master to the program that it executes in its place, and to that program's check; see handover.h.
 * The names are none that the configuration reads. */
#define ENV_HANDOVER "_GATEHOUSE_HANDOVER"
#define ENV_HELD     "_GATEHOUSE_HELD"

#endif
