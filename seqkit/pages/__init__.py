"""Pages of HTML, a file each: the report of a run, and what the cells of a generator do."""

import logging

# Before it is imported: matplotlib logs about fonts.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
