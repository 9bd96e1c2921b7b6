#!/usr/bin/env python3
"""10,000 malformed connections to the raw socket of each pool, and peers that stall: the flow test that
`./dev test` runs with fewer."""
from figures import attack, number
from flows import run_flows


def run(site, figures):
    count = number("CONNECTIONS", 10000)
    workers = site.workers()
    passed = run_flows("test_hostile.py", GATEHOUSE_HOSTILE_CONNECTIONS=count)
    figures.note(f"2 x {count} malformed connections")
    figures.must("tests passed (no wrong yes, a good request is answered)", *passed)
    figures.must("workers lost", len(set(workers) - set(site.workers())))


if __name__ == "__main__":
    attack(run)
