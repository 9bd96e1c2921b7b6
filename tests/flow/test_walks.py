"""Four walks through a client's life."""
import time

from gate import (LOGIN_KEYS, PASSWORD, SAME_SITE, alive, claims_of, dead, fresh_email, granted,
                  moment, refused, set_cookies, sid_of)


def test_bearer_token_from_registration_to_revocation(site, redis):
    body = {"email": fresh_email(), "password": PASSWORD}
    granted(site.post("/register", body), 201)
    login = granted(site.post("/login", body), keys=LOGIN_KEYS)
    token = login["accessToken"]
    assert granted(site.get("/profile", token=token))["email"] == body["email"]

    answer = site.post("/logout", token=token)
    assert granted(answer) == {"message": "Logged out successfully"}
    refused(site.get("/profile", token=token), "token_revoked")

    claims = claims_of(token)
    kept = redis.ttl(site.key("blacklist", claims["jti"]))
    assert abs(kept - (claims["exp"] - time.time())) <= 2


def test_browser_with_a_cookie(site, user):
    answer = user.try_login(transport="cookie")
    granted(answer)
    cookie = set_cookies(answer)[site.cookie_name].value
    assert granted(site.get("/userinfo", cookie=cookie))["id"] == user.id

    answer = site.post("/logout", cookie=cookie, headers=SAME_SITE)
    granted(answer)
    assert set_cookies(answer)[site.cookie_name].cleared
    refused(site.get("/userinfo", headers={"Authorization": cookie}), "session_expired")
    refused(site.get("/userinfo", cookie=cookie), "session_expired")
    assert granted(site.post("/logout")) == {"message": "Already logged out"}


def test_phone_and_laptop_with_refresh_tokens(brief):
    user = brief.register()
    phone = user.login(deviceInfo={"name": "phone", "os": ["Android", 17]})
    laptop = user.login(deviceInfo={"name": "laptop"})

    def listed(token):
        sessions = granted(brief.get("/sessions", token=token))["sessions"]
        return {item["id"]: item for item in sessions}

    before = listed(laptop.session)
    assert set(before) == {phone.sid, laptop.sid}
    assert before[phone.sid]["deviceInfo"] == {"name": "phone", "os": ["Android", 17]}
    assert before[laptop.sid]["current"] and not before[phone.sid]["current"]

    time.sleep(1.2)
    fresh = granted(phone.refresh())["accessToken"]
    alive(brief, fresh)
    after = listed(laptop.session)
    assert moment(after[phone.sid]["lastActivity"]) > moment(before[phone.sid]["lastActivity"])
    assert after[phone.sid]["createdAt"] == before[phone.sid]["createdAt"]

    assert granted(brief.delete("/sessions", token=laptop.session)) == {"revoked": 1}
    dead(brief, fresh)
    dead(brief, phone.session)
    refused(phone.refresh(), "refresh_invalid")
    assert set(listed(laptop.session)) == {laptop.sid}


def test_session_token_in_a_header_until_redis_forgets_it(site, redis, user):
    token = user.login(transport="bearer").session
    headers = {"X-Session-Id": token}
    assert granted(site.get("/profile", headers=headers))["id"] == user.id
    record = site.key("session", sid_of(token))
    assert 0 < redis.ttl(record) <= 30 * 86400

    redis.pexpire(record, 1)
    time.sleep(0.05)
    refused(site.get("/profile", headers=headers), "session_expired")
    refused(site.get("/verify", headers=headers), "session_expired")
