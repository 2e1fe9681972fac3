"""Time tiles of mergeable, order-invariant aggregates: one code for features online and offline.

`expressions` says what is aggregated, `fold` makes tiles of events, `values` makes features of tiles; `store` keeps
tiles in LMDB beside the offsets they came from, and `reader` reads them from any process of the machine.
"""
