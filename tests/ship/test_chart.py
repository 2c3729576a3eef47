"""The rendered chart: what is there by default, what each value changes, and what is refused with a sentence."""

import base64
import copy
import json
import math
import re
import shutil
import tomllib

import pytest
import yaml
from kubernetes_validate import validate

from charts import (
    CHART,
    CREDENTIALS,
    Refused,
    check_config,
    config,
    container,
    environment,
    kinds,
    only,
    pod,
    render,
    text,
)
from processes import HOLDFAST, ROOT, run
from readme import with_table
from tools import HELMS, helm

EXAMPLES = sorted(path.name for path in (CHART / "ci").glob("*-values.yaml"))
KUBERNETES = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]
# What no schema comes with: they have their own checks below.
CUSTOM = {"ServiceMonitor", "PrometheusRule", "Certificate"}
# What holds a budget, a service and a claim together with pods: for ever, so written out.
SELECTOR = {
    "app.kubernetes.io/name": "holdfast",
    "app.kubernetes.io/instance": "pay",
    "app.kubernetes.io/component": "node",
}


def example(name):
    return yaml.safe_load((CHART / "ci" / name).read_text())


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize("name", [None, *EXAMPLES])
def test_it_lints(version, name):
    values = ["--values", CHART / "ci" / name] if name else []
    run(helm(version), "lint", "--strict", CHART, *values)


@pytest.mark.parametrize("name", [None, *EXAMPLES])
def test_both_helms_render_the_same_twice(name):
    values = example(name) if name else {}
    rendered = {version: text(values, version=version) for version in HELMS}
    again = {version: text(values, version=version) for version in HELMS}
    assert rendered == again, "something in it changes from one rendering to the next"
    loaded = [
        sorted(json.dumps(one, sort_keys=True) for one in yaml.safe_load_all(out) if one) for out in rendered.values()
    ]
    assert loaded[0] == loaded[1]


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("name", [None, *EXAMPLES])
def test_kubernetes_knows_every_field(name, kubernetes):
    objects = render(example(name) if name else {}, more=["--kube-version", f"v{kubernetes}.0"])
    for (kind, _), one in objects.items():
        if kind not in CUSTOM:
            validate(copy.deepcopy(one), kubernetes, strict=True)


