"""Limits that keep a slip of the finger, or a hostile file, from taking the machine.

They lie far beyond any practical need. Anything larger is refused with an error that names the limit, or
truncated with a warning.
"""

LINE_BYTES = 1 << 20  # of one line of text; what follows is cut off
SENTENCE_TOKENS = 1 << 14  # of one side of a training pair, whatever --max-tokens says
BATCH_TOKENS = 1 << 20  # that are computed together
VOCABULARY = 1 << 20  # ids
LAYER_WIDTH = 1 << 16  # numbers
STREAMS = 1 << 16  # read in parallel; also the length of a slice of them
BEAM = 1000  # hypotheses
SAMPLES = 1 << 20  # texts of one command
TABLE_LINE = 1 << 26  # bytes of a table's line, and characters of a cell
FRAMES = 1 << 20  # of one sequence
CLASSES = 1 << 16  # of a column of labels
FRAME_NUMBERS = 1 << 16  # of one frame
THREADS = 1024  # and processes
