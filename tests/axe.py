"""What axe, the accessibility checker, finds on a page of playwright."""

from pathlib import Path

SCRIPT = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")


def violations(page, but=()):
    """A line for each place that breaks a rule; the rules ``but`` are left out."""
    page.evaluate(SCRIPT)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    return [
        f"{one['id']}: {node['html'][:150]} {node['failureSummary'][:200]}"
        for one in found["violations"]
        if one["id"] not in but
        for node in one["nodes"]
    ]
