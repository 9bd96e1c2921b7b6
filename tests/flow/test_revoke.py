"""POST /revoke and gatehousectl token revoke: what ends, and what goes on."""
import hmac
import json
import os
import secrets

import pytest

from gate import SigningKey, alive, b64, claims_of, dead, granted, header_of, refused
from test_introspect import Client, is_dead


@pytest.fixture(scope="session")
def client(site):
    return Client(site)


def done(answer):
    assert granted(answer) == {}


@pytest.mark.parametrize("kind", ["session", "refresh_token"])
def test_the_session_ends(site, client, user, kind):
    login, other = user.login(), user.login()
    done(client.revoke(getattr(login, kind)))
    dead(site, login.access)
    dead(site, login.session)
    refused(login.refresh(), "refresh_invalid")
    alive(site, other.access)
    # Again: it is dead, as was wished.
    done(client.revoke(getattr(login, kind)))


def test_an_access_token_ends_alone(site, client, login):
    done(client.revoke(login.access))
    dead(site, login.access, "token_revoked")
    alive(site, login.session)
    successor = granted(login.refresh())
    alive(site, successor["accessToken"])
    done(client.revoke(login.access))
    left = site.redis.pttl(site.key("blacklist", claims_of(login.access)["jti"]))
    # Another host's clock may be behind.
    assert 900 * 1000 < left <= 960 * 1000


def test_an_access_token_that_has_just_expired_is_good_where_a_clock_is_behind(site, client, login):
    key, header, claims = SigningKey(site), header_of(login.access), claims_of(login.access)
    for age, kept in ((5, True), (50, True), (70, False)):
        jti = f"expired-{age}"
        now = site.redis.time()[0]
        done(client.revoke(key.sign(header, {**claims, "jti": jti, "iat": now - 900, "exp": now - age})))
        assert (0 < site.redis.pttl(site.key("blacklist", jti)) <= 60000) == kept
    done(client.revoke(login.access + "x"))
    alive(site, login.access)


def test_a_spent_refresh_token_ends_the_session(site, client, login):
    old = login.refresh_token
    granted(login.refresh())
    done(client.revoke(old))
    dead(site, login.session)


def test_a_made_up_refresh_token_ends_nothing(site, client, login):
    token = login.refresh_token
    for at in (0, 50, 70, len(token) - 3):
        done(client.revoke(token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]))
    alive(site, login.session)
    granted(login.refresh())


def test_one_of_another_session_ends_that(site, client, user):
    first, second = user.login(), user.login()
    done(client.revoke(first.refresh_token))
    alive(site, second.session)


def test_what_is_no_token(site, client, login):
    for text in ("x", login.sid, claims_of(login.access)["jti"], login.access[:-2], "ä"):
        done(client.revoke(text, token_type_hint="refresh_token"))
    alive(site, login.access)


def test_every_worker_knows(site, client, user):
    for _ in range(20):
        login = user.login()
        done(client.revoke(login.session))
        dead(site, login.access)
        is_dead(client.introspect(login.access))


# The command line.


def test_revoke_by_hand(site, user):
    login, other = user.login(), user.login()
    said = json.loads(site.ctl_ok("--json", "token", "revoke", stdin=login.access + "\n"))
    assert said == {"revoked": "access token", "id": claims_of(login.access)["jti"]}
    dead(site, login.access, "token_revoked")
    said = json.loads(site.ctl_ok("--json", "token", "revoke", stdin=login.refresh_token + "\n"))
    assert said == {"revoked": "session", "id": login.sid}
    dead(site, login.session)
    alive(site, other.session)
    site.ctl_ok("token", "revoke", stdin=other.session + "\n")
    dead(site, other.access)


def test_revoke_by_id(site, user):
    login = user.login()
    jti = claims_of(login.access)["jti"]
    assert jti in site.ctl_ok("token", "revoke", jti)
    dead(site, login.access, "token_revoked")
    # The longest life, the longest leeway, and a clock that is behind.
    assert site.redis.pttl(site.key("blacklist", jti)) > (86400 + 60 + 60 - 50) * 1000
    alive(site, login.session)
    site.ctl_ok("token", "revoke", login.sid)
    dead(site, login.session)


def test_an_access_token_that_is_dead_already(site, user):
    """Each time why; and nothing is said of a session that goes on where nobody has looked."""
    key, login, other, name = SigningKey(site), user.login(), user.login(), os.urandom(6).hex()
    header, claims, now = header_of(login.access), claims_of(login.access), site.redis.time()[0]
    expired = [key.sign(header, {**claims, "jti": f"{name}-{age}", "iat": now - 900, "exp": now - age})
               for age in (5, 500)]
    assert "its session goes on" in site.ctl_ok("token", "revoke", stdin=login.access + "\n")
    granted(site.post("/logout", token=other.access))
    ended = key.sign(header, {**claims_of(other.access), "jti": name + "-ended"})
    for token, why in ((login.access, "it was revoked before"), (other.access, "it was revoked before"),
                       (ended, "its session has ended"), *((token, "it has expired") for token in expired)):
        said = site.ctl("token", "revoke", stdin=token + "\n")
        assert (said.returncode, said.stdout) == (1, "")
        assert f"{claims_of(token)['jti']} is dead already: {why}" in said.stderr
    # Another host's clock may be behind.
    assert site.redis.exists(site.key("blacklist", name + "-5"))
    said = site.ctl_ok("token", "revoke", name)
    assert f"{name} is revoked" in said and "session" not in said
    again = site.ctl("token", "revoke", name)
    assert again.returncode == 1 and "it was revoked before" in again.stderr


@pytest.mark.parametrize("words,stdin,code", [
    ([], "garbage\n", 1), ([], "\n", 1), (["0" * 64], "", 1), (["a b"], "", 2), (["*"], "", 2),
    (["x" * 65], "", 2), (["a", "b"], "", 2)])
def test_nothing_to_revoke(site, words, stdin, code):
    done_ = site.ctl("token", "revoke", *words, stdin=stdin)
    assert done_.returncode == code
    assert done_.stderr and not done_.stdout


def made_up(sid):
    """Well formed, with a family of our own: whoever knows a session's public id can make one."""
    family = secrets.token_bytes(16)
    bound = bytes.fromhex(sid) + family + secrets.token_bytes(32)
    return b64(bound + hmac.new(family, bound, "sha256").digest()[:16])


def test_a_well_formed_refresh_token_of_nobody_ends_nothing(site, client, login):
    assert len(made_up(login.sid)) == len(login.refresh_token)
    for token in (made_up(login.sid), made_up(login.sid)):
        is_dead(client.introspect(token))
        done(client.revoke(token))
        refused(login.refresh(token), "refresh_invalid")
        assert site.ctl("token", "revoke", stdin=token + "\n").returncode == 1
    alive(site, login.session)
    granted(login.refresh())


def test_a_revoked_token_stays_so_without_its_blacklist_key(site, client, user):
    login = user.login()
    tokens = [login.access]
    for _ in range(2):
        body = granted(login.refresh())
        login.refresh_token = body["refreshToken"]
        tokens.append(body["accessToken"])
    for token in tokens[:2]:
        done(client.revoke(token))
    for token in tokens[:2]:
        assert site.redis.delete(site.key("blacklist", claims_of(token)["jti"])) == 1
        dead(site, token, "token_revoked")
    alive(site, tokens[2])
    # The session's record is lost, and a refresh makes it anew of the refresh token's.
    assert site.redis.delete(site.key("session", login.sid)) == 1
    granted(login.refresh())
    for token in tokens[:2]:
        dead(site, token, "token_revoked")
    alive(site, tokens[2])
