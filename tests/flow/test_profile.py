"""GET, PATCH and DELETE /auth/profile, and /auth/userinfo."""
import pytest

from gate import PASSWORD, at_once, dead, fresh_name, granted, refused, shows_user


@pytest.mark.parametrize("path", ["/profile", "/userinfo"])
def test_shows_the_user(site, user, login, path):
    shown = shows_user(granted(site.get(path, token=login.access)))
    assert {**shown, "lastLoginAt": None} == user.shown
    assert shown["lastLoginAt"] is not None


@pytest.mark.parametrize("at", ["2026-11-20 00:00:00", "2026-11-20 00:00:00.001", "2026-11-20 23:59:59.999",
                                "1970-01-01 00:00:00"])
def test_times_are_whole_at_any_moment(site, login, at):
    """MariaDB leaves out of a time what is zero at its end."""
    site.sql("UPDATE users SET created_at = %s WHERE id = %s", at, login.user.id)
    shown = shows_user(granted(site.get("/profile", token=login.access)))
    assert shown["createdAt"] == at[:10] + "T" + at[11:19] + "Z"


def test_login_and_profile_show_the_same_user(site, login):
    shown = granted(site.get("/profile", token=login.access))
    assert {**login.body["user"], "lastLoginAt": None} == {**shown, "lastLoginAt": None}


def change(login, **fields):
    return login.site.patch("/profile", fields, token=login.access)


def test_change_both_names(site, login):
    name = fresh_name()
    shown = shows_user(granted(change(login, username=name, displayName="Grace Hopper")))
    assert (shown["username"], shown["displayName"]) == (name, "Grace Hopper")
    assert granted(site.get("/profile", token=login.access)) == shown


def test_change_one_name_leaves_the_other(site):
    name = fresh_name()
    login = site.register(username=name, displayName="Before").login()
    shown = granted(change(login, displayName="After"))
    assert (shown["username"], shown["displayName"]) == (name, "After")


def test_null_clears(site):
    name = fresh_name()
    login = site.register(username=name, displayName="Before").login()
    shown = granted(change(login, username=None, displayName=None))
    assert (shown["username"], shown["displayName"]) == (None, None)
    site.register(username=name)  # the name is free again


def test_login_follows_the_username(site):
    old, new = fresh_name(), fresh_name()
    granted(change(site.register(username=old).login(), username=new))
    granted(site.post("/login", {"username": new, "password": PASSWORD}))
    refused(site.post("/login", {"username": old, "password": PASSWORD}), "invalid_credentials")


def test_nothing_to_change(site, login):
    before = granted(site.get("/profile", token=login.access))
    assert granted(change(login)) == before


def test_own_username_in_another_case(site):
    name = fresh_name()
    login = site.register(username=name).login()
    assert granted(change(login, username=name.upper()))["username"] == name.upper()


def test_taken_username(site, login):
    name = fresh_name()
    site.register(username=name)
    refused(change(login, username=name.upper()), "username_taken")
    assert granted(site.get("/profile", token=login.access))["username"] is None


def test_other_fields_are_ignored(site, user, login):
    shown = granted(change(login, email="new@example.org", roles=["admin"], emailVerified=True,
                           id="1", createdAt="2000-01-01T00:00:00Z"))
    assert {**shown, "lastLoginAt": None} == user.shown


@pytest.mark.parametrize("fields", [
    {"username": "ab"}, {"username": "u" * 33}, {"username": "a b c"}, {"username": 5},
    {"username": ""}, {"displayName": ""}, {"displayName": "n" * 129}, {"displayName": "a\nb"},
    {"displayName": 5}, {"username": "x", "displayName": ""},
])
def test_bad_fields(site, login, fields):
    before = granted(site.get("/profile", token=login.access))
    refused(change(login, **fields), "invalid_request", set(fields))
    assert granted(site.get("/profile", token=login.access)) == before


def test_one_bad_field_changes_nothing(site, login):
    refused(change(login, username=fresh_name(), displayName=""), "invalid_request",
            {"displayName"})
    assert granted(site.get("/profile", token=login.access))["username"] is None


def test_delete_needs_the_password(site, login):
    refused(site.delete("/profile", {"password": "wrong password"}, token=login.access),
            "invalid_credentials")
    refused(site.delete("/profile", {}, token=login.access), "invalid_request", {"password"})
    refused(site.delete("/profile", {"password": 5}, token=login.access), "invalid_request",
            {"password"})
    granted(site.get("/profile", token=login.access))


def test_delete_ends_account_sessions_and_tokens(site, redis, user):
    first, second = user.login(), user.login()
    answer = site.delete("/profile", {"password": PASSWORD}, token=first.access)
    granted(answer, 204)
    for login in (first, second):
        dead(site, login.session)
        assert site.get("/userinfo", token=login.access).status_code == 401
        refused(login.refresh(), "refresh_invalid")
    refused(user.try_login(), "invalid_credentials")
    assert not redis.exists(site.key("user_sessions", user.id))


def test_a_deleted_email_may_register_again_as_somebody_new(site, user, login):
    granted(site.delete("/profile", {"password": PASSWORD}, token=login.access), 204)
    again = site.register(user.email)
    assert again.id != user.id
    assert site.get("/userinfo", token=login.access).status_code == 401


def test_two_changes_at_once_are_both_made(site):
    """One sets the username, the other the display name; neither puts back what it had read before."""
    for _ in range(10):
        user, name = site.register(), fresh_name()
        login = user.login()
        answers = at_once(2, lambda which, login=login, name=name: site.patch(
            "/profile", [{"username": name}, {"displayName": "Ada " + name}][which], token=login.access))
        for answer in answers:
            granted(answer)
        after = granted(site.get("/profile", token=login.access))
        assert (after["username"], after["displayName"]) == (name, "Ada " + name)
        who = site.get("/verify", token=login.access).headers
        assert (who["Remote-User"], who["Remote-Name"]) == (name, "Ada " + name)
