"""The issuer's interface in the chart: off, or with credentials, a service and a rule of its own."""

import base64
import json
import re
import tomllib

import pytest

from charts import Refused, check_config, container, kinds, only, render, shown_config

PROGRAMS = [{"name": "default", "user": "marqeta", "passwords": ["999999999999"]}]
OWN = {"user": "core", "passwords": ["888888888888"], "program": "default"}
ON = {"issuer": {"enabled": True}, "auth": {"programs": PROGRAMS, "issuer": [OWN]}}


def listens(objects, directory):
    return tomllib.loads(shown_config(objects, directory))["listen"]["issuer"]


def test_it_is_off(tmp_path):
    objects = render()
    assert listens(objects, tmp_path) == ""
    assert "9641" not in json.dumps(list(objects.values()))


def test_it_brings_a_service_and_nothing_else(tmp_path):
    before, after = set(kinds(render({"auth": {"programs": PROGRAMS}}))), set(kinds(render(ON)))
    assert after - before == {"Service/pay-holdfast-issuer"} and not before - after
    objects = render(ON)
    assert listens(objects, tmp_path) == "0.0.0.0:9641" and check_config(objects, tmp_path).returncode == 0
    service = objects["Service", "pay-holdfast-issuer"]["spec"]
    assert service["type"] == "ClusterIP" and not service.get("publishNotReadyAddresses")
    (port,) = service["ports"]
    assert port == {"name": "grpc-issuer", "port": 9641, "targetPort": "issuer", "protocol": "TCP"}
    assert {"name": "issuer", "containerPort": 9641, "protocol": "TCP"} in container(objects)["ports"]
    assert service["selector"] == objects["Service", "pay-holdfast"]["spec"]["selector"]


def test_the_kinds_of_its_service():
    own = {"type": "LoadBalancer", "port": 443, "loadBalancerSourceRanges": ["10.0.0.0/8"], "annotations": {"a": "b"}}
    objects = render({**ON, "issuer": {"enabled": True, "service": own}})
    one = objects["Service", "pay-holdfast-issuer"]
    assert one["spec"]["loadBalancerSourceRanges"] == ["10.0.0.0/8"] and one["spec"]["ports"][0]["port"] == 443
    assert one["metadata"]["annotations"] == {"a": "b"}
    assert objects["Service", "pay-holdfast"]["spec"]["type"] == "ClusterIP", "each has its own"
    node = {"enabled": True, "service": {"type": "NodePort", "nodePort": 30941}}
    assert render({**ON, "issuer": node})["Service", "pay-holdfast-issuer"]["spec"]["ports"][0]["nodePort"] == 30941


def test_its_credentials_are_in_the_secret_and_nowhere_else(tmp_path):
    objects = render(ON)
    held = base64.b64decode(only(objects, "Secret")["data"]["issuer"]).decode()
    assert tomllib.loads(f"all = {held}")["all"] == [OWN]
    assert "888888888888" not in json.dumps([one for (kind, _), one in objects.items() if kind != "Secret"])
    (row,) = [row for row in container(objects)["env"] if row["name"] == "HOLDFAST__ISSUER__CREDENTIALS"]
    assert row["value"] == "file:/run/holdfast/credentials/issuer"
    of_a_secret = render({"issuer": {"enabled": True}, "auth": {"existingKeys": ["issuer"]}})
    assert check_config(of_a_secret, tmp_path).returncode == 0


def test_who_may_reach_it():
    def rules(values):
        policy = only(render(values), "NetworkPolicy")
        return [rule for rule in policy["spec"]["ingress"] if {"port": 9641, "protocol": "TCP"} in rule["ports"]]

    (rule,) = rules(ON)
    assert rule["from"] == [{"podSelector": {}}], "the namespace alone: money is moved there"
    core = {"namespaceSelector": {"matchLabels": {"a": "core"}}}
    (rule,) = rules({**ON, "networkPolicy": {"issuerFrom": [core]}})
    assert rule == {"ports": [{"port": 9641, "protocol": "TCP"}], "from": [core]}
    assert not rules({**ON, "networkPolicy": {"issuerFrom": []}})


def test_the_nodes_certificates_are_good_for_it():
    objects = render({**ON, "tls": {"nodes": {"from": "certManager", "issuer": {"name": "ca"}}}})
    for (kind, name), one in objects.items():
        if kind == "Certificate":
            assert "pay-holdfast-issuer.cards.svc.cluster.local" in one["spec"]["dnsNames"], name


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"issuer": {"enabled": True}}, "nobody could use it"),
        ({"auth": {"programs": PROGRAMS, "issuer": [OWN]}}, "nothing would listen"),
        ({"auth": {"existingKeys": ["issuer"]}}, "nothing would listen"),
        ({"issuer": {"enabled": True}, "auth": {"issuer": [OWN]}}, "goes into the Secret that auth.programs makes"),
        (
            {**ON, "issuer": {"enabled": True, "service": {"loadBalancerSourceRanges": ["10.0.0.0/8"]}}},
            "issuer.service.type is ClusterIP",
        ),
    ],
)
def test_what_nobody_could_use_is_refused_with_a_sentence(values, sentence):
    with pytest.raises(Refused, match=re.escape(sentence)):
        render(values)
