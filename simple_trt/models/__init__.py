"""The network: backbones, heads, keypoint grouping, the predictor (image -> people) and its files."""
