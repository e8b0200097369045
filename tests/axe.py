"""What axe, the accessibility checker, finds on a page of playwright."""

from pathlib import Path

SCRIPT = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")


#: The rules that look at colours; the others find the same in both themes.
COLOURS = ("color-contrast", "link-in-text-block")


def violations(page, but=(), only=()):
    """A line for each place that breaks a rule; the rules ``but`` are left out, or ``only`` these asked."""
    page.evaluate(SCRIPT)
    options = {"resultTypes": ["violations"], "preload": False}
    if only:
        options["runOnly"] = list(only)
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{one['id']}: {node['html'][:150]} {node['failureSummary'][:200]}"
        for one in found["violations"]
        if one["id"] not in but
        for node in one["nodes"]
    ]
