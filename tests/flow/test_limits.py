"""Abuse limits: what is counted, for whom, and what the refusal looks like.

Every test begins with nothing counted.  Users are added by the command line, which no limit counts.
"""
import hashlib
import re

import pytest

from gate import (PASSWORD, PRIVATE, Login, alive, at_once, basic, fresh_email, fresh_name, granted,
                  refused, run_instance, shows_user, wait_until)
from test_introspect import Client

ACCOUNT, FAILURES, ADDRESS, REGISTER, REFRESH, CLIENT, PROFILE = 3, 9, 20, 4, 5, 4, 3
MINUTE, HOUR = 60, 3600
WRONG = "not the password"


@pytest.fixture(scope="module")
def limited_instance():
    yield from run_instance(limit__enabled="yes", limit__login_account=f"{ACCOUNT}/1m",
                            limit__login_address=f"{ADDRESS}/1m",
                            limit__login_failures=f"{FAILURES}/1h",
                            limit__client_address=f"{CLIENT}/1m",
                            limit__profile_user=f"{PROFILE}/1m",
                            limit__register_address=f"{REGISTER}/1h",
                            limit__refresh_address=f"{REFRESH}/1m", password__cost="4")


@pytest.fixture(scope="module")
def limited_site(limited_instance):
    return limited_instance.site()


def counts(site):
    return list(site.redis.scan_iter(site.key("ratelimit", "*"), count=1000))


def places(site):
    return list(site.redis.scan_iter(site.key("login_known", "*"), count=1000))


def forget(site):
    """Nothing was tried yet, and nobody has signed in from anywhere."""
    for name in counts(site) + places(site):
        site.redis.delete(name)


@pytest.fixture
def limited(limited_site):
    """The site, with nothing counted yet."""
    forget(limited_site)
    return limited_site


@pytest.fixture
def person(limited):
    return limited.add_user()


def too_many(answer, most=MINUTE):
    """Refused at present; how many seconds to wait."""
    body = refused(answer, "rate_limited")
    assert body["error"] == "Too many requests"
    value = answer.headers["Retry-After"]
    assert value.isascii() and value.isdigit(), value
    assert 1 <= int(value) <= most, value
    return int(value)


def guess(site, email, count=ACCOUNT):
    """Wrong passwords that are looked at; with the default count the next one is not."""
    for _ in range(count):
        refused(login(site, email, WRONG), "invalid_credentials")


def login(site, email, password=PASSWORD, **options):
    return site.post("/login", {"email": email, "password": password}, **options)


def change_password(client, old):
    return client.site.post("/password", {"oldPassword": old, "newPassword": PASSWORD + "!"},
                            token=client.access)


# Logins for one account.


def test_guesses_for_one_account(limited, person):
    guess(limited, person.email)
    too_many(person.try_login(WRONG))
    too_many(person.try_login(WRONG))


def test_guesses_sent_at_once(limited, person):
    answers = at_once(ACCOUNT * 3, lambda _: login(limited, person.email, WRONG))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [401] * ACCOUNT + [429] * ACCOUNT * 2


def without_id(answer):
    """What a client may learn: the body, and the headers but for ids and times."""
    headers = {name: value for name, value in answer.headers.items()
               if name not in ("X-Request-Id", "RateLimit", "Date", "Retry-After")}
    left = [(name, left) for name, left, _ in limits_of(answer) if name != "login_address"]
    return answer.content.replace(answer.headers["X-Request-Id"].encode(), b""), headers, left


def limits_of(answer):
    """[(name, how many are left, until all are)] of RateLimit; it has the names of its policy."""
    policy = re.findall(r'"(\w+)";q=(\d+);w=(\d+)(?:, |$)', answer.headers["RateLimit-Policy"])
    state = re.findall(r'"(\w+)";r=(\d+);t=(\d+)(?:, |$)', answer.headers["RateLimit"])
    assert [item[0] for item in policy] == [item[0] for item in state] != []
    for (_, count, period), (_, left, seconds) in zip(policy, state):
        assert int(left) <= int(count) and int(seconds) <= int(period)
    return [(name, int(left), int(seconds)) for name, left, seconds in state]


