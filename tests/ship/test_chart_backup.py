"""The chart's own jobs, backups and promotions: what they may do, where they write, and that its words and those of the restore are the product's."""

import copy
import json
import re
import tomllib

import pytest

from charts import Refused, check_config, config, environment, kinds, only, pod, render, shown_config
from processes import HOLDFAST, run

ON = {"backup": {"enabled": True}}


def secure(**nodes):
    return {**ON, "tls": {"nodes": {"issuer": {"name": "ca"}, **nodes}}}


def job(objects):
    return only(objects, "CronJob")["spec"]


def job_pod(objects):
    return job(objects)["jobTemplate"]["spec"]["template"]["spec"]


def told(objects):
    return {row["name"]: row["value"] for row in job_pod(objects)["containers"][0]["env"]}


def test_it_is_off_and_brings_a_claim_when_it_is_on():
    before, after = set(kinds(render())), set(kinds(render(ON)))
    assert after - before == {"CronJob/pay-holdfast-backup", "PersistentVolumeClaim/pay-holdfast-backup"}
    assert not before - after
    claim = only(render(ON), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    for own in ({"persistence": {"existingClaim": "mine"}}, {"volume": {"emptyDir": {}}}):
        objects = render({"backup": {"enabled": True, **own}})
        assert "PersistentVolumeClaim" not in [kind for kind, _ in objects]
        (volume,) = [one for one in job_pod(objects)["volumes"] if one["name"] == "backups"]
        assert volume == {
            "name": "backups",
            **({"emptyDir": {}} if "volume" in own else {"persistentVolumeClaim": {"claimName": "mine"}}),
        }


def test_one_runs_at_a_time_and_all_that_it_does_is_bounded():
    spec = job(render(ON))
    assert spec["concurrencyPolicy"] == "Forbid" and spec["startingDeadlineSeconds"] > 0
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0 and spec["jobTemplate"]["spec"]["backoffLimit"] == 2
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 3)
    assert "timeZone" not in spec and spec["suspend"] is False


