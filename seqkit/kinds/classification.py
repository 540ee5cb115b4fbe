"""Classification: a sequence to a class, by an encoder whose outputs are pooled."""

from __future__ import annotations

from typing import Any

from seqkit.kinds.kind import Kind, Noun, Preset
from seqkit.kinds.scaling import Curve, Scaling, Size
from seqkit.scores import ACCURACY, LOG_LOSS, MACRO_F1

# What the presets share: data of this kind are small, so there is much dropout and an average of the weights.
# Those for frames were chosen on held-out parts of training sets of the UEA & UCR archive (recipes/LOG.md).
_SHARED: dict[str, Any] = {
    "model.tied_embeddings": "none",
    "model.dropout": 0.3,
    "model.word_dropout": 0.1,
    "model.convolutions": 3,
    "data.noise": 0.1,
    "data.scaling": 0.1,
    "data.time_crop": 0.4,
    "training.batch_tokens": 8192,
    "training.batch_rows": 16,
    "training.learning_rate": 2e-3,
    "training.weight_decay": 0.05,
    "training.label_smoothing": 0.1,
    "training.ema": 0.99,
    "training.epochs": 150.0,
    "training.best_metric": "loss",
    "training.samples": 3,
}

CLASSIFICATION = Kind(
    name="classification",
    model=Noun("classifier", "classifiers"),
    corpus="sequences with a class",
    counted=Noun("row", "rows"),
    prepared_by="--table FILE --source COLUMN --target COLUMN:class",
    evaluated_by="--table FILE",
    fields={"source": ("text", "number", "array"), "target": ("class",)},
    parts=frozenset({"encoder", "pairs", "pooling", "frames"}),
    presets={
        "tiny": Preset(
            {**_SHARED, "model.embedding_size": 32, "model.hidden_size": 64},
            suits=(0, 1e4),
        ),
        "small": Preset({**_SHARED, "model.embedding_size": 64, "model.hidden_size": 128}, suits=(0, 1e5)),
        "base": Preset(
            {
                **_SHARED,
                "model.embedding_size": 128,
                "model.hidden_size": 256,
                "model.encoder_layers": 2,
                "training.batch_rows": 0,
                "training.learning_rate": 1e-3,
                "training.epochs": 20.0,
            },
            suits=(1e4, 1e6),
        ),
        "large": Preset(
            {
                **_SHARED,
                "model.embedding_size": 256,
                "model.hidden_size": 512,
                "model.encoder_layers": 3,
                "training.batch_rows": 0,
                "training.learning_rate": 5e-4,
                "training.epochs": 10.0,
            },
            suits=(1e5, 1e15),
        ),
    },
    metrics=(ACCURACY, MACRO_F1, LOG_LOSS),
    shown=(ACCURACY, MACRO_F1),
    samples={"source": " ", "class": "=", "predicted": "→"},
    # Not fitted to runs: a budget chooses among sizes by what the corpus suits.
    scaling=Scaling(
        sizes=(Size("tiny"), Size("small"), Size("base")), curve=Curve(0.0, 1.0), smaller_steps=()
    ),
    summary="{a_family} that reads a sequence and says its class",
    uses="""```sh
seqkit translate MODEL --table FILE
seqkit evaluate --model MODEL --table FILE
```

```python
import seqkit

classifier = seqkit.Classifier.load("MODEL")
print(classifier.classify(["your text"])[0].label)
```
""",
    next_command="seqkit evaluate --model {model} --table FILE",
)