def test_an_unknown_account_is_limited_alike(limited, person):
    """Or the limit would tell who has an account."""
    nobody = fresh_email()
    for _ in range(ACCOUNT):
        known, unknown = person.try_login(WRONG), login(limited, nobody, WRONG)
        assert known.status_code == unknown.status_code == 401
        assert without_id(known) == without_id(unknown)
    known, unknown = person.try_login(WRONG), login(limited, nobody, WRONG)
    too_many(known)
    too_many(unknown)
    assert without_id(known) == without_id(unknown)
    assert list(known.headers) == list(unknown.headers)


def elsewhere(site, number=2):
    return site.seen_from(f"127.0.0.{number}")


def flood(site, email, addresses=range(2, 12), count=ACCOUNT):
    """Guesses from many addresses, until none of them is looked at; how many were."""
    answers = [login(elsewhere(site, number), email, WRONG)
               for number in addresses for _ in range(count)]
    too_many(answers[-1], HOUR)
    return sum(answer.status_code == 401 for answer in answers)


# The owner of an account that strangers guess at.


def test_the_owner_gets_in_while_strangers_guess(limited, person):
    granted(person.try_login())
    assert flood(limited, person.email) == ACCOUNT
    for _ in range(ACCOUNT * 2):
        granted(person.try_login())
    # From elsewhere even the right password is not looked at.
    too_many(login(elsewhere(limited), person.email))
    too_many(login(elsewhere(limited, 200), person.email))


def test_the_owner_mistypes_while_strangers_guess(limited, person):
    """Whoever shares the owner's address is not told more than a stranger."""
    granted(person.try_login())
    nobody = fresh_email()
    flood(limited, person.email)
    flood(limited, nobody, range(12, 22))
    known, unknown = person.try_login(WRONG), login(limited, nobody, WRONG)
    too_many(known)
    assert without_id(known) == without_id(unknown)
    granted(person.try_login())


def test_a_known_address_may_not_guess_for_ever(limited, person):
    granted(person.try_login())
    guess(limited, person.email)
    too_many(person.try_login(WRONG))
    too_many(person.try_login())
    # It has used up nothing but its own.
    guess(elsewhere(limited), person.email)
    too_many(login(elsewhere(limited), person.email, WRONG))


def test_a_known_address_is_limited_like_any_other(limited, person):
    """Or the limit would tell an address's other users who signs in from there."""
    granted(person.try_login())
    nobody = fresh_email()
    for _ in range(ACCOUNT):
        known, unknown = person.try_login(WRONG), login(limited, nobody, WRONG)
        assert known.status_code == unknown.status_code == 401
        assert without_id(known) == without_id(unknown)
    known, unknown = person.try_login(WRONG), login(limited, nobody, WRONG)
    too_many(known)
    assert without_id(known) == without_id(unknown)


def test_an_address_is_known_by_both_names(limited):
    name, email = fresh_name(), fresh_email()
    limited.ctl_ok("user", "add", email, "--username", name, stdin=PASSWORD + "\n")
    granted(login(limited, email.upper()))
    for number in range(2, 8):
        elsewhere(limited, number).post("/login", {"username": name, "password": WRONG})
    body = {"username": name.upper(), "password": PASSWORD}
    too_many(elsewhere(limited).post("/login", body))
    granted(limited.post("/login", body))


def test_a_wrong_password_makes_no_address_known(limited, person):
    guess(limited, person.email, ACCOUNT - 1)
    limited.disable(person.email)
    refused(person.try_login(), "invalid_credentials")
    assert not places(limited)
    too_many(person.try_login())


def known_key(site, account):
    return site.key("login_known", digest(account))


def test_an_address_is_forgotten(limited, person):
    granted(person.try_login())
    name = known_key(limited, person.email)
    (place, when), = limited.redis.zrange(name, 0, -1, withscores=True)
    assert 89 * 86400 < limited.redis.ttl(name) <= 90 * 86400
    flood(limited, person.email)
    granted(person.try_login())
    limited.redis.zadd(name, {place: when - 90 * 86400 * 1000 - 60000})
    too_many(person.try_login())


