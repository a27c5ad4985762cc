"""The PoseKit page: Gradio in front, :mod:`posekit` behind, no arithmetic of its own."""
