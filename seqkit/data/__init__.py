"""Text to ids on disk to batches.

`text` reads lines, `tokenizers` turns them into ids, `ragged` and `corpus` keep the ids on disk, `pairs` and
`scan` read parallel files, `prepare` ties these together. Nothing here but the batches needs torch.
"""
