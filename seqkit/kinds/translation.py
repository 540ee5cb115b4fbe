"""Translation: sentences to sentences, by an encoder and a decoder with attention."""

from __future__ import annotations

from seqkit.kinds.kind import Kind, Noun, Preset
from seqkit.kinds.scaling import Curve, Scaling, Size
from seqkit.scores import BLEU, CER, CHRF, EXACT, PER, TER, WER

TRANSLATION = Kind(
    name="translation",
    model=Noun("translator", "translators"),
    corpus="parallel text",
    counted=Noun("pair", "pairs"),
    prepared_by="--source FILE --target FILE",
    evaluated_by="--source FILE --reference FILE",
    fields={"source": ("text",), "target": ("text",)},
    parts=frozenset({"encoder", "decoder", "attention", "pairs", "search"}),
    presets={
        "tiny": Preset(
            {
                "model.embedding_size": 128,
                "model.hidden_size": 256,
                "model.dropout": 0.1,
                "model.word_dropout": 0.0,
                "training.batch_tokens": 1024,
                "training.learning_rate": 4e-3,
            },
            suits=(0, 20e3),
        ),
        "characters": Preset(
            {
                "model.embedding_size": 128,
                "model.hidden_size": 384,
                "model.dropout": 0.3,
                "model.word_dropout": 0.0,
                "training.batch_tokens": 1024,
            },
            suits=(0, 1e15),
            short=True,
        ),
        "small": Preset({}, suits=(5e3, 300e3)),
        "base": Preset(
            {
                "model.embedding_size": 512,
                "model.hidden_size": 768,
                "model.encoder_layers": 2,
                "model.decoder_layers": 2,
                "training.learning_rate": 1.5e-3,
                "training.batch_tokens": 4096,
            },
            suits=(100e3, 3e6),
        ),
        "large": Preset(
            {
                "model.embedding_size": 768,
                "model.hidden_size": 1024,
                "model.encoder_layers": 3,
                "model.decoder_layers": 3,
                "model.attention_heads": 8,
                "training.learning_rate": 1e-3,
                "training.batch_tokens": 8192,
            },
            suits=(1e6, 1e15),
        ),
    },
    metrics=(BLEU, CHRF),
    shown=(BLEU, CHRF),
    others={
        EXACT: (CER, CHRF),
        CER: (EXACT, CHRF),
        WER: (CER, CHRF),
        PER: (EXACT, CHRF),
        TER: (BLEU, CHRF),
    },
    samples={"source": " ", "translation": "→"},
    # Fitted to 6 runs on Multi30k, within 0.02 nats (recipes/LOG.md, 2026-11-28).
    scaling=Scaling(
        sizes=(Size("tiny"), Size("small"), Size("base")),
        curve=Curve(0.319, 1.267),
        smaller_steps=((6e6, {"training.batch_tokens": 1024}),),
    ),
    summary="an encoder–decoder {family} with attention that translates lines of text",
    uses="""```sh
echo "your sentence" | seqkit translate MODEL
seqkit evaluate --model MODEL --source FILE --reference FILE
```

```python
import seqkit

translator = seqkit.Translator.load("MODEL")
print(translator.translate(["your sentence"])[0].text)
```
""",
    next_command="echo 'your sentence' | seqkit translate {model}",
    hub_task="translation",
)
