"""Alert rules, the dashboard and docs/monitoring.md: what they name is what /auth/metrics shows, rules fire
when they should and only then, and a real Prometheus takes all of it."""
import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from gate import free_ports, granted, refused, wait_until

TOP = Path(__file__).resolve().parents[2]
RULES = TOP / "conf/prometheus/gatehouse-alerts.yml"
DASHBOARD = json.loads((TOP / "conf/grafana/gatehouse.json").read_text())
PAGE = (TOP / "docs/monitoring.md").read_text()
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"]
          for rule in group["rules"]}
# What Prometheus itself adds, and what the dashboard puts in.
ADDED = {"instance", "job", "le"}

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="prometheus is not installed")


@pytest.fixture(scope="module")
def shown(site):
    """{name of a series: names of its labels}, of a site where each kind of request has come."""
    login = site.register().login()
    granted(site.get("/verify", token=login.access), 204)
    refused(site.get("/verify"), "token_missing")
    series = {}
    for line in site.get("/metrics").text.splitlines():
        if not line.startswith("#"):
            name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()
            series.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    return series


def families(series):
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in series}


def expressions():
    """[(whose, expression)] of rules and dashboard."""
    found = [(name, rule["expr"]) for name, rule in ALERTS.items()]
    for panel in DASHBOARD["panels"]:
        found += [(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    return found


EXPRESSIONS = expressions()


@pytest.mark.parametrize("whose, expression", EXPRESSIONS,
                         ids=[f"{i}-{whose}" for i, (whose, _) in enumerate(EXPRESSIONS)])
def test_every_metric_and_label_exists(shown, whose, expression):
    names = re.findall(r"\bgatehouse_\w+", expression)
    assert names or expression.startswith(("up{", "sum(up{"))
    known = set(ADDED)
    for name in names:
        assert name in shown, f"{whose} asks for {name}"
        known |= shown[name]
    used = re.findall(r'(\w+)(?:=~|!=|!~|=)"', expression)
    for words in re.findall(r"\bby \(([\w, ]+)\)", expression):
        used += words.split(", ")
    assert set(used) <= known, whose


def test_every_metric_is_in_the_dashboard_and_explained(shown):
    asked = " ".join(expression for _, expression in EXPRESSIONS)
    rows = dict(re.findall(r"^\| `(gatehouse_\w+)` \| (.*?) \|", PAGE, re.M))
    assert set(rows) == families(shown)
    for name in families(shown):
        assert re.search(rf"\b{name}(_bucket|_sum|_count)?\b", asked), name
        labels = set().union(*(labels for series, labels in shown.items()
                               if re.fullmatch(rf"{name}(_bucket|_sum|_count)?", series)))
        assert set(re.findall(r"`(\w+)`", rows[name])) == labels - {"le"}, name


def test_every_alert_is_explained():
    rows = re.findall(r"^\| (Gatehouse\w+)( \(critical\))? \|", PAGE, re.M)
    assert [(name, bool(critical)) for name, critical in rows] == \
        [(name, rule["labels"]["severity"] == "critical") for name, rule in ALERTS.items()]
    # What the descriptions tell to look for in the log is written there.
    sources = "".join(path.read_text() for path in (TOP / "src").rglob("*.c"))
    for rule in ALERTS.values():
        for event in re.findall(r"event=(\w+)", rule["annotations"]["description"]):
            assert f'F_STR("event", "{event}")' in sources, event


def test_dashboard():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids) > 20
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"] and panel["targets"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == \
        ["datasource", "instance"]


# What each alert needs to fire within ten minutes, and its labels besides severity.
A = 'instance="a"'
FIRES = {
    "GatehouseDown": ({'up{job="gatehouse",instance="a"}': "0x20"}, {"job": "gatehouse"}),
    "GatehouseCannotTell": (
        {f'gatehouse_decisions_total{{{A},decision="unknown",reason="unavailable"}}': "0+5x20"}, {}),
    "GatehouseStoreErrors": ({f'gatehouse_store_errors_total{{{A},store="mariadb"}}': "0+1x20"},
                             {"store": "mariadb"}),
    "GatehouseRedisWentBack": ({f"gatehouse_redis_went_back_total{{{A}}}": "0 0 1x20"}, {}),
    "GatehouseNoWorkers": ({f'gatehouse_workers{{{A},pool="web",state="busy"}}': "0x20",
                            f'gatehouse_workers{{{A},pool="web",state="idle"}}': "0x20"}, {"pool": "web"}),
    "GatehouseInternalErrors": ({f'gatehouse_errors_total{{{A},code="internal"}}': "0 0 0 0 1x20"},
                                {"code": "internal"}),
    "GatehouseWorkersDie": ({f'gatehouse_worker_deaths_total{{{A},pool="web"}}': "0+1x20"},
                            {"pool": "web"}),
    "GatehouseWorkersHang": ({f"gatehouse_worker_hangs_total{{{A}}}": "0 0 0 1x20"}, {}),
    "GatehouseQueue": ({f'gatehouse_queue{{{A},pool="login"}}': "0 1x20"}, {"pool": "login"}),
    "GatehouseSlowChecks": (
        {f'gatehouse_request_duration_seconds_bucket{{{A},route="/verify",method="GET",le="0.1"}}': "0+90x20",
         f'gatehouse_request_duration_seconds_bucket{{{A},route="/verify",method="GET",le="0.25"}}': "0+99x20",
         f'gatehouse_request_duration_seconds_bucket{{{A},route="/verify",method="GET",le="+Inf"}}':
             "0+99x20"}, {}),
    "GatehouseSlowStore": (
        {f'gatehouse_store_duration_seconds_bucket{{{A},store="redis",le="0.25"}}': "0+90x20",
         f'gatehouse_store_duration_seconds_bucket{{{A},store="redis",le="0.5"}}': "0+99x20",
         f'gatehouse_store_duration_seconds_bucket{{{A},store="redis",le="+Inf"}}': "0+99x20"},
        {"store": "redis"}),
    "GatehouseGuessing": (
        {f'gatehouse_limit_decisions_total{{{A},limit="login_account",decision="refuse"}}': "0+60x30"}, {}),
    "GatehouseTokenReplayed": ({f'gatehouse_errors_total{{{A},code="refresh_reused"}}': "0 0 1x20"},
                               {"code": "refresh_reused"}),
    "GatehouseRefusedToChange": ({f"gatehouse_keys_refused_total{{{A}}}": "0 0 1x20"}, {}),
    "GatehouseLogLost": ({f"gatehouse_audit_lost_total{{{A}}}": "0 0 1x20"}, {}),
    "GatehouseDescriptors": ({f"gatehouse_descriptors_exhausted_total{{{A}}}": "0 0 7x20"}, {}),
    "GatehouseClockSet": ({f"gatehouse_clock_set_total{{{A}}}": "0 0 1x20"}, {}),
}
# A good day: everything has been wrong once before, somebody mistypes, a worker died.
QUIET = {
    'up{job="gatehouse",instance="a"}': "1x20",
    f'gatehouse_decisions_total{{{A},decision="allow",reason="ok"}}': "0+1000x20",
    f'gatehouse_decisions_total{{{A},decision="deny",reason="token_missing"}}': "0+500x20",
    f'gatehouse_decisions_total{{{A},decision="unknown",reason="unavailable"}}': "7x20",
    f'gatehouse_store_errors_total{{{A},store="redis"}}': "3x20",
    f'gatehouse_workers{{{A},pool="web",state="busy"}}': "2x20",
    f'gatehouse_workers{{{A},pool="web",state="idle"}}': "0x20",
    f'gatehouse_errors_total{{{A},code="internal"}}': "1x20",
    f'gatehouse_errors_total{{{A},code="refresh_reused"}}': "1x20",
    f'gatehouse_errors_total{{{A},code="invalid_credentials"}}': "0+20x20",
    f'gatehouse_worker_deaths_total{{{A},pool="web"}}': "0 0 0 0 0 0 1x14",
    f"gatehouse_worker_hangs_total{{{A}}}": "1x20",
    f"gatehouse_redis_went_back_total{{{A}}}": "1x20",
    f'gatehouse_queue{{{A},pool="login"}}': "0 9 0 8 0 7 0 9 0 9 0 8 0 7 0 9 0 0 0 0",
    f'gatehouse_request_duration_seconds_bucket{{{A},route="/verify",method="GET",le="0.1"}}': "0+999x20",
    f'gatehouse_request_duration_seconds_bucket{{{A},route="/verify",method="GET",le="+Inf"}}': "0+1000x20",
    f'gatehouse_store_duration_seconds_bucket{{{A},store="redis",le="0.25"}}': "0+999x20",
    f'gatehouse_store_duration_seconds_bucket{{{A},store="redis",le="+Inf"}}': "0+1000x20",
    f'gatehouse_limit_decisions_total{{{A},limit="login_account",decision="refuse"}}': "0+5x20",
    f'gatehouse_limit_decisions_total{{{A},limit="refresh_address",decision="refuse"}}': "0+500x20",
    f'gatehouse_reloads_total{{{A},outcome="done"}}': "0+1x20",
    f'gatehouse_reloads_total{{{A},outcome="refused"}}': "2x20",
    f"gatehouse_upgrades_refused_total{{{A}}}": "1x20",
    f"gatehouse_keys_refused_total{{{A}}}": "1x20",
    f"gatehouse_log_lost_total{{{A}}}": "1x20",
    f"gatehouse_audit_lost_total{{{A}}}": "1x20",
    f"gatehouse_descriptors_exhausted_total{{{A}}}": "1x20",
    f"gatehouse_clock_set_total{{{A}}}": "1x20",
}


def series(values):
    return [{"series": name, "values": text} for name, text in values.items()]


def firing(name, labels):
    """The alert as promtool expects it, its sentences filled in."""
    labels = {"instance": "a", **labels}

    def fill(text):
        return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], text)
    return [{"exp_labels": {**labels, **ALERTS[name]["labels"]},
             "exp_annotations": {key: fill(text) for key, text in ALERTS[name]["annotations"].items()}}]


