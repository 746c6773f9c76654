"""Films and folders of pictures to training sets, and training sets read."""
