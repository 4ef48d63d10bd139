"""A run: its folder, its settings and its ledger, shared by the stages.

Every stage reads what earlier ones left in the run folder, writes its own files, and notes in run.json what it depended
on and what it was set to; a stage whose notes still hold is skipped, and one that fails leaves no note.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from gemix.corpus.shards import Shard, refuse_overlap, resolve_shards
from gemix.run.folder import RunFolder
from gemix.run.ledger import Ledger, Stage, timed
from gemix.run.settings import STAGES, RunConfig, read_yaml, resolve, settings_of, to_yaml
from gemix.runtime.atomic import keep_text, remove_leftovers
from gemix.runtime.progress import say

Facts = dict[str, Any]


class Run:
    """A run folder, and what the user wants of it."""

    def __init__(self, folder: Path, flags: Mapping[str, Any], config_file: Path | None = None) -> None:
        """Open a run folder; nothing is written.

        Args:
            folder: of the run; it need not be there yet.
            flags: settings of the command line.
            config_file: YAML file of settings.

        Raises:
            GemixError: run.json is unusable, or a setting is.

        """
        self.paths = RunFolder(folder)
        self.ledger = Ledger(folder)
        self._flags = dict(flags)
        self._file = config_file
        self._configs: dict[str, RunConfig] = {}
        self.config("embed")

    def config(self, stage: str) -> RunConfig:
        """Return the settings of a stage: what it was done with before, unless the user has set it now."""
        if stage not in self._configs:
            self._configs[stage] = resolve(self._flags, self._file, self.ledger.settings(), stage)
        return self._configs[stage]

    @cached_property
    def shards(self) -> list[Shard]:
        """The shards of the corpus that the settings name."""
        inputs = self.config("embed").inputs
        shards = resolve_shards(inputs)
        refuse_overlap(shards, inputs, self.paths.root)
        return shards

    def unused(self, stage: str) -> list[str]:
        """Return the settings of the YAML file that this stage has no use for, and so does not keep."""
        if self._file is None:
            return []
        given = {key for key in read_yaml(self._file) if key not in STAGES}
        return sorted(given - set(STAGES[stage]) - {"workers"})

    def clean(self) -> None:
        """Delete the temporary files of a killed run; the caller holds the folder's lock."""
        for place in (self.paths.root, self.paths.embeddings, self.paths.teacher, self.paths.names, self.paths.student):
            remove_leftovers(place)

    def pick(self, stage: str, *keys: str) -> dict[str, Any]:
        """Return settings that decide what a stage makes, as JSON values."""
        config = self.config(stage)
        return {key: "inf" if (value := getattr(config, key)) == float("inf") else value for key in keys}

    def do(self, stage: Stage, work: Callable[[], Facts]) -> None:
        """Do a stage, unless it is done with all that it depends on as it is now."""
        if self.ledger.is_current(stage):
            say(f"{stage.name}: nothing changed, skipped")
            return
        with timed() as seconds:
            facts = work()
        self.note(stage, seconds[0], facts)

    def note(self, stage: Stage, seconds: float, facts: Facts) -> None:
        """Note that a stage is done, and show its settings in config.yaml."""
        config = self.config(stage.name)
        if stage.name == "embed":
            facts = facts | {"inputs_as_given": list(config.inputs)}
        self.ledger.record(stage, seconds, facts, settings_of(config, stage.name))
        keep_text(self.paths.config, to_yaml(self.ledger.settings()))
