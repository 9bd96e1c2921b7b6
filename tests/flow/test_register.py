"""POST /auth/register."""
import pytest

from gate import PASSWORD, at_once, fresh_email, fresh_name, granted, refused, shows_user


def registration(**fields):
    return {"email": fresh_email(), "password": PASSWORD, **fields}


def test_answers_the_new_user(site):
    body = registration(username=fresh_name(), displayName="Ada Lovelace")
    answer = granted(site.post("/register", body), 201, {"message", "user"})
    assert answer["message"] == "Registered"
    user = shows_user(answer["user"])
    assert user["email"] == body["email"]
    assert user["username"] == body["username"]
    assert user["displayName"] == "Ada Lovelace"
    assert user["roles"] == []
    assert user["emailVerified"] is False
    assert user["lastLoginAt"] is None


def test_what_was_never_given_is_null(site):
    user = granted(site.post("/register", registration()), 201)["user"]
    assert user["username"] is None
    assert user["displayName"] is None


def test_sets_no_cookie(site):
    assert "Set-Cookie" not in site.post("/register", registration()).headers


def test_unknown_fields_are_ignored(site):
    body = registration(roles=["admin"], emailVerified=True, id="1")
    user = granted(site.post("/register", body), 201)["user"]
    assert user["roles"] == []
    assert user["emailVerified"] is False


def test_email_is_kept_as_given_and_compared_without_case(site):
    email = "Mixed." + fresh_email().title()
    user = granted(site.post("/register", registration(email=email)), 201)["user"]
    assert user["email"] == email
    refused(site.post("/register", registration(email=email.lower())), "email_taken")
    refused(site.post("/register", registration(email=email.upper())), "email_taken")


def test_username_is_unique_without_case(site):
    name = fresh_name()
    site.register(username=name)
    refused(site.post("/register", registration(username=name)), "username_taken")
    refused(site.post("/register", registration(username=name.upper())), "username_taken")


def test_look_alikes_never_share_an_account(site):
    email = "a" + fresh_email()
    site.register(email)
    answer = site.post("/register", registration(email="á" + email[1:]))
    assert answer.status_code in (201, 400), answer.text


def test_one_of_many_at_once_wins(site):
    body = registration()
    answers = at_once(8, lambda _: site.post("/register", body))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, "email_taken")


def long_email(size, local):
    """Of that many bytes, that many of them before the @, and labels of no more than 63."""
    domain = "example.org"
    while len(domain) + local + 1 < size:
        domain = "d" * min(63, size - local - 2 - len(domain)) + "." + domain
    email = fresh_name().ljust(local, "l") + "@" + domain
    assert len(email) == size
    return email


@pytest.mark.parametrize("local", [64, 65, 242])
def test_email_of_254_bytes_is_the_longest(site, local):
    email = long_email(254, local)
    assert site.register(email).shown["email"] == email
    refused(site.post("/register", registration(email=long_email(255, local))), "invalid_request",
            {"email"})


@pytest.mark.parametrize("email", [
    "", "nobody", "@example.org", "nobody@", "a b@example.org", "a@b@example.org",
    "a@exa mple.org", " a@example.org", "a@example.org ", "a\n@example.org", "a@example.org\r\n",
    "a\u0001@example.org", "x" * 250 + "@example.org", 5, True, ["a@example.org"], {}, None,
])
def test_bad_email(site, email):
    refused(site.post("/register", registration(email=email)), "invalid_request", {"email"})


@pytest.mark.parametrize("username", [
    "", "ab", "u" * 33, "white space", "slash/ed", "a@b", "ünicode", "tab\there", 12345, ["abc"],
])
def test_bad_username(site, username):
    refused(site.post("/register", registration(username=username)), "invalid_request",
            {"username"})


def test_username_of_32_characters(site):
    name = (fresh_name() + "._-Z0" + "x" * 32)[:32]
    assert site.register(username=name).shown["username"] == name


def test_username_of_3_characters(site):
    # Three characters are few: an earlier run may have taken these.
    answer = site.post("/register", registration(username=fresh_name()[-3:]))
    assert answer.status_code in (201, 409), answer.text


@pytest.mark.parametrize("password", [
    "", "short 7", "seven c", "x" * 73, "ü" * 37, "password", "12345678", "qwertyuiop",
    "P@ssw0rd1", "adminadmin", "ABCDEFGH", 1234567890, None, ["longenough"],
])
def test_bad_password(site, password):
    refused(site.post("/register", registration(password=password)), "invalid_request",
            {"password"})


@pytest.mark.parametrize("password", [
    "eight ch", "ünïcödé!", "7" + "y" * 71, "ß" * 36, "😀😁😂🤣😃😄😅😆", "  spaces at both ends  ",
    "tab\tand\nnewline", "x" * 72,
])
def test_good_password_logs_in(site, password):
    user = site.register(password=password)
    granted(user.try_login(password))


def test_password_with_a_nul_is_refused(site):
    refused(site.post("/register", registration(password="eight ch\0tail")), "invalid_json")


def test_password_that_is_the_email_or_the_username_is_refused(site):
    email, name = fresh_email(), fresh_name()
    for password in (email, email.upper()):
        body = {"email": email, "password": password}
        refused(site.post("/register", body), "invalid_request", {"password"})
    body = {"email": email, "username": name, "password": name}
    refused(site.post("/register", body), "invalid_request", {"password"})


def test_the_sentence_says_what_the_password_is_made_of(site):
    email, name = fresh_email(), fresh_name()
    for password, word in ((email, "email"), (name, "username"), ("Gatehouse-1234", "site")):
        answer = site.post("/register", {"email": email, "username": name, "password": password})
        assert word in refused(answer, "invalid_request", {"password"})["fields"]["password"]


def test_the_domain_of_the_email_is_nobody_s_name(site):
    """Whoever has a mailbox at example.org may like the word."""
    site.register(password="Example-1234!")


@pytest.mark.parametrize("name", ["", "n" * 129, "a\nb", "a\u0007b", "a\u007fb", 5, ["x"]])
def test_bad_display_name(site, name):
    refused(site.post("/register", registration(displayName=name)), "invalid_request",
            {"displayName"})


@pytest.mark.parametrize("name", ["n", "ü" * 128, "<b>\"O'Neil\"</b> \\", "日本語 😀"])
def test_good_display_name_comes_back(site, name):
    answer = site.post("/register", registration(displayName=name))
    assert granted(answer, 201)["user"]["displayName"] == name


def test_all_bad_fields_are_told_at_once(site):
    body = {"email": "no", "username": "x", "password": "short", "displayName": ""}
    refused(site.post("/register", body), "invalid_request", set(body))


def test_missing_fields_are_told_at_once(site):
    refused(site.post("/register", {}), "invalid_request", {"email", "password"})


def test_closed_registration(other):
    refused(other.post("/register", registration()), "registration_closed")
