"""Bodies: what is JSON here, how long, of which type; unknown routes and wrong methods."""
import json

import pytest

from gate import PASSWORD, granted, refused

ROUTES = {
    "/register": {"POST"}, "/login": {"POST"}, "/refresh": {"POST"}, "/logout": {"POST"},
    "/password": {"POST"}, "/profile": {"GET", "HEAD", "PATCH", "DELETE"},
    "/userinfo": {"GET", "HEAD"}, "/session": {"GET", "HEAD"},
    "/sessions": {"GET", "HEAD", "DELETE"}, "/sessions/" + "0" * 64: {"DELETE"},
    "/health": {"GET", "HEAD"},
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
WRONG = [(method, path) for path, right in ROUTES.items() for method in METHODS
         if method not in right]


def change(login, body, content_type="application/json"):
    headers = {"Content-Type": content_type} if content_type else {}
    if not content_type:
        headers["Content-Type"] = None
    return login.site.patch("/profile", body, token=login.access, headers=headers)


def nested(levels, opening, closing):
    """A body that is that deep in all, the object itself included."""
    inner = levels - 1
    return b'{"displayName": "deep", "x": ' + opening * inner + closing * inner + b"}"


@pytest.mark.parametrize("body", [
    b"{", b"}", b"[]", b'[{"displayName": "x"}]', b"null", b"true", b"5", b'"text"', b"x", b" ",
    b"\0", b"\n", b"{}{}", b"{} x", b"{},", b"{}\0", b'{"a": 1,}', b'{"a" 1}', b"{a: 1}",
    b"{'a': 1}", b'{"a": \'x\'}', b'{"a": 01}', b'{"a": +1}', b'{"a": .5}', b'{"a": 2.}',
    b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 0x10}', b'{"a": "\n"}', b'{"a": "\t"}',
    b'{"a": "\\x41"}', b'{"a": "\\ud800"}', b'{"a": "\\udc00\\ud800"}', b'{"a": "\\u00"}',
    b'{"a": "\xff"}', b'{"a": "\xc0\xaf"}', b'{"a": "\xed\xa0\x80"}', b'{"a": "\xf5\x80\x80\x80"}',
    b'{"\xff": 1}', b'{"a": "\xe2\x82"}', b'{"a": "x\0y"}', b'{"a": "x\\u0000y"}',
    b'{"a\\u0000b": 1}', b'{"a": 1, "a": 2}', b'{"a": 1, "\\u0061": 2}',
    b'{"x": {"a": 1, "b": 2, "a": 1}}', b'{"x": [{"a": 1, "a": 1}]}',
    b'{"displayName": "x", "displayName": "y"}', b"/* x */ {}", b'{"a": 1} // x', b"# x\n{}",
    b"\xef\xbb\xbf{}", b"\xfe\xff\0{\0}", b'{"a": tru}', b'{"a": TRUE}', b'{"a"}', b'{"a":}',
    b"{,}", b'{"a": [1,]}', b'{"a": [1 2]}', b'{"a": "x}', b"displayName=x",
])
def test_what_is_not_json(login, body):
    refused(change(login, body), "invalid_json")


@pytest.mark.parametrize("body,sentence", [
    (b'{"n": 18446744073709551616}', "a number is out of range"),
    (b'{"n": -9223372036854775809}', "a number is out of range"),
    (b'{"n": 1e400}', "a number is out of range"),
    (b'{"n": 1, "n": 2}', "a name is given twice in one object"),
    (nested(17, b"[", b"]"), "the document is nested too deeply"),
    (b'{"n": "\\u0000"}', "a NUL is not allowed"),
    (b'{"n": "\xff"}', "the document is not valid UTF-8"),
    (b'{"n": "\\ud800"}', "a surrogate stands alone"),
    (b'{"n": 1', "the document ends too early"),
    (b'{"n": 01}', "the document is not JSON"),
    (b"null", "the document is null"),
    (b"", "it is empty"),
])
def test_the_sentence_says_why(login, body, sentence):
    assert refused(change(login, body), "invalid_json")["error"] == "The body is refused: " + sentence


def test_what_is_no_object_is_told_so(login):
    for body in (b"[]", b"5", b'"{}"'):
        assert refused(change(login, body), "invalid_json")["error"] == "The body is not a JSON object"


