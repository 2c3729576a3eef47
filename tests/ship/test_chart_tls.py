"""Certificates in the chart: who gets which names, that a node takes its own alone, and that what comes of it starts."""

import json
import re
import subprocess
import tomllib

import pytest
import yaml

from charts import CHART, Refused, check_config, config, container, environment, only, pod, render, shown_config
from nodes import free_ports
from processes import HOLDFAST, run

HOST = "pay-holdfast-{0}.pay-holdfast-peers.cards.svc.cluster.local"
ISSUER = {"name": "nodes-ca"}
FROM = {
    "certManager": {"from": "certManager", "issuer": ISSUER},
    "csi": {"from": "csi", "issuer": ISSUER},
    "existing": {"from": "existing"},
}


def example(name):
    return yaml.safe_load((CHART / "ci" / name).read_text())


def certificates(objects):
    return {name: one["spec"] for (kind, name), one in objects.items() if kind == "Certificate"}


def volume(spec, name):
    (one,) = [one for one in spec["volumes"] if one["name"] == name]
    return one


def test_without_a_word_there_are_no_certificates():
    objects = render()
    assert not certificates(objects)
    assert {one["name"] for one in pod(objects)["volumes"]} == {"config", "credentials"}
    assert "TLS" not in json.dumps([row["name"] for row in container(objects)["env"]])


@pytest.mark.parametrize("replicas", [1, 3, 7])
def test_each_node_has_a_certificate_in_its_own_name(replicas):
    found = certificates(render({"replicas": replicas, "tls": {"nodes": FROM["certManager"]}}))
    assert list(found) == [f"pay-holdfast-tls-{number}" for number in range(1, replicas + 1)]
    for number, (name, spec) in enumerate(found.items(), 1):
        assert spec["secretName"] == name
        assert spec["uris"] == [f"holdfast://pay-holdfast/{HOST.format(number)}"]
        assert spec["dnsNames"][0] == HOST.format(number) and "localhost" in spec["dnsNames"]
        assert "pay-holdfast-admin.cards.svc" in spec["dnsNames"]
        assert not [other for other in spec["dnsNames"] if "-peers" in other and other != HOST.format(number)]
        assert {"server auth", "client auth"} <= set(spec["usages"])
        assert spec["issuerRef"] == {"name": "nodes-ca", "kind": "Issuer", "group": "cert-manager.io"}
        assert spec["privateKey"]["rotationPolicy"] == "Always"
        # What the CRD knows, and nothing else.
        assert set(spec) == {
            *("secretName", "duration", "renewBefore", "privateKey", "usages", "uris", "dnsNames", "issuerRef")
        }


def test_the_door_has_the_names_of_the_processor():
    objects = render(example("tls-values.yaml"))
    door = certificates(objects)["pay-holdfast-jit-tls"]
    assert door["dnsNames"] == ["jit.bank.example"] and "uris" not in door
    assert door["issuerRef"]["kind"] == "ClusterIssuer" and "client auth" not in door["usages"]
    nodes = certificates(objects)["pay-holdfast-tls-1"]["dnsNames"]
    assert "jit.bank.example" not in nodes and "admin.cards.bank.example" in nodes
    inside = certificates(render({"tls": {"jit": {"from": "certManager", "issuer": ISSUER}}}))
    assert "pay-holdfast.cards.svc.cluster.local" in inside["pay-holdfast-jit-tls"]["dnsNames"]
    shared = certificates(render({"tls": {"nodes": FROM["certManager"], "jit": {"from": "nodes"}}}))
    assert set(shared) == {f"pay-holdfast-tls-{number}" for number in (1, 2, 3)}
    assert "pay-holdfast.cards.svc.cluster.local" in shared["pay-holdfast-tls-2"]["dnsNames"]


@pytest.mark.parametrize("source", FROM)
def test_a_node_takes_its_own_certificate(source, tmp_path):
    objects = render({"tls": {"nodes": FROM[source]}})
    for number in (1, 2, 7):
        shown = tomllib.loads(shown_config(objects, tmp_path, number))
        tls, directory = shown["tls"], "/run/holdfast/tls"
        if source != "csi":
            directory += f"/pay-holdfast-{number}"
        assert (tls["certificate"], tls["key"]) == (f"{directory}/tls.crt", f"{directory}/tls.key")
        assert tls["ca"] == f"{directory}/ca.crt" and not tls["insecure"]
        assert tls["jit"]["insecure"] and tls["admin_http"]["insecure"] and not tls["peer"]["insecure"]
        names = {one["name"]: one["role"] for one in shown["admin"]["certificates"]}
        assert names[f"holdfast://pay-holdfast/{HOST.format(number)}"] == "operator"
    one = volume(pod(objects), "tls")
    if source == "csi":
        told = one["csi"]["volumeAttributes"]
        host = HOST.format(0).replace("pay-holdfast-0", "${POD_NAME}", 1)
        assert told["csi.cert-manager.io/uri-sans"] == f"holdfast://pay-holdfast/{host}"
        assert told["csi.cert-manager.io/dns-names"].split(",")[0] == host
        assert told["csi.cert-manager.io/fs-group"] == "65532" and all(isinstance(it, str) for it in told.values())
    else:
        sources = [one["secret"] for one in one["projected"]["sources"]]
        assert [one["name"] for one in sources] == [f"pay-holdfast-tls-{number}" for number in range(1, 8)]
        assert all(one["optional"] for one in sources), "one that is missing would keep all nodes from starting"
        assert sources[1]["items"][0] == {"key": "tls.crt", "path": "pay-holdfast-2/tls.crt"}
        assert one["projected"]["defaultMode"] == 0o440
    mounts = [mount["mountPath"] for mount in container(objects)["volumeMounts"]]
    for path in mounts:
        assert not [other for other in mounts if other != path and path.startswith(f"{other}/")], (
            "a mount inside of one that is read-only"
        )


