"""Where images come from: CIFAR, folders of images, made-up ones."""
