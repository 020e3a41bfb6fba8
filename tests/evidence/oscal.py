"""Reads a bundle's OSCAL results with compliance-trestle, and follows every reference between their ids.

Usage: oscal.py BUNDLE
trestle checks the form alone: that what is referred to is there, it does not.
"""

import json
import logging
import pathlib
import sys

logging.disable(logging.WARNING)
from trestle.oscal.assessment_results import AssessmentResults  # noqa: E402

path = pathlib.Path(sys.argv[1]) / "oscal-assessment-results.json"
text = path.read_text(encoding="utf-8")
assert AssessmentResults.oscal_read(path).uuid
whole = json.loads(text)["assessment-results"]

defined, referred = [], []


def walk(value, place):
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "uuid":
                defined.append((member, place))
            elif name.endswith("-uuid"):
                referred.append((member, f"{place}/{name}"))
            else:
                walk(member, f"{place}/{name}")
    elif isinstance(value, list):
        assert value, f"{place} is empty"
        for number, item in enumerate(value):
            walk(item, f"{place}/{number}")


walk(whole, "")
ids = {uuid for uuid, _ in defined}
assert len(ids) == len(defined), "an id is defined twice"
assert all(uuid[14] == "5" for uuid in ids), "ids follow from what they name"
for uuid, place in referred:
    assert uuid in ids, f"{place} refers to {uuid}, which is nowhere"
plan = whole["import-ap"]["href"]
assert plan.startswith("#") and plan[1:] in {resource["uuid"] for resource in whole["back-matter"]["resources"]}, plan

(result,) = whole["results"]
by_kind = {}
for name, member, field in [
    ("related-observations", "observations", "observation-uuid"),
    ("related-risks", "risks", "risk-uuid"),
]:
    known = {item["uuid"] for item in result.get(member, [])}
    for finding in result["findings"]:
        for related in finding.get(name, []):
            assert related[field] in known, finding["title"]
for finding in result["findings"]:
    state = finding["target"]["status"]["state"]
    by_kind.setdefault(finding["target"]["target-id"], []).append(state)
controls = {
    one["control-id"] for selection in result["reviewed-controls"]["control-selections"] for one in selection.get("include-controls", [])
}
print(json.dumps({
    "findings": by_kind,
    "controls": sorted(controls),
    "risks": sorted(risk["status"] for risk in result.get("risks", [])),
    "ids": len(ids),
    "references": len(referred),
}))
