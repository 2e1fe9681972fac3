import sys
from pathlib import Path

# Tests are no package (pytest imports them by path); the platform beside them is a module that several share.
sys.path.insert(0, str(Path(__file__).parent))
