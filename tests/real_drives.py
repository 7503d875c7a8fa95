"""Which of the real drives the weights may be measured on."""

ANOMALY_FREE = (
    "carnd_solidWhiteRight",
    "much_driving",
    "tmo_countryroad",
    "tmo_desert",
    "tmo_seattlestreet2",
)
"""Nothing strange is on them, and training and calibration never saw them."""
