"""What every layer stands on: weights, configs, calls, and the way to the engine."""
