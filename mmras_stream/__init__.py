"""Stream dashcam video through an anomaly-segmentation model."""