def test_an_unknown_field_would_be_found():
    """The check above can fail."""
    broken = copy.deepcopy(only(render(), "StatefulSet"))
    broken["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(Exception, match="livenesProbe"):
        validate(broken, "1.36", strict=True)


def test_an_older_kubernetes_is_refused():
    with pytest.raises(Refused, match=r"1\.30\.0"):
        render(more=["--kube-version", "v1.29.9"])


def test_by_default():
    assert kinds(render()) == [
        "ConfigMap/pay-holdfast",
        "NetworkPolicy/pay-holdfast",
        "Pod/pay-holdfast-test",
        "PodDisruptionBudget/pay-holdfast",
        "Service/pay-holdfast",
        "Service/pay-holdfast-admin",
        "Service/pay-holdfast-peers",
        "ServiceAccount/pay-holdfast",
        "StatefulSet/pay-holdfast",
    ]


@pytest.mark.parametrize(
    ("values", "more", "less"),
    [
        ({"networkPolicy": {"enabled": False}}, [], ["NetworkPolicy/pay-holdfast"]),
        ({"podDisruptionBudget": {"enabled": False}}, [], ["PodDisruptionBudget/pay-holdfast"]),
        ({"adminService": {"enabled": False}}, [], ["Service/pay-holdfast-admin"]),
        ({"serviceAccount": {"create": False}}, [], ["ServiceAccount/pay-holdfast"]),
        ({"tests": {"enabled": False}}, [], ["Pod/pay-holdfast-test"]),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, ["ServiceMonitor/pay-holdfast"], []),
        ({"metrics": {"prometheusRule": {"enabled": True}}}, ["PrometheusRule/pay-holdfast"], []),
        ({"metrics": {"dashboard": {"enabled": True}}}, ["ConfigMap/pay-holdfast-dashboard"], []),
        (
            {"auth": {"programs": [{"name": "p", "user": "u", "passwords": ["999999999999"]}]}},
            ["Secret/pay-holdfast-credentials"],
            [],
        ),
        ({"replicas": 1}, [], ["PodDisruptionBudget/pay-holdfast"]),
        ({"extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}]}, ["ConfigMap/x"], []),
    ],
)
def test_a_switch_adds_or_removes_its_object_and_no_other(values, more, less):
    before, after = set(kinds(render())), set(kinds(render(values)))
    assert after - before == set(more) and before - after == set(less)


@pytest.mark.parametrize("replicas", [1, 3, 5, 7])
def test_the_number_of_nodes(replicas, tmp_path):
    objects = render({"replicas": replicas})
    spec = only(objects, "StatefulSet")["spec"]
    assert spec["replicas"] == replicas and spec["ordinals"] == {"start": 1}
    assert spec["podManagementPolicy"] == "Parallel" and spec["serviceName"] == "pay-holdfast-peers"
    cluster = tomllib.loads(config(objects, tmp_path).read_text())["cluster"]
    members = cluster["members"]
    host = "pay-holdfast-{0}.pay-holdfast-peers.cards.svc.cluster.local"
    assert cluster["join"] == [member["peer"] for member in members]
    assert members == [
        {"id": number, "peer": f"{host.format(number)}:7441", "admin": f"{host.format(number)}:9541"}
        for number in range(1, replicas + 1)
    ]
    for number in (1, replicas, replicas + 1, 7):
        assert check_config(objects, tmp_path, number).returncode == 0
    budgets = [one for (kind, _), one in objects.items() if kind == "PodDisruptionBudget"]
    if replicas == 1:
        assert not budgets
    else:
        assert budgets[0]["spec"]["maxUnavailable"] == 1
        assert budgets[0]["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_product_accepts_the_rendered_configuration(name, tmp_path):
    objects = render(example(name))
    (test,) = only(objects, "Pod")["spec"]["containers"]
    for one in (container(objects), test):
        checked = check_config(objects, tmp_path, one=one)
        assert checked.returncode == 0, checked.stderr


def test_every_key_of_the_example_reaches_the_file(tmp_path):
    values = example("everything-values.yaml")
    rendered = tomllib.loads(config(render(values), tmp_path).read_text())
    for section, keys in values["config"].items():
        assert rendered[section].items() >= keys.items(), section
    assert rendered["cluster"]["name"] == "everything" and rendered["cluster"]["bootstrap"] is False


def test_credentials_are_a_secret_and_nowhere_else():
    values = example("everything-values.yaml")
    objects = render(values)
    secret = only(objects, "Secret")
    assert (
        tomllib.loads("programs = " + base64.b64decode(secret["data"]["programs"]).decode())["programs"]
        == values["auth"]["programs"]
    )
    others = json.dumps([one for (kind, _), one in objects.items() if kind != "Secret"])
    for program in values["auth"]["programs"]:
        for password in program["passwords"]:
            assert json.dumps(password)[1:-1] not in others


@pytest.mark.parametrize(("given", "name"), [("", "pay-holdfast-credentials"), ("mine", "mine")])
def test_without_credentials_an_existing_secret_is_referred_to(given, name):
    objects = render({"auth": {"existingSecret": given}})
    assert not [kind for kind, _ in objects if kind == "Secret"]
    for spec in (pod(objects), only(objects, "Pod")["spec"]):
        (one,) = spec["containers"]
        (programs,) = [row["value"] for row in one["env"] if row["name"] == "HOLDFAST__PROGRAMS"]
        assert programs == f"file:{CREDENTIALS}/programs"
        (volume,) = [one["name"] for one in one["volumeMounts"] if one["mountPath"] == CREDENTIALS]
        (secret,) = [one["secret"] for one in spec["volumes"] if one["name"] == volume]
        assert secret["secretName"] == name


def test_more_nodes_than_the_cluster_was_made_with_join_it(tmp_path):
    objects = render({"replicas": 5, "cluster": {"madeWith": 3}})
    assert only(objects, "StatefulSet")["spec"]["replicas"] == 5
    cluster = tomllib.loads(config(objects, tmp_path).read_text())["cluster"]
    assert [member["id"] for member in cluster["members"]] == [1, 2, 3] and len(cluster["join"]) == 3
    for number in range(1, 6):
        assert check_config(objects, tmp_path, number).returncode == 0
    rows = {row["name"]: row for row in container(objects)["env"]}
    assert rows["POD_NAME"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    names = list(rows)
    for name, port in (("PEER", 7441), ("ADMIN", 9541)):
        where = f"$(POD_NAME).pay-holdfast-peers.cards.svc.cluster.local:{port}"
        assert rows[f"HOLDFAST__CLUSTER__ADVERTISE_{name}"]["value"] == where
        assert names.index("POD_NAME") < names.index(f"HOLDFAST__CLUSTER__ADVERTISE_{name}"), "or it is not known yet"


@pytest.mark.parametrize("nodes", [{"from": "none"}, {"from": "certManager", "issuer": {"name": "ca"}}])
def test_another_number_of_nodes_restarts_none_of_those_that_run(nodes):
    """Whatever is in the template of the pods restarts all of them when it changes."""

    def template(replicas):
        values = {"replicas": replicas, "cluster": {"madeWith": 3}, "tls": {"nodes": nodes}}
        return only(render(values), "StatefulSet")["spec"]["template"]

    assert template(3) == template(5) == template(7)
    assert template(3) == only(render({"tls": {"nodes": nodes}}), "StatefulSet")["spec"]["template"]


def test_the_node_is_told_its_number_by_its_ordinal():
    (row,) = [row for row in container(render())["env"] if row["name"] == "HOLDFAST__NODE__ID"]
    assert row["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"


@pytest.mark.parametrize(("sleep", "drain_ms", "close"), [(5, 5000, 10), (0, 1, 5), (30, 2500, 20), (7, 60000, 10)])
def test_the_grace_period_is_the_sum(sleep, drain_ms, close):
    objects = render(
        {
            "lifecycle": {"preStopSleepSeconds": sleep, "closeSeconds": close},
            "config": {"shutdown": {"leave_ms": 700, "drain_ms": drain_ms}},
        }
    )
    assert pod(objects)["terminationGracePeriodSeconds"] == sleep + math.ceil((700 + drain_ms) / 1000) + close
    wanted = {"preStop": {"sleep": {"seconds": sleep}}} if sleep else None
    assert container(objects).get("lifecycle") == wanted


def test_pods_keep_to_pod_security_restricted():
    for spec in (pod(render()), only(render(), "Pod")["spec"]):
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] == 65532
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
        assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers"))
        for one in spec["containers"]:
            own = one["securityContext"]
            assert own["allowPrivilegeEscalation"] is False and own["readOnlyRootFilesystem"] is True
            assert own["capabilities"] == {"drop": ["ALL"]} and not own.get("privileged")
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
        assert all(set(volume) - {"name"} <= allowed for volume in spec.get("volumes", []))


def test_the_probes_mean_what_the_product_says():
    probes = container(render())
    paths = {name: probes[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert container(render({"readinessNeedsQuorum": True}))["readinessProbe"]["httpGet"]["path"] == "/readyz?quorum"
    startup = probes["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 600, "a long log takes minutes to replay"


def test_only_the_door_leaves_nodes_that_are_not_ready():
    objects = render()
    unready = {
        name: one["spec"].get("publishNotReadyAddresses", False)
        for (kind, name), one in objects.items()
        if kind == "Service"
    }
    assert unready == {"pay-holdfast": False, "pay-holdfast-admin": True, "pay-holdfast-peers": True}
    assert objects["Service", "pay-holdfast-peers"]["spec"]["clusterIP"] == "None"
    names = {port["name"]: port["containerPort"] for port in container(objects)["ports"]}
    for (kind, _), one in objects.items():
        if kind == "Service":
            assert all(port["targetPort"] in names for port in one["spec"]["ports"])


def test_the_selectors_are_for_ever_and_the_same_everywhere():
    for values in ({}, {"commonLabels": {"team": "cards"}, "podLabels": {"a": "b"}, "replicas": 5}):
        objects = render(values)
        assert only(objects, "StatefulSet")["spec"]["selector"] == {"matchLabels": SELECTOR}
        assert only(objects, "PodDisruptionBudget")["spec"]["selector"] == {"matchLabels": SELECTOR}
        assert only(objects, "NetworkPolicy")["spec"]["podSelector"] == {"matchLabels": SELECTOR}
        for (kind, _), one in objects.items():
            if kind == "Service":
                assert one["spec"]["selector"] == SELECTOR
        for claim in only(objects, "StatefulSet")["spec"]["volumeClaimTemplates"]:
            assert claim["metadata"]["labels"] == SELECTOR
        labels = only(objects, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
        assert labels.items() >= SELECTOR.items()
        test = only(objects, "Pod")["metadata"]["labels"]
        assert not test.items() >= SELECTOR.items(), "the test's pod would be taken for a node"


@pytest.mark.parametrize(
    ("release", "values"),
    [
        ("r" * 53, {}),
        ("pay", {"nameOverride": "n" * 63}),
        ("pay", {"fullnameOverride": "f" * 63}),
        ("pay", {"fullnameOverride": "f" * 51 + "-" + "f" * 11}),
        ("holdfast", {}),
        ("a-holdfast-b", {}),
    ],
)
def test_long_names_are_cut_so_that_all_that_is_made_of_them_fits(release, values, tmp_path):
    objects = render(values, name=release)
    stateful = only(objects, "StatefulSet")["metadata"]["name"]
    # A pod's label holds its name and a dash and a hash of ten.
    assert len(stateful) <= 52 and len(f"{stateful}-7") <= 63
    for (kind, name), one in objects.items():
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= (
            63 if kind == "Service" else 253
        ), name
        for value in one["metadata"].get("labels", {}).values():
            assert len(value) <= 63 and re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", value), value
    assert check_config(objects, tmp_path).returncode == 0
    if "holdfast" in release:
        assert stateful == release


def test_the_name_of_the_image():
    def image(**values):
        return container(render({"image": values}))["image"]

    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert image() == f"holdfast:{version}"
    assert image(registry="r.example", repository="a/b", tag="1") == "r.example/a/b:1"
    digest = "sha256:" + "0" * 64
    assert image(registry="r.example", tag="1", digest=digest) == f"r.example/holdfast@{digest}"
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert version == manifest["workspace"]["package"]["version"], "the chart installs another version than this one"


def test_the_kinds_of_service():
    ranges = ["192.0.2.0/24"]
    balanced = render(
        {"service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ranges, "loadBalancerClass": "c", "port": 80}}
    )["Service", "pay-holdfast"]["spec"]
    assert balanced["type"] == "LoadBalancer" and balanced["loadBalancerSourceRanges"] == ranges
    assert balanced["loadBalancerClass"] == "c" and balanced["ports"][0]["port"] == 80
    node = render({"service": {"type": "NodePort", "nodePort": 30441, "externalTrafficPolicy": "Local"}})[
        "Service", "pay-holdfast"
    ]["spec"]
    assert node["ports"][0]["nodePort"] == 30441 and node["externalTrafficPolicy"] == "Local"
    inside = render()["Service", "pay-holdfast"]["spec"]
    assert inside["type"] == "ClusterIP" and "externalTrafficPolicy" not in inside


def test_pods_are_spread():
    soft = pod(render())
    (term,) = soft["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"] == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": SELECTOR},
    }
    (zone,) = soft["topologySpreadConstraints"]
    assert zone["topologyKey"] == "topology.kubernetes.io/zone" and zone["labelSelector"] == {"matchLabels": SELECTOR}
    hard = pod(render({"antiAffinity": "hard"}))["affinity"]["podAntiAffinity"]
    assert list(hard) == ["requiredDuringSchedulingIgnoredDuringExecution"]
    assert "affinity" not in pod(render({"antiAffinity": "none"}))
    own = {"nodeAffinity": {}}
    assert pod(render({"affinity": own}))["affinity"] == own
    assert "topologySpreadConstraints" not in pod(render({"topologySpreadConstraints": []}))


def rules(policy, port):
    return [rule for rule in policy["spec"]["ingress"] if port in [one["port"] for one in rule["ports"]]]


def test_who_may_reach_what():
    policy = only(render(), "NetworkPolicy")
    nodes = {"podSelector": {"matchLabels": SELECTOR}}
    assert [rule["from"] for rule in rules(policy, 7441)] == [[nodes]], "peers from anybody but the nodes"
    assert [rule.get("from") for rule in rules(policy, 8441)] == [None], "the processor comes from anywhere by default"
    assert [rule["from"] for rule in rules(policy, 9541)] == [[nodes], [{"podSelector": {}}]]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["egress"][0]["to"] == [nodes]
    processor, prometheus = {"ipBlock": {"cidr": "192.0.2.0/24"}}, {"namespaceSelector": {}}
    narrow = only(
        render({"networkPolicy": {"jitFrom": [processor], "metricsFrom": [prometheus], "adminFrom": []}}),
        "NetworkPolicy",
    )
    test = {"podSelector": {"matchLabels": {**SELECTOR, "app.kubernetes.io/component": "test"}}}
    assert [rule["from"] for rule in rules(narrow, 8441)] == [[processor, test]]
    assert [rule["from"] for rule in rules(narrow, 9441)] == [[prometheus]]
    assert [rule["from"] for rule in rules(narrow, 9541)] == [[nodes]]
    open_out = only(render({"networkPolicy": {"egress": {"enabled": False}}}), "NetworkPolicy")
    assert open_out["spec"]["policyTypes"] == ["Ingress"] and "egress" not in open_out["spec"]


def test_the_disks():
    spec = only(render({"persistence": {"log": {"size": "1Gi", "storageClass": "fast"}}}), "StatefulSet")["spec"]
    claims = {claim["metadata"]["name"]: claim["spec"] for claim in spec["volumeClaimTemplates"]}
    assert set(claims) == {"log", "data"}
    assert claims["log"]["storageClassName"] == "fast" and claims["log"]["resources"]["requests"]["storage"] == "1Gi"
    assert "storageClassName" not in claims["data"] and claims["data"]["accessModes"] == ["ReadWriteOnce"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    forgetful = only(render({"persistence": {"ephemeral": True}}), "StatefulSet")["spec"]
    assert "volumeClaimTemplates" not in forgetful
    names = [volume["name"] for volume in forgetful["template"]["spec"]["volumes"]]
    assert names == ["config", "credentials", "log", "data"]


def test_what_is_given_in_addition_is_there():
    objects = render(example("everything-values.yaml"))
    spec, one = pod(objects), container(objects)
    assert {"name": "MIMALLOC_PURGE_DELAY", "value": "10"} in one["env"]
    assert {"name": "scratch", "emptyDir": {}} in spec["volumes"]
    assert {"name": "scratch", "mountPath": "/scratch"} in one["volumeMounts"]
    assert spec["nodeSelector"] == {"disk": "nvme"} and spec["tolerations"] == [{"key": "cards", "operator": "Exists"}]
    assert spec["imagePullSecrets"] == [{"name": "registry"}] and spec["serviceAccountName"] == "cards"
    assert {"ConfigMap/pay-holdfast-extra", "ConfigMap/pay-text"} <= set(kinds(objects))
    labels = only(objects, "StatefulSet")["metadata"]["labels"]
    assert labels["team"] == "cards"
    template = only(objects, "StatefulSet")["spec"]["template"]["metadata"]
    assert template["labels"]["c"] == "d" and template["annotations"]["a"] == "b"
    assert pod(render({"priorityClassName": "p"}))["priorityClassName"] == "p"
    assert pod(render({"serviceAccount": {"create": False}}))["serviceAccountName"] == "default"


def in_force_without_a_restart():
    """By the page, which the product's own tests keep honest."""
    page = (ROOT / "docs" / "operating.md").read_text().split("<!-- again -->")[1]
    return sorted(re.findall(r"`([a-z_.]+)`", page))


def test_what_the_product_looks_at_again_restarts_no_node():
    def checksum(values):
        return only(render(values), "StatefulSet")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    values = example("everything-values.yaml")
    again = in_force_without_a_restart()
    assert len(again) == 15
    sections = copy.deepcopy(values["config"])
    sections["standin"]["rules"] = [{"policy": "approve"}]
    sections["audit"] = {"interval_s": 60}
    sections["log"]["requests"] = True
    found = []
    for section, keys in sections.items():
        for key in keys:
            without = copy.deepcopy({**values, "config": sections})
            del without["config"][section][key]
            try:
                changed = checksum(without) != checksum({**values, "config": sections})
            except Refused:
                continue
            name = f"{section}.{key}"
            assert changed == (name not in again), name
            found += [name] if not changed else []
    # What cannot be left out is changed.
    for name, value in (("per_transaction", "51.00 USD"), ("per_account", "101.00 USD"), ("per_node", "9.00 USD")):
        other = copy.deepcopy(sections)
        other["standin"][name] = value
        assert checksum({**values, "config": other}) == checksum({**values, "config": sections}), name
    assert set(found) > {"standin.policy", "standin.rules", "log.level", "audit.interval_s"}
    named = {"admin": {"certificates": [{"name": "a", "role": "admin"}]}, "tls": {"nodes": {"from": "existing"}}}
    assert checksum(named) == checksum({"tls": {"nodes": {"from": "existing"}}})


def test_a_changed_configuration_restarts_the_nodes_and_nothing_else_does():
    def checksum(values):
        return only(render(values), "StatefulSet")["spec"]["template"]["metadata"]["annotations"]

    before = checksum({})
    assert checksum({"config": {"jit": {"deadline_ms": 700}}}) != before
    assert checksum({"service": {"port": 80}, "metrics": {"dashboard": {"enabled": True}}}) == before

    def program(password):
        return {"auth": {"programs": [{"name": "p", "user": "u", "passwords": [password]}]}}

    assert checksum(program("999999999999")) == checksum(program("888888888888")), "the nodes read them again"


def test_the_test_asks_through_the_service(tmp_path):
    one = only(render({"service": {"port": 80}}), "Pod")
    assert one["metadata"]["annotations"]["helm.sh/hook"] == "test"
    args = one["spec"]["containers"][0]["args"]
    assert args[:3] == ["probe", "--url", "http://pay-holdfast.cards.svc.cluster.local:80/v1/jit"]
    # The arguments are those of the binary: asked where nobody is, it says so, and not that it was misused.
    told = environment(one["spec"]["containers"][0], render(), tmp_path)
    words = ["http://127.0.0.1:1/" if arg.startswith("http:") else arg for arg in args]
    words[words.index("--config") + 1] = config(render(), tmp_path)
    words[words.index("--patience-s") + 1] = "0"
    asked = run(HOLDFAST, *words, check=False, env=told)
    assert asked.returncode == 3, asked.stderr


LIMITS = {
    "per_transaction": "50.00 USD",
    "per_account": "100.00 USD",
    "per_account_count": 6,
    "per_node": "1000.00 USD",
}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"replicas": 2}, "replicas is 2: an even number of nodes"),
        ({"replicas": 4}, "Take 1, 3, 5 or 7"),
        ({"replicas": 0}, "an even number"),
        ({"replicas": 9}, "replicas is 9: take 1, 3, 5 or 7"),
        ({"podDisruptionBudget": {"maxUnavailable": 2}}, "of 3 nodes at most 1 may be away"),
        ({"config": {"standin": {"policy": "approve"}}}, "approve without config.standin.per_transaction"),
        *[
            (
                {
                    "config": {
                        "standin": {"policy": "approve", **{key: value for key, value in LIMITS.items() if key != left}}
                    }
                },
                f"approve without config.standin.{left}: approving without a quorum costs money",
            )
            for left in LIMITS
        ],
        ({"config": {"standin": {"policy": "approve", **LIMITS, "per_account_count": 2}}}, "it must be at least 3"),
        (
            {"auth": {"existingSecret": "a", "programs": [{"name": "p", "user": "u", "passwords": ["999999999999"]}]}},
            "which of them holds the credentials",
        ),
        ({"service": {"loadBalancerSourceRanges": ["192.0.2.0/24"]}}, "nothing would keep anybody out"),
    ],
)
@pytest.mark.parametrize("version", HELMS)
def test_what_money_depends_on_is_refused_with_a_sentence(values, sentence, version):
    with pytest.raises(Refused, match=re.escape(sentence)):
        render(values, version=version)


@pytest.mark.parametrize("version", HELMS)
def test_another_number_of_nodes_than_the_cluster_was_made_with_is_refused(version, tmp_path):
    """There is no cluster to look up in: what it would find is put in the place of `lookup`."""
    asked = 'lookup "apps/v1" "StatefulSet" .Release.Namespace (include "holdfast.fullname" .)'
    chart = shutil.copytree(CHART, tmp_path / "holdfast")
    validate_text = (CHART / "templates" / "_validate.tpl").read_text()
    assert validate_text.count(asked) == 1

    def upgrade(found, replicas, *more):
        (chart / "templates" / "_validate.tpl").write_text(validate_text.replace(asked, found))
        values = [word for value in (f"replicas={replicas}", *more) for word in ("--set", value)]
        return run(helm(version), "template", "pay", chart, *values, check=False)

    def made(running):
        annotations = '(dict "annotations" (dict "holdfast/members" "3"))'
        return f'dict "metadata" {annotations} "spec" (dict "replicas" {running})'

    assert upgrade(made(3), 3).returncode == 0
    for replicas in (1, 5):
        refused = upgrade(made(3), replicas)
        assert refused.returncode != 0
        assert "but it was made with 3. Set cluster.madeWith to 3" in refused.stderr
    assert upgrade(made(3), 5, "cluster.madeWith=3").returncode == 0
    refused = upgrade(made(5), 3)
    assert refused.returncode != 0
    assert "replicas is 3, and 5 nodes run" in refused.stderr and "cluster remove ID" in refused.stderr
    assert upgrade(made(5), 3, "cluster.scaleDownTo=3").returncode == 0
    assert upgrade(made(5), 3, "cluster.scaleDownTo=1").returncode != 0
    assert upgrade('dict "metadata" (dict "name" "of an older chart")', 5).returncode == 0
    assert only(render(), "StatefulSet")["metadata"]["annotations"] == {"holdfast/members": "3"}


def test_approving_with_all_limits_is_accepted(tmp_path):
    objects = render({"config": {"standin": {"policy": "approve", **LIMITS}}})
    assert check_config(objects, tmp_path).returncode == 0


def test_rules_that_approve_need_limits_too(tmp_path):
    rules = [
        {"channels": ["atm"], "policy": "decline"},
        {"mccs": ["groceries", "5400-5499"], "up_to": "25.00 USD", "policy": "approve"},
    ]
    assert check_config(render({"config": {"standin": {"rules": rules, **LIMITS}}}), tmp_path).returncode == 0
    with pytest.raises(Refused, match=re.escape("approve without config.standin.per_transaction")):
        render({"config": {"standin": {"rules": rules}}})


def test_the_table_in_the_readme_is_up_to_date():
    readme = (CHART / "README.md").read_text()
    fresh = with_table(readme, (CHART / "values.yaml").read_text())
    assert fresh == readme, "run tests/ship/readme.py"
    missing = [key for key in yaml.safe_load((CHART / "values.yaml").read_text()) if f"`{key}" not in fresh]
    assert not missing


@pytest.mark.parametrize("version", HELMS)
def test_the_notes_say_how_to_begin(version, tmp_path):
    """`helm template` does not show them, and `install` wants a cluster: so they are rendered as a map's text."""
    chart = shutil.copytree(CHART, tmp_path / "holdfast")
    notes = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "shown.yaml").write_text(
        '{{- define "notes" -}}\n' + notes + "{{- end }}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shown\n"
        'data:\n  notes: {{ include "notes" . | toJson }}\n'
    )

    def shown(*more):
        done = run(helm(version), "template", "pay", chart, "--namespace", "cards", "-s", "templates/shown.yaml", *more)
        return yaml.safe_load(done.stdout)["data"]["notes"]

    plain = shown()
    assert "create secret generic pay-holdfast-credentials" in plain and "ctl cluster status" in plain
    # The command it prints makes a Secret that the product accepts.
    programs = re.search(r"--from-literal=programs='(.*)'", plain).group(1)
    assert tomllib.loads(f"programs = {programs}")["programs"][0]["passwords"] == ["at-least-12-characters"]
    assert plain.count("WARNING") == 1 and "WARNING: nodes and operators speak plain text" in plain
    assert "door speaks plain HTTP" in plain and "asks http://" in plain
    secure = shown("--values", CHART / "ci" / "tls-values.yaml")
    assert "plain" not in secure and "asks https://" in secure and "get certificates" in secure
    assert "WARNING: one node" in shown("--set", "replicas=1")
    assert "promote" not in plain and "delete pvc" not in plain
    more = shown("--set", "replicas=5", "--set", "cluster.madeWith=3")
    assert "made with 3 nodes" in more and "ctl cluster promote ID" in more and "until 5 vote" in more
    fewer = shown("--set", "cluster.scaleDownTo=3")
    assert "log-pay-holdfast-4 data-pay-holdfast-4" in fewer and "data-pay-holdfast-7" in fewer
    assert "holdfast-3 " not in fewer.split("delete pvc", 1)[1]
    assert "WARNING: persistence.ephemeral" in shown("--set", "persistence.ephemeral=true")
    assert "Anybody may come to it" in shown("--set", "service.type=LoadBalancer")
    assert "create secret" not in shown("--values", CHART / "ci" / "everything-values.yaml")


def test_the_examples_of_the_readme_render():
    """README's own line, as it stands there."""
    for path in (CHART / "README.md", ROOT / "README.md"):
        blocks = re.findall(r"```sh\n(helm install .*?)```", path.read_text(), re.S)
        assert blocks, f"{path} has no helm install line"
        for block in blocks:
            words = block.replace("helm install", f"{shutil.which('env')} {helm(list(HELMS)[-1])} template")
            run("bash", "-c", words, cwd=ROOT)
