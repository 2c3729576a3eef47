"""The schema of the chart's values: closed everywhere, with the keys and bounds of the product."""

import json
import re

import pytest
import yaml

from charts import CHART, Refused, render
from processes import ROOT


def maps(schema, path=()):
    """Every map of the schema that is ours."""
    if schema.get("type") == "object":
        yield path, schema
    for key, inner in schema.get("properties", {}).items():
        yield from maps(inner, (*path, key))
    if isinstance(schema.get("items"), dict):
        yield from maps(schema["items"], (*path, "[]"))


SCHEMA = json.loads((CHART / "values.schema.json").read_text())
KUBERNETES_OWN = "As in Kubernetes."


def closed():
    return [path for path, schema in maps(SCHEMA) if "properties" in schema]


def test_every_map_of_the_schema_is_closed():
    for path, schema in maps(SCHEMA):
        if path == ("global",) or schema.get("description") == KUBERNETES_OWN:
            continue
        assert schema.get("additionalProperties", True) is not True, ".".join(path)


@pytest.mark.parametrize("path", closed(), ids=".".join)
def test_a_misspelt_value_is_refused_wherever_it_stands(path):
    values = {"misspelt": 1}
    for key in reversed(path):
        values = [values] if key == "[]" else {key: values}
    with pytest.raises(Refused, match="misspelt"):
        render(values)


def test_schema_and_values_have_the_same_keys():
    def walk(values, schema, path):
        properties = schema.get("properties")
        if not isinstance(values, dict) or properties is None or path and path[0] == "config" and len(path) > 1:
            return
        assert set(values) == set(properties) - {"global"}, path
        for key, value in values.items():
            walk(value, properties[key], (*path, key))

    values = yaml.safe_load((CHART / "values.yaml").read_text())
    values["resources"].setdefault("claims", [])
    walk(values, SCHEMA, ())


def test_every_key_of_the_product_can_be_said_and_its_bounds_are_the_same(tmp_path):
    """The schema against docs/configuration.md, which the product's own tests keep honest."""
    lines = (ROOT / "docs" / "configuration.md").read_text().splitlines()
    keys = {key for line in lines for key in re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", line)}
    sections = SCHEMA["properties"]["config"]["properties"]
    ours = {f"{section}.{key}" for section, schema in sections.items() for key in schema["properties"]}
    # By values of their own, and nobody tries things out with the chart.
    elsewhere = ("node", "cluster", "listen", "tls", "admin", "dev", "issuer")
    assert {key for key in keys - ours if key.split(".")[0] not in elsewhere} == set(), (
        "a key that cannot be said in values"
    )
    assert ours <= keys, "a key that the product does not have"


@pytest.mark.parametrize(
    "values",
    [
        {"config": {"jit": {"deadline_ms": 2501}}},
        {"config": {"jit": {"deadline_ms": "800"}}},
        {"config": {"standin": {"per_node": "50 dollars"}}},
        {"config": {"log": {"format": "xml"}}},
        {"image": {"digest": "sha256:1"}},
        {"auth": {"programs": [{"name": "p", "user": "u", "passwords": ["short"]}]}},
        {"persistence": {"log": {"size": "ten"}}},
        {"service": {"type": "ExternalName"}},
        {"replicas": "3"},
    ],
)
def test_a_value_out_of_bounds_is_refused(values):
    with pytest.raises(Refused):
        render(values)
