"""Text to ids on disk to batches.

`text` reads lines and whole texts, `tokenizers` turns them into ids, `ragged` and `corpus` keep the ids on
disk. `pairs` and `scan` read parallel files and `prepare` ties these together; `documents` and
`prepare_text` do so for plain text. Nothing here but the batches needs torch.
"""