def test_the_operator_in_a_pod_comes_with_the_nodes_certificate(tmp_path):
    objects = render({"tls": {"nodes": FROM["existing"]}})
    told = environment(container(objects), objects, tmp_path, 2)
    assert told["HOLDFAST_ENDPOINTS"] == f"{HOST.format(2)}:9541"
    assert told["HOLDFAST_CERT"] == "/run/holdfast/tls/pay-holdfast-2/tls.crt"
    assert told["HOLDFAST_CERT_KEY"].endswith("-2/tls.key") and told["HOLDFAST_CA"].endswith("-2/ca.crt")


@pytest.mark.parametrize("admin_http", [False, True])
def test_probes_and_metrics_speak_what_the_listener_speaks(admin_http):
    nodes = {**FROM["certManager"], "adminHttp": admin_http}
    objects = render({"tls": {"nodes": nodes}, "metrics": {"serviceMonitor": {"enabled": True}}})
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container(objects)[name]["httpGet"]["scheme"] == ("HTTPS" if admin_http else "HTTP")
    (endpoint,) = only(objects, "ServiceMonitor")["spec"]["endpoints"]
    if admin_http:
        assert endpoint["scheme"] == "https" and endpoint["tlsConfig"]["serverName"] == "pay-holdfast-admin.cards.svc"
        assert endpoint["tlsConfig"]["ca"] == {"secret": {"name": "pay-holdfast-tls-1", "key": "ca.crt"}}
    else:
        assert "scheme" not in endpoint and "tlsConfig" not in endpoint


def test_the_test_believes_the_doors_authority_and_has_no_key_of_it():
    spec = only(render(example("tls-values.yaml")), "Pod")["spec"]
    args = spec["containers"][0]["args"]
    assert args[args.index("--url") + 1] == "https://pay-holdfast.cards.svc.cluster.local:8441/v1/jit"
    assert args[args.index("--ca") + 1] == "/run/holdfast/jit/tls.crt"
    assert args[args.index("--host") + 1] == "jit.bank.example"
    assert args[args.index("--cert-key") + 1] == "/run/holdfast/caller/tls.key"
    authority = volume(spec, "jit-authority")["secret"]
    assert authority["secretName"] == "pay-holdfast-jit-tls"
    assert authority["items"] == [{"key": "tls.crt", "path": "tls.crt"}]
    assert volume(spec, "caller")["secret"]["secretName"] == "processor-test"
    shared = only(render({"tls": {"nodes": FROM["existing"], "jit": {"from": "nodes"}}}), "Pod")["spec"]
    assert volume(shared, "jit-authority")["secret"]["secretName"] == "pay-holdfast-tls-1"
    assert "--host" not in shared["containers"][0]["args"]


def test_its_arguments_are_the_products(tmp_path):
    """Where nobody listens it says that, and not that it was misused: with certificates of the product's own making."""
    run(HOLDFAST, "certs", "new", "--dir", tmp_path / "certs", "--cluster", "c", "--nodes", "1", "--caller", "ada")
    objects = render(example("tls-values.yaml"))
    one = only(objects, "Pod")["spec"]["containers"][0]
    files = {
        "--url": "https://127.0.0.1:1/v1/jit",
        "--config": config(objects, tmp_path),
        "--ca": tmp_path / "certs" / "ca.crt",
        "--cert": tmp_path / "certs" / "ada.crt",
        "--cert-key": tmp_path / "certs" / "ada.key",
        "--patience-s": "0",
    }
    args = one["args"]
    for flag, value in files.items():
        args[args.index(flag) + 1] = value
    asked = run(HOLDFAST, *args, env=environment(one, objects, tmp_path), check=False)
    assert asked.returncode == 3, (asked.returncode, asked.stderr)


