"""What a run has shown, as tables, and what it had to show."""

import pathlib
import platform
import re
import statistics

from stage import CLASSIC_WORKERS, CORES, run

EACH, KEEP = "a connection each", "kept connections"
BARE, OURS, PROFILE = "bare + HS256 + Redis", "/auth/verify", "/auth/profile"
PHP, FASTIFY, LUA = "PHP-FPM + phpredis", "Fastify + ioredis", "Lua in nginx"
PSS_LIMIT = 24 * 1024  # KiB, of the workers and the master
FLOOD_LIMIT = 2.0      # times the p99 without it

# Ours, its way, theirs, their way, and how many times theirs it must be.
TARGETS = (
    (OURS, EACH, BARE, EACH, 1.3),
    (OURS, KEEP, BARE, KEEP, 1.5),
    ("static file behind /auth/verify", EACH, "static file behind bare", EACH, 1.25),
    (OURS, EACH, f"{PHP}, verify", EACH, 2.4),
    (OURS, KEEP, f"{PHP}, verify", KEEP, 3.0),
    (OURS, EACH, f"{FASTIFY}, verify", EACH, 1.7),
    (OURS, KEEP, f"{FASTIFY}, verify", KEEP, 1.7),
    (OURS, KEEP, f"{LUA}, verify", EACH, 0.95),
    ("static file, yes kept for a second", EACH, f"{LUA}, verify", EACH, 1.0),
    ("/auth/verify, RS256", KEEP, "/auth/verify, HS256", KEEP, 0.97),
    ("/auth/verify, ES256", KEEP, "/auth/verify, HS256", KEEP, 0.97),
    (PROFILE, EACH, f"{PHP}, profile", EACH, 1.5),
    (PROFILE, KEEP, f"{PHP}, profile", KEEP, 1.5),
    (PROFILE, EACH, f"{FASTIFY}, profile", EACH, 1.5),
    (PROFILE, KEEP, f"{FASTIFY}, profile", KEEP, 1.5),
)
SLOW_DISK = ", a commit takes 20 ms"
LOGIN_TARGETS = {("cost 4", "php"): 1.25, ("cost 4", "fastify"): 1.25, ("cost 10", "crypt"): 0.97,
                 ("cost 10" + SLOW_DISK, "crypt"): 0.9}


def ratios(ours, theirs):
    """Round by round: what slows the machine for a while slows both."""
    return [a / b for a, b in zip(ours, theirs)]


def of(contestant, name):
    return [getattr(result, name) for result in contestant.results]


def mark(good):
    return "pass" if good else "MISS"


def comparisons(contestants):
    """(what it says, the rounds' ratios, target) of each pair that was measured."""
    found = {(c.name, c.way): c for c in contestants}
    for ours, way, theirs, their_way, target in TARGETS:
        if (ours, way) in found and (theirs, their_way) in found:
            yield (f"{ours} ({way[:4]}) / {theirs}",
                   ratios(of(found[ours, way], "rate"), of(found[theirs, their_way], "rate")), target)


def login_comparisons(logins):
    for result in logins:
        rates = result["rates"]
        for name in rates:
            if name != "gatehouse":
                yield (f"login, {result['name']} / {name}",
                       ratios(rates["gatehouse"], rates[name]),
                       LOGIN_TARGETS.get((result["name"], name)))


def flood_ratio(flood, to):
    """to: "alone", or "crypt": processors that are as busy, with hashing at the same priority and
    nothing else.  What is more than the former but not than the latter is the machine's part."""
    return statistics.median(flood["flood"]) / statistics.median(flood[to])


def missed(report, contestants):
    """The names of missed targets."""
    for name, each, target in (*comparisons(contestants), *login_comparisons(report["logins"])):
        if target and statistics.median(each) < target:
            yield name
    for name, m in report["memory"].items():
        if name.startswith("gatehouse as") and m["kib"] >= PSS_LIMIT:
            yield f"memory: {name}"
    if report["flood"] and all(flood_ratio(report["flood"], to) > FLOOD_LIMIT
                               for to in ("alone", "crypt")):
        yield "p99 of verification under a flood of logins"


