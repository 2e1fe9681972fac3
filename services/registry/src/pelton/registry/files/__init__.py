"""Files of runs, logged models and versions: paths to contents, and contents in the object store.

Contents lie in an area of the object store that is the registry's alone, so that what nothing needs can be deleted.
"""

from pelton.registry.files.manifests import FORMAT, Manifest, manifest, read_manifest
from pelton.registry.files.safety import unsafe_files
from pelton.registry.files.tree import FileTree

__all__ = ["FORMAT", "FileTree", "Manifest", "manifest", "read_manifest", "unsafe_files"]
