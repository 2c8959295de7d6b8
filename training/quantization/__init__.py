"""The network as an engine computes it, in torch: folded weights, and int8 simulated where the engine rounds."""