@pytest.mark.parametrize("source", FROM)
@pytest.mark.parametrize("jit", ["none", "nodes", "existing"])
@pytest.mark.parametrize("callers", ["", "processor-ca"])
def test_every_way_of_having_certificates_is_accepted_by_the_product(source, jit, callers, tmp_path):
    values = {
        "tls": {"nodes": FROM[source], "jit": {"from": jit, "clientCaSecret": callers}},
        "tests": {"enabled": False},
    }
    if callers and jit == "none":
        with pytest.raises(Refused, match="nobody shows a certificate"):
            render(values)
        return
    objects = render(values)
    checked = check_config(objects, tmp_path, 2)
    assert checked.returncode == 0, checked.stderr
    shown = tomllib.loads(shown_config(objects, tmp_path, 2))["tls"]["jit"]
    assert shown["insecure"] == (jit == "none") and shown["ca"] == ("/run/holdfast/jit-callers/ca.crt" if callers else "")
    assert (shown["certificate"] == "/run/holdfast/jit/tls.crt") == (jit == "existing")


def test_a_node_starts_with_what_the_chart_gives_it(tmp_path):
    """The names in the rendered certificate, signed, are those that the rendered configuration wants of a node."""
    objects = render({"replicas": 1, "tls": {"nodes": FROM["certManager"], "jit": {"from": "nodes"}}})
    spec = certificates(objects)["pay-holdfast-tls-1"]
    directory = tmp_path / "tls" / "pay-holdfast-1"
    directory.mkdir(parents=True)
    names = [f"URI:{uri}" for uri in spec["uris"]] + [f"DNS:{name}" for name in spec["dnsNames"]]
    sign(directory, names)
    text = config(objects, tmp_path).read_text()
    for port, free in zip((8441, 9441, 9541, 7441), free_ports(4), strict=True):
        text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{free}")
    (tmp_path / "holdfast.toml").write_text(text)
    told = environment(container(objects), objects, tmp_path)
    told = {name: value.replace("/run/holdfast/tls", str(tmp_path / "tls")) for name, value in told.items()}
    told["HOLDFAST__NODE__DATA_DIR"], told["HOLDFAST__NODE__LOG_DIR"] = str(tmp_path / "data"), str(tmp_path / "log")
    words = [HOLDFAST, "serve", "--stop-with-stdin", "--config", tmp_path / "holdfast.toml"]
    with subprocess.Popen(
        words, env=told, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as node:
        seen = []
        for line in node.stderr:
            seen.append(line)
            if "node started" in line:
                break
        node.stdin.close()
        rest = node.stderr.read()
        assert node.wait(timeout=30) == 0 and "node started" in seen[-1], "".join(seen) + rest


def sign(directory, names):
    """A certificate for these names in the layout of cert-manager, by an authority of its own."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    ca, request = directory / "ca.key", directory / "request"
    run("openssl", "req", "-x509", *key, "-keyout", ca, "-out", directory / "ca.crt", "-subj", "/CN=nodes", "-days", "1")
    run("openssl", "req", "-new", *key, "-keyout", directory / "tls.key", "-out", request, "-subj", "/O=holdfast")
    extensions = directory / "extensions"
    extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth,clientAuth\n")
    run(
        *("openssl", "x509", "-req", "-in", request, "-CA", directory / "ca.crt", "-CAkey", ca, "-CAcreateserial"),
        *("-out", directory / "tls.crt", "-days", "1", "-extfile", extensions),
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"tls": {"nodes": {"from": "certManager"}}}, "who signs the nodes' certificates"),
        ({"tls": {"nodes": {"from": "csi"}}}, "tls.nodes.from is csi without tls.nodes.issuer.name"),
        ({"tls": {"jit": {"from": "certManager"}}}, "who signs the certificate that the processor sees"),
        ({"tls": {"jit": {"from": "nodes"}}}, "the nodes have no certificates"),
        ({"tls": {"jit": {"from": "existing", "clientCaSecret": "a"}}}, "give tests.clientSecret"),
        ({"tls": {"nodes": FROM["existing"]}, "cluster": {"name": "a b"}}, 'cluster.name is "a b"'),
        ({"tls": {"nodes": FROM["existing"]}, "admin": {"execRole": "none"}}, "nobody could run this cluster"),
        ({"admin": {"certificates": [{"name": "a", "role": "admin"}]}}, "nobody can show one"),
        ({"auth": {"adminTokens": [{"name": "a", "role": "admin", "tokens": ["0" * 16]}]}}, "as admin_tokens"),
        (
            {
                "tls": {"nodes": {**FROM["csi"], "adminHttp": True}},
                "metrics": {"serviceMonitor": {"enabled": True}},
            },
            "give metrics.serviceMonitor.tlsConfig",
        ),
    ],
)
def test_what_would_not_start_is_refused_with_a_sentence(values, sentence):
    with pytest.raises(Refused, match=re.escape(sentence)):
        render(values)
