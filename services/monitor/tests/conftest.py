"""Lets tests import the modules beside them, and take the time that a busy machine needs."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
