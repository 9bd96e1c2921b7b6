"""POST /auth/password."""
import pytest

from gate import PASSWORD, alive, at_once, dead, fresh_name, granted, refused

NEW = "another horse 8 battery"


def change(login, old=PASSWORD, new=NEW, token=None):
    body = {"oldPassword": old, "newPassword": new}
    return login.site.post("/password", body, token=token or login.access)


def test_changes_the_password(user, login):
    assert granted(change(login), keys={"message"})["message"]
    refused(user.try_login(), "invalid_credentials")
    granted(user.try_login(NEW))


def test_other_sessions_end_and_this_one_goes_on(site, user):
    here, there = user.login(), user.login()
    granted(change(here))
    alive(site, here.access)
    alive(site, here.session)
    granted(here.refresh())
    dead(site, there.access)
    dead(site, there.session)
    refused(there.refresh(), "refresh_invalid")


def test_by_session_token(site, user):
    here, there = user.login(), user.login()
    granted(change(here, token=here.session))
    alive(site, here.access)
    dead(site, there.access)


def test_sessions_of_others_go_on(site, login):
    stranger = site.register().login()
    granted(change(login))
    alive(site, stranger.session)


def test_wrong_old_password_changes_nothing(site, user, login):
    other = user.login()
    refused(change(login, old="wrong password"), "invalid_credentials")
    alive(site, other.session)
    granted(user.try_login())


@pytest.mark.parametrize("new", ["", "short 7", "x" * 73, "password1", 5, None])
def test_bad_new_password(user, login, new):
    refused(change(login, new=new), "invalid_request", {"newPassword"})
    granted(user.try_login())


def test_new_password_that_is_the_email_or_the_username(site):
    name = fresh_name() + "x"
    user = site.register(username=name)
    login = user.login()
    for new in (user.email, name, name.upper() + "1985!", "(" + user.email.split("@")[0] + ")",
                "Gatehouse 2026"):
        refused(change(login, new=new), "invalid_request", {"newPassword"})


def test_yescrypt_takes_long_passwords_whole(other):
    """Where bcrypt stops at 72 bytes; the last of them counts."""
    long = "\u043b\u043e\u0448\u0430\u0434\u044c " * 40
    long = long.encode()[:500].decode(errors="ignore")
    user = other.add_user(password=long)
    (stored,), = other.sql("SELECT password_hash FROM users WHERE email = %s", user.email)
    assert stored.startswith("$y$") and len(long.encode()) >= 499
    granted(user.try_login())
    for wrong in (long[:-1], long[:-1] + "x", long + "x"):
        refused(user.try_login(wrong), "invalid_credentials")


@pytest.mark.parametrize("old", [5, None, ["x"]])
def test_old_password_of_a_wrong_type(login, old):
    refused(change(login, old=old), "invalid_request", {"oldPassword"})


def test_missing_fields(site, login):
    refused(site.post("/password", {}, token=login.access), "invalid_request",
            {"oldPassword", "newPassword"})


def test_a_disabled_user_changes_no_password(site, user):
    login = user.login()
    site.sql("UPDATE users SET disabled_at = UTC_TIMESTAMP() WHERE id = %s", user.id)
    before = site.sql("SELECT password_hash FROM users WHERE id = %s", user.id)
    refused(site.post("/password", {"oldPassword": PASSWORD, "newPassword": "another horse 9 battery"},
                      token=login.access), "invalid_credentials")
    assert site.sql("SELECT password_hash FROM users WHERE id = %s", user.id) == before


def test_of_many_changes_at_once_one_is_made(site, user):
    login = user.login()
    answers = at_once(6, lambda number: site.post("/password", {
        "oldPassword": PASSWORD, "newPassword": f"horse {number} another battery"}, token=login.access))
    made = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(made) == 1, [answer.text for answer in answers]
    for number, answer in enumerate(answers):
        if number not in made:
            refused(answer, "invalid_credentials")
    granted(user.try_login(f"horse {made[0]} another battery"))
