"""Writes a taxonomy three times: for programs (JSON), for people (Markdown), for auditors (Parquet)."""

import re
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from gemix.corpus.atomic import atomic_path, write_json, write_text
from gemix.taxonomy.model import FILE_NAME, Domain, Taxonomy

AUDIT_SCHEMA: Final = pa.schema(
    {
        "domain": pa.int32(),
        "rank": pa.int32(),
        "id": pa.string(),
        "excerpt": pa.string(),
        "gis": pa.float64(),
        "keywords": pa.list_(pa.string()),
        "name": pa.string(),
    }
)
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>#|~&$])")
# Control characters and overrides of the writing direction, which could make a page read as what it is not.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def write_taxonomy(taxonomy: Taxonomy, out: Path) -> None:
    """Write taxonomy.md, audit.parquet and, last, taxonomy.json to the folder `out`, each atomically."""
    write_text(out / "taxonomy.md", to_markdown(taxonomy))
    with atomic_path(out / "audit.parquet") as tmp:
        pq.write_table(_audit(taxonomy), tmp, compression="zstd")
    write_json(out / FILE_NAME, taxonomy.model_dump())


def to_markdown(taxonomy: Taxonomy) -> str:
    """Return a table of the domains, then a section for each; texts of the corpus are escaped."""
    lines = [
        "# Domains",
        "",
        f"{len(taxonomy.domains)} domains in a seed sample of {taxonomy.documents:,} documents "
        f"and {taxonomy.tokens:,} tokens.",
        "",
        "| id | name | share | documents | tokens | κ | cohesion | keywords |",
        "|---:|---|---:|---:|---:|---:|---:|---|",
    ]
    lines += [_row(domain) for domain in taxonomy.domains]
    for domain in taxonomy.domains:
        lines += ["", f"## {domain.id}. {escape(domain.name)}", "", f"Keywords: {_keywords(domain) or 'none'}", ""]
        lines += [
            f"{rank}. **{escape(shown.id)}** ({shown.gis:.1f}): {escape(shown.excerpt)}"
            for rank, shown in enumerate(domain.representatives, 1)
        ] or ["No documents."]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return `text` as one line that Markdown shows literally."""
    return _MARKDOWN.sub(r"\\\1", _CONTROL.sub(" ", text))


def _row(domain: Domain) -> str:
    cohesion = "" if domain.cohesion is None else f"{domain.cohesion:.3f}"
    return (
        f"| {domain.id} | {escape(domain.name)} | {domain.share:.2%} | {domain.documents:,} | {domain.tokens:,} "
        f"| {domain.kappa:,.0f} | {cohesion} | {_keywords(domain)} |"
    )


def _keywords(domain: Domain) -> str:
    return ", ".join(escape(word) for word in domain.keywords)


def _audit(taxonomy: Taxonomy) -> pa.Table:
    """One row a representative: what the namer saw (id, excerpt, gis, keywords) beside what it said (name)."""
    rows = [
        {"domain": domain.id, "rank": rank, "keywords": domain.keywords, "name": domain.name, **shown.model_dump()}
        for domain in taxonomy.domains
        for rank, shown in enumerate(domain.representatives, 1)
    ]
    return pa.Table.from_pylist(rows, AUDIT_SCHEMA)
