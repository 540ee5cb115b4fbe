"""The names of the files of a model directory, a closed list, and the most bytes that each may have."""

from seqkit.data.forms import FIELD_FILES
from seqkit.files import JSON_LIMIT

MANIFEST = "manifest.json"
CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
METRICS = "metrics.jsonl"
SHORTLIST = "shortlist.safetensors"
TRAINING = "training"
FILES = (CONFIG, WEIGHTS, METRICS, SHORTLIST, *FIELD_FILES)
LIMITS = {CONFIG: JSON_LIMIT, WEIGHTS: 1 << 34, METRICS: 1 << 28, SHORTLIST: 1 << 30}  # bytes
