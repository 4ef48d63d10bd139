"""Writes a taxonomy three times: for programs (JSON), for people (Markdown), for auditors (Parquet)."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gemix.runtime.atomic import atomic_path, write_json, write_text
from gemix.taxonomy.model import FILE_NAME, Domain, Taxonomy
from gemix.taxonomy.names import CONTROL
from gemix.taxonomy.tree import READABLE, cut

AUDIT_SCHEMA: Final = pa.schema(
    {
        "domain": pa.int32(),
        "rank": pa.int32(),
        "id": pa.string(),
        "excerpt": pa.string(),
        "gis": pa.float64(),
        "keywords": pa.list_(pa.string()),
        "name": pa.string(),
        "description": pa.string(),
        "named_by": pa.string(),
        "prompt": pa.string(),
    }
)
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>#|~&$])")


def write_taxonomy(taxonomy: Taxonomy, out: Path, prompts: Sequence[str | None]) -> None:
    """Write taxonomy.md, audit.parquet and, last, taxonomy.json to the folder `out`, each atomically.

    Args:
        taxonomy: with a tree.
        out: folder.
        prompts: what a language model saw of every domain and every inner node; None where it was not asked.

    """
    write_text(out / "taxonomy.md", to_markdown(taxonomy))
    with atomic_path(out / "audit.parquet") as tmp:
        pq.write_table(_audit(taxonomy, prompts), tmp, compression="zstd")
    write_json(
        out / FILE_NAME,
        taxonomy.model_dump(by_alias=True, exclude={"domains": {"__all__": {"excluded", "merged_into"}}}),
    )


def to_markdown(taxonomy: Taxonomy) -> str:
    """Return a table of the domains, then a section for each; texts of the corpus are escaped."""
    lines = [
        "# Domains",
        "",
        f"{len(taxonomy.domains)} domains in a seed sample of {taxonomy.documents:,} documents "
        f"and {taxonomy.tokens:,} tokens.",
        *(f"\nCopies: {escape(str(group))}." for group in taxonomy.copies),
        "",
        "| id | name | share | documents | tokens | κ | cohesion | coherence | flags | keywords |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    lines += [_row(domain) for domain in taxonomy.domains]
    lines += _groups(taxonomy)
    for domain in taxonomy.domains:
        lines += ["", f"## {domain.id}. {_name(domain)}", "", *_sentences(domain)]
        lines += [f"Keywords: {_keywords(domain) or 'none'}", ""]
        lines += [
            f"{rank}. **{escape(shown.id)}** ({shown.gis:.1f}): {escape(shown.excerpt)}"
            for rank, shown in enumerate(domain.representatives, 1)
        ] or ["No documents."]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return `text` as one line that Markdown shows literally."""
    return _MARKDOWN.sub(r"\\\1", CONTROL.sub(" ", text))


def _row(domain: Domain) -> str:
    cohesion, coherence = ("" if x is None else f"{x:.3f}" for x in (domain.cohesion, domain.coherence))
    flags = ", ".join(map(str, domain.flags))
    return (
        f"| {domain.id} | {_name(domain)} | {domain.share:.2%} | {domain.documents:,} | {domain.tokens:,} "
        f"| {domain.kappa:,.0f} | {cohesion} | {coherence} | {escape(flags)} | {_keywords(domain)} |"
    )


def _name(domain: Domain) -> str:
    part = "" if domain.merged_into is None else f" (part of domain-{domain.merged_into:02d})"
    return escape(domain.name) + (" (excluded)" if domain.excluded else part)


def _keywords(domain: Domain) -> str:
    return ", ".join(escape(word) for word in domain.keywords)


def _sentences(domain: Domain) -> list[str]:
    """Return what a language model said of a domain, a paragraph each."""
    said = (("", domain.description), ("Belongs: ", domain.belongs), ("Excluded: ", domain.excludes))
    return [line for label, text in said if text for line in (f"{label}{escape(text)}", "")]


def _groups(taxonomy: Taxonomy) -> list[str]:
    """Return a section on the tree: the nodes of a readable cut, each with its domains, the largest first."""
    if taxonomy.tree is None or len(taxonomy.domains) < 3:
        return []
    nodes = max(2, min(READABLE, len(taxonomy.domains) // 2))
    found = cut(taxonomy.tree, nodes)
    everything = [*taxonomy.domains, *taxonomy.tree.nodes]
    lines = ["", "## Groups", "", f"The domains in {nodes} groups, the cut of the tree into as many nodes.", ""]
    for k in sorted(found.nodes, key=lambda k: -everything[k].documents):
        group = everything[k]
        lines.append(f"- **{escape(group.name)}** ({group.documents:,} documents)")
        if k >= len(taxonomy.domains):
            if group.description:
                lines[-1] += f": {escape(group.description)}"
            under = sorted(np.flatnonzero(found.of_leaf == k).tolist(), key=lambda j: -everything[j].documents)
            lines += [f"  - {j}. {escape(everything[j].name)} ({everything[j].documents:,})" for j in under]
    return lines


def _audit(taxonomy: Taxonomy, prompts: Sequence[str | None]) -> pa.Table:
    """Return what the namer saw beside what it said: a row a representative, and one a node named by a model."""
    keys = ("keywords", "name", "description", "named_by")
    rows = [
        {"domain": domain.id, "rank": rank, "prompt": prompts[domain.id], **shown.model_dump()}
        | {key: getattr(domain, key) for key in keys}
        for domain in taxonomy.domains
        for rank, shown in enumerate(domain.representatives, 1)
    ]
    rows += [
        {"domain": node.id, "prompt": prompts[node.id]} | {key: getattr(node, key) for key in keys}
        for node in (taxonomy.tree.nodes if taxonomy.tree else [])
        if prompts[node.id] is not None
    ]
    return pa.Table.from_pylist(rows, AUDIT_SCHEMA)
