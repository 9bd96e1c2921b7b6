#!/usr/bin/env python3
"""What has ended stays ended, however close the next request follows: 10,000 logouts, each followed by a
verification on another connection; logins and refreshes against a password change, against the
disabling of their user and against the end of all their sessions."""
from figures import attack, number
from flows import run_flows


def run(_, figures):
    count = number("ROUNDS", 10000)
    passed = run_flows("test_races.py", GATEHOUSE_RACE_ROUNDS=count)
    figures.note(f"{count} logouts, 0 verified after one")
    figures.must("tests passed (password change, disabling, end of all)", *passed)


if __name__ == "__main__":
    attack(run)
