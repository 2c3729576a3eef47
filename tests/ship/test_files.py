"""Files that users give to other programs, checked without running these."""

import sys

from processes import ROOT, run


def check(*words):
    return run(sys.executable, "-m", "check_jsonschema", *words, check=False)


def test_the_compose_file_is_one_for_compose_v2_too():
    """1.29 runs it in test_compose.py; v2 reads the same specification."""
    checked = check("--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml")
    assert checked.returncode == 0, checked.stdout


def test_a_wrong_compose_file_would_be_found(tmp_path):
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((ROOT / "compose.yaml").read_text().replace("stop_grace_period", "stop_grace_time"))
    assert check("--builtin-schema", "vendor.compose-spec", wrong).returncode == 1


def test_the_schema_of_the_values_is_a_schema():
    checked = check("--check-metaschema", ROOT / "helm" / "holdfast" / "values.schema.json")
    assert checked.returncode == 0, checked.stdout
