"""The page: panels put together into one HTML file that needs nothing else.

A panel NAME is three things:

- `NAME.py` with `panel(run: Path) -> dict | None`: what it shows, as JSON holds it; None where there is nothing;
- `templates/NAME.html`: a partial that renders `<section id="NAME" aria-labelledby="NAME-title">` from `data`;
- `assets/NAME.js` (optional): an IIFE that reads its data by `gemix.data("NAME")` and draws into the section, and
  `assets/NAME.css` (optional).

Texts of the corpus are hostile: templates escape them (autoescape), scripts use textContent, and the policy of the page
runs only scripts and styles whose hashes it names. Inline style attributes are not among them; `element.style` is.
"""

import base64
import hashlib
import importlib
import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gemix.report import documents
from gemix.report.overview import overview
from gemix.runtime.atomic import write_text

# In the order of the page, with the titles of its navigation.
PANELS: Final = {
    "treemap": "Tree",
    "domains": "Domains",
    "map": "Map",
    "mixture": "Mixture",
    "balance": "Balance",
    "convergence": "Convergence",
    "agreement": "Student",
    "documents": "Documents",
    "facts": "Run",
}
LIMIT: Final = 8_000_000  # bytes of a report
_SHARED_SCRIPTS: Final = ("page", "charts")


def write_report(run: Path, out: Path, text: bool = True) -> int:
    """Write the report of a run folder, atomically, and return its size in bytes.

    Args:
        run: the run folder.
        out: the file.
        text: whether passages of documents are shown, as in `render`.

    Raises:
        GemixError: the run is not named yet, one of its files is damaged, or `out` cannot be written.

    """
    html = render(run, text=text)
    write_text(out, html)
    return len(html.encode())


def render(run: Path, names: Iterable[str] | None = None, text: bool = True) -> str:
    """Return the page of a run folder, with fewer documents a domain where it would pass LIMIT.

    Args:
        run: the run folder.
        names: panels to show, those that have something; by default all.
        text: whether passages of documents are shown; without them ids, names and keywords are what is left of a text.

    """
    found = {name: importlib.import_module(f"gemix.report.{name}").panel(run) for name in names or PANELS}
    panels = {name: data for name, data in found.items() if data is not None}
    if not text:
        panels = {name: _without_text(data) for name, data in panels.items()}
    summary = overview(run)
    html = _assemble(summary, panels)
    most = documents.MOST
    while len(html.encode()) > LIMIT and most > 1 and "documents" in panels:
        most //= 2
        shorter = documents.panel(run, most)
        html = _assemble(summary, panels | {"documents": shorter if text else _without_text(shorter)})
    return html


def _without_text(data: Any, key: str = "") -> Any:
    """Return the data of a panel with every excerpt empty."""
    if isinstance(data, dict):
        return {name: _without_text(value, name) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_text(value, key) for value in data]
    return "" if key in ("excerpt", "excerpts") else data


def _assemble(summary: dict[str, Any], panels: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("gemix.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = "".join(_asset(f"{name}.css") for name in ("page", *panels))
    scripts = [script for name in (*_SHARED_SCRIPTS, *panels) if (script := _asset(f"{name}.js"))]
    read = {name: data for name, data in panels.items() if f'gemix.data("{name}")' in _asset(f"{name}.js")}
    return environment.get_template("page.html").render(
        policy=_policy(style, scripts),
        overview=summary,
        titles={name: PANELS[name] for name in panels},
        panels=panels,
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        json={name: _json(data) for name, data in {"page": {"order": summary["order"]}, **read}.items()},
    )


def _asset(name: str) -> str:
    path = files("gemix.report") / "assets" / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _json(data: Any) -> Markup:
    """Return JSON that cannot end the script element that holds it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _policy(style: str, scripts: list[str]) -> str:
    hashes = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
