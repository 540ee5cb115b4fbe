"""Generation: continuing a text, token by token, by a decoder alone."""

from __future__ import annotations

from typing import Any

from seqkit.kinds.kind import Kind, Noun, Preset
from seqkit.kinds.scaling import Curve, Scaling, Size
from seqkit.scores import BITS_PER_CHARACTER, NATS_PER_CHARACTER

# What the presets share. Minutes of training want wide layers and a high rate: see recipes/LOG.md.
_SHARED: dict[str, Any] = {
    "model.embedding_size": 64,
    "model.hidden_size": 384,
    "model.decoder_layers": 2,
    "model.tied_embeddings": "none",
    "model.dropout": 0.1,
    "model.word_dropout": 0.0,
    "training.learning_rate": 1e-2,
    "training.warmup": 0.04,
    "training.weight_decay": 0.15,
    "training.label_smoothing": 0.0,
    "training.ema": 0.99,
    "training.best_metric": "loss",
    "training.samples": 1,
}

GENERATION = Kind(
    name="generation",
    model=Noun("generator", "generators"),
    corpus="plain text",
    counted=Noun("character", "characters"),
    prepared_by="--text FILE",
    evaluated_by="--text FILE",
    fields={"target": ("text",)},
    parts=frozenset({"decoder", "streams"}),
    presets={
        "tiny": Preset({**_SHARED, "model.hidden_size": 192, "training.minutes": 1.0}, suits=(0, 1e6)),
        "small": Preset(
            {**_SHARED, "training.minutes": 3.0, "training.validate_minutes": 0.75}, suits=(200e3, 5e6)
        ),
        "base": Preset(
            {
                **_SHARED,
                "model.hidden_size": 512,
                "model.dropout": 0.3,
                "training.learning_rate": 7e-3,
                "training.minutes": 30.0,
            },
            suits=(1e6, 50e6),
        ),
        "large": Preset(
            {
                **_SHARED,
                "model.embedding_size": 128,
                "model.hidden_size": 1024,
                "model.decoder_layers": 3,
                "model.dropout": 0.4,
                "model.weight_drop": 0.2,
                "data.streams": 64,
                "data.slice_length": 160,
                "training.learning_rate": 2e-3,
                "training.epochs": 60.0,
            },
            suits=(20e6, 1e15),
        ),
    },
    metrics=(BITS_PER_CHARACTER, NATS_PER_CHARACTER),
    shown=(BITS_PER_CHARACTER,),
    samples={"text": "│"},
    # Fitted to 12 runs on tiny-shakespeare, within 0.02 nats (recipes/LOG.md, 2026-11-28).
    scaling=Scaling(
        sizes=(Size("tiny"), Size("tiny", {"model.hidden_size": 256}), Size("small"), Size("base")),
        curve=Curve(0.107, 0.422),
        smaller_steps=((3.2e6, {"data.slice_length": 32}), (6e6, {"data.slice_length": 48})),
    ),
    summary="{a_family} that writes text, token by token",
    uses="""```sh
seqkit generate MODEL --prompt "your beginning" --length 300
seqkit evaluate --model MODEL --text FILE
```

```python
import seqkit

generator = seqkit.TextGenerator.load("MODEL")
print(generator.generate("your beginning", length=300)[0].text)
```
""",
    next_command="seqkit generate {model} --length 1000",
    hub_task="text-generation",
)
