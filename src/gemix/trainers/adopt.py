"""Exact counts of token data into the table of the domains that mixtures are made from."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gemix.labels.labelled import domains_of
from gemix.mix.partition import write_partition
from gemix.runtime.atomic import keep_text
from gemix.runtime.errors import GemixError
from gemix.trainers.data_index import DataIndex


def adopt_counts(index: DataIndex, labels: Path) -> Path:
    """Write the tokens of every domain, without the ends of text, and what counted them to the table of the labels.

    Args:
        index: Of data made from all files that have labels there.
        labels: The folder of the labels; its table lies in it or beside it.

    Returns:
        The table. Labelling again writes its own counts into it.

    Raises:
        GemixError: there is no table, it is of other domains, or the data are not of all labelled documents.

    """
    table, path = domains_of(labels)
    whole = [domain.whole for domain in index.domains]
    if table.identity != index.partition or table.keys != [domain.domain for domain in index.domains]:
        raise GemixError(f"{path} is of other domains than the data: its counts stay")
    if table.documents is None or table.documents.tolist() != [counts.documents for counts in whole]:
        raise GemixError(f"{path} counts other documents than the data hold: tokenize all labelled files to adopt")
    tokens = np.array([counts.tokens - counts.documents for counts in whole], np.int64)
    exact = replace(table, tokens=tokens, tokens_low=tokens, tokens_high=tokens, counter=index.tokenizer)
    keep_text(path, write_partition(exact))
    return path
