#!/usr/bin/env python3
"""Everything that is called a token, and what looks like one, in every place that takes one: each kind opens
what it is for, there and nowhere else."""
import base64
import json
from collections import Counter

from figures import attack
from gate import PASSWORD, SAME_SITE, SigningKey, b64, claims_of, fresh_name, granted, header_of, unb64
from masters import Master
from wire import head, send

PAGES = ["/verify", "/session", "/sessions", "/profile", "/userinfo"]


def hands(site, user, login):
    """{kind: text} of all that somebody may have in hand."""
    heir = granted(login.refresh())
    parts = login.access.split(".")
    basic = base64.b64encode(f"{user.email}:{PASSWORD}".encode()).decode()
    secret = site.ctl_ok("client", "add", fresh_name()).split()[-1]
    key, header, claims = SigningKey(site), header_of(login.access), claims_of(login.access)
    return {
        "access": login.access, "access again": heir["accessToken"], "session": login.session,
        "refresh": heir["refreshToken"], "spent refresh": login.refresh_token,
        "session id": login.sid, "session id, base64url": b64(bytes.fromhex(login.sid)),
        "beginning of a refresh token": b64(unb64(heir["refreshToken"])[:32]),
        "jti": claims["jti"], "user": claims["sub"], "email": user.email, "password": PASSWORD,
        "secret of a client": secret, "secret of HMAC": b64(key.secret),
        "payload": parts[1], "unsigned": parts[0] + "." + parts[1], "Basic": "Basic " + basic,
        "basic": basic, "nothing": "", "JSON": json.dumps({"sid": login.sid}),
        "for another": key.sign(header, {**claims, "aud": "another"}),
        "from another": key.sign(header, {**claims, "iss": "another"}),
        "of another session": key.sign(header, {**claims, "sid": "0" * 64}),
        "of another user": key.sign(header, {**claims, "sub": str(int(claims["sub"]) + 1)}),
        "of another type": key.sign({**header, "typ": "refresh+jwt"}, claims),
        "sid for jti": key.sign(header, {**claims, "jti": login.sid, "sid": claims["jti"]}),
    }


GOOD = {"access", "access again", "session"}
REFRESHING = {"refresh", "spent refresh"}  # the second within its grace


def places(site, text):
    """{place: (headers, query)}; those that read a credential first."""
    text = text.encode("utf-8").decode("latin-1")
    return {
        "Bearer": ([("Authorization", "Bearer " + text)], ""),
        "bare": ([("Authorization", text)], ""),
        "X-Session-Id": ([("X-Session-Id", text)], ""),
        "cookie": ([("Cookie", f"{site.cookie_name}={text}")], ""),
        "refresh cookie": ([("Cookie", f"{site.refresh_cookie_name}={text}")], ""),
        "other cookie": ([("Cookie", f"session={text}; refresh={text}; token={text}")], ""),
        "query": ([], f"?access_token={text}&token={text}".replace(" ", "%20")),
        "Proxy-Authorization": ([("Proxy-Authorization", "Bearer " + text)], ""),
        "Basic": ([("Authorization", "Basic " + base64.b64encode(f"x:{text}".encode()).decode())], ""),
    }


CREDENTIAL_PLACES = {"Bearer", "bare", "X-Session-Id", "cookie"}


def open_pages(site, kinds, figures):
    wrong, statuses = {}, Counter()
    for kind, text in kinds.items():
        for place, (headers, query) in places(site, text).items():
            for page in PAGES:
                status = send(site, head("GET", site.base + page + query, headers))[0]
                statuses[status] += 1
                wanted = kind in GOOD and place in CREDENTIAL_PLACES
                if (status in (200, 204)) != wanted:
                    wrong[kind, place, page] = status
    figures.note(f"{len(kinds)} kinds in {len(places(site, ''))} places on {len(PAGES)} pages")
    figures.none("answers that were wrong", wrong)
    figures.none("other statuses", set(statuses) - {200, 204, 400, 401})


def refresh(site, kinds, figures):
    """In the body, in its cookie, and in what is a credential elsewhere."""
    wrong = {}
    for kind, text in kinds.items():
        byte_text = text.encode("utf-8").decode("latin-1")
        same = [("Sec-Fetch-Site", SAME_SITE["Sec-Fetch-Site"]), ("Content-Length", "0")]
        asks = {
            "body": site.post("/refresh", {"refreshToken": text}).status_code,
            "cookie": send(site, head("POST", site.base + "/refresh", [
                ("Cookie", f"{site.refresh_cookie_name}={byte_text}"), *same]))[0],
            "session cookie": send(site, head("POST", site.base + "/refresh", [
                ("Cookie", f"{site.cookie_name}={byte_text}"), *same]))[0],
            "Bearer": send(site, head("POST", site.base + "/refresh", [
                ("Authorization", "Bearer " + byte_text), *same]))[0],
        }
        for place, status in asks.items():
            wanted = kind in REFRESHING and place in ("body", "cookie")
            if (status == 200) != wanted or status not in (200, 400, 401):
                wrong[kind, place] = status
    figures.none("refreshes that were wrong", wrong)


def elsewhere(site, login, kinds, figures):
    """Another service with the same keys, and its own names and its own sessions, takes none of them."""
    with Master(site, {"token.issuer": "elsewhere", "redis.prefix": "elsewhere:"}) as master:
        taken = [kind for kind, text in kinds.items()
                 if master.call("GET", "/verify", token=text)[0] not in (400, 401)]
        figures.none("taken by another service with the same keys", taken)
        status, body = master.call("POST", "/login", {"email": login.user.email, "password": PASSWORD})
        assert status == 200, body
        figures.must("of its own taken here", [name for name in ("accessToken", "sessionId")
                                               if site.get("/verify", token=body[name]).status_code == 204], [])


def run(site, figures):
    user = site.register()
    login = user.login()
    kinds = hands(site, user, login)
    refresh(site, kinds, figures)
    open_pages(site, kinds, figures)
    elsewhere(site, login, kinds, figures)


if __name__ == "__main__":
    attack(run)
