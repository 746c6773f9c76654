"""Films and folders of pictures to training sets. Empty until ``vidcolor build-dataset`` comes."""
