"""Labelled photographs for training and measuring."""