def test_its_pod_keeps_to_restricted_and_is_no_node():
    objects = render(ON)
    spec = job_pod(objects)
    assert spec["securityContext"]["runAsNonRoot"] and spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["fsGroup"] == 65532, "or it could not write into its claim"
    (one,) = spec["containers"]
    assert one["securityContext"]["readOnlyRootFilesystem"] and one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    labels = job(objects)["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    selector = only(objects, "StatefulSet")["spec"]["selector"]["matchLabels"]
    assert not labels.items() >= selector.items(), "the services would send requests to it"


def test_the_nodes_let_it_in_and_nobody_else():
    policy = only(render({**ON, "networkPolicy": {"adminFrom": []}}), "NetworkPolicy")
    (rule,) = [
        rule
        for rule in policy["spec"]["ingress"]
        if "operator" in json.dumps(rule)
    ]
    assert rule["ports"] == [{"port": 9541, "protocol": "TCP"}]
    labels = job(render(ON))["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= rule["from"][0]["podSelector"]["matchLabels"].items()


@pytest.mark.parametrize("source", ["certManager", "csi", "existing"])
def test_in_tls_it_is_an_operator_by_a_certificate_that_is_no_nodes(source, tmp_path):
    objects = render(secure(**{"from": source}))
    name = "pay-holdfast-operator.cards.svc.cluster.local"
    named = {one["name"]: one["role"] for one in tomllib.loads(shown_config(objects, tmp_path))["admin"]["certificates"]}
    assert named[name] == "operator"
    made = [one["spec"] for (kind, _), one in objects.items() if kind == "Certificate" and "operator-tls" in json.dumps(one)]
    if source == "existing":
        assert not made
    else:
        (made,) = made
        assert made["dnsNames"] == [name] and "uris" not in made and "server auth" not in made["usages"]
    (volume,) = [one["secret"] for one in job_pod(objects)["volumes"] if one["name"] == "caller"]
    assert volume["secretName"] == "pay-holdfast-operator-tls"
    assert told(objects)["HOLDFAST_CERT"] == "/run/holdfast/caller/tls.crt"
    assert "HOLDFAST_TOKEN_FILE" not in told(objects)


def test_in_plain_text_it_shows_a_token_where_operators_are_named():
    assert not [name for name in told(render(ON)) if name in ("HOLDFAST_CA", "HOLDFAST_TOKEN_FILE")]
    objects = render({**ON, "operator": {"tokenSecret": "t"}, "auth": {"existingKeys": ["admin_tokens"]}})
    assert told(objects)["HOLDFAST_TOKEN_FILE"] == "/run/holdfast/caller/token"
    with pytest.raises(Refused, match="must show one"):
        render({**ON, "auth": {"existingKeys": ["admin_tokens"]}})


def test_its_words_are_the_products(tmp_path):
    """Where nobody answers it says that nothing was done, and not that it was misused."""
    objects = render({**ON, "replicas": 5, "backup": {"enabled": True, "stale": True, "keep": 3}})
    (one,) = job_pod(objects)["containers"]
    variables = told(objects)
    assert len(variables["HOLDFAST_ENDPOINTS"].split(",")) == 5, "any node will do"
    assert variables["HOLDFAST_ENDPOINTS"].startswith("pay-holdfast-1.pay-holdfast-peers.cards.svc")
    words = [str(tmp_path) if word == "/backups" else word for word in one["args"]]
    asked = run(HOLDFAST, *words, env={**variables, "HOLDFAST_ENDPOINTS": "127.0.0.1:1"}, check=False)
    assert asked.returncode == 3, (asked.returncode, asked.stderr)


MORE = {"replicas": 5, "cluster": {"madeWith": 3, "promote": True}}


@pytest.mark.parametrize("values", [MORE, {**MORE, "tls": {"nodes": {"from": "existing"}}}])
def test_votes_are_given_after_an_upgrade_by_a_job_that_was_asked_for(values, tmp_path):
    assert "Job" not in [kind for kind, _ in render({"replicas": 5, "cluster": {"madeWith": 3}})]
    objects = render(values)
    job = only(objects, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-upgrade"
    assert job["spec"]["activeDeadlineSeconds"] > 3 * 300, "three tries of 300 s"
    spec = job["spec"]["template"]["spec"]
    (one,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] and one["securityContext"]["readOnlyRootFilesystem"]
    assert one["args"][one["args"].index("--until") + 1] == "5"
    variables = {row["name"]: row["value"] for row in one["env"]}
    assert ("HOLDFAST_CERT" in variables) == ("tls" in values) == ("volumes" in spec)
    words = [word if word != "300" else "0" for word in one["args"]]
    asked = run(HOLDFAST, *words, env={"HOLDFAST_ENDPOINTS": "127.0.0.1:1"}, check=False)
    assert asked.returncode == 3, (asked.returncode, asked.stderr)
    policy = only(objects, "NetworkPolicy")
    assert any("operator" in json.dumps(rule) for rule in policy["spec"]["ingress"])


RESTORE = {"file": "a.backup", "name": "fire-1", "claim": "backups"}


def test_a_restore_runs_before_each_node_with_its_disks(tmp_path):
    assert "initContainers" not in pod(render())
    objects = render({"restore": RESTORE, "cluster": {"id": "0" * 31 + "1"}})
    spec = pod(objects)
    (one,) = spec["initContainers"]
    (node,) = spec["containers"]
    disks = lambda of: {mount["name"]: mount["mountPath"] for mount in of["volumeMounts"] if mount["name"] in ("log", "data")}
    assert disks(one) == disks(node)
    assert one["securityContext"] == node["securityContext"] and one["image"] == node["image"]
    (volume,) = [one for one in spec["volumes"] if one["name"] == "backups"]
    assert volume["persistentVolumeClaim"] == {"claimName": "backups", "readOnly": True}
    assert tomllib.loads(shown_config(objects, tmp_path))["cluster"]["id"] == "0" * 31 + "1"
    # The product takes these words, and misses the file.
    words = copy.copy(one["args"])
    words[words.index("--config") + 1] = config(objects, tmp_path)
    asked = run(HOLDFAST, *words, env=environment(one, objects, tmp_path), check=False)
    assert asked.returncode in (1, 2) and "/backups/a.backup" in asked.stderr, (asked.returncode, asked.stderr)
    assert check_config(objects, tmp_path, one=one).returncode == 0


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"cluster": {"promote": True}}, "replicas has none"),
        ({"restore": {"file": "a"}}, "restore.file needs restore.name"),
        ({"restore": {"name": "a"}}, "say nothing without restore.file"),
        ({"restore": RESTORE, "replicas": 5, "cluster": {"madeWith": 3}}, "begins with all of its members"),
        (
            {"backup": {"enabled": True, "volume": {"emptyDir": {}}, "persistence": {"existingClaim": "a"}}},
            "where do backups go",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(values, sentence):
    with pytest.raises(Refused, match=re.escape(sentence)):
        render(values)


@pytest.mark.parametrize("file", ["../secret", "a/b", "a b"])
def test_a_file_is_a_name_in_the_claim(file):
    with pytest.raises(Refused):
        render({"restore": {**RESTORE, "file": file}})