def test_not_every_address_is_remembered(limited, person):
    name = known_key(limited, person.email)
    granted(login(elsewhere(limited), person.email))
    limited.redis.zadd(name, {str(number): number + 2 * 10 ** 12 for number in range(40)})
    granted(person.try_login())
    assert limited.redis.zcard(name) == 32
    assert "0" not in limited.redis.zrange(name, 0, -1)


def test_no_limits_no_memory(site, user):
    user.login()
    assert not places(site) and not counts(site)


def test_many_addresses_at_one_account(limited, person):
    """What counts is the account, not who guesses; an account that is not there counts alike."""
    granted(person.try_login())
    everywhere = range(2, 102)
    assert flood(limited, person.email, everywhere, 3) == ACCOUNT
    assert flood(limited, fresh_email(), everywhere, 3) == ACCOUNT
    granted(person.try_login())


def test_an_account_is_slowed_down_further(limited, person):
    for _ in range(FAILURES // ACCOUNT):
        guess(elsewhere(limited), person.email)
        limited.redis.delete(account_key(limited, person.email))
    answer = login(elsewhere(limited), person.email)
    assert too_many(answer, HOUR // FAILURES + 1) > MINUTE
    assert [left for name, left, _ in limits_of(answer) if name == "login_failures"] == [0]
    # Never for good: once time has passed there is a next try.
    limited.redis.delete(limited.key("ratelimit", "login_failures", digest(person.email)))
    granted(login(elsewhere(limited), person.email))


def test_the_right_password_forgives_in_the_long_run_too(limited, person):
    guess(elsewhere(limited), person.email, ACCOUNT - 1)
    granted(login(elsewhere(limited), person.email))
    assert not limited.redis.exists(limited.key("ratelimit", "login_failures",
                                                digest(person.email)))


def test_what_an_address_may_not_try_costs_no_account(limited, person):
    """Or one address could close as many accounts as it likes."""
    limited.redis.set(limited.key("ratelimit", "login_address", "127.0.0.1"),
                      full(limited), px=MINUTE * 1000)
    for _ in range(ACCOUNT * 2):
        too_many(person.try_login(WRONG))
    assert not limited.redis.exists(account_key(limited, person.email))
    granted(login(elsewhere(limited), person.email))


# Changes of a profile.


def test_changes_of_a_profile_are_counted_for_the_user(limited):
    one, other = limited.add_user(), limited.add_user()
    login = one.login()

    def change(token=login.access, name="Ada"):
        return limited.patch("/profile", {"displayName": name}, token=token)
    for number in range(PROFILE):
        granted(change(name=f"Ada {number}"))
    too_many(change())
    too_many(change(token=one.login().session))
    assert granted(limited.get("/profile", token=login.access))["displayName"] == f"Ada {PROFILE - 1}"
    granted(change(token=other.login().access))


# Clients that introspect.


def test_guesses_at_a_secret(limited):
    good, other = Client(limited), Client(limited)

    def ask(client, site=limited, **options):
        client.site = site
        return client.post("/introspect", {"token": "x"}, **options)
    wrong = basic(good.id, "not the secret, but as long as one")
    for _ in range(CLIENT):
        refused(ask(good, authorization=wrong), "invalid_client")
    answer = ask(good, authorization=wrong)
    too_many(answer)
    assert limits_of(answer)[0][:2] == ("client_address", 0)
    too_many(ask(good))
    # Services at one address do not lock each other out, and nobody does from elsewhere.
    answer = ask(other)
    granted(answer)
    assert "RateLimit" not in answer.headers
    granted(ask(good, elsewhere(limited)))


def test_ids_that_nobody_has_count_as_one(limited):
    """Each of them is a row of the audit trail: nobody can write as many as they like."""
    good, stranger = Client(limited), Client(limited)

    def ask(name):
        return stranger.post("/introspect", {"token": "x"}, authorization=basic(name, "x" * 32))

    def rows():
        [[count]] = limited.sql("SELECT COUNT(*) FROM audit WHERE event = 'client_refused'")
        return count
    before = rows()
    for number in range(CLIENT):
        refused(ask(f"nobody-{number}"), "invalid_client")
    for number in range(20):
        too_many(ask(f"nobody-else-{number}"))
    wait_until(lambda: rows() - before >= CLIENT, 5)
    assert rows() - before == CLIENT
    # Nobody who has a secret is kept out by that.
    granted(good.introspect("x"))


def test_no_limit_tells_which_ids_there_are(limited):
    """An id that a client has is answered like any other, whatever was tried before."""
    one, other = Client(limited), Client(limited)

    def ask(name):
        answer = one.post("/introspect", {"token": "x"}, authorization=basic(name, "x" * 32))
        told = {name: value for name, value in answer.headers.items()
                if name not in ("X-Request-Id", "Date")}
        return answer.status_code, answer.json()["code"], told
    for tried in (["nobody"], [one.id], ["nobody", one.id], ["nobody", "another", "and-another"]):
        forget(limited)
        status, _, headers = ask(tried[0])
        assert status == 401 and not [name for name in headers if name.startswith("RateLimit")]
        for number in range(1, CLIENT):
            assert ask(tried[number % len(tried)])[0] == 401
        known, unknown = ask(other.id), ask("never-heard-of")
        assert known[:2] == unknown[:2] == (429, "rate_limited")
        assert list(known[2]) == list(unknown[2])
    # The right secret of one that was not tried itself is a good one all the while.
    granted(other.introspect("x"))


def test_right_secrets_are_not_counted(limited):
    client = Client(limited)
    for _ in range(CLIENT * 3):
        granted(client.introspect("x"))
        granted(client.revoke("x"))
    assert not counts(limited)


# What answers say of limits.


def test_answers_announce_limits(limited, person):
    names = ["login_address", "login_account", "login_failures"]
    answer = person.try_login(WRONG)
    assert [item[:2] for item in limits_of(answer)] == \
        list(zip(names, (ADDRESS - 1, ACCOUNT - 1, FAILURES - 1)))
    assert answer.headers["RateLimit-Policy"] == (
        f'"login_address";q={ADDRESS};w=60, "login_account";q={ACCOUNT};w=60, '
        f'"login_failures";q={FAILURES};w=3600')
    answer = person.try_login()
    client = Login(person, answer)
    assert [item[0] for item in limits_of(answer)] == names
    for answer in (change_password(client, WRONG), change_password(client, PASSWORD),
                   limited.delete("/profile", {"password": WRONG}, token=client.access)):
        assert [item[0] for item in limits_of(answer)] == names
    for answer in (client.refresh(), client.refresh("garbage")):
        assert limits_of(answer)[0][0] == "refresh_address"
    for answer in (register(limited, fresh_email()), register(limited, person.email)):
        assert limits_of(answer)[0][0] == "register_address"
    for answer in (limited.get("/verify", token=client.access), limited.post("/login", {}),
                   limited.get("/profile"),
                   limited.patch("/profile", {"displayName": "x"}, token=client.access)):
        assert "RateLimit" not in answer.headers and "RateLimit-Policy" not in answer.headers


def test_another_account_is_not_affected(limited, person):
    guess(limited, person.email)
    too_many(person.try_login())
    other = limited.add_user()
    granted(other.try_login())
    refused(other.try_login(WRONG), "invalid_credentials")


def test_the_right_password_begins_the_count_anew(limited, person):
    guess(limited, person.email, ACCOUNT - 1)
    granted(person.try_login())
    guess(limited, person.email)
    too_many(person.try_login(WRONG))


def test_right_logins_are_not_counted(person):
    for _ in range(ACCOUNT * 2):
        granted(person.try_login())


def test_the_right_password_is_refused_while_limited(limited, person):
    """Or the answer to a guess would still tell whether it was right."""
    guess(limited, person.email)
    too_many(person.try_login())
    limited.redis.delete(account_key(limited, person.email))
    granted(person.try_login())


def test_a_limit_ends_no_session(limited, person):
    here = person.login()
    guess(limited, person.email)
    too_many(person.try_login())
    alive(limited, here.session)
    alive(limited, here.access)


def test_an_account_is_counted_however_it_is_spelled(limited, person):
    for email in (person.email, person.email.upper(), person.email.title()):
        refused(login(limited, email, WRONG), "invalid_credentials")
    too_many(person.try_login(WRONG))


def test_a_username_is_an_account_too(limited):
    name = fresh_name()
    for _ in range(ACCOUNT):
        refused(limited.post("/login", {"username": name, "password": WRONG}),
                "invalid_credentials")
    too_many(limited.post("/login", {"username": name.upper(), "password": WRONG}))


# The password is asked for again at two routes: no place to guess in peace.


def test_a_change_of_password_counts_guesses(person):
    here = person.login()
    for _ in range(ACCOUNT):
        refused(change_password(here, WRONG), "invalid_credentials")
    too_many(change_password(here, WRONG))
    too_many(change_password(here, PASSWORD))
    too_many(person.try_login())


def test_a_change_of_password_is_limited_by_guesses_at_login(limited, person):
    here = person.login()
    guess(limited, person.email)
    too_many(change_password(here, PASSWORD))
    forget(limited)
    granted(change_password(here, PASSWORD))


def test_a_deletion_counts_guesses(limited, person):
    here = person.login()
    for _ in range(ACCOUNT):
        refused(limited.delete("/profile", {"password": WRONG}, token=here.access),
                "invalid_credentials")
    too_many(limited.delete("/profile", {"password": PASSWORD}, token=here.access))
    too_many(person.try_login())
    alive(limited, here.access)


def test_the_old_password_begins_the_count_anew(limited, person):
    here = person.login()
    guess(limited, person.email, ACCOUNT - 1)
    granted(change_password(here, PASSWORD))
    guess(limited, person.email)


# One address.


def until_limited(ask, at_least):
    """Asks until the limit is reached, not before at_least; one more may come with time."""
    answers = [ask() for _ in range(at_least)]
    assert all(answer.status_code != 429 for answer in answers), \
        [answer.status_code for answer in answers]
    for _ in range(at_least * 10):
        answer = ask()
        if answer.status_code == 429:
            return answer
    raise AssertionError("no limit")


def test_logins_from_one_address(limited, person):
    """One guess for each of many accounts; then nobody gets in from there."""
    too_many(until_limited(lambda: login(limited, fresh_email(), WRONG), ADDRESS))
    limited.redis.set(limited.key("ratelimit", "login_address", "127.0.0.1"),
                      full(limited), px=MINUTE * 1000)
    too_many(person.try_login())


def full(site):
    """The count of a limit of one minute that is used up: unused again in a minute from now."""
    seconds, microseconds = site.redis.time()
    return (seconds + MINUTE) * 1000000 + microseconds


def test_registrations(limited):
    for _ in range(REGISTER):
        shows_user(granted(register(limited, fresh_email()), 201)["user"])
    email = fresh_email()
    too_many(register(limited, email), HOUR)
    assert limited.sql("SELECT COUNT(*) FROM users WHERE email = %s", email) == ((0,),)
    forget(limited)
    granted(register(limited, email), 201)


def register(site, email, **options):
    return site.post("/register", {"email": email, "password": PASSWORD}, **options)


def test_registrations_of_a_taken_address_count(limited, person):
    """Each one tells that somebody is there."""
    for _ in range(REGISTER):
        refused(register(limited, person.email), "email_taken")
    too_many(register(limited, person.email), HOUR)


def test_refreshes(limited, person):
    client = person.login()
    token = client.refresh_token

    def refresh():
        nonlocal token
        answer = client.refresh(token)
        token = answer.json().get("refreshToken", token)
        return answer
    too_many(until_limited(refresh, REFRESH))
    # The refusal has not spent it.
    forget(limited)
    granted(client.refresh(token))
    alive(limited, client.session)


def test_refreshes_with_garbage_count(person):
    client = person.login()
    too_many(until_limited(lambda: client.refresh("garbage"), REFRESH))
    too_many(client.refresh())


def test_limits_are_apart(limited, person):
    """Who may not register may log in, and who may not log in may refresh."""
    limited.redis.set(limited.key("ratelimit", "register_address", "127.0.0.1"),
                      full(limited) + (HOUR - MINUTE) * 1000000, px=HOUR * 1000)
    too_many(register(limited, fresh_email()), HOUR)
    client = person.login()
    guess(limited, person.email)
    too_many(person.try_login())
    granted(client.refresh())


def test_checks_are_never_limited(limited, person):
    """A page brings one for each picture on it; they come from everywhere at any rate."""
    client = person.login()
    guess(limited, person.email)
    too_many(person.try_login())
    before = {name: limited.redis.get(name) for name in counts(limited)}
    for _ in range(ADDRESS * 3):
        granted(limited.get("/verify", token=client.access), 204)
        refused(limited.get("/verify", token="garbage"), "token_invalid")
        refused(limited.get("/verify"), "token_missing")
    assert limited.raw("GET", PRIVATE, headers={"Authorization": "Bearer " + client.access}).ok
    assert {name: limited.redis.get(name) for name in counts(limited)} == before


# Whose address it is.


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP",
                                  "Remote-Addr", "True-Client-IP"])
