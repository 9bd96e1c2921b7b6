"""The scripts that Redis runs for us, by themselves: each leaves the same when it is run twice, and an old word
that comes late changes nothing."""
import re
from pathlib import Path

import pytest

LUA = Path(__file__).resolve().parents[2] / "src/store/lua"
SID, PREFIX, WRITER = "ab" * 32, "test-scripts:", "0123456789abcdef"


@pytest.fixture(name="keys")
def fixture_keys(redis):
    yield lambda *parts: [PREFIX + part for part in parts]
    for key in redis.scan_iter(PREFIX + "*"):
        redis.delete(key)


def text_of(name):
    """As tools/embed.sh puts it together."""
    return re.sub(r"(?m)^-- include (\S+)$",
                  lambda part: (LUA / "part" / part[1]).read_text(encoding="utf-8"),
                  (LUA / f"{name}.lua").read_text(encoding="utf-8"))


def run(redis, name, keys, *words):
    return redis.eval(text_of(name), len(keys), *keys, *words)


def ending(redis, name, keys, *words):
    """Of one that moves the mark: what it answers behind that."""
    answer = run(redis, name, [PREFIX + "marks", *keys], WRITER, *words)
    return answer[2:] if name != "session_open" else answer[1:]


def opened(redis, keys, version=1):
    names = keys("session:" + SID, "refresh:" + SID, "user_sessions:7", "user_changed:7")
    ending(redis, "session_open", names, SID, "7", "7\ta@b.example\t\t\t", "", 60000, 600000, 60000,
           "family", "current", version, 100, PREFIX)
    return names


def refresh_keys(keys):
    return keys("refresh:" + SID, "session:" + SID, f"refresh_spent:{SID}:current")


def test_refresh_asked_once_more_without_a_grace(redis, keys):
    opened(redis, keys)
    names, rest = refresh_keys(keys), [60000, 60000, 0, PREFIX, SID]
    for _ in range(2):
        assert ending(redis, "session_refresh", names, "family", "current", "next", "nonce",
                      *rest)[:2] == ["rotated", "nonce"]
    assert ending(redis, "session_refresh", names, "family", "current", "other", "n2",
                  *rest) == ["reused", "7"]
    assert redis.exists(*names) == 0


def test_no_refresh_after_the_end(redis, keys):
    opened(redis, keys)
    names = refresh_keys(keys)
    seconds, microseconds = redis.time()
    redis.hset(names[0], "end", seconds * 1000 + microseconds // 1000 - 1)
    assert ending(redis, "session_refresh", names, "family", "current", "next", "nonce", 60000, 60000, 0,
                  PREFIX, SID) == ["unknown"]
    assert redis.hget(names[0], "current") == "current"


def test_what_is_kept_is_kept_until_the_successor_is_used(redis, keys):
    opened(redis, keys)
    names = refresh_keys(keys)
    spent, rest = names[2], [60000, 60000, 1, PREFIX, SID]
    ending(redis, "session_refresh", names, "family", "current", "next", "nonce", *rest)
    keep = [names[0], spent], "current", "next", "nonce", 100000
    assert run(redis, "session_refresh_keep", *keep) == 1
    assert redis.pttl(spent) > 60000
    answer = ending(redis, "session_refresh", names, "family", "current", "x", "y", *rest)
    assert answer[:2] == ["rotated", "nonce"] and answer[-1] == 1
    ending(redis, "session_refresh", names[:2] + keys(f"refresh_spent:{SID}:next"), "family", "next",
           "third", "n3", *rest)
    assert redis.pttl(spent) <= 1
    # A word that comes late.
    assert run(redis, "session_refresh_keep", *keep) == 0
    assert redis.pttl(spent) <= 1 and redis.hget(names[0], "kept") is None


def test_a_touch_brings_nothing_back(redis, keys):
    assert run(redis, "session_touch", keys("session:" + SID, "refresh:" + SID), 60000, PREFIX, SID) == 0
    assert list(redis.scan_iter(PREFIX + "*")) == []


@pytest.mark.parametrize("by_sweep", [False, True])
def test_the_older_of_two_changes_that_comes_late_changes_nothing(redis, keys, by_sweep):
    session, refresh, index, changed = opened(redis, keys)

    def rename(who, version):
        if not by_sweep:
            ending(redis, "sessions_rename", [index, changed], PREFIX, who, version, 60000)
            return
        cursor = None
        while cursor != "0":
            cursor, _ = ending(redis, "sessions_sweep", [index], PREFIX, "7", cursor or "0", "", who,
                               version)
    for who, version, left in (("third", 3, "third"), ("second", 2, "third"), ("fourth", 4, "fourth")):
        rename(who, version)
        assert [redis.hget(name, "who") for name in (session, refresh)] == [left] * 2


def test_a_sweep_passes_over_what_is_none_of_ours(redis, keys):
    *_, index, _ = opened(redis, keys)
    redis.set(PREFIX + "session:" + "cd" * 32, "no hash")
    cursor, ended = "0", 0
    while True:
        cursor, some = ending(redis, "sessions_sweep", [index], PREFIX, "7", cursor, "", "", 0)
        ended += some
        if cursor == "0":
            break
    assert ended == 1 and redis.exists(PREFIX + "session:" + "cd" * 32) == 1


def went_back(redis, mark, since, forget=1):
    """Until its last page; how many records were ended."""
    cursor, ended, pages = None, 0, 0
    while cursor != "0":
        assert redis.hget(PREFIX + "marks", "writer") is None
        cursor, some = run(redis, "went_back", [PREFIX + "marks"], PREFIX, "writer", mark, forget, since,
                           cursor or "0")
        ended, pages = ended + some, pages + 1
    return ended, pages


def test_went_back_marks_itself_at_the_end_alone(redis, keys):
    marks, = keys("marks")
    for number in range(5000):
        redis.set(f"{PREFIX}others:{number}", "x")
    _, pages = went_back(redis, 77, 1000)
    assert pages > 1
    assert (redis.hget(marks, "writer"), redis.hget(marks, "swept")) == ("77", "1000")


@pytest.mark.parametrize("began, left", [(-1, False), (0, True), (3600000, False)])
def test_what_began_since_is_kept_and_nothing_that_says_it_is_to_come(redis, keys, began, left):
    session, refresh, index, _ = opened(redis, keys)
    seconds, _ = redis.time()
    for name in (session, refresh):
        redis.hset(name, "created", seconds * 1000 + began)
    ended, _ = went_back(redis, 77, seconds * 1000000)
    assert ended == (0 if left else 2)
    assert redis.exists(session, refresh) == (2 if left else 0)
    assert redis.zcard(index) == (1 if left else 0)


def test_a_mark_is_never_set_back(redis, keys):
    marks, = keys("marks")
    redis.hset(marks, "writer", "99")
    run(redis, "went_back", [marks], PREFIX, "writer", 77, 0, 0, "0")
    assert redis.hget(marks, "writer") == "99"


def test_a_limit_from_the_future_waits_for_one_period(redis, keys):
    name, = keys("ratelimit:refresh_address:x")
    redis.set(name, (redis.time()[0] + 36000) * 10 ** 6)
    allowed, remaining, wait, _ = run(redis, "limit", [name], 2, 1000, 1)
    assert (allowed, remaining) == (0, 0) and 0 < wait <= 1000, wait
