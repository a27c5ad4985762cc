"""From what a network puts out to keypoints: one module for each kind of output."""

from posekit.decode.heatmap import decode_heatmaps, encode_heatmaps, plain_peaks
from posekit.decode.nms import oks_matrix, oks_nms

__all__ = ["decode_heatmaps", "encode_heatmaps", "oks_matrix", "oks_nms", "plain_peaks"]
