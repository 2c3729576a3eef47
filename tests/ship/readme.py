"""The table of values in the chart's README, made from values.yaml: `readme.py` writes it, the tests look for drift."""

import json
import re

import yaml

from processes import ROOT

CHART = ROOT / "helm" / "holdfast"
BEGIN, END = "<!-- values: made by tests/ship/readme.py -->", "<!-- end of values -->"
KEY = re.compile(r"^( *)([A-Za-z_]+):( .*)?$")


def rows(text):
    """(key, default, meaning) of each line that has a comment with `# --`; a map that has one hides what is in it only if
    nothing in there has."""
    values, found, path, words = yaml.safe_load(text), [], [], []
    for line in text.splitlines():
        comment = line.strip()
        if comment.startswith("# -- "):
            words = [comment[5:]]
            continue
        if comment.startswith("#") and words:
            words.append(comment[1:].strip())
            continue
        key = KEY.match(line)
        if not key:
            if not comment:
                words = []
            continue
        depth = len(key.group(1)) // 2
        path = [*path[:depth], key.group(2)]
        if words:
            found.append((list(path), " ".join(words)))
        words = []
    table = []
    for keys, meaning in found:
        value = values
        for key in keys:
            value = value[key]
        inside = any(other[: len(keys)] == keys and other != keys for other, _ in found)
        default = "" if inside else f"`{json.dumps(value, ensure_ascii=False)}`"
        table.append((".".join(keys), default, meaning))
    return table


def table(text):
    lines = ["| value | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{key}` | {default} | {meaning.replace('|', chr(92) + '|')} |" for key, default, meaning in rows(text)
    ]
    return "\n".join(lines)


def with_table(readme, values):
    head, rest = readme.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{table(values)}\n{END}{tail}"


if __name__ == "__main__":
    path = CHART / "README.md"
    path.write_text(with_table(path.read_text(), (CHART / "values.yaml").read_text()))
