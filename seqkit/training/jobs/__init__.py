"""The work of each kind of model in training: its batches, its validation, and what its manifest says.

This is the one table of jobs; a new kind adds a file and a line here.
"""

from collections.abc import Callable, Mapping

from seqkit.config import Config
from seqkit.data.corpus import Corpus
from seqkit.kinds import CLASSIFICATION, GENERATION, TRANSLATION
from seqkit.training.jobs import classification, generation, translation
from seqkit.training.jobs.job import Network, Task

JOBS: Mapping[str, Callable[[Corpus, Config, Network], Task]] = {
    TRANSLATION.name: translation.task,
    GENERATION.name: generation.task,
    CLASSIFICATION.name: classification.task,
}


def build_task(corpus: Corpus, config: Config, network: Network) -> Task:
    """The task that a corpus is for."""
    return JOBS[corpus.kind.name](corpus, config, network)
