"""The least that translates standard input with CTranslate2, which has no command for it: MODEL BEAM"""

import sys

import ctranslate2

model, beam = sys.argv[1:]
engine = ctranslate2.Translator(model, compute_type="int8", intra_threads=1)
for result in engine.translate_batch([line.split() for line in sys.stdin], beam_size=int(beam)):
    print(" ".join(result.hypotheses[0]))
