"""Tokens of `gemix proxy prepare` as folders of litdata, one a domain; `paths.json` tells `gemix export` where."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from litdata import TokensLoader, optimize

from gemix.proxy.dataset import part_path, read_data

BLOCK = 2049  # a sequence of 2,048 tokens and the next one
PIECE = BLOCK * 4096


def piece(start: int, path: Path, kind: str) -> Iterator[torch.Tensor]:
    """Yield the tokens of one piece of a file, as litdata asks for them."""
    yield torch.from_numpy(np.memmap(path, kind, "r")[start : start + PIECE].astype(np.int32))


def main(tokens: Path, out: Path) -> None:
    """Write the folders that are not there yet."""
    data = read_data(tokens)
    paths = {}
    for number, (part, train) in enumerate(zip(data.domains, data.train, strict=True)):
        folder = out / f"{number:05d}"
        paths[part.name] = str(folder.resolve())
        if part.tokens < BLOCK or (folder / "index.json").exists():
            continue
        optimize(
            fn=partial(piece, path=part_path(tokens, "train", number), kind=train.dtype.str),
            inputs=list(range(0, part.tokens, PIECE)),
            output_dir=str(folder),
            chunk_size=PIECE,
            item_loader=TokensLoader(block_size=BLOCK),
        )
    (out / "paths.json").write_text(json.dumps(paths, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: litdata_folders.py TOKENS OUT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