def test_alerts_fire_when_they_should(tmp_path):
    assert set(FIRES) == set(ALERTS)
    tests = [{"name": name, "interval": "1m", "input_series": series(values),
              "alert_rule_test": [{"eval_time": "25m" if name == "GatehouseGuessing" else "10m",
                                   "alertname": name, "exp_alerts": firing(name, labels)}]}
             for name, (values, labels) in FIRES.items()]
    tests.append({"name": "a good day", "interval": "1m", "input_series": series(QUIET),
                  "alert_rule_test": [{"eval_time": f"{minute}m", "alertname": name}
                                      for name in ALERTS for minute in (5, 15)]})
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m",
                                    "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_files():
    for words in (["check", "rules", RULES], ["check", "config", RULES.with_name("prometheus.yml")]):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=30,
                              check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    shown_, = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    assert shown_ in RULES.with_name("prometheus.yml").read_text()


@pytest.fixture(scope="module")
def prometheus(site, tmp_path_factory):
    """A real one, with the shipped files, but for whom it asks and how often."""
    folder = tmp_path_factory.mktemp("prometheus")
    shutil.copy(RULES, folder)
    text = RULES.with_name("prometheus.yml").read_text()
    for old, new in (("www.example.org:443", urlsplit(site.url).netloc), ("scheme: https", "scheme: http"),
                     ("15s", "1s")):
        assert old in text
        text = text.replace(old, new)
    (folder / "prometheus.yml").write_text(text)
    port, = free_ports(1)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml",
                                    f"--storage.tsdb.path={folder}/data",
                                    f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def query(prometheus, expression):
    try:
        answer = requests.get(prometheus + "/api/v1/query", params={"query": expression}, timeout=5)
    except requests.ConnectionError:
        return []
    return answer.json()["data"]["result"] if answer.status_code == 200 else []


def test_a_real_prometheus_asks_and_judges(prometheus, shown):
    del shown  # there is something to count
    wait_until(lambda: query(prometheus, 'up{job="gatehouse"} == 1'), 30)
    wait_until(lambda: query(prometheus, 'gatehouse_decisions_total{decision="allow"} > 0'), 10)
    rules = requests.get(prometheus + "/api/v1/rules", timeout=5).json()["data"]["groups"]
    names = [rule["name"] for group in rules for rule in group["rules"]]
    assert names == list(ALERTS)
    for _, expression in EXPRESSIONS:
        expression = expression.replace("$instance", ".*").replace("$__rate_interval", "1m")
        answer = requests.get(prometheus + "/api/v1/query", params={"query": expression}, timeout=5)
        assert answer.status_code == 200, (expression, answer.text)


def test_the_command_of_the_page(site):
    command, wanted = re.search(r"^```console\n\$ (.*?)\n(.*?)^```$", PAGE, re.M | re.S).groups()
    done = subprocess.run(["bash", "-c", command.replace("http://127.0.0.1", site.url)],
                          capture_output=True, text=True, timeout=30, check=True)
    assert re.fullmatch(".*".join(re.escape(part) for part in wanted.split("...")), done.stdout)
