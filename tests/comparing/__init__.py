"""``posekit.compare``: models side by side on one photo and one question."""
