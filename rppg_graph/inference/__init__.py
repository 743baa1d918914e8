"""A network or formula and how it is read: methods, streams, predictions, calibration."""
