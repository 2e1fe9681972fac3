import sys
from pathlib import Path

from hypothesis import settings

# Tests are no package (pytest imports them by path); what several of them share are modules beside them.
sys.path.insert(0, str(Path(__file__).parent))

# A deadline fails tests on a busy machine.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
