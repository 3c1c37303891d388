"""The background process for viewers and its protocol: ``python -m Xray2MRILib.worker``."""
