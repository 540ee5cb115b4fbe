"""Tensors in, tensors out: no configuration, no text, no paths.

The letters in shape comments, everywhere in the package:

    B  batch: sentences or streams          N  rows in decoding: B times the beam size
    T  time: target or text positions       S  source positions
    E  embedding size                       H  hidden size of the decoder
    V  vocabulary size                      A  attention heads
    L  layers                               F  features of a frame

Sequences are batch first and right-padded. Recurrent state is handed in and out, never kept on a module.
"""
