"""GET /auth/health."""
from gate import granted, refused

FINE = {"status": "ok", "redis": "ok", "database": "ok"}


def test_all_is_well(site):
    answer = site.get("/health")
    assert granted(answer) == FINE and "Retry-After" not in answer.headers


def test_needs_and_minds_no_credential(site, login):
    assert granted(site.get("/health", token="garbage")) == FINE
    assert granted(site.get("/health", cookie=login.session)) == FINE


def test_head(site):
    answer = site.call("HEAD", "/health")
    assert answer.status_code == 200
    assert answer.content == b""


def test_behind_another_base_path(other):
    assert granted(other.get("/health")) == FINE
    refused(other.get(""), "not_found")