def print_machine(report):
    connections = report["connections"]
    print(f"machine   {report['machine']}, {report['date']}")
    print(f"          load average before: {report['load']:.2f}"
          + (": too busy for figures that mean something" if report["load"] > CORES / 4 else ""))
    print(f"software  {report['software']}")
    print(f"load      wrk, 1 thread, {connections[EACH]} clients ({connections[KEEP]} for kept "
          f"connections); nginx with {CORES} workers")
    print(f"bare      {CLASSIC_WORKERS} processes, one connection at a time: "
          f"so that nobody starves,\n          {connections[KEEP]} clients where connections "
          f"are kept, for any contestant")
    for name in report["missing"]:
        print(f"left out  {name}")


def print_rates(contestants, way):
    print(f"\n{'through nginx: ' + way:<42}{'req/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'cpu us':>8}"
          f"{'ratio':>7}{'bytes':>7}")
    by_name = {c.name: c for c in contestants if c.way == way}
    for c in by_name.values():
        median = {name: statistics.median(of(c, name)) for name in ("rate", "p50", "p99", "cpu")}
        ratio = statistics.median(ratios(of(c, "rate"), of(by_name[BARE], "rate")))
        print(f"  {c.name:<40}{median['rate']:>9,.0f}{median['p50']:>8.2f}{median['p99']:>8.2f}"
              f"{median['cpu']:>8.0f}{ratio:>7.2f}{c.answer_bytes:>7}")


def print_comparisons(title, rows):
    print(f"\n{title:<62}{'ratio':>6}{'range':>12}  target")
    for name, each, target in rows:
        ratio = statistics.median(each)
        goal = f"{target:.2f} {mark(ratio >= target)}" if target else ""
        print(f"  {name:<60}{ratio:>6.2f}{f'{min(each):.2f}-{max(each):.2f}':>12}  {goal}".rstrip())


def print_logins(logins):
    print(f"\n{'logins a second':<33}" + "".join(f"{n:>12}" for n in logins[0]["rates"])
          + "    processor, ms a login of gatehouse's")
    for result in logins:
        rates = "".join(f"{statistics.median(r):>12,.1f}" for r in result["rates"].values())
        cpu = ", ".join(f"{name} {statistics.median(ms):.2f}"
                        for name, ms in result["cpu_ms"].items() if ms)
        print(f"  {result['name']:<31}{rates}".ljust(33 + 12 * len(logins[0]["rates"])) + f"    {cpu}")


def print_flood(flood):
    print(f"\n{'verification at half its rate, four times the logins':<62}{'ratio':>6}{'':>12}  target")
    with_it = statistics.median(flood["flood"])
    for to, name in (("alone", "alone"), ("crypt", "beside crypt(3) alone")):
        ratio = flood_ratio(flood, to)
        print(f"  p99 {with_it:.2f} ms to {statistics.median(flood[to]):.2f} {name}".ljust(62)
              + f"{ratio:>6.2f}{'':>12}  {FLOOD_LIMIT:.2f} {mark(ratio <= FLOOD_LIMIT)}")
    print(f"  logins in all: {sum(flood['logins'])} good, {sum(flood['refused'])} refused (503)")


def print_memory(memory):
    print(f"\n{'memory after the load (PSS)':<42}{'processes':>10}{'MiB':>9}  target")
    for name, m in memory.items():
        good = m["kib"] < PSS_LIMIT
        target = (f"< {PSS_LIMIT // 1024} MiB {mark(good)}" if name.startswith("gatehouse as")
                  else "")
        print(f"  {name:<40}{m['workers']:>10}{m['kib'] / 1024:>9.1f}  {target}".rstrip())


def print_report(report, contestants):
    print_machine(report)
    for way in (EACH, KEEP):
        print_rates(contestants, way)
    print_comparisons("what it has to show", list(comparisons(contestants)))
    if report["logins"]:
        print_logins(report["logins"])
        print_comparisons("logins", list(login_comparisons(report["logins"])))
    if report["flood"]:
        print_flood(report["flood"])
    print_memory(report["memory"])


def machine():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return (f"{CORES} cores, {model.group(1) if model else platform.machine()}, "
            f"{int(memory.group(1)) / 2**20:.0f} GiB, Linux {platform.release()}")


def software():
    versions = [f"{p} {run('pkg-config', '--modversion', p).strip()}"
                for p in ("fcgi", "libjwt", "hiredis", "libcrypt")]
    redis = re.search(r"v=(\S+)", run("redis-server", "--version")).group(1)
    return f"{', '.join(versions)}, redis {redis}"
