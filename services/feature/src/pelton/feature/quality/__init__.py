"""Data quality at the door: rules of sources, what they set aside, and how it is taken in after all.

`rules` judges events by themselves, `neighbours` and `gate` beside others, `volumes` and `freshness` a source as a
whole; `quarantine` keeps what was set aside, and `replays` takes it in again.
"""