@pytest.mark.parametrize("body", [
    b"{}", b" {} \n", b"\r\n\t{\t}", b'{"x": "\\u00e9 \\ud83d\\ude00 \\/ \\""}',
    b'{"x": -0.5e-3, "y": 9223372036854775807}', '{"ü": "日本語 😀"}'.encode(),
    b'{"": 1}', b'{"x": {"a": 1}, "y": {"a": 1}}', b'{"a": 1, "A": 2}',
])
def test_what_is_json(login, body):
    granted(change(login, body))


@pytest.mark.parametrize("opening,closing", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth(login, opening, closing):
    if opening != b"[":
        closing_of_innermost = b"{}"
        sixteen = b'{"x": ' + opening * 14 + closing_of_innermost + closing * 14 + b"}"
        seventeen = b'{"x": ' + opening * 15 + closing_of_innermost + closing * 15 + b"}"
    else:
        sixteen, seventeen = nested(16, opening, closing), nested(17, opening, closing)
    granted(change(login, sixteen))
    refused(change(login, seventeen), "invalid_json")


def test_a_body_that_is_nothing_but_depth(login):
    refused(change(login, b"[" * 60000), "invalid_json")
    refused(change(login, b'{"a":' * 12000), "invalid_json")


def test_many_names(login):
    body = {"n%d" % number: 0 for number in range(4000)}
    granted(change(login, body))


@pytest.mark.parametrize("value", [5, True, 1.5, [], {}, ["x"]])
def test_wrong_types_are_never_converted(login, value):
    refused(change(login, {"displayName": value}), "invalid_request", {"displayName"})


def test_an_empty_body_is_no_object_where_fields_are_needed(site):
    answer = site.post("/login", b"")
    assert answer.status_code == 400
    assert answer.json()["code"] in ("invalid_json", "invalid_request")


@pytest.mark.parametrize("content_type", [
    "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8",
    "Application/JSON", "application/json ; x=y",
])
def test_content_types_taken(login, content_type):
    granted(change(login, {"displayName": "x"}, content_type))


@pytest.mark.parametrize("content_type", [
    None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    "application/jsonx", "application/xml", "text/json", "json", "application/", "*/*",
    "text/plain; application/json", "application/json, text/plain",
])
def test_content_types_refused(login, content_type):
    refused(change(login, {"displayName": "x"}, content_type), "unsupported_media_type")


def test_longest_body(login):
    body = b'{"displayName": "long"}'
    granted(change(login, body + b" " * (65536 - len(body))))
    refused(change(login, body + b" " * (65537 - len(body))), "body_too_large")
    refused(change(login, body + b" " * 900000), "body_too_large")


def test_a_chunked_body(login):
    def pieces():
        yield b'{"display'
        yield b'Name": "chunked"}'

    answer = login.site.raw("PATCH", login.site.base + "/profile", data=pieces(),
                            headers={"Authorization": "Bearer " + login.access,
                                     "Content-Type": "application/json"})
    assert granted(answer)["displayName"] == "chunked"


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/logins", "/log", "/sessions/a/b", "/profile/x",
                                  "/LOGIN", "/.well-known/nothing", "/%00x", "/..%2f..%2fetc"])
def test_unknown_routes(site, path):
    answer = site.get(path)
    if "%" in path:  # the web server itself may refuse these
        assert answer.status_code in (400, 404)
    else:
        refused(answer, "not_found")


def test_an_unknown_route_is_unknown_by_every_method(site):
    for method in ("POST", "PUT", "DELETE"):
        refused(site.call(method, "/nothing", {}), "not_found")


@pytest.mark.parametrize("method,path", WRONG)
def test_wrong_methods(site, method, path):
    answer = site.call(method, path)
    assert answer.status_code == 405
    allowed = {word.strip() for word in answer.headers["Allow"].split(",")}
    assert allowed - {"OPTIONS"} == ROUTES[path]
    if method != "HEAD":
        refused(answer, "method_not_allowed")


@pytest.mark.parametrize("path", ["/profile", "/userinfo", "/session", "/sessions"])
def test_head_is_get_without_the_body(site, login, path):
    answer = site.call("HEAD", path, token=login.access)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert site.call("HEAD", path).status_code == 401


def test_text_comes_back_as_it_was(site, login):
    for text in ("</script>", "'; DROP TABLE users; --", "\\\"/", "\u202egnp", "%s%n",
                 "e\u0301", "😀" * 32):
        granted(change(login, {"displayName": text}))
        assert granted(site.get("/profile", token=login.access))["displayName"] == text


def test_a_large_login_body_is_still_a_login(site, user):
    body = {"email": user.email, "password": PASSWORD, "ignored": "x" * 60000}
    assert len(json.dumps(body)) < 65536
    granted(site.post("/login", body))
