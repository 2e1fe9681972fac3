"""Sources, feature views, online and offline stores, dataset snapshots."""
