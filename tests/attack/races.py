#!/usr/bin/env python3
"""What has ended stays ended, however close the next request follows: 10,000 logouts, each followed by a
verification on another connection; 2,000 times the end of all sessions, of all others, of one, and a
password change; logins and refreshes at the same time as a password change, a logout, the disabling of
their user."""
from figures import attack, number
from flows import run_flows


def run(_, figures):
    count = number("ROUNDS", 10000)
    ends = count // 5
    passed = run_flows("test_races.py", GATEHOUSE_RACE_ROUNDS=count, GATEHOUSE_RACE_ENDS=ends)
    figures.note(f"{count} logouts, {ends} each of four other ends")
    figures.must("tests passed (each without one yes after an end)", *passed)


if __name__ == "__main__":
    attack(run)