def test_a_client_cannot_name_its_address(limited, name):
    for number in range(REGISTER):
        granted(register(limited, fresh_email(), headers={name: address(name, number)}), 201)
    too_many(register(limited, fresh_email(), headers={name: address(name, 250)}), HOUR)
    assert counts(limited) == [limited.key("ratelimit", "register_address", "127.0.0.1")]


def address(header, number):
    text = f"198.51.100.{number}"
    return "for=" + text if header == "Forwarded" else text


# What is kept.


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def account_key(site, account):
    return site.key("ratelimit", "login_account", digest(account))


def test_what_redis_keeps(limited, person):
    name, email = fresh_name(), fresh_email()
    client = person.login()
    granted(client.refresh())
    refused(person.try_login(WRONG), "invalid_credentials")
    refused(limited.post("/login", {"username": name, "password": WRONG}), "invalid_credentials")
    granted(register(limited, email), 201)
    addresses = {limited.key("ratelimit", limit, "127.0.0.1")
                 for limit in ("login_address", "register_address", "refresh_address")}
    place = digest("127.0.0.1 " + person.email)
    accounts = {limited.key("ratelimit", limit, subject)
                for limit in ("login_account", "login_failures")
                for subject in (digest(person.email) + ":" + place, digest(name))}
    assert set(counts(limited)) == addresses | accounts
    assert places(limited) == [known_key(limited, person.email)]
    assert limited.redis.zrange(places(limited)[0], 0, -1) == [place]
    for key in addresses | accounts:
        assert 0 < limited.redis.pttl(key) <= HOUR * 1000, key
        value = limited.redis.get(key)
        assert value.isdigit()
        assert not [text for text in (person.email, email, name, "@", WRONG)
                    if text in key or text in value]


