#!/usr/bin/env python3
"""Every method on every route: what the table of routes does not list is 405 with Allow, whoever asks, and
does nothing."""
from pathlib import Path

import yaml

from figures import attack
from gate import SAME_SITE
from masters import Master
from wire import head, send

TOP = Path(__file__).resolve().parents[2]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "TRACK",
           "PROPFIND", "MOVE", "COPY", "LOCK", "SEARCH", "QUERY", "DEBUG", "PURGE", "get", "Post",
           "GETX", "X", "M-SEARCH"]


def routes():
    """{path below the base: methods that are documented}"""
    document = yaml.safe_load((TOP / "docs/openapi.yaml").read_text(encoding="utf-8"))
    prefix = "/auth" if all(path.startswith("/auth") for path in document["paths"]) else ""
    listed = {}
    for path, item in document["paths"].items():
        path = path[len(prefix):].replace("{id}", "0" * 64)
        listed[path] = {method.upper() for method in item
                        if method in ("get", "head", "post", "put", "patch", "delete", "options")}
    return listed


def right(methods):
    """HEAD goes with GET; OPTIONS is for browsers that ask beforehand."""
    return methods | ({"HEAD"} if "GET" in methods else set()) | {"OPTIONS"}


def judge(status, allow, methods):
    """What is wrong with an answer to a method that is not listed; None: nothing.  A web server has
    words of its own for what is no method of HTTP, and for TRACE."""
    if status == 405 and allow and {one.strip() for one in allow.split(",")} != right(methods):
        return f"Allow: {allow}"
    return None if status in (400, 405, 501) else status


def run(site, figures):
    login = site.register().login()
    token = [("Authorization", "Bearer " + login.access), ("Sec-Fetch-Site", SAME_SITE["Sec-Fetch-Site"])]
    wrong, asked = {}, 0
    with Master(site) as master:
        for path, methods in routes().items():
            for method in [one for one in METHODS if one not in right(methods)]:
                for headers in ([], token):
                    asked += 1
                    status, got, _ = send(site, head(method, site.base + path, [
                        *headers, ("Content-Length", "0")]), method)
                    problem = judge(status, got.get("Allow", ""), methods)
                    if problem:
                        wrong[method, path] = problem
                asked += 1
                status, _ = master.call(method, path, token=login.access)
                if status != 405:
                    wrong[method, path, "socket"] = status
    figures.least("requests with a method that is not listed", asked, 500)
    figures.none("not refused", wrong)
    figures.must("status of the session afterwards",
                 site.get("/verify", token=login.access).status_code, 204)


if __name__ == "__main__":
    attack(run)
