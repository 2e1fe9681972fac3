"""When a model is trained again: state, timers and the policy. Pure."""