def test_a_key_lives_as_long_as_its_count(limited, person):
    guess(limited, person.email, 1)
    once = limited.redis.pttl(account_key(limited, person.email))
    guess(limited, person.email, ACCOUNT - 1)
    used_up = limited.redis.pttl(account_key(limited, person.email))
    assert 0 < once <= MINUTE * 1000 / ACCOUNT
    assert once < used_up <= MINUTE * 1000


def test_a_key_from_the_future_is_no_more_than_a_full_count(limited, person):
    """The clock of Redis's host was set back: nobody is locked out for as long as that."""
    limited.redis.set(account_key(limited, person.email), full(limited) + 10 ** 15,
                      px=MINUTE * 1000)
    too_many(person.try_login())


@pytest.mark.parametrize("words,stdin", [(["passwd"], PASSWORD + "\n"), (["enable"], "")],
                         ids=["passwd", "enable"])
def test_an_administrator_lets_the_owner_in_again(limited, words, stdin):
    """… by either name, from a place that is known and for one that is not."""
    username = fresh_name()
    owner = limited.register(username=username)
    granted(owner.try_login())

    def tries():
        return [owner.try_login(), limited.post("/login", {"username": username, "password": PASSWORD})]
    for _ in range(ACCOUNT):
        refused(owner.try_login(WRONG), "invalid_credentials")
        refused(limited.post("/login", {"username": username, "password": WRONG}), "invalid_credentials")
    for key in (account_key(limited, owner.email), account_key(limited, username)):
        limited.redis.set(key, full(limited), px=MINUTE * 1000)  # strangers have guessed, too
    for answer in tries():
        too_many(answer)
    limited.ctl_ok("user", *words, owner.email, stdin=stdin)
    assert [key for key in counts(limited) if ":login_a" in key and "address" not in key] == []
    for answer in tries():
        granted(answer)
