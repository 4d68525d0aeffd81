"""The command ``doctor``."""

from dataclasses import asdict

from rich.markup import escape

from pipeline.commands.console import AsJson, show


def doctor(as_json: AsJson = False) -> int:
    """Tells what is installed, what can run here, and the line that installs what is missing."""
    from pipeline import doctor as flow
    from pipeline.report import tables

    findings = flow.examine()
    table = tables.table(
        "kind", "name", "state", "to install", words=("name", "state", "to install")
    )
    for each in findings:
        color = "green" if each.ok else "yellow"
        table.add_row(each.kind, each.name, f"[{color}]{escape(each.state)}", escape(each.hint))
    show({"findings": [asdict(each) for each in findings]}, as_json, table)
    return 0 if flow.can_build(findings) else 3
