"""What an answer costs, counted: numbers that no noise of the machine touches.

A budget is what was counted on Debian 12 (amd64, gcc -O2) and a seventh more, for processors on which
libraries choose other code.  Who goes over it has made every request dearer: take that back, or raise
the number here and say in the commit what is worth it.  costs.py shows where the instructions go.
"""
from pathlib import Path

import pytest

import costs

INSTRUCTIONS = {
    "verify, access token": 35_500,
    "verify, session token": 22_500,
    "verify, cookie": 22_900,
    "verify, a connection each": 34_500,
    "verify, refused": 35_000,
    "profile": 89_000,
    "refresh": 333_000,
}
VERIFICATIONS = [kind for kind in INSTRUCTIONS if kind.startswith("verify") and "refused" not in kind]
# The wait, the request, the question to Redis and its answer, the answer.
SYSTEM_CALLS = {"epoll_wait": 1, "recvfrom": 1, "sendto": 2, "read": 1}
# Not a call into the kernel: the time is read from memory.  Valgrind alone makes one of it.
FREE = {"clock_gettime"}


@pytest.fixture(scope="module", name="counts")
def fixture_counts(site):
    if b"__asan_init" in Path(site.env["BIN_DIR"], "gatehouse").read_bytes():
        # The plain build is counted by every other run.
        pytest.skip("valgrind cannot run a build with AddressSanitizer")
    return costs.count_all(site)


@pytest.mark.parametrize("kind", INSTRUCTIONS)
def test_instructions(counts, kind):
    # Far below, something else was counted.
    assert INSTRUCTIONS[kind] / 2 < counts[kind].instructions < INSTRUCTIONS[kind]


@pytest.mark.parametrize("kind", VERIFICATIONS)
def test_a_verification_allocates_nothing(counts, kind):
    assert counts[kind].allocations == 0, counts[kind].calls


@pytest.mark.parametrize("kind", VERIFICATIONS)
def test_a_token_is_verified_once(counts, kind):
    assert counts[kind].calls["token_verify"] == 0
    assert counts[kind].calls["api_serve"] == pytest.approx(1)


@pytest.mark.parametrize("kind", ["verify, access token", "verify, session token", "verify, cookie"])
def test_system_calls(counts, kind):
    """Of requests that come one by one; now and then one comes in two pieces under valgrind."""
    made = {call: count for call, count in counts[kind].system_calls.items()
            if call not in FREE and count > 0.1}
    assert made == pytest.approx(SYSTEM_CALLS, abs=0.1)


# Functions that are called for the sake of metrics; clock_mono_us is called by metrics_clock alone.
COUNTING = ("clock_mono_us", "routes_index", "routes_verify", "reply_status_index")


@pytest.mark.parametrize("kind", VERIFICATIONS)
def test_counting_costs_little(counts, kind):
    """Two in a hundred at most, of what the worker itself does: what the kernel does for it comes on top,
    so the share of the time is less.  ./dev bench metrics measures that, on an idle machine."""
    spent = sum(count for function, count in counts[kind].functions.items()
                if function.startswith("metrics_") or function in COUNTING)
    assert 50 < spent < 0.02 * counts[kind].instructions
