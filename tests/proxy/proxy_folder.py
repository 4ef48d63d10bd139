"""A small folder of `gemix proxy prepare`, made in memory: four subjects are the domains."""

from pathlib import Path

import numpy as np
from support import make_documents

from gemix.proxy.dataset import Contract, part_path
from gemix.proxy.tokenised import divide, tokenise
from gemix.runtime.atomic import write_json
from gemix.tokens.held_out import held_out
from gemix.tokens.tokenizer import train_tokenizer


def write_proxy_folder(folder: Path, documents: int = 400, drop: str | None = None) -> tuple[Path, Path]:
    """Write the folder and, beside it, domains.csv; `drop` leaves a domain without documents out of both."""
    rows = [row for row in make_documents(documents) if row["subject"] != drop]
    names = sorted({row["subject"] for row in rows})
    texts = [row["text"] for row in rows]
    tokenizer = train_tokenizer(texts, 320)
    tokens = tokenise(texts, tokenizer)
    labels = np.array([names.index(row["subject"]) for row in rows])
    held = held_out(texts, 0.2)
    data = divide(tokens, labels, names, held, {"law": labels % 2 == 0, "poem": labels % 2 == 1})
    for kind, arrays in (("train", data.train), ("valid", data.held_out)):
        for number, array in enumerate(arrays):
            path = part_path(folder, kind, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            array.astype("<u2").tofile(path)
    contract = Contract(
        vocabulary=data.vocabulary, end=data.end, domains=data.domains, valid=data.valid, fingerprint=data.fingerprint
    )
    write_json(folder / "data.json", contract.model_dump())
    tokenizer.save(str(folder / "tokenizer.json"))
    table = folder.parent / "domains.csv"
    # In another order than the data: everything joins by name.
    table.write_text("domain,tokens\n" + "".join(f"{part.name},{part.tokens}\n" for part in data.domains[::-1]))
    return folder, table
